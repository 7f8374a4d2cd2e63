"""`midcourse import`: steers and other examples from files into the store, each bad row named and passed over."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from midcourse.cli.import_run import Options, run_import
from midcourse.cli.reading import columns_of

if TYPE_CHECKING:
    from midcourse.cli.import_run import Found
    from midcourse.tokens import TextTokenizer

app = typer.Typer(
    help="Bring steers in: rows you wrote, or data sets of corrections, preferences, instructions and text.",
    no_args_is_help=True,
)

Paths = Annotated[list[Path], typer.Argument(help="Files (.jsonl, .csv, .tsv, .parquet) or folders of them.")]
Model = Annotated[str, typer.Option(help="Whose tokenizer: `builtin`, a model folder, or a hub id.")]
StorePath = Annotated[
    str | None, typer.Option("--store", help="Store path or URL; default MIDCOURSE_STORE or ./midcourse.db.")
]
Split = Annotated[str | None, typer.Option(help="train, dev or test, for rows that name none.")]
Check = Annotated[bool, typer.Option("--check", help="Show three steers and what would be skipped; store nothing.")]
Strict = Annotated[bool, typer.Option("--strict", help="Stop at the first bad row; what was complete stays stored.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Map = Annotated[
    list[str] | None, typer.Option("--map", help="Rename a column, e.g. chosen=fix; a path for nested ones: a.b.")
]
Chat = Annotated[bool, typer.Option("--chat", help="Wrap plain-text prompts as a user's message.")]
Template = Annotated[str | None, typer.Option(help="The prompt as a text with {columns} of the file.")]
Advance = Callable[[Path, int], None]


@app.command("steers")
def steers(
    paths: Paths,
    model: Model = "builtin",
    store: StorePath = None,
    map_: Map = None,
    chat: Chat = False,
    split: Split = None,
    check: Check = False,
    strict: Strict = False,
    json_: Json = False,
) -> None:
    """Import rows of prompt, prefix, rejected and chosen, or texts with marked steers (docs/bring-your-own.md)."""
    from midcourse.capture.importers.steers import import_steers

    columns = columns_of(map_ or [])

    def found(tokenizer: "TextTokenizer", advance: Advance) -> "Found":
        return import_steers(paths, tokenizer, columns=columns, chat=chat, split=split, advance=advance)

    run_import(found, Options(paths, model, store, check, strict, json_))


@app.command("prm800k")
def prm800k(
    paths: Paths,
    model: Model = "builtin",
    store: StorePath = None,
    preferences: Annotated[
        bool, typer.Option("--preferences", help="Also: each chosen candidate against those rated −1 beside it.")
    ] = False,
    split: Split = None,
    check: Check = False,
    strict: Strict = False,
    json_: Json = False,
) -> None:
    """Import PRM800K: steps that people wrote, against the candidates they had rated −1."""
    from midcourse.capture.importers.prm800k import import_prm800k

    def found(tokenizer: "TextTokenizer", advance: Advance) -> "Found":
        return import_prm800k(paths, tokenizer, preferences=preferences, split=split, advance=advance)

    run_import(found, Options(paths, model, store, check, strict, json_))


@app.command("coauthor")
def coauthor(
    paths: Paths,
    model: Model = "builtin",
    store: StorePath = None,
    writer: Annotated[str | None, typer.Option(help="Only this writer's.")] = None,
    group: Annotated[str, typer.Option(help="What splits keep together: writer, session or prompt_code.")] = "writer",
    dismissed: Annotated[
        bool, typer.Option("--dismissed", help="Also: what was written against suggestions of which none was taken.")
    ] = False,
    trailing: Annotated[bool, typer.Option("--trailing", help="Also cuts of closing punctuation only.")] = False,
    split: Split = None,
    check: Check = False,
    strict: Strict = False,
    json_: Json = False,
) -> None:
    """Import CoAuthor episodes: stories in which people cut a model's suggestions and went on in their own words."""
    from midcourse.capture.importers.coauthor import import_coauthor

    def found(tokenizer: "TextTokenizer", advance: Advance) -> "Found":
        return import_coauthor(
            paths,
            tokenizer,
            writer=writer,
            dismissed=dismissed,
            trailing=trailing,
            group=group,
            split=split,
            advance=advance,
        )

    run_import(found, Options(paths, model, store, check, strict, json_))


@app.command("edits")
def edits(
    paths: Paths,
    model: Model = "builtin",
    store: StorePath = None,
    map_: Map = None,
    prompt: Template = None,
    chat: Chat = False,
    gap: Annotated[int, typer.Option(help="Edits with fewer kept words than this between them become one.")] = 2,
    max_change: Annotated[
        float, typer.Option(help="Share of the text that edits may touch; above it: a pair of whole answers.")
    ] = 0.5,
    split: Split = None,
    check: Check = False,
    strict: Strict = False,
    json_: Json = False,
) -> None:
    """Import texts and what a person made of them, each edit a steer (MLQE-PE, DeFacto, ILF-MBPP need no --map)."""
    from midcourse.capture.importers.edits import import_edits

    columns = columns_of(map_ or [])

    def found(tokenizer: "TextTokenizer", advance: Advance) -> "Found":
        return import_edits(
            paths,
            tokenizer,
            columns=columns,
            prompt=prompt,
            chat=chat,
            gap=gap,
            max_change=max_change,
            split=split,
            advance=advance,
        )

    run_import(found, Options(paths, model, store, check, strict, json_))


@app.command("trl")
def trl(
    paths: Paths,
    model: Model = "builtin",
    store: StorePath = None,
    map_: Map = None,
    chat: Chat = False,
    split: Split = None,
    check: Check = False,
    strict: Strict = False,
    json_: Json = False,
) -> None:
    """Import preference rows as TRL takes them: prompt (or none), chosen, rejected; texts or messages."""
    from midcourse.capture.importers.trl import import_trl

    columns = columns_of(map_ or [])

    def found(tokenizer: "TextTokenizer", advance: Advance) -> "Found":
        return import_trl(paths, tokenizer, columns=columns, chat=chat, split=split, advance=advance)

    run_import(found, Options(paths, model, store, check, strict, json_))


@app.command("step-dpo")
def step_dpo(
    paths: Paths,
    model: Model = "builtin",
    store: StorePath = None,
    map_: Map = None,
    split: Split = None,
    check: Check = False,
    strict: Strict = False,
    json_: Json = False,
) -> None:
    """Import Step-DPO rows: after the steps that were right, not this step but that one."""
    from midcourse.capture.importers.steps import import_steps

    columns = columns_of(map_ or [])

    def found(tokenizer: "TextTokenizer", advance: Advance) -> "Found":
        return import_steps(paths, tokenizer, columns=columns, split=split, advance=advance)

    run_import(found, Options(paths, model, store, check, strict, json_))


@app.command("pivotal")
def pivotal(
    paths: Paths,
    model: Model = "builtin",
    store: StorePath = None,
    chat: Chat = False,
    split: Split = None,
    check: Check = False,
    strict: Strict = False,
    json_: Json = False,
) -> None:
    """Import pivotal tokens: at this place, not that token but this one."""
    from midcourse.capture.importers.pivotal import import_pivotal

    def found(tokenizer: "TextTokenizer", advance: Advance) -> "Found":
        return import_pivotal(paths, tokenizer, chat=chat, split=split, advance=advance)

    run_import(found, Options(paths, model, store, check, strict, json_))


@app.command("instructions")
def instructions(
    paths: Paths,
    model: Model = "builtin",
    store: StorePath = None,
    map_: Map = None,
    prompt: Template = None,
    chat: Chat = False,
    split: Split = None,
    check: Check = False,
    strict: Strict = False,
    json_: Json = False,
) -> None:
    """Import instruction rows to mix in: messages, or prompt and completion. What the assistant says is learnt."""
    from midcourse.capture.importers.instructions import import_instructions

    columns = columns_of(map_ or [])

    def found(tokenizer: "TextTokenizer", advance: Advance) -> "Found":
        return import_instructions(
            paths, tokenizer, columns=columns, prompt=prompt, chat=chat, split=split, advance=advance
        )

    run_import(found, Options(paths, model, store, check, strict, json_))


@app.command("text")
def text(
    paths: Paths,
    model: Model = "builtin",
    store: StorePath = None,
    map_: Map = None,
    max_tokens: Annotated[int, typer.Option(help="Longer texts are cut into parts of so many tokens.")] = 1024,
    split: Split = None,
    check: Check = False,
    strict: Strict = False,
    json_: Json = False,
) -> None:
    """Import plain text to mix in: rows with a column `text`, or .txt files. Every token is learnt."""
    from midcourse.capture.importers.files import TEXT_FORMATS
    from midcourse.capture.importers.text import import_text

    columns = columns_of(map_ or [])

    def found(tokenizer: "TextTokenizer", advance: Advance) -> "Found":
        return import_text(paths, tokenizer, columns=columns, max_tokens=max_tokens, split=split, advance=advance)

    run_import(found, Options(paths, model, store, check, strict, json_), TEXT_FORMATS)
