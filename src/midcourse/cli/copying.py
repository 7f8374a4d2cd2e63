"""`midcourse store copy|backup|restore`: a whole store to another place."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from midcourse.cli.steers import StoreOption
from midcourse.errors import InputError

if TYPE_CHECKING:
    from midcourse.store import Store

__all__ = ["backup", "copy", "restore"]


def copy(
    source: Annotated[str, typer.Argument(help="A path or a database URL.")],
    target: Annotated[str, typer.Argument(help="A path or a database URL, of a store that holds nothing yet.")],
) -> None:
    """Copy a whole store exactly, also between SQLite and PostgreSQL: steers, reviews, the studio's queue, tombstones.

    Others may write to the source meanwhile: the copy shows it as it was when the copying began. It is all or nothing.

        midcourse store copy midcourse.db postgresql://team@db.example.org/steers
        midcourse store copy postgresql://team@db.example.org/steers laptop.db
    """
    typer.echo(_copied(source, target))


def backup(
    file: Annotated[
        Path | None, typer.Argument(help="Where to; by default beside a SQLite store, with the time.")
    ] = None,
    store: StoreOption = None,
) -> None:
    """Copy a store into a new SQLite file, while it is in use. `midcourse store restore` brings it back.

    midcourse store backup
    midcourse store backup /backups/steers.db --store postgresql://team@db.example.org/steers
    """
    from midcourse.store import Store

    with Store(store, create=False) as opened:
        path = Path(opened.name) if opened.url.get_backend_name() == "sqlite" else Path("midcourse.db")
    target = file or path.with_name(f"{path.name}.{datetime.now(UTC):%Y%m%dT%H%M%SZ}.bak")
    if target.exists():
        raise InputError(f"{target} is there already and is left as it is: name another file")
    beside = target.with_name(f"{target.name}.part")
    beside.unlink(missing_ok=True)
    try:
        said = _copied(store, str(beside))
        beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)
    typer.echo(said.replace(str(beside), str(target)))


def restore(
    file: Annotated[Path, typer.Argument(help="What `midcourse store backup` made.")],
    store: StoreOption = None,
) -> None:
    """Bring a backup back as a store that is not there yet, or holds nothing.

    midcourse store restore midcourse.db.20260101T120000Z.bak --store restored.db
    """
    if not file.is_file():
        raise InputError(f"there is no backup at {file}: give the file that `midcourse store backup` named")
    typer.echo(_copied(str(file), store))


def _copied(source: str | None, target: str | None) -> str:
    from midcourse.capture.studio.journal import TABLES
    from midcourse.store import Store

    with Store(source, create=False) as opened, Store(target) as to:
        if opened.url == to.url:
            raise InputError(f"{opened.name} is both the source and the target: name two stores")
        with Progress(console=Console(stderr=True), transient=True) as shown:

            def begun(rows: int) -> Callable[[int], None]:
                task = shown.add_task("Copying", total=rows)
                return lambda n: shown.advance(task, n)

            opened.copy_to(to, also=[TABLES], begun=begun)
        return _said(to)


def _said(store: "Store") -> str:
    wrong = store.verify()
    for sentence in wrong[:10]:
        typer.echo(f"damaged in the source already: {sentence}", err=True)
    found = store.stats()
    sound = "every hash is right" if not wrong else f"{len(wrong)} things are damaged, see `midcourse store verify`"
    return f"{store.name}: {found['trajectories']} texts with {found['steers']} steers; {sound}"
