"""Generation with a model in this process: streams that keep their caches, and batches of samples.

A stream reads only what no cache holds yet, so after a correction the next token waits for the correction's own tokens
alone, whatever the length, and undo or a jump to a recent branch waits for nothing. Streams that run at once may share
a pass. Batches
share the reading of a prefix between its samples. Draws depend on the seed and the row, never on what else is in the
batch. This module knows no text beyond the tokenizer's end ids, and no steers.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import DynamicCache

from midcourse.backends.batches import Batch, Choose, one_by_one, side_by_side
from midcourse.backends.branches import Branches
from midcourse.backends.protocol import Read, Sampling, Token
from midcourse.backends.steps import MOST, Steps
from midcourse.errors import InputError

__all__ = ["Going", "LocalBackend", "draw", "fast_dtype"]

BATCH_ROWS = 32
_CROPPABLE = {"full_attention", "sliding_attention"}


@dataclass(slots=True)
class Going:
    """A stream under way."""

    ids: list[int]
    """The whole text so far."""
    sampling: Sampling
    ends: tuple[int, ...]
    dice: torch.Generator
    left: int
    """Most tokens that may still come."""
    banned: tuple[int, ...]
    """Ids the next token must not be."""

    @property
    def over(self) -> bool:
        """Whether no token comes any more."""
        return self.left <= 0


class LocalBackend:
    """A transformers model, or PEFT model with its adapter on or off, as a backend."""

    def __init__(
        self,
        model: Any,
        end_ids: Sequence[int],
        *,
        adapter: bool = True,
        memory: int = 1 << 30,
        halves: bool = False,
        before: Callable[[], None] | None = None,
    ) -> None:
        """Wrap `model` (in eval mode).

        Args:
            model: Of transformers or PEFT.
            end_ids: Ids that end an answer.
            adapter: False generates from the base.
            memory: Bytes for the caches of recent texts.
            halves: Write with a copy of the weights in half precision where that is quicker (`Steps`); the adapter that
                is on now stays the one that is on.
            before: Called before each pass: puts the right one of several adapters on.
        """
        self.model = model
        self._before = before
        self.end_ids = tuple(end_ids)
        self.adapter = adapter
        config = model.config.get_text_config()
        self.context: int = getattr(config, "max_position_embeddings", None) or 1 << 30
        # Recurrent state cannot be taken back to an earlier token: such models read the prefix anew each time.
        self._keeps = set(getattr(config, "layer_types", None) or _CROPPABLE) <= _CROPPABLE
        self._branches = Branches(memory)
        # Which of several adapters is on changes from pass to pass then, so passes are the model's own.
        self._steps = Steps.of(model, halves=halves) if before is None and self._keeps else None
        self._state: Any = None
        self._read_into: list[int] = []
        self._read_with = adapter

    # -- one stream ------------------------------------------------------------------------------------------------

    def stream(self, token_ids: Sequence[int], sampling: Sampling) -> Iterator[Token]:
        """Continue `token_ids`, see `Backend.stream`. A later stream may begin before this one is exhausted."""
        going = self.begin(token_ids, sampling)
        while not going.over:
            yield self.step([going])[0]

    def begin(self, token_ids: Sequence[int], sampling: Sampling) -> Going:
        """A stream that is advanced by `step`, beside others."""
        ids = list(token_ids)
        self._check(ids)
        return Going(
            ids=ids,
            sampling=sampling,
            ends=self.end_ids if sampling.end_ids is None else sampling.end_ids,
            dice=torch.Generator().manual_seed(sampling.seed),
            left=min(sampling.max_new_tokens, self.context - len(ids)),
            banned=sampling.banned_first,
        )

    def step(self, goings: Sequence[Going]) -> list[Token]:
        """The next token of each stream, which must not be over; more than the first only if they can `join`."""
        if len(goings) == 1:
            logits = self._read(goings[0].ids)[None]
        else:
            logits = self._read_together([going.ids for going in goings])
        return [self._next(going, row) for going, row in zip(goings, logits, strict=True)]

    def can_join(self, going: Going) -> bool:
        """Whether a stream's next token needs one token read, so that it holds up no other stream's pass."""
        return self._steps is not None and self._read_with == self.adapter and self._branches.ends_at(going.ids[:-1])

    def _next(self, going: Going, logits: torch.Tensor) -> Token:
        sampling = going.sampling
        logps = torch.log_softmax(logits, -1)
        if going.banned:
            logits = logits.clone()
            logits[list(going.banned)] = -torch.inf
        uniform = torch.rand(1, generator=going.dice)
        drawn = int(draw(logits[None], uniform, sampling.temperature, sampling.top_p)[0])
        best: tuple[tuple[int, float], ...] = ()
        if sampling.alternatives:
            top = logps.topk(min(sampling.alternatives, len(logps)))
            best = tuple(zip(top.indices.tolist(), top.values.tolist(), strict=True))
        going.ids.append(drawn)
        going.banned, going.left = (), 0 if drawn in going.ends else going.left - 1
        return Token(drawn, float(logps[drawn]), best)

    def warm(self, token_ids: Sequence[int]) -> None:
        """Read `token_ids` into the cache, so that a stream from them starts at once."""
        self._check(list(token_ids))
        self._read(list(token_ids))

    def score(self, token_ids: Sequence[int], start: int) -> list[float]:
        """Log-probabilities of `token_ids` from index `start` (at least 1) on, read into the cache as `warm` does."""
        ids = list(token_ids)
        self._check(ids)
        self._mind_adapter()
        if not self._keeps:
            return [read.logprob for read in self.read(ids, start)]
        branch = self._branches.take(ids[:start])
        at, new = len(branch.ids), ids[len(branch.ids) :]
        logits = self._forward(input_ids=torch.tensor([new], device=self.model.device), cache=branch.cache)[0]
        branch.ids += new
        self._branches.keep(branch)
        logps = torch.log_softmax(logits[start - 1 - at : -1], -1)
        own = torch.tensor(ids[start:], device=logps.device)
        return [float(p) for p in logps.gather(1, own[:, None])[:, 0]]

    def read(self, token_ids: Sequence[int], start: int) -> list[Read]:
        """What the model says to each of `token_ids` from index `start` (at least 1) on, in one pass."""
        ids = list(token_ids)
        logps = torch.log_softmax(self.logits(ids, start), -1)
        own = logps.gather(1, torch.tensor(ids[start:], device=logps.device)[:, None])[:, 0]
        best = logps.max(-1)
        rows = zip(own.tolist(), best.indices.tolist(), best.values.tolist(), strict=True)
        return [Read(*row) for row in rows]

    def logits(self, token_ids: Sequence[int], start: int) -> torch.Tensor:
        """fp32 logits [n, V] that predict each of `token_ids` from index `start` (at least 1) on, in one pass."""
        ids = list(token_ids[:-1])
        self._check(ids)
        return self._forward(input_ids=torch.tensor([ids], device=self.model.device))[0, start - 1 :]

    def _check(self, ids: list[int]) -> None:
        if not ids:
            raise InputError("there is nothing to continue from: the prompt has no tokens")
        if len(ids) >= self.context:
            raise InputError(f"the text has {len(ids)} tokens and the model reads at most {self.context}; shorten it")

    def forget(self) -> None:
        """Leave nothing in the caches."""
        self._branches.clear()
        self._state, self._read_into = None, []

    def held(self, token_ids: Sequence[int]) -> int:
        """How many leading tokens need not be read again."""
        return self._branches.held(token_ids) if self._keeps and self._read_with == self.adapter else 0

    def _read(self, ids: list[int]) -> torch.Tensor:
        """fp32 logits [V] for what follows `ids`; only what no cache holds yet is run."""
        self._mind_adapter()
        if not self._keeps:
            return self._read_state(ids)
        branch = self._branches.take(ids)  # an interrupt in the middle of the pass leaves no half-written cache behind
        new = ids[len(branch.ids) :]
        if self._steps is not None and len(new) <= MOST:
            with self._switched():
                logits = self._steps.run([new], [branch.cache], self.adapter)[0]
        else:
            logits = self._run(new, branch.cache)
        branch.ids += new
        self._branches.keep(branch)
        return logits

    def _read_together(self, texts: list[list[int]]) -> torch.Tensor:
        """fp32 logits [R, V] for what follows each of `texts`, in one pass."""
        self._mind_adapter()
        if self._steps is None:
            raise ValueError("a model of this build reads one text at a time")
        branches = [self._branches.take(ids) for ids in texts]
        new = [ids[len(branch.ids) :] for ids, branch in zip(texts, branches, strict=True)]
        with self._switched():
            logits = self._steps.run(new, [branch.cache for branch in branches], self.adapter)
        for branch, more in zip(branches, new, strict=True):
            branch.ids += more
            self._branches.keep(branch)
        return logits

    def _mind_adapter(self) -> None:
        """What was read with the adapter on is of no use with it off."""
        if self._read_with != self.adapter:
            self.forget()
            self._read_with = self.adapter

    def _read_state(self, ids: list[int]) -> torch.Tensor:
        """The same where a text's state cannot be taken back: it goes on, or is read from the beginning."""
        state, self._state = self._state, None
        kept = len(self._read_into)
        if state is None or not kept or ids[:-1] != self._read_into:
            kept, state = 0, DynamicCache(config=self.model.config)
        logits = self._run(ids[kept:], state)
        self._state, self._read_into = state, list(ids)
        return logits

    def _run(self, new: list[int], cache: Any) -> torch.Tensor:
        given = torch.tensor([new], device=self.model.device)
        return self._forward(input_ids=given, cache=cache, logits_to_keep=1)[0, -1]

    def _forward(self, **inputs: Any) -> torch.Tensor:
        if self._before is not None:
            self._before()
        with torch.inference_mode(), self._switched():
            out: torch.Tensor = self.model(**inputs, use_cache=True).logits.float()
        return out

    def _switched(self) -> Any:
        if not self.adapter and hasattr(self.model, "disable_adapter"):
            return self.model.disable_adapter()
        return contextlib.nullcontext()

    # -- many samples ----------------------------------------------------------------------------------------------

    @torch.inference_mode()
    def sample_batch(
        self,
        prefixes: Sequence[Sequence[int]],
        n: int = 1,
        *,
        max_new_tokens: int = 64,
        temperature: float = 1.0,
        top_p: float = 1.0,
        seed: int = 0,
        adapter: bool | None = None,
        banned_first: Sequence[Sequence[int]] | None = None,
        rows: int = BATCH_ROWS,
    ) -> list[list[list[int]]]:
        """Draw `n` continuations of each prefix; result[i][k] are the new ids, an end token included.

        With the same seed, sample k of prefix i uses the same random numbers whatever the model, the adapter or the
        batch, so two models are compared on common luck.

        Args:
            prefixes: Token ids, each at least one.
            adapter: Switch for this call; None: as the backend is set.
            banned_first: For each prefix the ids its first new token must not be.
            rows: How many sequences run at a time.
        """
        for prefix in prefixes:
            self._check(list(prefix))
        before, self.adapter = self.adapter, self.adapter if adapter is None else adapter
        out: list[list[list[int]]] = [[] for _ in prefixes]
        try:
            # Prefixes of similar length share a batch, so that little is padded.
            order = sorted(range(len(prefixes)), key=lambda i: len(prefixes[i]))
            per_batch = max(1, rows // max(1, n))
            for at in range(0, len(order), per_batch):
                part = order[at : at + per_batch]
                batch = Batch(
                    prefixes=tuple(tuple(prefixes[i]) for i in part),
                    n=n,
                    limits=tuple(min(max_new_tokens, self.context - len(prefixes[i])) for i in part for _ in range(n)),
                    end_ids=frozenset(self.end_ids),
                    choose=_chooser(
                        _uniforms(seed, part, n, max_new_tokens),
                        temperature,
                        top_p,
                        [banned_first[i] if banned_first else () for i in part for _ in range(n)],
                    ),
                )
                if self._keeps:
                    cache = DynamicCache(config=self.model.config)
                    drawn = side_by_side(self._forward, batch, cache, self.model.device)
                else:
                    drawn = one_by_one(self._read, batch)
                for k, i in enumerate(part):
                    out[i] = drawn[k * n : (k + 1) * n]
        finally:
            self.adapter = before
        return out


def fast_dtype() -> str:
    """The precision in which this machine decodes fastest: bfloat16 where its processor or card computes in it."""
    if torch.cuda.is_available():
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float16"
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return "float32"
    return "bfloat16" if "avx512_bf16" in flags or "amx_bf16" in flags else "float32"


def draw(logits: torch.Tensor, uniform: torch.Tensor, temperature: float, top_p: float) -> torch.Tensor:
    """One id per row of `logits` [B, V], by inverting the distribution function at `uniform` [B]."""
    if temperature <= 0:
        return logits.argmax(-1)
    probs, order = torch.softmax(logits / temperature, -1).sort(-1, descending=True)
    total = probs.cumsum(-1)
    if top_p < 1:
        total = total.masked_fill(total - probs >= top_p, 0).cummax(-1).values
    aim = uniform.to(total)[:, None] * total[:, -1:]
    at = torch.searchsorted(total, aim, right=True).clamp(max=total.shape[-1] - 1)
    return order.gather(-1, at)[:, 0]


def _chooser(dice: torch.Tensor, temperature: float, top_p: float, bans: Sequence[Sequence[int]]) -> Choose:
    """Draws by `dice` [rows, steps]; `bans` holds for each row the ids that its first new token must not be."""

    def choose(logits: torch.Tensor, rows: Sequence[int], step: int) -> torch.Tensor:
        if step == 0:
            for at, row in enumerate(rows):
                logits[at, list(bans[row])] = -torch.inf
        return draw(logits, dice[list(rows), step], temperature, top_p)

    return choose


def _uniforms(seed: int, prefixes: Sequence[int], n: int, steps: int) -> torch.Tensor:
    """One row of random numbers per (prefix, sample), [len(prefixes) · n, steps], each from a generator of its own."""
    rows = []
    for i in prefixes:
        for k in range(n):
            dice = torch.Generator().manual_seed((seed * 1_000_003 + i) * 1_009 + k)
            rows.append(torch.rand(steps, generator=dice))
    return torch.stack(rows)
