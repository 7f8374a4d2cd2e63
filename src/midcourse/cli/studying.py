"""`midcourse study`: methods compared on the same steers and the same seconds, on the study's tasks or on one's own."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from midcourse.cli.corrections import corpus_of
from midcourse.errors import InputError, MissingExtra

__all__ = ["study"]


def study(
    task: Annotated[Path | None, typer.Option(help="Your own task file: the core of the study on it.")] = None,
    config: Annotated[Path | None, typer.Option(help="A whole study, e.g. recipes/study/study.yaml.")] = None,
    results: Annotated[Path, typer.Option(help="Folder of result files.")] = Path("study/results"),
    page: Annotated[
        Path | None,
        typer.Option(help="Folder of the page with tables and plots, made from the results.", show_default="RESULTS"),
    ] = None,
    work: Annotated[Path, typer.Option(help="Folder for checkpoints.")] = Path("runs/study"),
    texts: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the texts that all cells learn from and of the base's samples; keep it to go on "
            "on another machine.",
            show_default="WORK",
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(help="`builtin`, a model folder, or a hub id.", show_default="what the study names, else builtin"),
    ] = None,
    dtype: Annotated[
        str | None, typer.Option(help="Of the weights, e.g. bfloat16 on a GPU.", show_default="float32")
    ] = None,
    steers: Annotated[int, typer.Option(min=1, help="With --task: steers that each method learns from.")] = 100,
    seeds: Annotated[int, typer.Option(min=1, help="With --task: trainings of each method.")] = 1,
    only: Annotated[list[str], typer.Option(help="Only cells of this stage, or whose path holds this text.")] = [],  # noqa: B006
    most: Annotated[int | None, typer.Option(min=1, help="Cells to run in this sitting.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry_run", help="Say what is left and how long it takes, and stop.")
    ] = False,
    tables: Annotated[bool, typer.Option("--tables", help="Only write the tables from what was run.")] = False,
) -> None:
    """Compare ways of learning from the same person. Prints its estimate first; stopped, it goes on where it was.

    midcourse study --task my.yaml --steers 60
    midcourse study --config recipes/study/study.yaml --results benchmarks/results/study --only headline --most 4
    midcourse study --config recipes/study/study.yaml --model meta-llama/Llama-3.1-8B-Instruct --dtype bfloat16
    """
    try:
        from midcourse.workflows.study import Study, run_study, write_tables
        from midcourse.workflows.study.corpus import Corpus
        from midcourse.workflows.study.queue import left, said_estimate
        from midcourse.workflows.tasks import Task
    except ImportError as error:
        raise MissingExtra.of("train", "`midcourse study`") from error
    if (task is None) == (config is None):
        raise InputError("give either --task FILE (your own) or --config FILE (a whole study)")
    own = Task.load(task) if task is not None else None  # a slip in it is told at once, not by every cell
    if config is not None:
        plan = Study.load(config, results)
    else:
        assert task is not None
        plan = Study(task.parent, results, (task.stem,), steers=(steers,), seeds=tuple(range(seeds)), more_seeds=())
    plan = replace(plan, model=model or plan.model, dtype=dtype or plan.dtype)
    console = Console(stderr=True)
    if not tables:
        cells = left(plan, only)
        typer.echo(said_estimate(plan, cells))
        if dry_run:
            for cell in cells:
                typer.echo(f"  {cell.path}")
            return

        def find(name: str) -> Task | Corpus:
            if name in (corpora := plan.imported.get("corpora", {})):
                return corpus_of(name, corpora[name])
            return own or Task.load(plan.folder / "tasks" / f"{name}.yaml")

        def say(said: str) -> None:
            console.print(said, highlight=False, markup=False)

        run_study(plan, find, work, say, texts=texts, only=only, most=most)
    typer.echo(f"The tables: {write_tables(plan, page or results)}")
