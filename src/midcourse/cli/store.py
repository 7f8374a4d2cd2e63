"""`midcourse store`: care of a store as a whole: check it, bring it up to date, take someone out of it."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import track

from midcourse.cli.copying import backup, copy, restore
from midcourse.cli.log import log
from midcourse.cli.reading import model_ref
from midcourse.cli.steers import StoreOption, Tokenizers, verify
from midcourse.errors import InputError, MidcourseError

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from midcourse.store import Store
    from midcourse.types import Trajectory

__all__ = ["app"]

app = typer.Typer(
    help="Care for a store: verify, back up, move, migrate, purge, see who did what, derive it for another model.",
    no_args_is_help=True,
)
for command in (verify, backup, restore, copy, log):
    app.command()(command)


@app.command()
def migrate(store: StoreOption = None) -> None:
    """Bring an older store to today's layout; of a SQLite file a copy is kept beside it.

    A store on PostgreSQL is not copied: back it up before, e.g. with pg_dump.
    """
    from midcourse.store import Store
    from midcourse.store import migrate as run

    _must_exist(store)
    had, copy = run(store)
    with Store(store, create=False) as opened:
        name = opened.name
    typer.echo(f"{name}: " + (f"brought from schema {had} to today's" if copy or had < _today() else "up to date"))
    if copy:
        typer.echo(f"The store as it was: {copy}")


@app.command()
def purge(
    store: StoreOption = None,
    author: Annotated[
        str | None, typer.Option(help="Texts in which this annotator, or client of the proxy, had a hand.")
    ] = None,
    since: Annotated[datetime | None, typer.Option(help="Texts made from then on, UTC.")] = None,
    until: Annotated[datetime | None, typer.Option(help="Texts made before then, UTC.")] = None,
    text: Annotated[str | None, typer.Option(help="Texts that hold these words anywhere.")] = None,
    model: Annotated[
        str | None, typer.Option(help="Model whose tokenizer made the steers, to search them with --text.")
    ] = None,
    why: Annotated[str | None, typer.Option(help="Kept with the tombstones. Name nobody here.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Delete texts with all their steers for good, and write the store anew without them.

    All conditions given must hold. A text goes as a whole, with what others did in it. Tombstones of ids stay, so that
    importing the same file again does not bring it back. Exports and adapters that were made of it are listed: they
    still hold it, and so do backups.

        midcourse store purge --author anna
        midcourse store purge --text "my address" --yes
    """
    from midcourse.capture.studio.adopting import names_of
    from midcourse.capture.studio.deeds import account, note
    from midcourse.capture.studio.journal import forget
    from midcourse.store import exchanges, reviews

    if author is None and since is None and until is None and text is None:
        raise InputError("purge needs to know what: give --author, --since, --until or --text")
    console = Console(stderr=True)
    with _open(store) as opened:
        names = names_of(opened, author) if author is not None else []
        ids = opened.find(authors=names, since=_unix(since), until=_unix(until))
        if text is not None:
            ids = list(_holding(opened, ids, text, Tokenizers(model), console))
        found = list(opened.trajectories(ids=ids)) if ids else []
        steers = [s for t in found for s in t.steers]
        with opened.snapshot() as connection:
            said_by = {"client": author, "since": _unix(since), "until": _unix(until), "text": text}
            passed = exchanges.find(connection, **said_by)  # type: ignore[arg-type]
            seen = reviews.find(connection, **said_by, trajectories=ids)  # type: ignore[arg-type]
        others = sum(not {s.annotator, t.annotator} & {*names} for t in found for s in t.steers) if author else 0
        said = f"{len(found)} texts with {len(steers)} steers" + (f", {others} of them by others" if others else "")
        if passed or seen:
            said += f", {len(passed)} exchanges and {len(seen)} reviews of the proxy"
        elif not found and author is not None:
            said = f"only the name {author} in reviews and studio records (no text matches)"
        if not found and not passed and not seen and author is None:
            raise InputError(f"nothing in {opened.name} matches; nothing was changed")
        if not yes and not typer.confirm(f"Delete {said} from {opened.name} for good?", err=True):
            raise InputError("nothing was deleted")

        def also(connection: "Connection") -> None:
            forget(connection, ids, names)
            exchanges.bury(connection, passed, why)
            reviews.delete(connection, seen)
            counts = {"texts": len(ids), "steers": len(steers), "exchanges": len(passed), "reviews": len(seen)}
            note(connection, "purge", counts, account())

        done = opened.purge(ids, authors=names, why=why, also=also)
        place = opened.name
    if as_json:
        made = [{"kind": h.kind, "where": h.where, "at": h.at} for h in done.handed_out]
        gone = {"trajectories": done.trajectories, "steers": done.steers, "nodes": done.nodes}
        gone |= {"exchanges": len(passed), "reviews": len(seen)}
        typer.echo(json.dumps({**gone, "handed_out": made, "backups": _backups(place)}))
        return
    typer.echo(f"Deleted {said}; {done.nodes} nodes that nothing else used.")
    for h in done.handed_out:
        typer.echo(
            f"Made of it, and still holding it: {h.kind} {h.where} ({datetime.fromtimestamp(h.at, UTC):%Y-%m-%d})"
        )
    typer.echo("Backups are not touched" + "".join(f"\n  {b}" for b in _backups(place)))


@app.command()
def retokenize(
    to: Annotated[str, typer.Option("--to", help="Store for the derived steers; made if there is none.")],
    model: Annotated[str, typer.Option(help="Whose tokenizer: `builtin`, a model folder, or a hub id.")],
    store: StoreOption = None,
) -> None:
    """Derive the same steers for another model's tokenizer, from the source text that imports keep.

    The store stays as it is; the steers go to another one. Texts that were written with a model have no source text
    apart from their tokens: they are named and left out.

        midcourse store retokenize --model HuggingFaceTB/SmolLM2-360M --to other.db
    """
    from midcourse.model import resolve
    from midcourse.rows.again import retokenized
    from midcourse.store import Store
    from midcourse.tokens import TextTokenizer

    console = Console(stderr=True)
    tokenizer, meant_for = TextTokenizer.load(resolve(model)), model_ref(model)
    counts = {"texts": 0, "steers": 0}

    def derived() -> "Iterator[Trajectory]":
        total = opened.stats()["trajectories"]
        for t in track(opened.trajectories(), "Deriving", total=total, console=console, transient=True):
            made, skipped = retokenized(t, tokenizer)
            for s in skipped:
                console.print(f"left out {s}", style="yellow", markup=False, highlight=False, soft_wrap=True)
            if made is not None:
                counts["texts"] += 1
                counts["steers"] += len(made.steers)
                yield made.with_(model=meant_for)

    with _open(store) as opened, Store(to) as target:
        if opened.url == target.url:
            raise InputError(
                f"--to {to} is the store itself; one store holds the steers of one tokenizer, name another"
            )
        new = target.add_many(derived())
    typer.echo(f"{counts['steers']} steers in {counts['texts']} texts for {model} in {to}; {new} texts are new there")
    if not counts["texts"]:
        raise InputError("nothing could be derived, see the reasons above")


def _open(store: str | None) -> "Store":
    from midcourse.store import Store

    return Store(store, create=False)


def _unix(time: datetime | None) -> float | None:
    return None if time is None else time.replace(tzinfo=UTC).timestamp()


def _must_exist(store: str | None) -> None:
    from midcourse.store import dialects

    url = dialects.read_url(store)
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
        raise InputError(f"there is no store at {url.database}")


def _today() -> int:
    from midcourse.store import schema

    return schema.VERSION


def _backups(place: str) -> list[str]:
    """Copies that migrations left beside a store."""
    path = Path(place)
    return [str(p) for p in sorted(path.parent.glob(f"{path.name}.*.bak*"))] if path.is_file() else []


def _holding(opened: "Store", ids: list[str], text: str, tokenizers: Tokenizers, console: Console) -> Iterator[str]:
    """Ids of the texts that hold some words: in the prompt, in any branch, in a reason, in the row as it was read."""
    from midcourse.store.exchanges import strings

    if not ids:
        return
    for t in track(opened.trajectories(ids=ids), "Searching", total=len(ids), console=console, transient=True):
        read = [t.source_text, [m.to_dict() for m in t.messages], [s.reason for s in t.steers]]
        if any(text in s for s in strings(read)):
            yield t.id
            continue
        try:
            tokenizer = tokenizers.of(t)
        except MidcourseError as error:
            raise InputError(f"nothing was deleted: {error}") from error
        if any(text in tokenizer.decode(t.path(t.end_of(node.id))) for node in t.nodes):
            yield t.id
