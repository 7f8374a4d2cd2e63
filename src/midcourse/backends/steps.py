"""The next few tokens of several texts in one pass, with no more operations than decoders of the usual build need.

A general forward pass spends as long on its bookkeeping, layer by layer, as a small model on its sums. Here every
weight is read once for all texts, and only the attention looks at each text's own cache. Models of another build are
not taken. It knows token ids and caches; no sampling.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.functional import rms_norm, scaled_dot_product_attention

from midcourse.backends.halves import Halves, can_pack

__all__ = ["MOST", "Steps"]

MOST = 32
"""New tokens of a text from which on the model's own pass is as good."""
_FAMILIES = {"llama", "mistral", "qwen2", "qwen3"}
_STEADY_ROPE = {"default", "linear", "llama3", "yarn"}
"""Rotations that depend on the position alone, not on how long a text has become."""
_Product = Callable[[torch.Tensor, bool], torch.Tensor]


@dataclass(frozen=True, slots=True)
class _Layer:
    """What one layer computes with."""

    before: tuple[torch.Tensor, float]
    query_key_value: _Product
    norms: tuple[tuple[torch.Tensor, float], tuple[torch.Tensor, float]] | None
    """Of each head's query and key."""
    out: _Product
    behind: tuple[torch.Tensor, float]
    gate_up: _Product
    act: Callable[[torch.Tensor], torch.Tensor]
    down: _Product


class Steps:
    """A decoder that is stepped by hand."""

    def __init__(self, model: Any, *, halves: bool = False) -> None:
        """See `of`."""
        base = _base_of(model)
        self._decoder = base.model
        config = base.config
        self._heads, self._groups = config.num_attention_heads, config.num_key_value_heads
        attention = self._decoder.layers[0].self_attn
        self._width, self._scale = attention.head_dim, attention.scaling
        self._dtype = torch.float32 if halves else base.dtype
        self._layers = [self._layer(layer, halves) for layer in self._decoder.layers]
        self._last = self._norm(self._decoder.norm)
        self._head = _product([base.lm_head], halves)

    @classmethod
    def of(cls, model: Any, *, halves: bool = False) -> "Steps | None":
        """For a transformers or PEFT model in eval mode; None where the model is of another build.

        Args:
            model: Whose weights are used as they are at each step.
            halves: Compute in float32 with a copy of the weights in half precision (`Halves`) instead, where this
                machine can; the copy is made now.
        """
        base = _base_of(model)
        config = base.config
        if config.model_type not in _FAMILIES or getattr(config, "sliding_window", None):
            return None
        if set(getattr(config, "layer_types", None) or ["full_attention"]) != {"full_attention"}:
            return None
        rope = getattr(config, "rope_parameters", None) or {}
        if rope.get("rope_type") not in _STEADY_ROPE or rope.get("partial_rotary_factor", 1.0) != 1.0:
            return None
        return cls(model, halves=halves and can_pack([base.lm_head]))

    @torch.inference_mode()
    def run(self, new: Sequence[Sequence[int]], caches: Sequence[Any], adapter: bool = True) -> torch.Tensor:
        """fp32 logits [R, V] behind the last of each text's new tokens, which are put into its cache."""
        counts = [len(n) for n in new]
        device = self._decoder.embed_tokens.weight.device
        places = [p for n, cache in zip(counts, caches, strict=True) for p in _places(cache, n)]
        hidden = self._decoder.embed_tokens(torch.tensor([i for n in new for i in n], device=device)).to(self._dtype)
        cos, sin = self._decoder.rotary_emb(hidden[None], torch.tensor([places], device=device))
        half = self._width // 2
        turn = cos[0, :, None], torch.cat([-sin[0, :, None, :half], sin[0, :, None, half:]], -1)
        for n, layer in enumerate(self._layers):
            wanted = layer.query_key_value(_normed(hidden, layer.before), adapter)
            hidden = hidden + layer.out(self._attended(n, wanted, turn, counts, caches), adapter)
            gate, up = layer.gate_up(_normed(hidden, layer.behind), adapter).chunk(2, -1)
            hidden = hidden + layer.down(layer.act(gate) * up, adapter)
        if len(counts) != len(places):
            hidden = hidden[torch.tensor(counts, device=device).cumsum(0) - 1]
        return self._head(_normed(hidden, self._last), adapter).float()

    def _attended(
        self,
        n: int,
        wanted: torch.Tensor,
        turn: tuple[torch.Tensor, torch.Tensor],
        counts: Sequence[int],
        caches: Sequence[Any],
    ) -> torch.Tensor:
        """What layer `n` sees from each place, [N, heads · width]."""
        heads, width = self._heads, self._width
        turned = heads + self._groups
        asked = wanted[:, : turned * width].view(-1, turned, width)
        if (norms := self._layers[n].norms) is not None:
            asked = torch.cat([_normed(asked[:, :heads], norms[0]), _normed(asked[:, heads:], norms[1])], 1)
        asked = torch.addcmul(asked * turn[0], asked.roll(width // 2, -1), turn[1])
        told = wanted[:, turned * width :].view(-1, self._groups, width)
        seen, at = [], 0
        for count, cache in zip(counts, caches, strict=True):
            key = asked[at : at + count, heads:].transpose(0, 1)[None]
            value = told[at : at + count].transpose(0, 1)[None]
            keys, values = cache.update(key, value, n)
            seen.append(self._seen(asked[at : at + count, :heads], keys, values))
            at += count
        return (seen[0] if len(seen) == 1 else torch.cat(seen)).to(wanted.dtype)

    def _seen(self, query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        """One text's: query [n, heads, width], keys and values [1, groups, T, width] to [n, heads · width]."""
        count, shared = query.shape[0], self._heads // self._groups
        # The heads that share a key lie side by side, as rows of one product.
        rows = query.to(keys.dtype).reshape(count, self._groups, shared, -1).permute(1, 2, 0, 3).flatten(1, 2)[None]
        mask = None
        if count > 1:
            length = keys.shape[-2]
            mask = torch.ones(count, length, dtype=torch.bool, device=keys.device).tril(length - count)
            mask = mask.repeat(shared, 1)
        out = scaled_dot_product_attention(rows, keys, values, attn_mask=mask, scale=self._scale)
        return out.reshape(self._groups, shared, count, -1).permute(2, 0, 1, 3).reshape(count, -1)

    def _layer(self, layer: Any, halves: bool) -> _Layer:
        attention, mlp = layer.self_attn, layer.mlp
        norms = None
        if hasattr(attention, "q_norm"):
            norms = self._norm(attention.q_norm), self._norm(attention.k_norm)
        return _Layer(
            before=self._norm(layer.input_layernorm),
            query_key_value=_product([attention.q_proj, attention.k_proj, attention.v_proj], halves),
            norms=norms,
            out=_product([attention.o_proj], halves),
            behind=self._norm(layer.post_attention_layernorm),
            gate_up=_product([mlp.gate_proj, mlp.up_proj], halves),
            act=mlp.act_fn,
            down=_product([mlp.down_proj], halves),
        )

    def _norm(self, norm: Any) -> tuple[torch.Tensor, float]:
        return norm.weight.detach().to(self._dtype), norm.variance_epsilon


def _base_of(model: Any) -> Any:
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def _places(cache: Any, count: int) -> range:
    before = cache.get_seq_length()
    return range(before, before + count)


def _normed(hidden: torch.Tensor, norm: tuple[torch.Tensor, float]) -> torch.Tensor:
    return rms_norm(hidden, norm[0].shape, norm[0], norm[1])


def _product(layers: list[Any], halves: bool) -> _Product:
    if halves and can_pack(layers):
        return Halves(layers)

    def plain(given: torch.Tensor, adapter: bool) -> torch.Tensor:
        """PEFT's own switch says whether an adapter is on; weights of another type than float32 get their own."""
        own = given.to(layers[0].weight.dtype)
        out = layers[0](own) if len(layers) == 1 else torch.cat([layer(own) for layer in layers], -1)
        return out.to(given.dtype)

    return plain
