"""`midcourse export`: steers as rows for other trainers, and as files that come back."""

import sys
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from midcourse.cli.steers import ModelOption, SourceOption, SplitOption, StoreOption, Tokenizers
from midcourse.errors import InputError

if TYPE_CHECKING:
    from midcourse.publish.export import Export
    from midcourse.store import Store

__all__ = ["export"]


class Format(StrEnum):
    """What `export` writes."""

    jsonl = "jsonl"
    parquet = "parquet"
    hf = "hf"
    trl = "trl"
    trl_ids = "trl-ids"
    ms_swift = "ms-swift"
    axolotl = "axolotl"


NATIVE = (Format.jsonl, Format.parquet, Format.hf)


class Shape(StrEnum):
    """How much of the answer a row holds."""

    span = "span"
    full = "full"


class Purpose(StrEnum):
    """Which training the rows are for."""

    dpo = "dpo"
    sft = "sft"


def export(
    store: StoreOption = None,
    to: Annotated[
        Format,
        typer.Option(help="jsonl, parquet, hf: rows for `import steers`; the others: rows for that trainer."),
    ] = Format.jsonl,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="File to write (hf: a new folder); default: lines on standard output."),
    ] = None,
    form: Annotated[
        Shape | None,
        typer.Option(
            help="span: what was put against what was rejected; full: whole answers.", show_default="span for trainers"
        ),
    ] = None,
    purpose: Annotated[
        Purpose | None,
        typer.Option("--for", help="dpo: pairs; sft: what was chosen alone.", show_default="dpo for trainers"),
    ] = None,
    exact: Annotated[
        bool, typer.Option("--exact", help="Leave out rows whose text gives other token ids than the model saw.")
    ] = False,
    licence: Annotated[
        str | None, typer.Option("--license", help="Licence for the card, as the Hub names it, e.g. cc-by-4.0.")
    ] = None,
    consent: Annotated[
        str | None, typer.Option(help="One sentence for the card: what the people who corrected agreed to.")
    ] = None,
    source: SourceOption = None,
    split: SplitOption = None,
    model: ModelOption = None,
) -> None:
    """Write steers as rows for another trainer, or as rows that `midcourse import steers` reads back.

    Text is checked: what does not give the token ids that the model saw is counted and named. A card with licence and
    consent is written beside the file.

    midcourse export --to trl -o rows.jsonl
    midcourse export --to trl-ids --for sft -o rows.jsonl
    midcourse export --to hf -o my-steers --license cc-by-4.0 --consent "All four agreed to publication."
    """
    from midcourse.publish.export import Export
    from midcourse.publish.formats import Trainer
    from midcourse.store import Store

    native = to in NATIVE
    if native and (form or purpose or exact):
        raise InputError(f"--form, --for and --exact are for trainers' rows; --to {to} keeps every part of a steer")
    if output is None and to in (Format.parquet, Format.hf):
        raise InputError(f"--to {to} needs --output: a {'new folder' if to is Format.hf else 'file'} to write")
    job = Export(
        Tokenizers(model).of,
        None if native else Trainer(to),
        form=(form or Shape.span).value,
        supervised=purpose is Purpose.sft,
        exact=exact,
    )
    with Store(store, create=False) as opened:
        _write(opened, job, to, output, source, split, licence, consent)
    typer.echo(f"{job.tally.rows} rows", err=True)
    for note in job.notes():
        typer.echo(f"  {note}", err=True)
    if warning := job.warning():
        typer.echo(f"Warning: {warning}", err=True)


def _write(
    store: "Store",
    job: "Export",
    to: Format,
    output: Path | None,
    source: str | None,
    split: str | None,
    licence: str | None,
    consent: str | None,
) -> None:
    """Write rows and card, and keep in the store where they went."""
    import json

    from midcourse.publish.files import beside, card_path, check_folder, write_folder, write_lines, write_parquet

    trajectories = store.trajectories(source=source, split=split)
    if output is None:
        for row in job.rows(trajectories):
            sys.stdout.write(json.dumps(row, ensure_ascii=False) + "\n")
        _noted(store, "standard output", to)
        return

    def typed() -> Iterator[dict[str, Any]]:
        for trajectory in trajectories:
            if trajectory.steers:
                text = job.rendered(trajectory)
                yield from (row | {"rendered": text} for row in job.rows([trajectory]))

    def told() -> str:
        return job.card(to.value, licence=licence, consent=consent)

    if to is Format.hf:
        check_folder(output)
    with beside(output) as part:
        if to is Format.hf:
            rows = list(typed())
            write_folder(rows, part, told())
        elif to is Format.parquet:
            write_parquet(list(typed()), part)
        else:
            write_lines(job.rows(trajectories), part)
        store.record_handed_out("export", output.resolve(), job.contents.trajectories)
        _noted(store, str(output.resolve()), to)
    if to is not Format.hf:
        with beside(card_path(output)) as part:
            part.write_text(told(), encoding="utf-8")


def _noted(store: "Store", where: str, to: Format) -> None:
    """Keep who took what out."""
    from midcourse.capture.studio.deeds import account, note

    with store.transaction() as connection:
        note(connection, "exported", {"where": where, "format": to.value}, account())
