"""`midcourse publish`: a steered model in the form in which others run it."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from midcourse.cli.steers import StoreOption
from midcourse.errors import InputError, MissingExtra, StoreError

__all__ = ["publish"]


class As(StrEnum):
    """What `publish` writes."""

    adapter = "adapter"
    merged = "merged"
    gguf = "gguf"
    lora_gguf = "lora-gguf"
    ollama = "ollama"


class Dtype(StrEnum):
    """How merged weights are stored."""

    bfloat16 = "bfloat16"
    float16 = "float16"
    float32 = "float32"


def publish(
    adapter: Annotated[
        Path, typer.Argument(help="Adapter folder, as `midcourse train` leaves it.", show_default=False)
    ],
    output_dir: Annotated[Path, typer.Option("--output_dir", help="New folder to write.", show_default=False)],
    form: Annotated[
        As,
        typer.Option("--as", help="adapter; merged: a model of its own; gguf, lora-gguf: for llama.cpp; ollama."),
    ] = As.adapter,
    model: Annotated[
        str | None, typer.Option(help="The base, where the name that the adapter records no longer leads to it.")
    ] = None,
    evaluation: Annotated[
        Path | None, typer.Option("--eval", help="Report of `midcourse eval`, for gain and drift on the card.")
    ] = None,
    dtype: Annotated[
        Dtype | None, typer.Option(help="Of merged weights.", show_default="the base's own 16 bits, else float16")
    ] = None,
    licence: Annotated[
        str | None, typer.Option("--license", help="Licence for the card, as the Hub names it, e.g. apache-2.0.")
    ] = None,
    consent: Annotated[
        str | None, typer.Option(help="One sentence for the card: what the people who corrected agreed to.")
    ] = None,
    push: Annotated[
        str | None, typer.Option(metavar="REPO_ID", help="Upload to this repository of the Hub, private.")
    ] = None,
    public: Annotated[bool, typer.Option("--public", help="With --push: for everybody to see.")] = False,
    store: StoreOption = None,
) -> None:
    """Write a steered model for others, with a card: what it is, what it gained, what it cost, who agreed.

    Merged weights are read back and compared with the adapter before this says that it is done. The store that the
    adapter was trained on keeps where the copies are, so that `midcourse store purge` can name them.

    midcourse publish runs/first --output_dir out/adapter --eval runs/first/report --license apache-2.0
    midcourse publish runs/first --output_dir out/merged --as merged
    midcourse publish runs/first --output_dir out/gguf --as gguf
    """
    if public and push is None:
        raise InputError("--public says who may see what --push uploads: give --push REPO_ID too")
    try:
        from midcourse.publish.files import check_folder
        from midcourse.publish.hub import check_push
        from midcourse.publish.hub import push as upload
        from midcourse.publish.model_card import read_evaluation
        from midcourse.publish.package import Package, check_tools
        from midcourse.publish.steered import open_steered
    except ImportError as error:
        raise MissingExtra.of("train", "`midcourse publish`") from error
    check_folder(output_dir, "--output_dir")
    check_tools(form.value)
    if push is not None:
        check_push(push, public=public, licence=licence, consent=consent)
    console = Console(stderr=True)
    with console.status("Looking at the adapter") as status:
        steered = open_steered(adapter, model)
        found = read_evaluation(evaluation, steered) if evaluation is not None else None
        package = Package(steered, form.value, dtype.value if dtype else None, found, licence, consent)
        checked = package.write(output_dir, status.update)
    for line in checked:
        console.print(line, highlight=False, soft_wrap=True)
    if not (licence and consent):
        console.print("The card says that licence or consent were not stated (--license, --consent).", style="yellow")
    _note_in_store(store, adapter, str(output_dir.resolve()), console)
    typer.echo(output_dir)
    if push is not None:
        with console.status("Uploading"):
            where = upload(output_dir, push, public=public)
        _note_in_store(store, adapter, where, console)
        typer.echo(where)


def _note_in_store(store: str | None, adapter: Path, where: str, console: Console) -> None:
    """Let the store know of a copy, so that a purge can name it; what was made is there in any case."""
    from midcourse.store import Store

    try:
        with Store(store, create=False) as opened:
            if opened.record_copy(adapter.resolve(), where) or store is None:
                return
            said = f"{opened.name} does not know {adapter}: it was trained from another store or from a file"
    except StoreError as error:
        if store is None and "there is no store" in str(error):
            return
        said = str(error)
    console.print(f"{where} is not on record for a purge: {said}", style="yellow", markup=False, soft_wrap=True)
