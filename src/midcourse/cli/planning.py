"""A plan of a training run as a table or as JSON."""

import json
from typing import Any

import typer
from rich.console import Console
from rich.table import Table

from midcourse.workflows.plan import Plan

__all__ = ["duration", "show", "size"]


def show(plan: Plan, *, as_json: bool) -> None:
    """Print the plan to stdout."""
    if as_json:
        typer.echo(json.dumps(plan.to_dict(), indent=2))
        return
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column()
    table.add_column(justify="right")
    table.add_column(style="dim")
    for line in _lines(plan):
        table.add_row(*line)
    Console(highlight=False).print(table)


def _lines(plan: Plan) -> list[tuple[str, str, str]]:
    lines = [
        ("trees", f"{plan.trees}", f"{plan.steers} steers, {plan.without_rejected} without a rejected side"),
        ("tokens", f"{plan.tokens:,}", f"each once; as independent rows {plan.branch_tokens:,}"),
        ("token ratio", f"{plan.token_ratio:.1f}", "how much longer those rows are"),
        ("rows", f"{plan.rows}", f"a pass; the longest has {plan.largest_row:,} tokens"),
        ("largest tree", f"{plan.largest_tree:,}", f"tokens, {plan.largest_tree_id[:24]}"),
        ("steps", f"{plan.steps}", f"{plan.steps_per_epoch} a pass, {plan.epochs:.3g} passes"),
        ("weights", f"{plan.trained_weights:,}", f"trained, path {plan.path}"),
    ]
    if plan.seconds is not None:
        parts = (
            f"reference {duration(plan.seconds.reference)}, training {duration(plan.seconds.training)}, "
            f"dev part {duration(plan.seconds.evaluation)}"
        )
        lines.append(("time", f"about {duration(plan.seconds.total)}", parts))
    lines.append(("peak memory", "unknown" if plan.memory is None else f"about {size(plan.memory)}", _advice(plan)))
    return lines


def _advice(plan: Plan) -> str:
    if plan.memory is None:
        return "this system does not tell a process its peak"
    if plan.largest_row > plan.largest_tree:
        return "less: --max_tokens, --activation_checkpointing true"
    return "less: --activation_checkpointing true, --dtype bfloat16"


def duration(seconds: float) -> str:
    """Seconds as a person says them."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"


def size(count: Any) -> str:
    """Bytes as a person says them."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"
