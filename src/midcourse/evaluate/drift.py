"""What changed where no change was asked: KL from the base over the whole vocabulary, at three kinds of place.

`drift/kl_retained`: where the model wrote and the person let it stand, on held-out texts. `drift/kl_answers`: on the
base's own answers to prompts that have nothing to do with the steers. `drift/kl_text`: on a page of prose, beside the
bits per byte. The last alone cannot see a destroyed model. Always KL(base ‖ steered) in nats a token, from full
logits in float32 of the same rows; never from a top-k.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib import resources

import numpy as np
import torch
from torch import Tensor

from midcourse.evaluate.forks import HeldOut
from midcourse.evaluate.sampling import Sample
from midcourse.evaluate.variants import BASE, Variants
from midcourse.tokens import TextTokenizer
from midcourse.tree.forward import choose_path, logits_at
from midcourse.tree.pack import Row, pack, plain_row
from midcourse.tree.token_tree import restrict
from midcourse.types import Message

__all__ = [
    "Place",
    "answer_places",
    "compare",
    "kl",
    "neutral_prompts",
    "neutral_texts",
    "prose",
    "retained_places",
    "text_place",
]

CHUNK = 256
"""Positions whose logits are held at a time, for the base and one more model."""
MOST = 256
"""Retained positions read of one tree, evenly spaced."""


@dataclass(frozen=True, slots=True)
class Place:
    """Positions of one row at which distributions are compared."""

    row: Row
    targets: np.ndarray
    """Indices of the tokens that are predicted there."""
    prompt: str
    """What the bootstrap takes as one cluster."""


def kl(base: Tensor, policy: Tensor) -> Tensor:
    """KL(base ‖ policy) of rows of logits [S, V], in nats [S], over the whole vocabulary in float32."""
    p, q = base.float().log_softmax(-1), policy.float().log_softmax(-1)
    return (p.exp() * (p - q)).sum(-1).clamp(min=0)


def compare(
    variants: Variants, places: Sequence[Place], progress: Callable[[int], None] = lambda _: None
) -> dict[str, tuple[list[np.ndarray], list[np.ndarray]]]:
    """For each variant, per place: KL from the base and log-probability of the target, position by position."""
    found: dict[str, tuple[list[np.ndarray], list[np.ndarray]]] = {name: ([], []) for name in variants.names}
    path, _ = choose_path(variants.model)
    for place in places:
        parts: dict[str, tuple[list[np.ndarray], list[np.ndarray]]] = {name: ([], []) for name in variants.names}
        for targets in np.array_split(place.targets, max(1, -(-len(place.targets) // CHUNK))):
            sources = torch.from_numpy(place.row.parent[targets])
            base: Tensor | None = None
            for name in variants.names:
                logits = variants.read(name, place.row, sources, logits_at, path).float()
                base = logits if name == BASE or base is None else base
                ids = torch.from_numpy(place.row.token_ids[targets]).to(logits.device)
                logps = logits.gather(1, ids[:, None])[:, 0] - logits.logsumexp(1)
                parts[name][0].append(kl(base, logits).cpu().numpy())
                parts[name][1].append(logps.cpu().numpy())
        for name, (kls, logps_) in parts.items():
            found[name][0].append(np.concatenate(kls))
            found[name][1].append(np.concatenate(logps_))
        progress(1)
    return found


def retained_places(held: Iterable[HeldOut]) -> list[Place]:
    """The retained positions of held-out trees; of many in one tree, evenly spaced ones."""
    found = []
    for one in held:
        at = one.tree.retained
        if len(at) > MOST:
            at = at[np.linspace(0, len(at) - 1, MOST).astype(np.int64)]
        if len(at):
            part = restrict(one.tree, (), at.tolist())  # rejected sides are seen from nowhere that was let stand
            (row,) = pack([part], max_tokens=len(part))
            found.append(Place(row, part.retained, one.group))
    return found


def answer_places(prompts: Sequence[Sequence[int]], answers: Sequence[Sample], end_id: int | None) -> list[Place]:
    """Every token of the base's own answers, with the end token where it came."""
    found = []
    for i, (prompt, answer) in enumerate(zip(prompts, answers, strict=True)):
        ids = answer.scored_ids(end_id)
        if ids:
            row = plain_row([*prompt, *ids])
            found.append(Place(row, np.arange(len(prompt), len(prompt) + len(ids)), f"prompt {i}"))
    return found


def text_place(tokenizer: TextTokenizer, text: str, limit: int | None = None) -> tuple[Place, int]:
    """The passage as a place, and how many bytes its predicted tokens stand for."""
    ids = tokenizer.encode_prompt(text)[:limit]
    return Place(plain_row(ids), np.arange(1, len(ids)), "text"), len(tokenizer.to_bytes(ids[1:]))


def neutral_prompts(tokenizer: TextTokenizer, extra: Sequence[str] = ()) -> list[list[int]]:
    """Ids of the shipped prompts, which no steer is about; plain questions for a model without a chat template."""
    texts = [*neutral_texts(), *extra]
    if tokenizer.template is None:
        return [tokenizer.encode_prompt(f"Question: {t}\nAnswer:") for t in texts]
    return [tokenizer.prompt_ids([Message("user", t)]) for t in texts]


def neutral_texts() -> list[str]:
    """The shipped prompts as text."""
    texts: list[str] = json.loads(_shipped("prompts.json"))
    return texts


def prose() -> str:
    """The shipped passage."""
    return _shipped("prose.txt").strip()


def _shipped(name: str) -> str:
    return resources.files("midcourse.evaluate").joinpath(name).read_text(encoding="utf-8")
