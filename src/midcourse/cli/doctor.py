"""`midcourse doctor`: what is wrong with this installation, and how to mend it."""

import json
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

__all__ = ["doctor"]

_MARKS = {"ok": ("✓", "green"), "note": ("•", "yellow"), "broken": ("✗", "red")}


def doctor(
    store: Annotated[
        str | None, typer.Option(help="Store to look at.", envvar="MIDCOURSE_STORE", show_default="./midcourse.db")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Say what is wrong with this installation and how to mend it.

    Looks at Python, packages, torch, the built-in model, store, disk and memory. Changes nothing, and goes to no
    network. Exit code 1 when something is broken; notes alone are no fault.
    """
    from midcourse.workflows.doctor import examine

    findings = examine(store)
    broken = [f for f in findings if f.verdict == "broken"]
    if as_json:
        typer.echo(json.dumps({"ok": not broken, "findings": [f.to_dict() for f in findings]}, indent=2))
    else:
        console = Console(highlight=False, soft_wrap=True)
        for finding in findings:
            mark, colour = _MARKS[finding.verdict]
            console.print(Text.assemble((mark, colour), f" {finding.check:18} ", (finding.found, "dim")))
            if finding.mend:
                console.print(Text(f"  {'':18} → {finding.mend}", colour))
        count = f"{len(broken)} thing{'s' if len(broken) > 1 else ''} to mend." if broken else "Nothing is broken."
        console.print(Text(count, "bold"))
    if broken:
        raise typer.Exit(1)
