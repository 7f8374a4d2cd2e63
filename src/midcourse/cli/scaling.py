"""`midcourse plan`: a model's config and some GPUs in; weights, memory and hours out."""

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from midcourse.errors import InputError, MissingExtra

if TYPE_CHECKING:
    from midcourse.workflows.scale import Hardware, Reckoned

__all__ = ["plan"]


def plan(
    model: Annotated[str, typer.Option(help="llama-3.1-8b, llama-3.1-70b, or a folder or file with a config.json.")],
    gpus: Annotated[int, typer.Option(min=1, help="How many.")] = 1,
    gpu: Annotated[str, typer.Option(help="h100, a100, l40s or rtx4090.")] = "h100",
    tflops: Annotated[float | None, typer.Option(help="Of one GPU, in place of its data sheet's.")] = None,
    gpu_memory: Annotated[float | None, typer.Option("--gpu_memory", help="GB of one, in place of its own.")] = None,
    utilisation: Annotated[float, typer.Option(help="Share of the FLOPs that training gets out of a GPU.")] = 0.35,
    trees: Annotated[int, typer.Option(min=1, help="Trajectories.")] = 1000,
    trunk: Annotated[int, typer.Option(min=2, help="Tokens of a text that was kept.")] = 2048,
    forks: Annotated[int, typer.Option(min=0, help="Steers in a text.")] = 20,
    branch: Annotated[int, typer.Option(min=1, help="Tokens of a rejected side.")] = 64,
    epochs: Annotated[float, typer.Option(min=0, help="Passes.")] = 4,
    max_tokens: Annotated[int, typer.Option("--max_tokens", min=16, help="Most tokens of a packed row.")] = 2048,
    lora_r: Annotated[int, typer.Option("--lora_r", min=0, help="Rank of the adapter; 0 trains all weights.")] = 16,
    checkpointing: Annotated[bool, typer.Option(help="Recompute activations in the backward pass.")] = True,
    dtype: Annotated[str, typer.Option(help="As `midcourse train --dtype`: bfloat16 or float32.")] = "bfloat16",
    four_bits: Annotated[bool, typer.Option("--load_in_4bit", help="The base in 4 bits, as QLoRA has it.")] = False,
    fsdp: Annotated[bool | None, typer.Option(help="Weights in shards; left open, where they do not fit.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Reckon what a run would take, before there is a machine or a weight for it.

    Everything comes from the model's config; nothing is fetched or run. For a run on this machine with data at hand,
    `midcourse train … --dry_run` measures instead.

        midcourse plan --model llama-3.1-8b --gpus 1
        midcourse plan --model llama-3.1-70b --gpus 8 --gpu h100 --trees 5000
        midcourse plan --model runs/mine/config.json --gpus 2 --gpu rtx4090 --load_in_4bit
    """
    try:
        from midcourse.workflows.scale import GPUS, IN_4_BITS, Forked, Shape, Training, placed, reckon

        shape = Shape.of(model, rank=lora_r or None)
    except ImportError as error:
        raise MissingExtra.of("train", "`midcourse plan`") from error
    if dtype not in GPUS:
        raise InputError(f"--dtype is {dtype!r}; expected {' or '.join(GPUS)}")
    if gpu.lower() not in GPUS[dtype]:
        known = ", ".join(GPUS[dtype])
        raise InputError(f"--gpu is {gpu!r}; expected one of {known}, or give --tflops and --gpu_memory")
    if not 0 < utilisation <= 1:
        raise InputError(f"--utilisation is {utilisation:g}; expected a share above 0 and at most 1")
    if four_bits and not lora_r:
        raise InputError("a base in 4 bits cannot learn itself: give --lora_r, or leave out --load_in_4bit")
    if fsdp and not lora_r:
        raise InputError("all weights are not trained in shards: give --lora_r, or leave out --fsdp")
    sheet = GPUS[dtype][gpu.lower()]
    hardware = replace(
        sheet,
        flops=sheet.flops if tflops is None else tflops * 1e12,
        memory=sheet.memory if gpu_memory is None else gpu_memory * 1e9,
        used=utilisation,
    )
    half = dtype == "bfloat16"
    bits = IN_4_BITS if four_bits else 2.0 if half else 4.0
    how = Training(bits, half, adapter=bool(lora_r), checkpointed=checkpointing, sharded=bool(fsdp))
    tree = Forked(trunk, forks, branch)
    if fsdp is None:
        how = placed(shape, how, tree.row(max_tokens), hardware.memory, processes=gpus)
    made = reckon(shape, tree, trees, hardware, epochs=epochs, processes=gpus, training=how, max_tokens=max_tokens)
    if as_json:
        typer.echo(json.dumps(made.to_dict(), indent=2))
        return
    _show(made, hardware, lora_r)


def _show(made: "Reckoned", hardware: "Hardware", rank: int) -> None:
    """The plan as a table."""
    from midcourse.cli.planning import size

    shape, how = made.shape, made.training
    total = sum(made.memory.values())
    room = "fits" if made.fits else "does not fit"
    kind = "bfloat16" if how.half else "float32"
    rows = [
        ("parameters", f"{shape.parameters:,}", f"{shape.body:,} in the layers"),
        ("trained", f"{shape.trained:,}", f"LoRA of rank {rank}" if rank else "all weights"),
        ("weights in", "4 bits" if how.four_bits else kind, f"reckoned in {kind}"),
        ("tokens per tree", f"{made.tree.tokens:,}", f"as independent rows {made.tree.branch_tokens:,}"),
        (
            "processes",
            f"{made.processes}",
            "each with a shard of the weights (FSDP2)" if how.sharded else "each with all weights",
        ),
        *((f"  {name}", size(value), "of a process") for name, value in made.memory.items()),
        ("memory", size(total), f"of a process; {room} into {size(hardware.memory)}"),
        ("host memory", size(made.host_memory), f"of a machine with all processes, as they load; {_held(made)}"),
        ("reference", f"{made.hours_reference:.2g} h", "one pass over all trees"),
        ("training", f"{made.hours_training:.2g} h", f"{made.trees:,} trees, {made.epochs:g} passes"),
        ("time", f"{made.hours:.2g} h", f"if {hardware.used:.0%} of {hardware.flops / 1e12:,.0f} TFLOP/s are reached"),
    ]
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column()
    table.add_column(justify="right")
    table.add_column(style="dim")
    for row in rows:
        table.add_row(*row)
    Console(highlight=False).print(table)
    typer.echo("A plan: reckoned from the config, not measured.")


def _held(made: "Reckoned") -> str:
    """How main memory holds the base."""
    if made.copied:
        return f"a copy for each process, since the file is {made.shape.stored}"
    return "one copy, the file's own pages"
