"""Whatever a user hands over as data, as token trees.

Rows with the bring-your-own columns, trajectories from a store, or trees: all end as one kind of example. Trajectories
and trees are taken one by one, as they come; rows are joined into texts first, for which all must be there. It knows
no model and no loss.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from itertools import chain, islice
from typing import Any

from midcourse import __version__
from midcourse.errors import InputError, TokenizerMismatch
from midcourse.rows import join, read_rows
from midcourse.tokens import TextTokenizer
from midcourse.train.shelf import Arriving, Shelf
from midcourse.train.trees import Trees
from midcourse.tree.answers import originals_known
from midcourse.tree.token_tree import TokenTree, TreeOptions, build_tree
from midcourse.types import Trajectory

__all__ = ["Examples", "to_trees"]


@dataclass(frozen=True, slots=True)
class Examples:
    """Trees to train on and what was left out."""

    trees: Trees
    skipped: tuple[str, ...]
    whole_originals: int = 0
    """Of whole answers, how many originals are known to their end and not only to where the model was stopped."""
    seal: str = ""
    """Hash of all trees in their order."""
    writers: Mapping[str, int] = field(default_factory=dict)
    """How many of them each model wrote, by the hash of its weights, where that is known."""

    @property
    def steers(self) -> int:
        """Steers with at least one pair."""
        return int(self.trees.column("steers").sum())

    @property
    def unpaired(self) -> int:
        """Pairs without a rejected side."""
        return int(self.trees.column("unpaired").sum())

    @property
    def tokens(self) -> int:
        """Of all trees."""
        return int(self.trees.column("tokens").sum())


def to_trees(
    data: Iterable[Any],
    tokenizer: TextTokenizer,
    options: TreeOptions,
    shelf: Shelf | None = None,
    most: int | None = None,
) -> Examples:
    """Build one tree per trajectory.

    Args:
        data: Rows (mappings with the columns of docs/bring-your-own.md, e.g. a `datasets.Dataset`), `Trajectory`
            values or `TokenTree`s; one kind at a time. A `signature` that it may have, a text, says what it is: while
            that stays the same, a file of trees that an earlier start has written is taken instead of it.
        tokenizer: The model's; trajectories made by another one are refused.
        options: What of each trajectory is run and learnt from.
        shelf: Where trees are put that are too many for memory; None keeps all in memory.
        most: How many of the data are read.

    Raises:
        TokenizerMismatch: A trajectory's ids are another tokenizer's.
        InputError: The data are of no known kind, or nothing in them can be learnt from.
    """

    def read(arriving: Arriving) -> dict[str, Any]:
        return _read(islice(data, most), tokenizer, options, arriving)

    signature = getattr(data, "signature", None)
    key = None
    if isinstance(signature, str):
        settings = {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(options).items()}
        key = [__version__, signature, tokenizer.hash, settings, most]
    if shelf is not None:
        trees, said = shelf.keep(key, read)
    else:
        arriving = Arriving()
        said = {**read(arriving), "seal": arriving.seal}
        trees = arriving.held()
    return Examples(trees, tuple(said["skipped"]), said["whole_originals"], said["seal"], said["writers"])


def _read(data: Iterator[Any], tokenizer: TextTokenizer, options: TreeOptions, arriving: Arriving) -> dict[str, Any]:
    """Add the trees of all data; returns what is to be said of them."""
    first = next(data, None)
    values = chain([] if first is None else [first], data)
    skipped: list[str] = []
    whole = 0
    if isinstance(first, TokenTree):
        for tree in _only(TokenTree, values):
            arriving.add(tree)
        return {"skipped": skipped, "whole_originals": whole, "writers": arriving.writers}
    rows = not isinstance(first, Trajectory)
    for trajectory in _joined(values, tokenizer, skipped) if rows else _only(Trajectory, values):
        if trajectory.tokenizer != tokenizer.hash:
            raise TokenizerMismatch(
                f"trajectory {trajectory.id} was tokenized by {trajectory.tokenizer}, the model's tokenizer is "
                f"{tokenizer.hash}. Train the model that the steers were made with, or derive them for this one with "
                "`midcourse store retokenize`"
            )
        built = build_tree(trajectory, options)
        skipped += built.skipped
        held = trajectory.learns_text and built.tree.retain.any()  # text whose distribution is held, not learnt
        if len(built.tree.labels) or held:
            arriving.add(built.tree)
            whole += bool(built.tree.pairs) and originals_known(trajectory, options)
    if not len(arriving):
        reasons = "; ".join(islice(skipped, 3)) or "there are no steers"
        raise InputError(f"nothing to train on: of what was given, nothing is usable ({reasons})")
    return {"skipped": skipped, "whole_originals": whole, "writers": arriving.writers}


def _only(kind: type, values: Iterable[Any]) -> Iterator[Any]:
    for n, value in enumerate(values, 1):
        if not isinstance(value, kind):
            raise InputError(
                f"the data begin with a {kind.__name__}, and number {n} of them is a {type(value).__name__}; give one "
                "kind at a time"
            )
        yield value


def _joined(values: Iterable[Any], tokenizer: TextTokenizer, skipped: list[str]) -> Iterator[Trajectory]:
    """Rows as trajectories."""
    rows = []
    for line, value in enumerate(values, 1):
        try:
            rows += read_rows(value, line=line)
        except InputError as error:
            skipped.append(str(error))
    trajectories, why = join(rows, tokenizer, source="train_dataset")
    skipped += [str(w) for w in why]
    yield from trajectories
