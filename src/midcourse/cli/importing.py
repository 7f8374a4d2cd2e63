"""`midcourse import`: steers from files into the store, each bad row named and passed over."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from midcourse.cli.reading import columns_of
from midcourse.errors import InputError

if TYPE_CHECKING:
    from midcourse.rows.join import Skipped
    from midcourse.tokens import TextTokenizer
    from midcourse.types import Steer, Trajectory

    Found = Iterator[Trajectory | Skipped]

app = typer.Typer(help="Bring steers in: rows you wrote, or a data set of human corrections.", no_args_is_help=True)

SHOWN = 3
"""Steers that `--check` shows back."""
CONTEXT = 200
"""Characters of the prefix shown with each."""

Paths = Annotated[list[Path], typer.Argument(help="Files (.jsonl, .csv, .tsv, .parquet) or folders of them.")]
Model = Annotated[str, typer.Option(help="Whose tokenizer: `builtin`, a model folder, or a hub id.")]
StorePath = Annotated[
    str | None, typer.Option("--store", help="Store path or URL; default MIDCOURSE_STORE or ./midcourse.db.")
]
Split = Annotated[str | None, typer.Option(help="train, dev or test, for rows that name none.")]
Check = Annotated[bool, typer.Option("--check", help="Show three steers and what would be skipped; store nothing.")]
Strict = Annotated[bool, typer.Option("--strict", help="Stop at the first bad row; what was complete stays stored.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


@app.command("steers")
def steers(
    paths: Paths,
    model: Model = "builtin",
    store: StorePath = None,
    map_: Annotated[list[str] | None, typer.Option("--map", help="Rename a column, e.g. chosen=fix.")] = None,
    chat: Annotated[bool, typer.Option("--chat", help="Wrap plain-text prompts as a user's message.")] = False,
    split: Split = None,
    check: Check = False,
    strict: Strict = False,
    json_: Json = False,
) -> None:
    """Import rows of prompt, prefix, rejected and chosen, or texts with marked steers (docs/bring-your-own.md)."""
    from midcourse.capture.importers.steers import import_steers

    columns = columns_of(map_ or [])

    def found(tokenizer: "TextTokenizer", advance: Callable[[Path, int], None]) -> "Found":
        return import_steers(paths, tokenizer, columns=columns, chat=chat, split=split, advance=advance)

    _run(found, paths, model, store, check=check, strict=strict, as_json=json_)


@app.command("prm800k")
def prm800k(
    paths: Paths,
    model: Model = "builtin",
    store: StorePath = None,
    preferences: Annotated[
        bool, typer.Option("--preferences", help="Also: each chosen candidate against those rated −1 beside it.")
    ] = False,
    split: Split = None,
    check: Check = False,
    strict: Strict = False,
    json_: Json = False,
) -> None:
    """Import PRM800K: steps that people wrote, against the candidates they had rated −1."""
    from midcourse.capture.importers.prm800k import import_prm800k

    def found(tokenizer: "TextTokenizer", advance: Callable[[Path, int], None]) -> "Found":
        return import_prm800k(paths, tokenizer, preferences=preferences, split=split, advance=advance)

    _run(found, paths, model, store, check=check, strict=strict, as_json=json_)


@dataclass
class _Tally:
    """What an import came to."""

    trajectories: int = 0
    steers: int = 0
    without_rejected: int = 0
    known: int = 0
    """Trajectories that were there already."""
    skipped: int = 0
    reasons: list[str] = field(default_factory=list)


def _run(
    found: "Callable[[TextTokenizer, Callable[[Path, int], None]], Found]",
    paths: list[Path],
    model: str,
    store: str | None,
    *,
    check: bool,
    strict: bool,
    as_json: bool,
) -> None:
    from midcourse.capture.importers.files import find_files
    from midcourse.model import resolve
    from midcourse.store import Store
    from midcourse.tokens import TextTokenizer

    console = Console(stderr=True)
    files = find_files(paths)
    tokenizer = TextTokenizer.load(resolve(model))
    tally, shown = _Tally(), 0
    with _progress(files, console) as advance:
        trajectories = _named(found(tokenizer, advance), tally, console, strict=strict, all_reasons=as_json)
        if check:
            for t in trajectories:
                _count(t, tally)
                for steer in t.steers[: SHOWN - shown]:
                    shown += 1
                    if not as_json:
                        console.print(_show(t, steer, tokenizer, plain=not console.is_terminal))
        else:
            with Store(store) as target:
                new = target.add_many(_counted(trajectories, tally))
            tally.known = tally.trajectories - new
    _report(tally, console, check=check, as_json=as_json)
    if not tally.steers:
        raise InputError(f"nothing could be imported: {tally.skipped} rows skipped, see the reasons above")


def _counted(trajectories: "Iterator[Trajectory]", tally: _Tally) -> "Iterator[Trajectory]":
    for trajectory in trajectories:
        _count(trajectory, tally)
        yield trajectory


def _count(trajectory: "Trajectory", tally: _Tally) -> None:
    tally.trajectories += 1
    tally.steers += len(trajectory.steers)
    tally.without_rejected += sum(not s.rejected for s in trajectory.steers)


def _named(
    found: "Found", tally: _Tally, console: Console, *, strict: bool, all_reasons: bool
) -> "Iterator[Trajectory]":
    """The trajectories; every skipped row is counted and its reason printed on the way."""
    from midcourse.rows.join import Skipped

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


def _report(tally: _Tally, console: Console, *, check: bool, as_json: bool) -> None:
    if as_json:
        result: dict[str, Any] = {
            "trajectories": tally.trajectories,
            "steers": tally.steers,
            "without_rejected": tally.without_rejected,
            "already_there": tally.known,
            "skipped": tally.skipped,
            "reasons": tally.reasons,
            "stored": not check,
        }
        typer.echo(json.dumps(result, ensure_ascii=False))
        return
    done = "would be imported" if check else "imported"
    console.print(
        f"{tally.steers} steers in {tally.trajectories} trajectories {done}, {tally.skipped} rows skipped"
        + (f"; {tally.known} trajectories were already there" if tally.known else ""),
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
