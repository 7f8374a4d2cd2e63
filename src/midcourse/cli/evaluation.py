"""`midcourse eval`: a base and its adapters on held-out steers, as a table, as JSON and as a report."""

import importlib
import os
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from midcourse.cli.reading import columns_of, read_trajectories
from midcourse.errors import InputError, MissingExtra

if TYPE_CHECKING:
    from midcourse.evaluate import Results

__all__ = ["checker_of", "evaluate"]


def evaluate(
    source: Annotated[str, typer.Argument(help="A store (midcourse.db) or a file of steers (.jsonl, .csv, .parquet).")],
    model: Annotated[
        str, typer.Option(help="`builtin`, a model folder, or a hub id; with --backend the one that the server runs.")
    ] = "builtin",
    adapter: Annotated[
        list[Path], typer.Option(help="Adapter, or model with all weights trained; give two to compare them.")
    ] = [],  # noqa: B006
    backend: Annotated[
        str, typer.Option(help="Where the model runs: `local`, or the address of a server, which tells less.")
    ] = "local",
    served: Annotated[
        list[str], typer.Option(help="With --backend: the server's names of models; the first is the base.")
    ] = [],  # noqa: B006
    output_dir: Annotated[
        Path | None, typer.Option("--output_dir", "-o", help="Folder for report.html and eval.json.")
    ] = None,
    samples: Annotated[int, typer.Option(min=0, help="Samples at each fork.")] = 8,
    own_prompts: Annotated[
        int, typer.Option("--own_prompts", min=0, help="Held-out prompts that each model answers by itself.")
    ] = 32,
    max_forks: Annotated[int, typer.Option("--max_forks", min=1, help="Most forks that are sampled at.")] = 40,
    checker: Annotated[
        str | None, typer.Option(help="What an error looks like: module:function(text, start) or a regular expression.")
    ] = None,
    part: Annotated[str, typer.Option(help="train, dev, test or all.")] = "test",
    seed: Annotated[int, typer.Option(help="Of the sampling.")] = 0,
    dtype: Annotated[str, typer.Option(help="float32 or bfloat16.")] = "float32",
    chat: Annotated[bool, typer.Option(help="Wrap plain-text prompts of a file as a user's message.")] = False,
    map_: Annotated[list[str], typer.Option("--map", help="Rename a column of a file, e.g. chosen=fix.")] = [],  # noqa: B006
    json: Annotated[bool, typer.Option("--json", help="Print the results as JSON.")] = False,
) -> None:
    """Measure on held-out prompts what the steers taught and what it cost elsewhere, beside the base's own figures.

    On a server (--backend) it is sampled whether the errors come again; likelihoods and drift are not measured there.
    """
    try:
        from midcourse.evaluate import Options, write_report
    except ImportError as error:
        raise MissingExtra.of("train", "`midcourse eval`") from error
    if part not in ("train", "dev", "test", "all"):
        raise InputError(f"--part {part!r} is none of train, dev, test, all")
    columns = columns_of(map_)
    fires = checker_of(checker)
    console = Console(stderr=True)
    if backend == "local":
        tokenizer, measure = _in_this_process(model, adapter, dtype, console)
    else:
        tokenizer, measure = _on_a_server(backend, served, model, adapter, console)
    trajectories = read_trajectories(source, tokenizer, chat=chat, columns=columns)
    options = Options(part=part, samples=samples, max_forks=max_forks, own_prompts=own_prompts, seed=seed)
    with _progress(console) as progress:

        def stage(title: str, total: int) -> Any:
            task = progress.add_task(title, total=total)
            return lambda n: progress.advance(task, n)

        results = measure(trajectories, options=options, checker=fires, stage=stage)
    where = write_report(results, output_dir) if output_dir is not None else None
    if json:
        typer.echo(results.to_json())
    else:
        _print(results, Console())
    if where is not None:
        console.print(f"The report: {where}", markup=False, soft_wrap=True)


Measure = Callable[..., "Results"]


def _in_this_process(model: str, adapters: list[Path], dtype: str, console: Console) -> tuple[Any, Measure]:
    from midcourse.evaluate.run import load, measure

    with console.status("Loading the model"):
        loaded, variants = load(model, adapters, dtype=dtype)
    paths = dict(zip(variants.adapters, map(str, adapters), strict=True))
    return loaded.tokenizer, partial(measure, variants, loaded, paths=paths)


def _on_a_server(
    url: str, served: list[str], model: str, adapters: list[Path], console: Console
) -> tuple[Any, Measure]:
    """The base by the first name, each other one beside it; refused where the server reads with another tokenizer."""
    from midcourse.backends.remote import connect
    from midcourse.evaluate.served import measure_served
    from midcourse.evaluate.variants import BASE, adapter_labels
    from midcourse.model import resolve
    from midcourse.tokens import TextTokenizer

    if adapters:
        raise InputError(
            f"--adapter {adapters[0]} is loaded here, and {url} writes with what it serves: have it serve the adapter, "
            "and give the names of base and adapter with --served"
        )
    tokenizer = TextTokenizer.load(resolve(model, weights=False))
    with console.status("Trying the server out"):
        key, asked = os.environ.get("MIDCOURSE_SERVER_KEY"), list[str | None](served) or [None]
        found = [connect(url, tokenizer, key=key, model=name) for name in asked]
    report = found[0][1]
    if report.missing():
        console.print(report.missing(), style="yellow", markup=False, soft_wrap=True)
    names = dict(zip(adapter_labels(served[1:]), served[1:], strict=True))
    backends = dict(zip((BASE, *names), (backend for backend, _ in found), strict=True))
    return tokenizer, partial(
        measure_served, backends, tokenizer, model=f"{report.model} on {report.dialect}", names=names
    )


def checker_of(text: str | None) -> Any:
    """A function by `module:function`, else a regular expression."""
    from midcourse.evaluate.recurrence import pattern_checker

    if text is None:
        return None
    if re.fullmatch(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*", text):
        module, _, name = text.partition(":")
        try:
            return getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError) as error:
            raise InputError(f"--checker {text}: {error}. Give module:function or a regular expression") from error
    try:
        return pattern_checker(text)
    except re.error as error:
        raise InputError(f"--checker {text!r} is no regular expression: {error}") from error


def _progress(console: Console) -> Any:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console
    )


def _print(results: "Results", console: Console) -> None:
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False, title=None)
    table.add_column("")
    for name in (*results.variants, *(f"{a} − base" for a in results.adapters)):
        table.add_column(escape(name), justify="right", no_wrap=" − " not in name)
    table.add_column("")
    colors = {"better": "green", "worse": "red", "too few": "yellow"}
    unknown = [m.title for m in results.metrics if not any(m.values.values())]
    for metric in results.metrics:
        if metric.title in unknown:
            continue
        said = [metric.verdict(a) for a in results.adapters]
        changes = ["" if metric.better == "zero" else metric.show_change(a) for a in results.adapters]
        verdict = " / ".join(f"[{colors[s]}]{s}[/]" if s in colors else s for s in said if s)
        # An interval of each value too would not fit a terminal; they are in the report.
        cells = [metric.show(v, interval=not results.adapters) for v in results.variants] + changes
        table.add_row(metric.title, *map(escape, cells), verdict)
    console.print(table)
    if unknown:
        console.print(f"Not measured: {'; '.join(unknown)}.", style="dim", markup=False)
    tiers = ", ".join(f"{n} by {t}" for t, n in results.tiers.items()) or "none sampled"
    console.print(
        f"{results.steers} steers on {results.prompts} held-out prompts; recurrence judged at {tiers}; "
        f"{results.seconds:.0f} s.",
        style="dim",
    )
    if len(results.adapters) == 2:
        first, second = results.adapters
        for metric in results.metrics:
            v = metric.versus
            if v is not None and metric.better != "zero":
                line = (
                    f"{second} − {first}: {metric.title}: {v.mean:+.3f} ({v.low:+.3f} to {v.high:+.3f}), {v.verdict()}"
                )
                console.print(line, markup=False)
    if not results.enough:
        console.print(
            f"Too few: {results.prompts} held-out prompts, a claim needs 30. Read the figures as an impression.",
            style="yellow",
        )
    for name, signs in results.signs.items():
        for sign in signs:
            console.print(f"Sign of collapse: {name} {sign}", style="red", markup=False)
