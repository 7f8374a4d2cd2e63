"""Linear layers with their weights packed in half precision: on a processor, few rows wait for memory, not for sums.

Activations and sums stay in float32, each weight is rounded to eleven bits (bfloat16 keeps eight). Layers that read
the same input are packed as one; what a LoRA adapter adds is computed beside them, unrounded. The packed copy is an
extra: the model's own weights are neither changed nor held. It knows no layer's place in a model.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.nn.functional import linear

__all__ = ["Halves", "can_pack"]


class Halves:
    """Several linear layers of one input, as one: their outputs come side by side."""

    def __init__(self, layers: Sequence[nn.Module]) -> None:
        """Pack layers for which `can_pack` holds."""
        base = [_base(layer) for layer in layers]
        with torch.no_grad():
            weight = torch.cat([b.weight.detach().float() for b in base])
            bias = None
            if any(b.bias is not None for b in base):
                bias = torch.cat(
                    [b.weight.new_zeros(b.out_features) if b.bias is None else b.bias.detach() for b in base]
                ).float()
            self._packed = torch.ops.quantized.linear_prepack_fp16(weight, bias)
            added = [_added(layer) for layer in layers]
            self._down = self._up = None
            if any(a is not None for a in added):
                downs = [weight.new_zeros(0, weight.shape[1]) if a is None else a[0] for a in added]
                ups = [
                    weight.new_zeros(b.out_features, 0) if a is None else a[1] for a, b in zip(added, base, strict=True)
                ]
                self._down, self._up = torch.cat(downs), torch.block_diag(*ups).t().contiguous()  # type: ignore[no-untyped-call]

    def __call__(self, given: torch.Tensor, adapter: bool = True) -> torch.Tensor:
        """float32 [R, in] to [R, sum of outs]; `adapter` False leaves out what LoRA adds."""
        out: torch.Tensor = torch.ops.quantized.linear_dynamic_fp16(given, self._packed)
        if adapter and self._down is not None and self._up is not None:
            out = torch.addmm(out, linear(given, self._down), self._up)
        return out


def can_pack(layers: Sequence[nn.Module]) -> bool:
    """Whether this machine has the product for it, and the layers are plain ones, with LoRA or without."""
    if "fbgemm" not in torch.backends.quantized.supported_engines:
        return False
    for layer in layers:
        base: Any = _base(layer)
        if type(base) is not nn.Linear or base.weight.device.type != "cpu":
            return False
        if base is not layer and not _plain_lora(layer):
            return False
    # what half precision cannot hold would become infinite
    return all(_base(layer).weight.detach().abs().amax().item() < torch.finfo(torch.float16).max for layer in layers)


def _base(layer: Any) -> Any:
    return getattr(layer, "base_layer", layer)


def _plain_lora(layer: Any) -> bool:
    on = list(getattr(layer, "active_adapters", ()))
    return (
        len(on) <= 1
        and not layer.merged
        and all(name in layer.lora_A for name in on)
        and not any(getattr(layer, "lora_variant", {}).get(name) for name in on)
        and not any(getattr(layer.lora_B[name], "bias", None) is not None for name in on)
    )


def _added(layer: Any) -> tuple[torch.Tensor, torch.Tensor] | None:
    """What the adapter adds: (A [r, in], scaled B [out, r]) in float32."""
    if _base(layer) is layer or not layer.active_adapters:
        return None
    (name,) = layer.active_adapters
    return layer.lora_A[name].weight.detach().float(), layer.lora_B[name].weight.detach().float() * layer.scaling[name]
