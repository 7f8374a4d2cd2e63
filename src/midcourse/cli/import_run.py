"""One import from found trajectories to what a person reads: counted, named, stored or only shown."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.text import Text

from midcourse.cli.reading import model_ref
from midcourse.errors import InputError

if TYPE_CHECKING:
    from midcourse.capture.importers.files import Reader
    from midcourse.rows import Skipped
    from midcourse.tokens import TextTokenizer
    from midcourse.types import Steer, Trajectory

    Found = Iterator[Trajectory | Skipped]
    Find = Callable[[TextTokenizer, Callable[[Path, int], None]], Found]

__all__ = ["Options", "run_import"]

SHOWN = 3
"""Steers that `--check` shows back."""
CONTEXT = 200
"""Characters of the prefix shown with each."""
TEXTS = {"pairs": "pairs of whole answers", "instructions": "instructions", "text": "texts"}


@dataclass(frozen=True, slots=True)
class Options:
    """What every import command takes."""

    paths: list[Path]
    model: str
    store: str | None
    check: bool
    strict: bool
    as_json: bool


@dataclass
class _Tally:
    """What an import came to."""

    trajectories: int = 0
    steers: int = 0
    without_rejected: int = 0
    known: int = 0
    """Trajectories that were there already."""
    inside: int = 0
    """Forks whose prefix would be tokenized in another way if it stood alone; counted by `--check`."""
    teaches: Counter[str] = field(default_factory=Counter)
    """Trajectories by what they are examples of."""
    skipped: int = 0
    reasons: list[str] = field(default_factory=list)


def run_import(find: "Find", options: Options, formats: "dict[str, Reader] | None" = None) -> None:
    """Store what is found, or with `check` show some of it; say what it came to.

    Args:
        find: From a tokenizer and a function told about progress to trajectories and what was skipped.
        options: What the user asked for.
        formats: Suffix to reader, where not the usual ones.
    """
    from midcourse.capture.importers.canonical import is_canonical
    from midcourse.capture.importers.files import find_files
    from midcourse.model import resolve
    from midcourse.store import Store
    from midcourse.tokens import TextTokenizer

    console = Console(stderr=True)
    files = find_files(options.paths, formats)
    tokenizer = TextTokenizer.load(resolve(options.model))
    meant_for = model_ref(options.model)
    check, as_json = options.check, options.as_json
    tally, shown = _Tally(), 0
    with _progress(files, console) as advance:
        trajectories = _named(find(tokenizer, advance), tally, console, strict=options.strict, all_reasons=as_json)
        if check:
            for t in trajectories:
                _count(t, tally)
                tally.inside += sum(not is_canonical(t, s.fork, tokenizer) for s in t.steers)
                for steer in t.steers[: SHOWN - shown]:
                    shown += 1
                    if not as_json:
                        console.print(_show(t, steer, tokenizer, plain=not console.is_terminal))
        else:
            with Store(options.store) as target:
                known = (t if t.model else t.with_(model=meant_for) for t in _counted(trajectories, tally))
                new = target.add_many(known)
            tally.known = tally.trajectories - new
    _report(tally, console, check=check, as_json=as_json)
    if not tally.trajectories:
        skipped = _several(tally.skipped, "row")
        why = f"{skipped} skipped, see the reasons above" if tally.skipped else "no row was found"
        raise InputError(f"nothing could be imported: {why}")


def _counted(trajectories: "Iterator[Trajectory]", tally: _Tally) -> "Iterator[Trajectory]":
    for trajectory in trajectories:
        _count(trajectory, tally)
        yield trajectory


def _count(trajectory: "Trajectory", tally: _Tally) -> None:
    tally.trajectories += 1
    tally.teaches[trajectory.teaches] += 1
    tally.steers += len(trajectory.steers)
    tally.without_rejected += sum(not s.rejected for s in trajectory.steers)


def _named(
    found: "Found", tally: _Tally, console: Console, *, strict: bool, all_reasons: bool
) -> "Iterator[Trajectory]":
    """The trajectories; every skipped row is counted and its reason printed on the way."""
    from midcourse.rows import Skipped

    for item in found:
        if not isinstance(item, Skipped):
            yield item
            continue
        if strict:
            raise InputError(f"{item} (--strict stops at the first bad row)")
        tally.skipped += 1
        if all_reasons:
            tally.reasons.append(str(item))
        else:
            console.print(Text(f"skipped {item}", style="yellow"), soft_wrap=True, highlight=False)


def _several(count: int, one: str, many: str | None = None) -> str:
    return f"{count} {one if count == 1 else many or one + 's'}"


def _report(tally: _Tally, console: Console, *, check: bool, as_json: bool) -> None:
    if as_json:
        result: dict[str, Any] = {
            "trajectories": tally.trajectories,
            "steers": tally.steers,
            "without_rejected": tally.without_rejected,
            "already_there": tally.known,
            "teaches": dict(tally.teaches),
            **({"non_canonical_forks": tally.inside} if check else {}),
            "skipped": tally.skipped,
            "reasons": tally.reasons,
            "stored": not check,
        }
        typer.echo(json.dumps(result, ensure_ascii=False))
        return
    done = "would be imported" if check else "imported"
    console.print(
        f"{_several(tally.steers, 'steer')} in {_several(tally.trajectories, 'trajectory', 'trajectories')} {done}, "
        f"{_several(tally.skipped, 'row')} skipped"
        + (f"; there already: {_several(tally.known, 'trajectory', 'trajectories')}" if tally.known else ""),
        highlight=False,
        soft_wrap=True,
    )
    others = [f"{tally.teaches[name]} {said}" for name, said in TEXTS.items() if tally.teaches[name]]
    if others:
        console.print(f"among the trajectories {' and '.join(others)}", highlight=False, soft_wrap=True)
    if check and tally.steers:
        console.print(
            f"{tally.inside} of {tally.steers} forks lie inside what a tokenizer takes as one piece "
            f"({100 * tally.inside / tally.steers:.1f}%)",
            highlight=False,
            soft_wrap=True,
        )
    if tally.without_rejected:
        console.print(
            f"{tally.without_rejected} have no rejected side: they train as plain text, or "
            "`midcourse steers fill` samples one",
            highlight=False,
            soft_wrap=True,
        )


def _show(trajectory: "Trajectory", steer: "Steer", tokenizer: "TextTokenizer", *, plain: bool) -> Text:
    """One steer as a person reads it: the end of the prefix, what was rejected, what was put, what follows.

    Where there is no colour (`plain`), CriticMarkup takes its place.
    """
    before = tokenizer.decode(trajectory.path(steer.fork))
    trunk = trajectory.path(trajectory.head)
    end = steer.chosen.depth if steer.chosen else steer.fork.depth
    text = Text(("…" if len(before) > CONTEXT else "") + before[-CONTEXT:], style="dim")
    turned_down = [tokenizer.decode(trajectory.path(r.end)[steer.fork.depth :]) for r in steer.rejected]
    put = tokenizer.decode(trunk[steer.fork.depth : end])
    for words in filter(None, turned_down[:3]):
        text.append(f"{{--{words}--}}" if plain else words, style="red strike")
    if put:
        text.append(f"{{++{put}++}}" if plain else put, style="bold green")
    text.append(tokenizer.decode(trunk[end : end + 12]), style="dim")
    if len(turned_down) > 3:
        text.append(f"  (and {len(turned_down) - 3} more rejected)", style="italic")
    return Text.assemble((f"── {steer.kind} ", "bold"), (f"{steer.id[:8]}\n", "dim"), text, "\n")


@contextmanager
def _progress(files: list[Path], console: Console) -> Iterator[Callable[[Path, int], None]]:
    """A bar over the bytes of all files, gone when done; silent where the output is no terminal."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    sizes = {path: path.stat().st_size for path in files}
    ahead = {path: sum(list(sizes.values())[:n]) for n, path in enumerate(sizes)}
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("Reading", total=sum(sizes.values()))

        def advance(path: Path, position: int) -> None:
            progress.update(task, description=path.name, completed=ahead[path] + position)

        yield advance
