"""The examples of a run, source by source: what every pass goes through, and what is mixed in by share.

From a setting such as text=0.1 and whatever the user handed over to one list of trees with the places of each source.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from math import ceil
from typing import Any

from midcourse.errors import InputError
from midcourse.tokens import TextTokenizer
from midcourse.train.config import SteerConfig
from midcourse.train.examples import Examples, to_trees
from midcourse.train.mix import Source, parse_mix
from midcourse.tree.options import TreeOptions
from midcourse.tree.token_tree import TokenTree

__all__ = ["Gathered", "gather"]


@dataclass(frozen=True, slots=True)
class Gathered:
    """All trees of a run in one list."""

    trees: list[TokenTree]
    main: int
    """How many of them, from the first on, every pass goes through."""
    sources: list[Source]
    skipped: tuple[str, ...]
    """What of the sources was left out."""


def gather(
    examples: Examples,
    more: Mapping[str, Iterable[Any]],
    args: SteerConfig,
    tokenizer: TextTokenizer,
    options: TreeOptions,
) -> Gathered:
    """Sort out what is mixed in.

    Args:
        examples: The training data. Those of a kind that `args.mix` names are drawn by its share.
        more: Further data by the name that `args.mix` gives them, read only as far as the run can use them.
        args: `mix` and how long the run is.
        tokenizer: The model's.
        options: How trajectories are read.

    Raises:
        InputError: `mix` names what is not there, or nothing is left for every pass to go through.
    """
    shares = parse_mix(args.mix)
    main = [t for t in examples.trees if t.teaches not in shares or t.teaches in more]
    if not main:
        raise InputError(
            f"everything there is, is mixed in by share ({', '.join(shares)}), and no pass has an end then. Leave out "
            "`mix` to train on all of it"
        )
    trees = list(main)
    sources: list[Source] = []
    skipped: list[str] = []
    for name, share in shares.items():
        count = Source.count(share, sum(shares.values()), len(main))
        most = count * _passes(args, round(len(main) / (1 - sum(shares.values()))))
        if name in more:
            read = to_trees(islice(more[name], most), tokenizer, options)
            found = list(read.trees)
            skipped += [f"{name}: {why}" for why in read.skipped]
        else:
            found = [t for t in examples.trees if t.teaches == name][:most]
        if not found:
            kinds = sorted({t.teaches for t in examples.trees})
            raise InputError(
                f"mix: the data hold nothing that teaches {name} (they hold {', '.join(kinds)}). Import some, or name "
                "a file: --mix replay.jsonl=0.1"
            )
        label = name.rpartition("/")[2]
        label = name if any(s.name == label for s in sources) else label
        sources.append(Source(label, len(trees), len(found), count))
        trees += [replace(t, source=label) for t in found]
    return Gathered(trees, len(main), sources, tuple(skipped))


def _passes(args: SteerConfig, per_pass: int) -> int:
    """How often, at most, the run goes through the steers on one device."""
    if args.max_steps > 0:
        drawn: int = args.max_steps * args.per_device_train_batch_size * args.gradient_accumulation_steps
        devices: int = max(1, args.world_size)
        return 1 + ceil(drawn * devices / max(1, per_pass))
    epochs: float = args.num_train_epochs
    return ceil(epochs)
