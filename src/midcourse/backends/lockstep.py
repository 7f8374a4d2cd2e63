"""Many texts written at once by one model, each stopped, corrected and resumed without the others waiting.

Every row of a batch is a text. One step feeds each row one token: the one just drawn, or the next of a correction that
was put there. What a row turned down stays in the cache and is masked, so a correction costs a row only its own tokens.
Rows that are done make room for the next text. Texts come out as one by one, up to the rounding of batched sums. It
knows token ids; who asks for them, and why they change, is the jobs' own.
"""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Protocol

import torch
from torch.nn.functional import pad

from midcourse.backends.local import draw
from midcourse.backends.protocol import Sampling, Token
from midcourse.backends.room import roomy_cache
from midcourse.errors import InputError
from midcourse.tokens import common_prefix

__all__ = ["Job", "Lockstep", "can_run"]

ROWS = 16
_SLACK = 64
"""Masked slots that are carried along before the cache is made dense again."""


class Job(Protocol):
    """One text: says what it wants next and is told what came."""

    def request(self) -> tuple[Sequence[int], Sampling] | None:
        """All ids so far and how to go on from them; None when the text is finished."""
        ...

    def receive(self, tokens: Sequence[Token]) -> None:
        """What was written."""
        ...


def can_run(model: Any) -> bool:
    """Whether every layer of a model sees the whole text, so that slots of its cache can be masked one by one."""
    config = model.config.get_text_config()
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    return kinds == {"full_attention"} and not getattr(config, "sliding_window", None)


class _Row:
    """One text in the batch: what of it lies in which slot of the cache, and what is still to be fed."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.held: list[int] = []
        self.slots: list[int] = []
        self.queue: list[int] = []

    def begin(self, context: int) -> tuple[bool, list[int]]:
        """Take the job's next request: whether there is one, and which slots are turned down by it."""
        while (asked := self.job.request()) is not None:
            ids, self.sampling = list(asked[0]), asked[1]
            self.limit = min(self.sampling.max_new_tokens, context - len(ids))
            if not ids:
                raise InputError("there is nothing to continue from: the prompt has no tokens")
            if self.limit > 0:
                kept = min(common_prefix(ids, self.held), len(ids) - 1)
                dropped = self.slots[kept:]
                self.held, self.slots, self.queue = self.held[:kept], self.slots[:kept], ids[kept:]
                self.made: list[Token] = []
                self.dice = torch.Generator().manual_seed(self.sampling.seed)
                return True, dropped
            self.job.receive([])
        return False, []


class Lockstep:
    """A transformers model that writes up to `rows` texts at a time."""

    def __init__(self, model: Any, end_ids: Sequence[int], *, rows: int = ROWS, adapter: bool = True) -> None:
        """Wrap `model` (in eval mode); `adapter=False` writes with the base."""
        if not can_run(model):
            raise InputError("this model has layers that see only a part of the text; write its texts one by one")
        self.model, self.end_ids, self.rows, self.adapter = model, tuple(end_ids), rows, adapter
        self.context: int = getattr(model.config.get_text_config(), "max_position_embeddings", None) or 1 << 30
        self._live: list[_Row] = []
        self._cache: Any = None
        self._mask = torch.zeros(0, 0, dtype=torch.long)

    @torch.inference_mode()
    def run(self, jobs: Iterable[Job]) -> None:
        """Write all jobs to their end; jobs are taken as rows become free."""
        waiting = iter(jobs)
        self._live, self._cache = [], None
        switch = contextlib.nullcontext()
        if not self.adapter and hasattr(self.model, "disable_adapter"):
            switch = self.model.disable_adapter()
        with switch:
            while self._join(waiting) or self._live:
                if self._live:  # those that joined may have had nothing to write
                    self._step()

    # -- rows come and go ------------------------------------------------------------------------------------------

    def _join(self, waiting: Iterator[Job]) -> bool:
        """Take new texts while there is room, a quarter of the rows at a time; whether any came."""
        free = self.rows - len(self._live)
        if free < min(self.rows, max(1, self.rows // 4)):
            return False
        taken = [_Row(job) for job in islice(waiting, free)]
        new = [row for row in taken if row.begin(self.context)[0]]
        if new:
            self._read_prompts(new)
        return bool(taken)

    def _read_prompts(self, new: list[_Row]) -> None:
        """Read all but the last token of each new text in one padded pass, and set them beside the others."""
        long = max(len(r.queue) for r in new)  # one slot more than is read, so that there is always one
        device = self.model.device
        ids = torch.tensor([[0] * (long - len(r.queue) + 1) + r.queue[:-1] for r in new], device=device)
        mask = torch.tensor([[0] * (long - len(r.queue) + 1) + [1] * (len(r.queue) - 1) for r in new], device=device)
        cache = roomy_cache()
        self._forward(ids, mask, (mask.cumsum(-1) - 1).clamp(min=0), cache)
        for row in new:
            row.held, row.queue = row.queue[:-1], row.queue[-1:]
            row.slots = list(range(long - len(row.held), long))
        if self._cache is None:
            self._cache, self._mask = cache, mask
        else:
            wide = max(self._mask.shape[1], long)
            for row in self._live:
                row.slots = [s + wide - self._mask.shape[1] for s in row.slots]
            for row in new:
                row.slots = [s + wide - long for s in row.slots]
            self._mask = torch.cat([_wider(self._mask, wide), _wider(mask, wide)])
            for old, more in zip(self._cache.layers, cache.layers, strict=True):
                old.keys = torch.cat([_taller(old.keys, wide), _taller(more.keys, wide)])
                old.values = torch.cat([_taller(old.values, wide), _taller(more.values, wide)])
        self._live += new

    def _leave(self, going: list[int]) -> None:
        """Keep only these rows."""
        if len(going) == len(self._live):
            return
        self._live = [self._live[r] for r in going]
        if not going:
            self._cache = None
            return
        pick = torch.tensor(going, device=self._mask.device)
        self._mask = self._mask[pick]
        self._cache.batch_select_indices(pick)

    def _tidy(self) -> None:
        """Leave masked slots out where they have become many."""
        longest = max(len(r.held) for r in self._live)
        if self._mask.shape[1] <= 2 * longest + _SLACK:
            return
        wide = longest + 1
        order = torch.tensor([[0] * (wide - len(r.slots)) + r.slots for r in self._live], device=self._mask.device)
        for layer in self._cache.layers:
            at = order[:, None, :, None].expand(-1, layer.keys.shape[1], -1, layer.keys.shape[3])
            layer.keys, layer.values = layer.keys.gather(2, at), layer.values.gather(2, at)
        for row in self._live:
            row.slots = list(range(wide - len(row.held), wide))
        self._mask = torch.tensor(
            [[0] * (wide - len(r.held)) + [1] * len(r.held) for r in self._live], device=self._mask.device
        )

    # -- one step --------------------------------------------------------------------------------------------------

    def _step(self) -> None:
        self._tidy()
        device, slot = self._mask.device, self._mask.shape[1]
        fed = torch.tensor([[r.queue[0]] for r in self._live], device=device)
        position = torch.tensor([[len(r.held)] for r in self._live], device=device)
        self._mask = torch.cat([self._mask, torch.ones_like(fed)], 1)
        logits = self._forward(fed, self._mask, position, self._cache)
        logps = torch.log_softmax(logits, -1)
        going = []
        for r, row in enumerate(self._live):
            row.held.append(row.queue.pop(0))
            row.slots.append(slot)
            if row.queue or self._goes_on(r, row, logits[r], logps[r]):
                going.append(r)
        self._leave(going)

    def _goes_on(self, r: int, row: _Row, logits: torch.Tensor, logps: torch.Tensor) -> bool:
        """Draw the row's next token; where the request is done, take the next. Whether the row stays."""
        sampling = row.sampling
        if sampling.banned_first and not row.made:
            logits = logits.clone()
            logits[list(sampling.banned_first)] = -torch.inf
        uniform = torch.rand(1, generator=row.dice)
        drawn = int(draw(logits[None], uniform, sampling.temperature, sampling.top_p)[0])
        best: tuple[tuple[int, float], ...] = ()
        if sampling.alternatives:
            top = logps.topk(min(sampling.alternatives, len(logps)))
            best = tuple(zip(top.indices.tolist(), top.values.tolist(), strict=True))
        row.made.append(Token(drawn, float(logps[drawn]), best))
        ends = self.end_ids if sampling.end_ids is None else sampling.end_ids
        if drawn not in ends and len(row.made) < row.limit:
            row.queue = [drawn]
            return True
        row.job.receive(row.made)
        stays, dropped = row.begin(self.context)
        self._mask[r, dropped] = 0
        return stays

    def _forward(self, ids: torch.Tensor, mask: torch.Tensor, position: torch.Tensor, cache: Any) -> torch.Tensor:
        """fp32 logits [R, V] after the last column of `ids`."""
        out: torch.Tensor = self.model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=position,
            cache=cache,
            use_cache=True,
            logits_to_keep=1,
        ).logits
        return out[:, -1].float()


def _wider(mask: torch.Tensor, columns: int) -> torch.Tensor:
    return pad(mask, (columns - mask.shape[1], 0))


def _taller(keys: torch.Tensor, slots: int) -> torch.Tensor:
    return pad(keys, (0, 0, slots - keys.shape[2], 0))
