"""`midcourse simulate`: a rule or a stronger model in the person's place, over many prompts, into a store."""

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from midcourse.errors import InputError, MissingExtra

if TYPE_CHECKING:
    from midcourse.drafts.simulate import Judge

__all__ = ["simulate"]


def simulate(
    prompts: Annotated[Path, typer.Argument(help="JSONL rows with `prompt` (and `split`), or one prompt a line.")],
    rules: Annotated[Path | None, typer.Option(help="YAML file of rules: see recipes/house_style.yaml.")] = None,
    teacher: Annotated[
        str | None, typer.Option(help="A stronger model steers: `builtin`, folder, hub id, or a server's URL.")
    ] = None,
    teacher_adapter: Annotated[
        Path | None, typer.Option("--teacher_adapter", help="The teacher's adapter; it needs no --teacher.")
    ] = None,
    teacher_model: Annotated[
        str | None, typer.Option("--teacher_model", help="Whose tokenizer a teacher at a URL reads with.")
    ] = None,
    model: Annotated[str, typer.Option(help="Who writes: `builtin`, a model folder, or a hub id.")] = "builtin",
    adapter: Annotated[Path | None, typer.Option(help="The writer's adapter.")] = None,
    store: Annotated[
        str | None,
        typer.Option(
            "--store", help="Path or URL of the store.", envvar="MIDCOURSE_STORE", show_default="./midcourse.db"
        ),
    ] = None,
    habits: Annotated[
        str, typer.Option(help="careful, measured (on real writers), or e.g. late=4,overlooks=0.1,keeps_tail=0.5.")
    ] = "careful",
    chosen: Annotated[
        str, typer.Option(help="Where corrected words come from: typed, picked or rephrased (by the model, if it can).")
    ] = "typed",
    checker: Annotated[
        str | None, typer.Option(help="Refuses finished texts: module:function(text, start) or a regular expression.")
    ] = None,
    least: Annotated[float, typer.Option(min=0, max=1, help="Teacher: a likelier token is let stand.")] = 0.02,
    max_tokens: Annotated[int, typer.Option("--max_tokens", min=1, help="Teacher: tokens of a text.")] = 128,
    temperature: Annotated[float, typer.Option(min=0, help="Of the writer.")] = 0.0,
    seed: Annotated[int, typer.Option(help="Of the writer's draws and the person's dice.")] = 0,
    shard: Annotated[str, typer.Option(help="Write only a part: 2/4 is the second of four.")] = "1/1",
    rows: Annotated[int, typer.Option(min=1, help="Texts written at a time.")] = 16,
    chat: Annotated[bool, typer.Option(help="Plain prompts are a user's message; --no-chat continues them.")] = True,
    dtype: Annotated[str, typer.Option(help="float32 or bfloat16.")] = "float32",
    dry_run: Annotated[bool, typer.Option("--dry_run", help="Say what it would take, and stop.")] = False,
) -> None:
    """Let a model write and a simulated person steer it; says first how long that will take.

    The steers are marked as simulated, with who made them. A run that was stopped goes on where it was.

        midcourse simulate prompts.jsonl --rules recipes/house_style.yaml
        midcourse simulate prompts.txt --teacher HuggingFaceTB/SmolLM2-1.7B-Instruct --habits measured --shard 1/4
    """
    try:
        from midcourse.backends.local import LocalBackend
        from midcourse.backends.protocol import Sampling
        from midcourse.drafts.simulate import wording_named
        from midcourse.drafts.simulate.habits import named
        from midcourse.model import load_model
        from midcourse.workflows import simulating
        from midcourse.workflows.prompts import read_prompts
    except ImportError as error:
        raise MissingExtra.of("train", "`midcourse simulate`") from error
    from midcourse.cli.evaluation import checker_of
    from midcourse.store.db import Store

    if (rules is None) == (teacher is None and teacher_adapter is None):
        raise InputError("give either --rules FILE or --teacher MODEL: who stands in the person's place")
    asked = read_prompts(prompts, chat=chat, shard=_shard(shard))
    who, fires, console = named(habits), checker_of(checker), Console(stderr=True)
    with console.status("Loading the model"):
        if teacher and teacher.startswith(("http://", "https://")):
            judge, by = _teacher_at(teacher, teacher_model or model, least, max_tokens)
        else:
            judge, by = _judge(rules, teacher or model, teacher_adapter, least, max_tokens, dtype)
        loaded = load_model(model, dtype=dtype, adapter=adapter)
    if chat and loaded.tokenizer.template is None:
        raise InputError(f"{model} has no chat template; give --no-chat to continue the prompts as they stand")
    writer = simulating.Writer(
        loaded.model, loaded.tokenizer, judge, loaded.wrote, by, who, Sampling(temperature=temperature, seed=seed),
        seed=seed, rows=rows, mark="" if adapter is None else str(adapter), checker=fires,
        wording=wording_named(chosen, LocalBackend(loaded.model, loaded.tokenizer.eos)),
    )  # fmt: skip
    if dry_run:
        typer.echo(str(writer.estimate(asked)) + ". Nothing was written.")
        return
    with Store(store) as opened:
        there = set(opened.ids(source="simulated"))
        left = [a for a in asked if writer.id_of(a) not in there]
        if len(left) < len(asked):
            console.print(f"{len(asked) - len(left)} of {len(asked)} texts are there already.")
        if not left:
            return
        console.print(str(writer.estimate(left)), highlight=False)
        _write(writer, left, opened, console)


def _write(writer: Any, asked: list[Any], store: Any, console: Console) -> None:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from midcourse.workflows.simulating import Tally

    tally, texts = Tally(), set()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("Writing", total=len(asked))

        def done(finished: Any) -> None:
            store.add(finished.trajectory)
            texts.add(finished.run.text)
            tally.add(finished)
            progress.update(task, advance=1, description=f"Writing, {tally.steers} steers")

        writer.write(asked, done)
    for line in tally.lines():
        typer.echo(line)
    if len(texts) < tally.texts:
        typer.echo(f"{tally.texts - len(texts)} texts are the same as another: ask more varied prompts.")


def _judge(
    rules: Path | None, teacher: str, adapter: Path | None, least: float, max_tokens: int, dtype: str
) -> tuple["Judge", str]:
    """Who steers, and how the record names them."""
    from midcourse.drafts.simulate import RuleSet, Teacher

    if rules is not None:
        made = RuleSet.load(rules)
        return made, f"rules {made.name} {hashlib.sha256(rules.read_bytes()).hexdigest()[:8]}"
    from midcourse.backends.local import LocalBackend
    from midcourse.model import load_model

    loaded = load_model(teacher, dtype=dtype, adapter=adapter)
    backend = LocalBackend(loaded.model, loaded.tokenizer.eos)
    named = f"teacher {loaded.ref.name}" + (f" with {adapter.name}" if adapter else "")
    return (
        Teacher(backend, loaded.tokenizer, loaded.ref.name, least, max_tokens=max_tokens),
        f"{named} {(loaded.ref.weights or '')[:8]}",
    )


def _teacher_at(url: str, model: str, least: float, max_tokens: int) -> tuple["Judge", str]:
    """A teacher on a server, and how the record names it; refused where the server tells too little to judge by."""
    from midcourse.backends.remote import connect
    from midcourse.drafts.simulate import Teacher
    from midcourse.model import resolve
    from midcourse.tokens import TextTokenizer

    tokenizer = TextTokenizer.load(resolve(model, weights=False))
    backend, report = connect(url, tokenizer, key=os.environ.get("MIDCOURSE_SERVER_KEY"))
    if not (report.can("tell log-probabilities") and report.can("tell alternatives")):
        raise InputError(
            f"{report.missing()}. A teacher needs log-probabilities and 20 alternatives; "
            f"see: midcourse backends check {url}"
        )
    if backend.dialect.most_alternatives < 20:
        raise InputError(
            f"{url} ({report.dialect}) tells {backend.dialect.most_alternatives} alternatives, a teacher needs 20"
        )
    named = f"teacher {report.model} on {report.dialect}"
    return Teacher(backend, tokenizer, report.model, least, max_tokens=max_tokens), named


def _shard(text: str) -> tuple[int, int]:
    index, given, of = text.partition("/")
    if not given or not index.isdigit() or not of.isdigit() or not 1 <= int(index) <= int(of):
        raise InputError(f"--shard {text!r}: expected e.g. 2/4, the second of four")
    return int(index), int(of)
