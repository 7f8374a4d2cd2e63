"""`midcourse steers`: what is in a store, shown, counted, checked and given away."""

import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from midcourse.cli.filling import fill
from midcourse.errors import InputError

if TYPE_CHECKING:
    from midcourse.store import Store
    from midcourse.tokens import TextTokenizer
    from midcourse.types import Steer, Trajectory

__all__ = ["ModelOption", "SourceOption", "SplitOption", "StoreOption", "Tokenizers", "app", "verify"]

app = typer.Typer(help="Look at stored steers: list, show, count, check and export them.", no_args_is_help=True)

StoreOption = Annotated[
    str | None,
    typer.Option("--store", help="Path or URL of the store.", envvar="MIDCOURSE_STORE", show_default="./midcourse.db"),
]
SourceOption = Annotated[str | None, typer.Option(help="Only steers of this source.")]
SplitOption = Annotated[str | None, typer.Option(help="Only steers of this split: train, dev or test.")]
ModelOption = Annotated[
    str | None,
    typer.Option(help="Model whose tokenizer made the steers.", show_default="the one the store names, else builtin"),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


app.command()(fill)


@app.command("list")
def list_(
    store: StoreOption = None,
    source: SourceOption = None,
    split: SplitOption = None,
    kind: Annotated[str | None, typer.Option(help="Only steers of this kind, e.g. typed.")] = None,
    limit: Annotated[int, typer.Option(min=0, help="At most so many; 0 lists all.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """List steers in the order in which they were stored."""
    rows: list[dict[str, Any]] = []
    more = False
    with _open(store) as opened:
        for trajectory, steer in _steers(opened, source, split):
            if kind is not None and steer.kind != kind:
                continue
            if limit and len(rows) == limit:
                more = True
                break
            rows.append(_line(trajectory, steer))
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    table = Table(box=None, header_style="dim", pad_edge=False)
    for name in ("steer", "kind", "state", "source", "split", "annotator", "rejected", "reason"):
        table.add_column(name, no_wrap=name == "steer", overflow="ellipsis")
    for row in rows:
        short = {**row, "steer": row["steer"][:12]}
        table.add_row(*(Text("" if short[c.header] is None else str(short[c.header])) for c in table.columns))  # type: ignore[index]
    console = Console(highlight=False)
    console.print(table if rows else Text("No steers match."))
    if more:
        console.print(Text(f"… and more: --limit {limit * 10} or --limit 0 shows them.", "dim"))


@app.command()
def show(
    ids: Annotated[
        list[str] | None, typer.Argument(help="Ids of steers, or how they begin. Default: the newest.")
    ] = None,
    store: StoreOption = None,
    number: Annotated[int, typer.Option("--number", "-n", min=1, help="Without ids: so many of the newest.")] = 3,
    model: ModelOption = None,
    full: Annotated[bool, typer.Option("--full", help="Do not shorten the text.")] = False,
) -> None:
    """Show steers: the prefix, what was ~~rejected~~, and what was chosen."""
    from collections import deque

    from midcourse.cli.show import draw_steer
    from midcourse.publish.datasets import steer_text

    console = Console(highlight=False, soft_wrap=True)
    tokenizer = Tokenizers(model)
    with _open(store) as opened:
        found = [opened.find_steer(i) for i in ids] if ids else list(deque(_steers(opened, None, None), number))
    if not found:
        console.print(Text("The store holds no steers."))
    for trajectory, steer in found:
        text = steer_text(trajectory, steer, tokenizer.of(trajectory))
        row = _line(trajectory, steer)
        facts = [row[key] for key in ("kind", "state", "source", "split", "annotator") if row[key]]
        console.print(Text.assemble(("steer ", "dim"), (steer.id[:12], "bold"), (f"  {' · '.join(facts)}", "dim")))
        if steer.reason:
            console.print(Text(f"because: {steer.reason}", "italic dim"))
        colour = console.is_terminal and not console.no_color
        length = sys.maxsize if full else 300
        drawn = draw_steer(
            text.prefix, text.rejected, text.chosen, tail=text.tail, ended=text.ended, colour=colour, length=length
        )
        console.print(drawn, end="\n\n")


@app.command()
def stats(store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Count steers by kind, source, split and annotator, with and without a rejected side."""
    with _open(store) as opened:
        found = opened.stats()
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim")
    table.add_column(justify="right")
    for name, value in found.items():
        if isinstance(value, int):
            table.add_row(name.replace("_", " "), f"{value:,}")
    for name, value in found.items():
        if isinstance(value, dict):
            table.add_section()
            for key, count in value.items():
                table.add_row(Text(f"{name.rstrip('s')} {key}"), f"{count:,}")
    Console(highlight=False).print(table)


@app.command()
def verify(store: StoreOption = None) -> None:
    """Derive every hash again and walk every place. Exit code 1 when something is wrong."""
    with _open(store) as opened:
        wrong = opened.verify()
        name = opened.name
    for sentence in wrong:
        typer.echo(sentence)
    if wrong:
        typer.echo(f"{len(wrong)} things are wrong in {name}: restore a backup, or import again into a new store.")
        raise typer.Exit(1)
    typer.echo(f"{name} is sound.")


def _open(store: str | None) -> "Store":
    from midcourse.store import Store

    return Store(store, create=False)


def _steers(store: "Store", source: str | None, split: str | None) -> "Iterator[tuple[Trajectory, Steer]]":
    for trajectory in store.trajectories(source=source, split=split):
        for steer in trajectory.steers:
            yield trajectory, steer


def _line(trajectory: "Trajectory", steer: "Steer") -> dict[str, Any]:
    """What `list` says of a steer."""
    return {
        "steer": steer.id,
        "trajectory": trajectory.id,
        "kind": steer.kind,
        "state": steer.state,
        "source": trajectory.source,
        "split": trajectory.split,
        "annotator": steer.annotator or trajectory.annotator,
        "rejected": len(steer.rejected),
        "weight": steer.weight,
        "created": steer.created,
        "reason": steer.reason,
    }


class Tokenizers:
    """The tokenizer of each trajectory, loaded once per model."""

    def __init__(self, model: str | None) -> None:
        self._model = model
        self._loaded: dict[str, TextTokenizer] = {}

    def of(self, trajectory: "Trajectory") -> "TextTokenizer":
        """The given model's, else the one of the model that the trajectory names, else the built-in model's."""
        from midcourse.model import base_name, resolve
        from midcourse.publish.sides import check_tokenizer
        from midcourse.tokens import TextTokenizer

        name = self._model or (base_name(trajectory.model) if trajectory.model else None) or "builtin"
        if name not in self._loaded:
            try:
                self._loaded[name] = TextTokenizer.load(resolve(name))
            except ValueError as error:
                raise InputError(f"the text of steers needs their model's tokenizer (--model): {error}") from error
        check_tokenizer(trajectory, self._loaded[name])
        return self._loaded[name]
