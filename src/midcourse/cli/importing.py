"""`midcourse import`: steers and other examples from files into the store, each bad row named and passed over."""

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from midcourse.cli.import_run import Options, run_import
from midcourse.cli.reading import columns_of

if TYPE_CHECKING:
    from midcourse.capture.importers.files import Reader


class NamesTheKind(TyperGroup):
    """A file where the kind should stand is the likeliest slip."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Click's own, with a hint for a file in place of a command."""
        if args[0] not in self.commands and Path(args[0]).suffix:
            ctx.fail(
                f"Say what {args[0]} holds. Rows with prompt, rejected and chosen: midcourse import steers {args[0]}. "
                "All kinds: midcourse import -h"
            )
        return super().resolve_command(ctx, args)


app = typer.Typer(
    cls=NamesTheKind,
    help="Bring steers in: rows you wrote, data sets, and exports of chat programs and annotation tools.",
    no_args_is_help=True,
)

Map = Annotated[
    list[str] | None, typer.Option("--map", help="Rename a column, e.g. chosen=fix; a path for nested ones: a.b.")
]
Chat = Annotated[bool, typer.Option("--chat", help="Wrap plain-text prompts as a user's message.")]
Template = Annotated[str | None, typer.Option(help="The prompt as a text with {columns} of the file.")]
Gap = Annotated[int, typer.Option(help="Edits with fewer kept words than this between them become one.")]
MaxChange = Annotated[
    float, typer.Option(help="Share of the text that edits may touch; above it: a pair of whole answers.")
]
EditsOnly = Annotated[
    bool, typer.Option("--edits-only", help="No pairs of whole answers: only versions that were edited.")
]
Question = Annotated[str | None, typer.Option(help="Which question or text area, where there are several.")]
Importer = Callable[..., Any]
"""From files and a tokenizer, with `split` and `advance`, to what is found."""
Formats = Callable[[], "dict[str, Reader]"]


def _shared(
    paths: Annotated[
        list[Path],
        typer.Argument(help="Files (.jsonl, .csv, .tsv, .parquet; exports: as exported) or folders of them."),
    ],
    model: Annotated[str, typer.Option(help="Whose tokenizer: `builtin`, a model folder, or a hub id.")] = "builtin",
    store: Annotated[
        str | None, typer.Option("--store", help="Store path or URL; default MIDCOURSE_STORE or ./midcourse.db.")
    ] = None,
    split: Annotated[str | None, typer.Option(help="train, dev or test, for rows that name none.")] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Show three steers and what would be skipped; store nothing.")
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Stop at the first bad row; what was complete stays stored.")
    ] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """What every import command takes; its own options stand behind `store`."""


SHARED: Mapping[str, inspect.Parameter] = inspect.signature(_shared).parameters
AHEAD = ("paths", "model", "store")


def importing(
    name: str, formats: Formats | None = None
) -> Callable[[Callable[..., Importer]], Callable[..., Importer]]:
    """Make a command of a function that takes the format's own options and gives its importer.

    Args:
        name: Of the command.
        formats: Suffix to reader, where not the usual ones.
    """

    def register(choose: Callable[..., Importer]) -> Callable[..., Importer]:
        own = inspect.signature(choose).parameters
        ahead = [p for n, p in SHARED.items() if n in AHEAD]
        behind = [p for n, p in SHARED.items() if n not in AHEAD]

        def command(**given: Any) -> None:
            read = choose(**{n: given[n] for n in own})
            paths, split = given["paths"], given["split"]
            options = Options(paths, given["model"], given["store"], given["check"], given["strict"], given["json_"])
            run_import(
                lambda tokenizer, advance: read(paths, tokenizer, split=split, advance=advance),
                options,
                formats() if formats else None,
            )

        parameters = [p.replace(kind=p.KEYWORD_ONLY) for p in (*ahead, *own.values(), *behind)]
        command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        command.__annotations__ = {p.name: p.annotation for p in parameters}
        command.__doc__ = choose.__doc__
        app.command(name)(command)
        return choose

    return register


def _texts() -> "dict[str, Reader]":
    from midcourse.capture.importers.files import TEXT_FORMATS

    return TEXT_FORMATS


def _documents() -> "dict[str, Reader]":
    from midcourse.capture.importers.documents import DOCUMENT_FORMATS

    return DOCUMENT_FORMATS


def _conversations() -> "dict[str, Reader]":
    from midcourse.capture.importers.documents import CONVERSATION_FORMATS

    return CONVERSATION_FORMATS


@importing("steers")
def steers(map_: Map = None, chat: Chat = False) -> Importer:
    """Import rows of prompt, prefix, rejected and chosen, or texts with marked steers (docs/bring-your-own.md)."""
    from midcourse.capture.importers.steers import import_steers

    return partial(import_steers, columns=columns_of(map_ or []), chat=chat)


@importing("prm800k")
def prm800k(
    preferences: Annotated[
        bool, typer.Option("--preferences", help="Also: each chosen candidate against those rated −1 beside it.")
    ] = False,
) -> Importer:
    """Import PRM800K: steps that people wrote, against the candidates they had rated −1."""
    from midcourse.capture.importers.prm800k import import_prm800k

    return partial(import_prm800k, preferences=preferences)


@importing("coauthor")
def coauthor(
    writer: Annotated[str | None, typer.Option(help="Only this writer's.")] = None,
    group: Annotated[str, typer.Option(help="What splits keep together: writer, session or prompt_code.")] = "writer",
    dismissed: Annotated[
        bool, typer.Option("--dismissed", help="Also: what was written against suggestions of which none was taken.")
    ] = False,
    trailing: Annotated[bool, typer.Option("--trailing", help="Also cuts of closing punctuation only.")] = False,
) -> Importer:
    """Import CoAuthor episodes: stories in which people cut a model's suggestions and went on in their own words."""
    from midcourse.capture.importers.coauthor import import_coauthor

    return partial(import_coauthor, writer=writer, group=group, dismissed=dismissed, trailing=trailing)


@importing("edits")
def edits(
    map_: Map = None, prompt: Template = None, chat: Chat = False, gap: Gap = 2, max_change: MaxChange = 0.5
) -> Importer:
    """Import texts and what a person made of them, each edit a steer (MLQE-PE, DeFacto, ILF-MBPP need no --map)."""
    from midcourse.capture.importers.edits import import_edits

    columns = columns_of(map_ or [])
    return partial(import_edits, columns=columns, prompt=prompt, chat=chat, gap=gap, max_change=max_change)


@importing("trl")
def trl(map_: Map = None, chat: Chat = False) -> Importer:
    """Import preference rows as TRL takes them: prompt (or none), chosen, rejected; texts or messages."""
    from midcourse.capture.importers.trl import import_trl

    return partial(import_trl, columns=columns_of(map_ or []), chat=chat)


@importing("step-dpo")
def step_dpo(map_: Map = None) -> Importer:
    """Import Step-DPO rows: after the steps that were right, not this step but that one."""
    from midcourse.capture.importers.steps import import_steps

    return partial(import_steps, columns=columns_of(map_ or []))


@importing("pivotal")
def pivotal(chat: Chat = False) -> Importer:
    """Import pivotal tokens: at this place, not that token but this one."""
    from midcourse.capture.importers.pivotal import import_pivotal

    return partial(import_pivotal, chat=chat)


@importing("instructions")
def instructions(map_: Map = None, prompt: Template = None, chat: Chat = False) -> Importer:
    """Import instruction rows to mix in (messages, prompt and completion, Alpaca, ShareGPT): answers are learnt."""
    from midcourse.capture.importers.instructions import import_instructions

    return partial(import_instructions, columns=columns_of(map_ or []), prompt=prompt, chat=chat)


@importing("text", _texts)
def text(
    map_: Map = None,
    max_tokens: Annotated[int, typer.Option(help="Longer texts are cut into parts of so many tokens.")] = 1024,
) -> Importer:
    """Import plain text to mix in: rows with a column `text`, or .txt files. Every token is learnt."""
    from midcourse.capture.importers.text import import_text

    return partial(import_text, columns=columns_of(map_ or []), max_tokens=max_tokens)


@importing("open-webui", _documents)
def open_webui(gap: Gap = 2, max_change: MaxChange = 0.5, edits_only: EditsOnly = False) -> Importer:
    """Import exported chats of Open WebUI: answers that were edited in place or saved as an edited copy."""
    from midcourse.capture.importers.chats import import_open_webui

    return partial(import_open_webui, gap=gap, max_change=max_change, alternatives=not edits_only)


@importing("sillytavern", _conversations)
def sillytavern(gap: Gap = 2, max_change: MaxChange = 0.5, edits_only: EditsOnly = False) -> Importer:
    """Import chats of SillyTavern (.jsonl): the answer that stands, against the other swipes of the message."""
    from midcourse.capture.importers.chats import import_sillytavern

    return partial(import_sillytavern, gap=gap, max_change=max_change, alternatives=not edits_only)


@importing("text-generation-webui", _documents)
def text_generation_webui(gap: Gap = 2, max_change: MaxChange = 0.5, edits_only: EditsOnly = False) -> Importer:
    """Import chat histories of text-generation-webui: the answer that stands, against its other versions."""
    from midcourse.capture.importers.chats import import_text_generation_webui

    return partial(import_text_generation_webui, gap=gap, max_change=max_change, alternatives=not edits_only)


@importing("argilla", _documents)
def argilla(
    question: Question = None,
    map_: Map = None,
    prompt: Template = None,
    chat: Chat = False,
    gap: Gap = 2,
    max_change: MaxChange = 0.5,
) -> Importer:
    """Import records of Argilla: what people made of a suggested text (records.to_json, or the set on the Hub)."""
    from midcourse.capture.importers.annotations import import_argilla

    read = partial(import_argilla, question=question, columns=columns_of(map_ or []), prompt=prompt)
    return partial(read, chat=chat, gap=gap, max_change=max_change)


@importing("label-studio", _documents)
def label_studio(
    question: Question = None,
    map_: Map = None,
    prompt: Template = None,
    chat: Chat = False,
    gap: Gap = 2,
    max_change: MaxChange = 0.5,
) -> Importer:
    """Import tasks of Label Studio (exported as JSON): what people made of a predicted text area."""
    from midcourse.capture.importers.annotations import import_label_studio

    read = partial(import_label_studio, question=question, columns=columns_of(map_ or []), prompt=prompt)
    return partial(read, chat=chat, gap=gap, max_change=max_change)
