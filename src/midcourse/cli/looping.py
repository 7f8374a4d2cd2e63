"""`midcourse loop`: rounds of write, steer and train, and how many steers are still needed after each."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from midcourse.errors import MissingExtra

__all__ = ["loop"]


def loop(
    context: typer.Context,
    task: Annotated[Path, typer.Argument(help="Task file: rules, prompts, checker; see recipes/study/tasks.")],
    output_dir: Annotated[Path, typer.Option("--output_dir", "-o", help="Folder for steers, adapters and the table.")],
    model: Annotated[str, typer.Option(help="`builtin`, a model folder, or a hub id.")] = "builtin",
    rounds: Annotated[int, typer.Option(min=1, help="Rounds of steering and training.")] = 3,
    per_round: Annotated[
        int | None, typer.Option("--per_round", min=1, help="Prompts steered in a round (default: an equal share).")
    ] = None,
    tests: Annotated[int, typer.Option(min=1, help="Unseen tasks that steers are counted on, at most.")] = 30,
    habits: Annotated[str, typer.Option(help="Of the person: careful, measured, or name=number.")] = "careful",
    temperature: Annotated[float, typer.Option(min=0, help="Of the writer.")] = 0.0,
    seed: Annotated[int, typer.Option(help="Of writing, steering and training.")] = 0,
    rows: Annotated[int, typer.Option(min=1, help="Texts written at a time.")] = 16,
    dtype: Annotated[str, typer.Option(help="float32 or bfloat16.")] = "float32",
    report: Annotated[bool, typer.Option(help="Evaluate each round's adapter, with a page.")] = True,
) -> None:
    """Write, steer, train, and again: counts the steers that unseen tasks still need after every round.

    Settings of training are options too, as in `midcourse train`. Stopped? The same command goes on.

        midcourse loop recipes/study/tasks/house_style.yaml --output_dir runs/loop --rounds 3 --max_drift 0.01
    """
    try:
        from midcourse.drafts.simulate.habits import named
        from midcourse.workflows.loop import Loop, run_loop
        from midcourse.workflows.tasks import Task
    except ImportError as error:
        raise MissingExtra.of("train", "`midcourse loop`") from error
    from midcourse.cli.training import _options

    console = Console(stderr=True)
    settings = _options(context.args)
    plan = Loop(
        Task.load(task), output_dir, model, rounds, named(habits), settings, temperature, seed, rows, dtype,
        per_round, tests, report,
    )  # fmt: skip
    run_loop(plan, lambda said: console.print(said, highlight=False, markup=False))
    typer.echo((output_dir / "loop.md").read_text(encoding="utf-8"), nl=False)
