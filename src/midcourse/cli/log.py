"""`midcourse store log`: who did what to a store."""

from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from midcourse.cli.steers import StoreOption

__all__ = ["log"]


def log(
    since: Annotated[datetime | None, typer.Option(help="Only from this day on (UTC).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, for other programs.")] = False,
    store: StoreOption = None,
) -> None:
    """Show who did what and when: sign-ins, people, trainings, exports, adapters, purges, consents. It holds no texts.

    midcourse store log --since 2026-11-01
    midcourse store log --json
    """
    from midcourse.capture.studio.deeds import deeds, line
    from midcourse.store import Store

    with Store(store, create=False) as opened:
        found = deeds(opened, since.replace(tzinfo=UTC).timestamp() if since is not None else 0.0)
    if as_json:
        for deed in found:
            typer.echo(line(deed))
        return
    table = Table("when (UTC)", "who", "what", "", box=None, header_style="bold")
    for deed in found:
        facts = ", ".join(f"{name} {value}" for name, value in deed.facts.items())
        when = f"{datetime.fromtimestamp(deed.at, UTC):%Y-%m-%d %H:%M:%S}"
        table.add_row(when, *(escape(cell) for cell in (deed.by or "", deed.what, facts)))
    Console().print(table)
