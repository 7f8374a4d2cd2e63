"""Whatever a user hands over as data, as token trees.

Rows with the bring-your-own columns, trajectories from a store, or trees: all end as one kind of example. It knows no
model and no loss.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from midcourse.errors import InputError, TokenizerMismatch
from midcourse.rows import join, read_rows
from midcourse.tokens import TextTokenizer
from midcourse.tree.answers import originals_known
from midcourse.tree.token_tree import TokenTree, TreeOptions, build_tree
from midcourse.types import Trajectory

__all__ = ["Examples", "to_trees"]


@dataclass(frozen=True, slots=True)
class Examples:
    """Trees to train on and what was left out."""

    trees: tuple[TokenTree, ...]
    skipped: tuple[str, ...]
    whole_originals: int = 0
    """Of whole answers, how many originals are known to their end and not only to where the model was stopped."""

    @property
    def steers(self) -> int:
        """Steers with at least one pair."""
        return len({p.steer for t in self.trees for p in t.pairs})

    @property
    def unpaired(self) -> int:
        """Pairs without a rejected side."""
        return sum(len(p.rejected) == 0 for t in self.trees for p in t.pairs)


def to_trees(data: Iterable[Any], tokenizer: TextTokenizer, options: TreeOptions) -> Examples:
    """Build one tree per trajectory.

    Args:
        data: Rows (mappings with the columns of docs/bring-your-own.md, e.g. a `datasets.Dataset`), `Trajectory`
            values or `TokenTree`s; one kind at a time.
        tokenizer: The model's; trajectories made by another one are refused.
        options: What of each trajectory is run and learnt from.

    Raises:
        TokenizerMismatch: A trajectory's ids are another tokenizer's.
        InputError: The data are of no known kind, or nothing in them can be learnt from.
    """
    values = list(data)
    if values and all(isinstance(v, TokenTree) for v in values):
        return Examples(tuple(values), ())
    skipped: list[str] = []
    trajectories: Sequence[Trajectory]
    if values and all(isinstance(v, Trajectory) for v in values):
        trajectories = values
    else:
        rows = []
        for line, value in enumerate(values, 1):
            try:
                rows += read_rows(value, line=line)
            except InputError as error:
                skipped.append(str(error))
        trajectories, why = join(rows, tokenizer, source="train_dataset")
        skipped += [str(w) for w in why]
    trees: list[TokenTree] = []
    whole = 0
    for trajectory in trajectories:
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
            trees.append(built.tree)
            whole += bool(built.tree.pairs) and originals_known(trajectory, options)
    if not trees:
        reasons = "; ".join(islice(skipped, 3)) or "there are no steers"
        raise InputError(f"nothing to train on: {len(values)} examples given, none usable ({reasons})")
    return Examples(tuple(trees), tuple(skipped), whole)
