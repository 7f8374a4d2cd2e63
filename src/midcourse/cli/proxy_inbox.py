"""`midcourse proxy inbox`: steers that the proxy recognised and that wait for somebody to say that they are steers."""

import json
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from midcourse.cli.steers import StoreOption
from midcourse.errors import InputError

__all__ = ["app"]

HELP = """
Steers that were recognised and wait to be accepted; without a command they are listed.

```
midcourse proxy inbox
midcourse proxy inbox accept 3fa9 --model builtin
midcourse proxy inbox accept --certain --model builtin
midcourse proxy inbox reject 77b1
```
"""
app = typer.Typer(help=HELP, invoke_without_command=True)
Ids = Annotated[list[str] | None, typer.Argument(help="Ids of reviews, or how they begin.")]
Certain = Annotated[bool, typer.Option("--certain", help="All that leave no doubt.")]
By = Annotated[str | None, typer.Option(help="Who says so, for the record.")]
_AROUND = 60
"""Characters of the text before a fork that are shown."""


@app.callback()
def inbox(context: typer.Context, store: StoreOption = None) -> None:
    """Show what waits; `accept` and `reject` decide."""
    if context.invoked_subcommand is None:
        list_(store=store)


@app.command("list")
def list_(
    store: StoreOption = None,
    state: Annotated[str, typer.Option(help="open, accepted, rejected or all.")] = "open",
    limit: Annotated[int, typer.Option(min=0, help="At most so many; 0 lists all.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List reviews in the order in which they came, with what was turned down and what was put."""
    from midcourse.store import Store
    from midcourse.store.reviews import Inbox

    if state not in ("open", "accepted", "rejected", "all"):
        raise InputError(f"--state is open, accepted, rejected or all, got {state!r}")
    with Store(store, create=False) as kept:
        found = Inbox(kept).list(None if state == "all" else state, limit or None)  # type: ignore[arg-type]
        waiting = Inbox(kept).count()
    if as_json:
        fields = ("id", "client", "model", "at", "kind", "certain", "why", "state", "by", "trajectory")
        rows = [{**{f: getattr(r, f) for f in fields}, "proposal": dict(r.proposal)} for r in found]
        typer.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    console = Console(highlight=False)
    for review in found:
        sure = "certain" if review.certain else "uncertain"
        head = f"{review.id[:10]}  {review.kind}, {sure}: {review.why}"
        console.print(Text(head + (f"  [{review.state}]" if review.state != "open" else ""), "dim"), soft_wrap=True)
        for row in review.proposal["rows"]:
            console.print(_shown(row), soft_wrap=True)
    console.print(Text(f"{waiting} wait." if found or waiting else "Nothing waits in the inbox."))


@app.command()
def accept(
    ids: Ids = None,
    certain: Certain = False,
    model: Annotated[str, typer.Option(help="Model that will be trained, for its tokenizer.")] = "builtin",
    by: By = None,
    store: StoreOption = None,
) -> None:
    """Make steers of reviews: from then on they train."""
    from midcourse.capture.proxy.proposal import accept as take
    from midcourse.cli.reading import model_ref
    from midcourse.model import resolve
    from midcourse.store import Store
    from midcourse.store.reviews import Inbox
    from midcourse.tokens import TextTokenizer

    with Store(store, create=False) as kept:
        chosen = _chosen(Inbox(kept), ids, certain)
        tokenizer, meant = TextTokenizer.load(resolve(model)), model_ref(model)
        done = 0
        for review in chosen:
            try:
                take(kept, review, tokenizer, by=by, model=meant)
                done += 1
            except InputError as error:
                Console(stderr=True).print(f"{review.id[:10]}: {error}", style="yellow", markup=False, soft_wrap=True)
        name = kept.name
    typer.echo(f"{done} of {len(chosen)} accepted into {name}")
    if not done and chosen:
        raise InputError("nothing was accepted, see the reasons above")


@app.command()
def reject(ids: Ids = None, by: By = None, store: StoreOption = None) -> None:
    """Say that reviews are no steers: they train nothing and do not come back."""
    from midcourse.store import Store
    from midcourse.store.reviews import Inbox

    with Store(store, create=False) as kept:
        chosen = _chosen(Inbox(kept), ids, False)
        for review in chosen:
            Inbox(kept).reject(review.id, by)
    typer.echo(f"{len(chosen)} rejected")


def _chosen(inbox: Any, ids: list[str] | None, certain: bool) -> list[Any]:
    if bool(ids) == certain:
        raise InputError("say which: ids as `midcourse proxy inbox list` shows them, or --certain")
    if ids:
        return [inbox.get(id) for id in ids]
    return [r for r in inbox.list() if r.certain]


def _shown(row: dict[str, Any]) -> Text:
    text = Text("    ")
    before = row["prefix"].replace("\n", "⏎")
    text.append(("…" if len(before) > _AROUND else "") + before[-_AROUND:])
    for turned_down in row["rejected"] or [""]:
        text.append(_short(turned_down), "red strike")
    text.append("⟨" + _short(row["chosen"]) + "⟩", "green")
    return text


def _short(words: str) -> str:
    words = words.replace("\n", "⏎")
    return words if len(words) <= 2 * _AROUND else words[: 2 * _AROUND] + "…"
