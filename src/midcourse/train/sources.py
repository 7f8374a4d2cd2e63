"""The examples of a run, source by source: what every pass goes through, and what is mixed in by share.

From a setting such as text=0.1 and whatever the user handed over to one sequence of trees with the places of each
source, and to the order in which they come.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from math import ceil
from typing import Any

import numpy as np

from midcourse.errors import InputError
from midcourse.tokens import TextTokenizer
from midcourse.train.config import SteerConfig
from midcourse.train.examples import Examples, to_trees
from midcourse.train.mix import MixedOrder, Source, parse_mix
from midcourse.train.shelf import Shelf
from midcourse.train.trees import Joined, Part
from midcourse.tree.options import TreeOptions
from midcourse.tree.token_tree import IntArray
from midcourse.types import TEACHES

__all__ = ["Gathered", "gather"]


@dataclass(frozen=True, slots=True)
class Gathered:
    """All trees of a run in one sequence."""

    trees: Joined
    main: int
    """How many of them, from the first on, every pass goes through."""
    sources: list[Source]
    skipped: tuple[str, ...]
    """What of the sources was left out."""
    seals: dict[str, str]
    """Hash of what was read of each, the main examples under no name."""

    def order(self, args: SteerConfig, epoch: Callable[[], int] = lambda: 0) -> MixedOrder | None:
        """The order of the examples where some are mixed in; otherwise it is that of transformers.

        Args:
            args: Seed and strategy.
            epoch: Says which pass it is when the indices are asked for.
        """
        if not self.sources:
            return None
        shuffle = args.train_sampling_strategy != "sequential"
        seed = args.seed if args.data_seed is None else args.data_seed
        return MixedOrder(self.main, self.sources, seed, epoch, shuffle=shuffle)

    def a_pass(self, args: SteerConfig) -> IntArray:
        """Which trees the first pass goes through, in no matter which order."""
        order = self.order(args)
        return np.arange(len(self.trees)) if order is None else np.fromiter(order.order(0), np.int64, len(order))

    def compared(self, args: SteerConfig, step: int) -> IntArray:
        """The trees that the run can draw and that are compared with the reference; none of them is read.

        Args:
            args: How long the run is.
            step: Examples of an optimizer step, over all ranks.
        """
        wanted = self.trees.compared
        order = self.order(args)
        if order is not None and wanted.any():
            whole = ceil(args.num_train_epochs) * len(order)
            reached = np.zeros(len(wanted), dtype=bool)
            for index in order.reached(args.max_steps * step if args.max_steps > 0 else whole):
                reached[index] = True
            wanted = wanted & reached
        return np.flatnonzero(wanted)

    def kept(self) -> dict[str, Any]:
        """What a checkpoint must keep to tell whether the same examples follow."""
        return {"mix": [asdict(source) for source in self.sources], "order": MixedOrder.SCHEME, "seals": self.seals}

    def check_continues(self, state: Mapping[str, Any]) -> str | None:
        """Compare with what a checkpoint kept; returns a sentence where the main examples have changed.

        Raises:
            InputError: What is mixed in is not the same, or would not come in the same order.
        """
        now, anew = self.kept(), "or start anew in another output_dir"
        if state.get("mix", []) != now["mix"]:
            raise InputError(
                f"the mix is not the one of the checkpoint: {state.get('mix', [])} then, {now['mix']} now. Go on with "
                f"the same data, `mix` and length of the run, {anew}"
            )
        if self.sources and state.get("order") != now["order"]:
            raise InputError(
                "the checkpoint is of an earlier version, which drew what is mixed in in another order. Finish the run "
                f"with that version, {anew}"
            )
        before = state.get("seals", {})
        for name in before:
            if name and before[name] != self.seals.get(name):
                raise InputError(
                    f"{name} does not hold the examples that the checkpoint was made with. Put them back, {anew}"
                )
        if before.get("", self.seals[""]) != self.seals[""]:
            return (
                "The data are not those that the checkpoint was made with: the run goes on with what is there now, and "
                "its result is not that of a run without the stop"
            )
        return None


def gather(
    examples: Examples,
    more: Mapping[str, Iterable[Any]],
    args: SteerConfig,
    tokenizer: TextTokenizer,
    options: TreeOptions,
    shelf: Shelf | None = None,
) -> Gathered:
    """Sort out what is mixed in.

    Args:
        examples: The training data. Those of a kind that `args.mix` names are drawn by its share.
        more: Further data by the name that `args.mix` gives them, read only as far as the run can use them.
        args: `mix` and how long the run is.
        tokenizer: The model's.
        options: How trajectories are read.
        shelf: Where further data are put that are too many for memory.

    Raises:
        InputError: `mix` names what is not there, or nothing is left for every pass to go through.
    """
    shares = parse_mix(args.mix)
    teaches = examples.trees.column("teaches")
    apart = [TEACHES.index(name) for name in shares if name in TEACHES and name not in more]
    main = np.flatnonzero(~np.isin(teaches, apart))
    if not len(main):
        raise InputError(
            f"everything there is, is mixed in by share ({', '.join(shares)}), and no pass has an end then. Leave out "
            "`mix` to train on all of it"
        )
    parts = [Part(examples.trees, main if apart else range(len(main)))]
    sources: list[Source] = []
    skipped: list[str] = []
    seals = {"": examples.seal}
    for number, (name, share) in enumerate(shares.items(), 1):
        count = Source.count(share, sum(shares.values()), len(main))
        most = count * _passes(args, round(len(main) / (1 - sum(shares.values()))))
        label = name.rpartition("/")[2]
        label = name if any(s.name == label for s in sources) else label
        if name in more:
            read = to_trees(more[name], tokenizer, options, shelf and shelf.named(f"mix-{number}"), most)
            parts.append(Part(read.trees, range(len(read.trees)), label))
            seals[label] = read.seal
            skipped += [f"{name}: {why}" for why in read.skipped]
        else:
            found = np.flatnonzero(teaches == TEACHES.index(name))[:most] if name in TEACHES else main[:0]
            parts.append(Part(examples.trees, found, label))
        if not len(parts[-1].at):
            kinds = sorted(TEACHES[n] for n in np.unique(teaches))
            raise InputError(
                f"mix: the data hold nothing that teaches {name} (they hold {', '.join(kinds)}). Import some, or name "
                "a file: --mix replay.jsonl=0.1"
            )
        start = sum(len(p.at) for p in parts[:-1])
        sources.append(Source(label, start, len(parts[-1].at), count))
    return Gathered(Joined(parts), len(main), sources, tuple(skipped), seals)


def _passes(args: SteerConfig, per_pass: int) -> int:
    """How often, at most, the run goes through the steers on one device."""
    if args.max_steps > 0:
        drawn: int = args.max_steps * args.per_device_train_batch_size * args.gradient_accumulation_steps
        devices: int = max(1, args.world_size)
        return 1 + ceil(drawn * devices / max(1, per_pass))
    epochs: float = args.num_train_epochs
    return ceil(epochs)
