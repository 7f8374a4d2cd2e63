"""`midcourse train`: a store or a file of steers in, an adapter out."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from midcourse.cli.launching import WORDS, launch, quiet_rank, without
from midcourse.cli.reading import columns_of
from midcourse.errors import InputError, MissingExtra

CONTEXT = {"allow_extra_args": True, "ignore_unknown_options": True}
_STEERS_FILES = {".jsonl", ".json", ".csv", ".parquet", ".ndjson"}


def train(
    context: typer.Context,
    source: Annotated[str, typer.Argument(help="A store (midcourse.db) or a file of steers (.jsonl, .csv, .parquet).")],
    output_dir: Annotated[Path, typer.Option("--output_dir", "-o", help="Folder for the adapter and its checkpoints.")],
    model: Annotated[str, typer.Option(help="`builtin`, a model folder, or a hub id.")] = "builtin",
    config: Annotated[Path | None, typer.Option(help="YAML file of settings; options on the command line win.")] = None,
    dtype: Annotated[str, typer.Option(help="float32, bfloat16, or auto: bfloat16 where it is faster.")] = "float32",
    chat: Annotated[bool, typer.Option(help="Wrap plain-text prompts of a file as a user's message.")] = False,
    map_: Annotated[list[str], typer.Option("--map", help="Rename a column of a file, e.g. chosen=fix.")] = [],  # noqa: B006
    mix: Annotated[
        str | None,
        typer.Option(
            metavar="NAME=SHARE,…",
            help="Mix in other examples by their share of all: kinds in the data (text, instructions, pairs) or files, "
            "whose kind is told by their columns or said as in text:FILE. E.g. text=0.1,chats.jsonl=0.2.",
        ),
    ] = None,
    resume: Annotated[bool, typer.Option(help="Go on from the newest complete checkpoint.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry_run", help="Print trees, tokens, steps, expected time and peak memory, and stop.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="With --dry_run: print the plan as JSON.")] = False,
    processes: Annotated[
        int | None,
        typer.Option(min=1, help="Train in so many processes of this machine, one a GPU where there are GPUs."),
    ] = None,
    load_in_4bit: Annotated[
        bool, typer.Option("--load_in_4bit", help="Hold the base in 4 bits (QLoRA); needs CUDA and bitsandbytes.")
    ] = False,
    progress: Annotated[
        Path | None, typer.Option(help="Append one JSON line a logged step to this file, for whoever watches.")
    ] = None,
) -> None:
    """Train an adapter on steers.

    Every setting of SteerConfig and of transformers' TrainingArguments is an option too (docs/configuration.md):

        midcourse train midcourse.db --output_dir runs/mine --num_train_epochs 4 --max_drift 0.01
        midcourse train my.jsonl --output_dir runs/mine --beta 0.2 --dry_run
        midcourse train midcourse.db --output_dir runs/dpo --loss_type sigmoid --whole_answers true
        midcourse train midcourse.db --output_dir runs/replay --retain_weight 0 --mix wiki.txt=0.3

    --loss_type names what is minimised: docs/losses.md has them all.

    Several processes share the work of each step and give the same adapter as one:

        midcourse train midcourse.db --output_dir runs/mine --processes 4
        midcourse train midcourse.db --output_dir runs/mine --processes 4 --fsdp true
        accelerate launch --multi_gpu --num_processes 4 -m midcourse train midcourse.db --output_dir runs/mine

    --fsdp true holds a shard of the weights on each process; docs/many-gpus.md has more.

    --dry_run really runs some hundred tokens to tell time and memory; it changes and leaves nothing.
    """
    try:
        from midcourse.cli.run_training import dry, run
    except ImportError as error:
        raise MissingExtra.of("train", "`midcourse train`") from error
    if source.startswith("-"):  # an option that is not train's own was taken for the data
        raise InputError(
            f"the data comes first and settings after it, got {source!r}: midcourse train midcourse.db --output_dir …"
        )
    settings = {**_yaml(config), **_options(context.args)}
    settings["output_dir"] = str(output_dir)
    if mix is not None:
        settings["mix"] = mix
    plan = {"source": source, "model": model, "dtype": dtype, "chat": chat, "columns": columns_of(map_)}
    plan["load_in_4bit"] = load_in_4bit
    console = Console(stderr=True, quiet=quiet_rank())
    if as_json and not dry_run:
        raise InputError("--json goes with --dry_run: it prints the plan; a run itself writes midcourse.json")
    if dry_run:
        dry(settings, plan, console, as_json=as_json, processes=processes or 1)
    elif processes is not None:
        launch(processes, without(context.meta[WORDS], "--processes"))
    else:
        run(settings, plan, console, resume=resume, progress=progress)


def _yaml(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    import yaml

    try:
        value = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"the config file {path} does not exist") from error
    except yaml.YAMLError as error:
        raise InputError(f"{path} is not valid YAML: {error}") from error
    if value is not None and not isinstance(value, dict):
        raise InputError(f"{path} must hold `setting: value` lines, got a {type(value).__name__}")
    return value or {}


def _options(args: list[str]) -> dict[str, Any]:
    """`--name value`, `--name=value` and `--flag` of settings that have no option of their own."""
    found: dict[str, Any] = {}
    queue = list(args)
    while queue:
        word = queue.pop(0)
        if not word.startswith("--"):
            raise InputError(f"unexpected argument {word!r}; settings are given as --name value")
        name, given, value = word[2:].partition("=")
        if not given:
            value = queue.pop(0) if queue and not queue[0].startswith("--") else "true"
        try:
            found[name.replace("-", "_")] = _value(value)
        except ValueError as error:
            raise InputError(f"--{name} begins like JSON and is none ({error}): {value}") from error
    return found


def _value(text: str) -> Any:
    """Numbers and truth values as such, everything else as text."""
    lowered = text.lower()
    if lowered in ("true", "false", "none", "null"):
        return {"true": True, "false": False}.get(lowered)
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return json.loads(text) if text.startswith(("{", "[")) else text
