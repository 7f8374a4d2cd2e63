"""Many continuations of many prefixes in few passes, the same chance for every model.

Each sample draws one uniform number a step from a stream of its own (seed, prefix, sample), so a sample depends
neither on what it is batched with nor on which model is asked first, and base and steered model are compared on the
same luck. It knows token ids only.
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from transformers import DynamicCache

from midcourse.backends.batches import Batch, read_ahead, side_by_side
from midcourse.backends.room import roomy_cache

__all__ = ["Sample", "sample", "score"]

ROWS = 64
"""Sequences decoded at a time."""
POSITIONS = 1024
"""Positions whose logits over the vocabulary are held at a time."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One continuation."""

    token_ids: tuple[int, ...]
    """What was written, without the end token."""
    ended: bool
    """Whether the end token came, rather than the limit."""

    def scored_ids(self, end_id: int | None) -> tuple[int, ...]:
        """The ids with the end token, if it came."""
        return (*self.token_ids, end_id) if self.ended and end_id is not None else self.token_ids


def sample(
    model: Any,
    prefixes: Sequence[Sequence[int]],
    lengths: Sequence[int],
    *,
    n: int = 1,
    seed: int = 0,
    end_ids: Sequence[int] = (),
    greedy: bool | Sequence[bool] = False,
    progress: Callable[[int], None] = lambda _: None,
) -> list[list[Sample]]:
    """Draw `n` continuations of each prefix at temperature 1 from the full distribution.

    Args:
        model: A causal language model of transformers.
        prefixes: Token ids, at least one each.
        lengths: Most tokens to write below each prefix.
        n: Samples a prefix.
        seed: With the prefix's index and the sample's, the whole source of chance.
        end_ids: Ids that end an answer.
        greedy: Take the likeliest token instead: for all prefixes, or said of each.
        progress: Called with the number of prefixes done.

    Returns:
        For each prefix its `n` samples.
    """
    found: list[list[Sample]] = [[] for _ in prefixes]
    ends = frozenset(end_ids)
    likeliest = np.broadcast_to(np.asarray(greedy, dtype=bool), len(prefixes))
    for batch in _batches(prefixes, max(1, ROWS // n)):
        luck = np.stack(
            [np.random.default_rng((seed, i, k)).random(max(lengths)) for i in batch for k in range(n)]
        ).astype(np.float32)
        wanted = Batch(
            prefixes=tuple(tuple(prefixes[i]) for i in batch),
            n=n,
            limits=tuple(lengths[i] for i in batch for _ in range(n)),
            end_ids=ends,
            choose=partial(_draw, luck=luck, greedy=likeliest[batch].repeat(n)),
        )
        rows = side_by_side(partial(_logits, model), wanted, roomy_cache(model.config), _device(model))
        for j, i in enumerate(batch):
            found[i] = [_sample(new, ends) for new in rows[j * n : (j + 1) * n]]
        progress(len(batch))
    return found


def score(
    model: Any, prefixes: Sequence[Sequence[int]], continuations: Sequence[Sequence[Sequence[int]]]
) -> list[list[np.ndarray]]:
    """Log-probability of every token of given continuations; each prefix is read once for all of its own.

    Returns:
        For each prefix and continuation a float32 array as long as the continuation, in nats.
    """
    found: list[list[np.ndarray]] = [[np.zeros(0, np.float32)] * len(c) for c in continuations]
    most = max((len(c) for c in continuations), default=1) or 1
    for batch in _batches(prefixes, max(1, ROWS // most)):
        flat = [(j, k) for j, i in enumerate(batch) for k, c in enumerate(continuations[i]) if len(c)]
        if not flat:
            continue
        cache = DynamicCache(config=model.config)
        before = [prefixes[i][:-1] for i in batch]
        mask, length = read_ahead(partial(_logits, model), before, cache, _device(model))
        for rows in _under(flat, [len(continuations[batch[j]][k]) for j, k in flat], POSITIONS):
            texts = [[prefixes[batch[j]][-1], *continuations[batch[j]][k]] for j, k in rows]
            values = _score_rows(model, cache, mask, length, [j for j, _ in rows], texts)
            for (j, k), value in zip(rows, values, strict=True):
                found[batch[j]][k] = value
    return found


def _batches(prefixes: Sequence[Sequence[int]], size: int) -> Iterator[list[int]]:
    """Indices, alike in length together; prefixes of one token apart, since they leave nothing to read ahead."""
    order = sorted(range(len(prefixes)), key=lambda i: len(prefixes[i]))
    for short in (True, False):
        some = [i for i in order if (len(prefixes[i]) == 1) is short]
        for at in range(0, len(some), size):
            yield some[at : at + size]


def _under(items: list[tuple[int, int]], lengths: list[int], most: int) -> Iterator[list[tuple[int, int]]]:
    """Runs of items whose padded size stays under `most` positions."""
    run: list[tuple[int, int]] = []
    longest = 0
    for item, length in zip(items, lengths, strict=True):
        longest = max(longest, length)
        if run and longest * (len(run) + 1) > most:
            yield run
            run, longest = [], length
        run.append(item)
    if run:
        yield run


def _device(model: Any) -> torch.device:
    device: torch.device = next(iter(model.parameters())).device
    return device


def _logits(model: Any, **inputs: Any) -> torch.Tensor:
    logits: torch.Tensor = model(**inputs, use_cache=True).logits.float()
    return logits


def _sample(new: list[int], ends: frozenset[int]) -> Sample:
    ended = bool(new) and new[-1] in ends
    return Sample(tuple(new[:-1] if ended else new), ended)


def _draw(
    logits: torch.Tensor, rows: Sequence[int], step: int, *, luck: np.ndarray, greedy: np.ndarray
) -> torch.Tensor:
    """One token a row: where the running sum of probabilities passes the row's uniform number, or the likeliest."""
    likeliest = greedy[list(rows)]
    if likeliest.all():
        return logits.argmax(-1)
    total = logits.softmax(-1).cumsum(-1)
    at = torch.from_numpy(luck[list(rows), step]).to(logits.device)[:, None] * total[:, -1:]
    drawn = torch.searchsorted(total, at, right=True)[:, 0].clamp(max=logits.shape[-1] - 1)
    if not likeliest.any():
        return drawn
    return torch.where(torch.from_numpy(likeliest).to(logits.device), logits.argmax(-1), drawn)


def _score_rows(
    model: Any, cache: Any, mask: torch.Tensor, length: torch.Tensor, owners: list[int], texts: list[list[int]]
) -> list[np.ndarray]:
    """Log-probability of texts[i][1:], each below the prefix of its owner."""
    device, longest = mask.device, max(len(t) for t in texts) - 1
    ids = torch.tensor([t + [0] * (longest + 1 - len(t)) for t in texts], device=device)
    who = torch.tensor(owners, device=device)
    below = copy.deepcopy(cache)
    below.batch_select_indices(who)
    logits = _logits(
        model,
        input_ids=ids[:, :-1],
        attention_mask=torch.cat([mask[who], torch.ones_like(ids[:, :-1])], 1),
        position_ids=length[who][:, None] + torch.arange(longest, device=device)[None],
        cache=below,
    )
    logps = logits.gather(-1, ids[:, 1:, None])[..., 0] - logits.logsumexp(-1)
    return [row[: len(t) - 1].cpu().numpy() for row, t in zip(logps, texts, strict=True)]
