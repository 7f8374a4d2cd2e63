"""From hidden states to what a loss reads, without ever holding all logits: log-probabilities of labels, KL from a
reference.

Logits are made in chunks within a set memory, reduced in float32 and dropped. While a chunk is there, the slope of
each reading with respect to its hidden state is formed as well:

    log p(y)        slope (δ_y − p) · W
    KL(π_ref ‖ π)   slope (π − π_ref) · W, where the reference's bucket of all other tokens is shared out as π shares it

A reading is linear in its upstream gradient, so the backward pass only scales these rows; logits are made once, not
twice as with checkpointing. Where the head itself learns, its gradient needs the upstream first, and chunks are made
again in the backward pass. It knows no trees, no model and no loss.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

__all__ = ["Head", "Labels", "Retained", "joined", "likeliest", "read_head", "top_of"]

_COPIES = 3
"""Float32 copies of a chunk's logits that exist at once: as the head made them, as read, as slopes."""


@dataclass(frozen=True, slots=True)
class Head:
    """The last linear layer of a model, and how much of what it makes may be held at a time."""

    weight: Tensor
    """[V, d]"""
    bias: Tensor | None
    """[V]"""
    memory: float = 512
    """MB of logits, all copies together."""

    @property
    def chunk(self) -> int:
        """Readings at a time."""
        return max(1, int(self.memory * 2**20 / (_COPIES * 4 * self.weight.shape[0])))

    @property
    def dtype(self) -> torch.dtype:
        """What the product is computed in: autocast's type inside autocast, else that of the weights."""
        kind = self.weight.device.type
        return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else self.weight.dtype

    def cast(self, dtype: torch.dtype) -> "Head":
        """The same head in another type; itself where it has that type already."""
        return Head(self.weight.to(dtype), None if self.bias is None else self.bias.to(dtype), self.memory)


class Reading(Protocol):
    """N numbers that are read of distributions."""

    rows: Tensor
    """[N] which hidden state each is read of"""

    def values(self, logits: Tensor, at: slice) -> Tensor:
        """[n] from logits [n, V]."""

    def slopes(self, logits: Tensor, at: slice) -> tuple[Tensor, Tensor]:
        """The values [n] and their derivatives by the logits [n, V], which may take the place of the logits."""


@dataclass(frozen=True, slots=True)
class Labels:
    """log π(target)."""

    rows: Tensor
    targets: Tensor
    """[N]"""

    def values(self, logits: Tensor, at: slice) -> Tensor:
        """[n] log-probabilities."""
        return logits.gather(1, self.targets[at, None])[:, 0] - logits.logsumexp(1)

    def slopes(self, logits: Tensor, at: slice) -> tuple[Tensor, Tensor]:
        """δ_y − p."""
        targets = self.targets[at, None]
        norm = logits.logsumexp(1, keepdim=True)
        values = logits.gather(1, targets) - norm
        slope = logits.sub_(norm).exp_().neg_()
        return values[:, 0], slope.scatter_(1, targets, -torch.expm1(values))


@dataclass(frozen=True, slots=True)
class Retained:
    """KL(π_ref ‖ π) over the reference's k likeliest tokens and one bucket for all others, as `topk_kl`."""

    rows: Tensor
    ids: Tensor
    """[N, k]"""
    top: Tensor
    """[N, k] log-probabilities under the reference"""
    rest: Tensor
    """[N] log of the reference's mass outside the k"""

    def values(self, logits: Tensor, at: slice) -> Tensor:
        """[n] nats."""
        return self._parts(logits, at)[0]

    def slopes(self, logits: Tensor, at: slice) -> tuple[Tensor, Tensor]:
        """π − π_ref at the k; elsewhere π · (1 − π_ref(rest)/π(rest))."""
        values, norm, logps, rest = self._parts(logits, at)
        slope = logits.sub_(norm).exp_().mul_(-torch.expm1(self.rest[at] - rest)[:, None])
        return values, slope.scatter_(1, self.ids[at], logps.exp() - self.top[at].to(logits.dtype).exp())

    def _parts(self, logits: Tensor, at: slice) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """(KL [n], log normaliser [n, 1], log π at the k [n, k], log π of the rest [n]); writes on the logits."""
        norm = logits.logsumexp(1, keepdim=True)
        picked = logits.gather(1, self.ids[at])
        logps = picked - norm
        logits.scatter_(1, self.ids[at], float("-inf"))
        rest = logits.logsumexp(1) - norm[:, 0]
        top, last = self.top[at].to(logits.dtype), self.rest[at].to(logits.dtype)
        return (top.exp() * (top - logps)).sum(1) + last.exp() * (last - rest), norm, logps, rest


def read_head(hidden: Tensor, head: Head, reading: Labels | Retained) -> Tensor:
    """The readings [N], in float32 or wider, of hidden states [S, d]; differentiable by them and by the head.

    The order of the readings is free; those of one hidden state should stand together.
    """
    order = torch.argsort(reading.rows, stable=True)
    sorted_ = _taken(reading, order)
    form = torch.is_grad_enabled() and hidden.requires_grad
    values: Tensor = _Read.apply(hidden, head.weight, head.bias, head, sorted_, form)  # type: ignore[no-untyped-call]
    return torch.empty_like(values).scatter(0, order, values)


def top_of(hidden: Tensor, head: Head, rows: Tensor, k: int) -> tuple[Tensor, Tensor, Tensor]:
    """The k likeliest tokens at some hidden states: ids and log-probabilities [N, k], log of the rest's mass [N]."""
    head = head.cast(head.dtype)
    return joined([likeliest(_logits(hidden, head, rows[at]), k) for at in _chunks(len(rows), head.chunk)], k)


def likeliest(logits: Tensor, k: int) -> tuple[Tensor, Tensor, Tensor]:
    """The same of logits [N, V] in float32, which are written on."""
    norm = logits.logsumexp(1, keepdim=True)
    values, ids = logits.topk(min(k, logits.shape[1] - 1), dim=1)
    rest = logits.scatter_(1, ids, float("-inf")).logsumexp(1)
    return ids, values - norm, rest - norm[:, 0]


def joined(parts: list[tuple[Tensor, Tensor, Tensor]], k: int) -> tuple[Tensor, Tensor, Tensor]:
    """Chunks of `likeliest` one after another."""
    if not parts:
        return torch.zeros(0, k, dtype=torch.int64), torch.zeros(0, k), torch.zeros(0)
    ids, top, rest = (torch.cat(p) for p in zip(*parts, strict=True))
    return ids, top, rest


def _taken(reading: Labels | Retained, order: Tensor) -> Labels | Retained:
    return type(reading)(**{f: getattr(reading, f)[order] for f in type(reading).__slots__})


def _chunks(count: int, size: int) -> Iterator[slice]:
    for begin in range(0, count, size):
        yield slice(begin, min(begin + size, count))


def _logits(hidden: Tensor, head: Head, rows: Tensor) -> Tensor:
    """[n, V] in float32 or wider, free to be written on; a state that is read several times goes through once."""
    unique, again = torch.unique_consecutive(rows, return_inverse=True)
    dtype = head.weight.dtype
    made = F.linear(hidden[unique].to(dtype), head.weight, head.bias)
    made = made.to(torch.promote_types(dtype, torch.float32))
    return made if len(unique) == len(rows) else made[again]


class _Read(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor | None, head: Head, reading: Any, form: bool
    ) -> Tensor:
        ctx.reading, ctx.memory, ctx.dtype = reading, head.memory, head.dtype
        ctx.learns = weight.requires_grad or (bias is not None and bias.requires_grad)
        form = form and not ctx.learns
        head, count = head.cast(ctx.dtype), len(reading.rows)
        values = hidden.new_empty(count, dtype=torch.promote_types(ctx.dtype, torch.float32))
        slopes = hidden.new_empty((count if form else 0, hidden.shape[1]), dtype=ctx.dtype)
        for at in _chunks(count, head.chunk):
            logits = _logits(hidden, head, reading.rows[at])
            if form:
                values[at], by_logits = reading.slopes(logits, at)
                slopes[at] = by_logits.to(ctx.dtype) @ head.weight
            else:
                values[at] = reading.values(logits, at)
        ctx.save_for_backward(hidden, weight, bias, slopes)
        return values

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        hidden, weight, bias, slopes = ctx.saved_tensors
        d_hidden = torch.zeros(hidden.shape, dtype=grad.dtype, device=hidden.device)
        if not ctx.learns:
            d_hidden.index_add_(0, ctx.reading.rows, slopes * grad[:, None])
            return d_hidden.to(hidden.dtype), None, None, None, None, None
        d_weight = torch.zeros(weight.shape, dtype=grad.dtype, device=weight.device)
        d_bias = None if bias is None else torch.zeros(bias.shape, dtype=grad.dtype, device=bias.device)
        head = Head(weight, bias, ctx.memory).cast(ctx.dtype)
        for at in _chunks(len(grad), head.chunk):
            rows = ctx.reading.rows[at]
            _, by_logits = ctx.reading.slopes(_logits(hidden, head, rows), at)
            by_logits *= grad[at, None]
            if d_bias is not None:
                d_bias += by_logits.sum(0)
            by_logits = by_logits.to(ctx.dtype)
            d_hidden.index_add_(0, rows, (by_logits @ head.weight).to(grad.dtype))
            d_weight += by_logits.T @ hidden[rows].to(ctx.dtype)
        last = None if d_bias is None or bias is None else d_bias.to(bias.dtype)
        return d_hidden.to(hidden.dtype), d_weight.to(weight.dtype), last, None, None, None
