"""Weights that lie in shards over the ranks (FSDP2), read and written whole.

accelerate shards the model; here its trained weights and the optimizer's state are gathered into the very files that a
run of one process writes, and dealt out again from them. So a checkpoint does not know how many processes made it. It
knows no trees and no loss.
"""

from pathlib import Path
from typing import Any

import torch
from accelerate.utils import DistributedType, FullyShardedDataParallelPlugin
from safetensors.torch import load_file
from torch import Tensor
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_optimizer_state_dict,
    set_optimizer_state_dict,
)
from torch.distributed.tensor import DTensor, distribute_tensor

from midcourse.errors import InputError

__all__ = ["check", "load_optimizer", "load_weights", "optimizer_state", "shard_on_cpu", "trained_state"]


def shard_on_cpu(accelerator: Any, plugin: dict[str, Any] | None) -> None:
    """Let accelerate shard where there is no GPU.

    It heeds its FSDP plugin on GPUs alone, while torch shards on CPUs as well. Told here that the run is of that kind,
    it goes the very way it goes on GPUs.

    Args:
        accelerator: Made, and nothing prepared with it yet.
        plugin: Arguments of accelerate's plugin; None where its own launcher has set them in the environment.
    """
    accelerator.state.fsdp_plugin = FullyShardedDataParallelPlugin(**(plugin or {}))
    accelerator.state.distributed_type = DistributedType.FSDP


def check(path: str, *, adapter: bool) -> None:
    """Whether a run can have its weights in shards.

    Args:
        path: The forward path.
        adapter: Whether an adapter is trained, not all weights.

    Raises:
        InputError: It cannot.
    """
    if path != "packed":
        raise InputError(
            f"weights in shards (--fsdp) need the forward path packed, but this model runs by {path}, which makes "
            "unequal numbers of passes. Train it without --fsdp"
        )
    if not adapter:
        raise InputError(
            "weights in shards (--fsdp) go with an adapter: with --use_peft false the optimizer of a sharded model "
            "cannot be kept in a checkpoint. Train an adapter, or all weights without --fsdp"
        )


def trained_state(model: Any) -> dict[str, Tensor]:
    """What a sharded model learns, whole and on the CPU; every rank must ask."""
    return {name: _whole(p) for name, p in model.named_parameters() if p.requires_grad}


def _whole(value: Any) -> Tensor:
    whole: Tensor = value.full_tensor().detach() if isinstance(value, DTensor) else value.detach()
    return whole.cpu()


def load_weights(model: Any, folder: Path) -> None:
    """Deal out what a folder holds of the trained weights, an adapter's or all.

    Raises:
        InputError: The folder lacks some of them.
    """
    files = [*folder.glob("adapter_model.safetensors"), *folder.glob("model*.safetensors")]
    held: dict[str, Tensor] = {}
    for file in files:
        held |= load_file(str(file))
    adapters = list(getattr(model, "peft_config", {}))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if not parameter.requires_grad:
                continue
            key = name
            for adapter in adapters:  # an adapter's file leaves its name out
                key = key.replace(f".{adapter}.", ".")
            if key not in held:
                raise InputError(f"{folder} does not hold the weights {key}; it is a checkpoint of another kind of run")
            value = held[key].to(parameter.dtype)
            if isinstance(parameter, DTensor):
                value = distribute_tensor(value.to(parameter.device), parameter.device_mesh, parameter.placements)
            parameter.copy_(value)


def optimizer_state(model: Any, optimizer: Any) -> dict[str, Any]:
    """As `optimizer.state_dict()` of an unsharded run, whole and on the CPU; every rank must ask."""
    options = StateDictOptions(full_state_dict=True, cpu_offload=True)
    named: dict[str, Any] = dict(get_optimizer_state_dict(model, optimizer, options=options))
    number = {name: i for i, name in enumerate(_names(model, optimizer))}
    groups = [{**g, "params": [number[n] for n in g["params"]]} for g in named["param_groups"]] if named else []
    return {"state": {number[n]: s for n, s in named.get("state", {}).items()}, "param_groups": groups}


def load_optimizer(model: Any, optimizer: Any, file: Path) -> None:
    """Deal out what `optimizer_state` gave, or an unsharded run has written."""
    state = torch.load(file, map_location="cpu", weights_only=True)
    names = _names(model, optimizer)
    groups = [{**g, "params": [names[i] for i in g["params"]]} for g in state["param_groups"]]
    named: dict[str, Any] = {"state": {names[i]: s for i, s in state["state"].items()}, "param_groups": groups}
    set_optimizer_state_dict(model, optimizer, named, options=StateDictOptions(full_state_dict=True))


def _names(model: Any, optimizer: Any) -> list[str]:
    """Of the optimizer's weights in its own order, by which an unsharded state counts them."""
    by_id = {id(p): name for name, p in model.named_parameters()}
    return [by_id[id(p)] for group in optimizer.param_groups for p in group["params"]]
