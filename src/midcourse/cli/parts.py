"""The part of a source that is trained on and the part that is looked at meanwhile.

A source of a few thousand texts is read once and held; a larger one is read anew for each part, so that memory does not
grow with it. It builds no trees.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

from rich.console import Console

from midcourse.cli.reading import is_store, name_skipped, read_trajectories, signature
from midcourse.errors import InputError
from midcourse.evaluate.forks import group_of, part_of
from midcourse.types import Trajectory

__all__ = ["SourcePart", "read_parts"]

_HELD = 4096
"""Trajectories that are held."""
_FEW = 10
"""Below so many prompts none is held out."""


@dataclass(frozen=True, slots=True)
class SourcePart:
    """One part of a source, or all of it, read anew each time it is asked for."""

    plan: dict[str, Any]
    tokenizer: Any
    name: str | None

    def __iter__(self) -> Iterator[Trajectory]:
        quiet = None if self.name in (None, "train") else _say_nothing  # what cannot be used is named once
        found = _read(self.plan, self.tokenizer, quiet)
        return (t for t in found if self.name is None or part_of(t) == self.name)

    @property
    def signature(self) -> str | None:
        """What is known of it without reading it."""
        if is_store(self.plan["source"]):
            return None
        return signature(Path(self.plan["source"]), self.name, self.plan["chat"], self.plan["columns"])


def _say_nothing(_: object) -> None:
    pass


def _read(plan: dict[str, Any], tokenizer: Any, say: Callable[[object], None] | None) -> Iterator[Trajectory]:
    return read_trajectories(plan["source"], tokenizer, chat=plan["chat"], columns=plan["columns"], say=say)


def read_parts(
    plan: dict[str, Any], tokenizer: Any, console: Console
) -> tuple[Iterable[Trajectory], Iterable[Trajectory] | None]:
    """What is trained on, and the dev part or None.

    Args:
        plan: `source`, `chat` and `columns` as the command line has them.
        tokenizer: The model's.
        console: Told where nothing can be held out.

    Raises:
        InputError: The source holds nothing, or nothing to train on.
    """
    skipped: list[object] = []
    reading = _read(plan, tokenizer, skipped.append)
    held = list(islice(reading, _HELD + 1))
    many = len(held) > _HELD
    groups: set[str] = set()
    split, names = False, set()
    for trajectory in chain(held, reading):
        groups.add(group_of(trajectory))
        split = split or bool(trajectory.split)
        names.add(part_of(trajectory))
        if many and (split or len(groups) >= _FEW) and names >= {"train", "dev"}:
            break  # all that must be known is
    if not many:
        for what in skipped:
            name_skipped(what)
    if not held:
        raise InputError(f"{plan['source']} holds no steers")

    def part(name: str | None) -> Iterable[Trajectory]:
        return SourcePart(plan, tokenizer, name) if many else [t for t in held if name in (None, part_of(t))]

    if len(groups) < _FEW and not split:
        console.print(
            f"[yellow]Only {len(groups)} prompt{'s' if len(groups) > 1 else ''}:[/] all are trained on and none "
            "is held out. Nothing can be claimed about other prompts before there are more."
        )
        return part(None), None
    if "train" not in names:
        count = "" if many else f"{len(held)} "
        raise InputError(f"all {count}trajectories of {plan['source']} are held out; mark some rows split=train")
    return part("train"), part("dev") if "dev" in names else None
