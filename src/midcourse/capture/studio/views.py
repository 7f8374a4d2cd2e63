"""A draft's tree as the page shows it: tokens, steers, branches. Pure functions; they change nothing."""

import math
from collections.abc import Sequence

from midcourse.backends.protocol import Token
from midcourse.capture.studio.shapes import AlternativeView, BranchView, SteerView, TokenView
from midcourse.tokens import TextTokenizer
from midcourse.types import Place, Steer, Trajectory

__all__ = ["arrived", "branches", "shown_text", "steer_views", "told", "written"]

_SHORT = 160
"""Code points of a shortened text."""


def shown_text(tokenizer: TextTokenizer, token_ids: Sequence[int]) -> str:
    """What a person reads of these ids: end tokens do not show."""
    return tokenizer.decode([i for i in token_ids if i not in tokenizer.eos])


def alternative(tokenizer: TextTokenizer, token_id: int, logprob: float) -> AlternativeView:
    """One token that might stand there."""
    ends = token_id in tokenizer.eos
    return AlternativeView(
        id=token_id, text="" if ends else tokenizer.decode([token_id]), logprob=round(logprob, 4), ends=ends
    )


def arrived(tokenizer: TextTokenizer, tokens: Sequence[Token], ends: Sequence[int]) -> list[TokenView]:
    """Tokens from a model, with where each ends."""
    return [
        TokenView(
            id=t.id,
            end=end,
            by="model",
            logprob=_known(t.logprob),
            ends=t.id in tokenizer.eos,
            alternatives=tuple(alternative(tokenizer, *a) for a in t.alternatives) or None,
        )
        for t, end in zip(tokens, ends, strict=True)
    ]


def written(
    tokenizer: TextTokenizer, trajectory: Trajectory, place: Place, prompt: int, ends: Sequence[int], start: int
) -> list[TokenView]:
    """Tokens on the path to `place` behind the first `start` of the answer."""
    rows = [
        (i, node.author, None if node.logprobs is None else node.logprobs[k])
        for node, taken in trajectory.spans(place)
        for k, i in enumerate(node.token_ids[:taken])
    ]
    return [
        TokenView(
            id=i,
            end=end,
            by="person" if author == "person" else "model",
            logprob=_known(logprob) if author == "model" else None,
            ends=i in tokenizer.eos,
        )
        for (i, author, logprob), end in zip(rows[prompt + start :], ends[start:], strict=True)
    ]


def told(tokens: Sequence[TokenView], logprobs: Sequence[float]) -> list[TokenView]:
    """The same tokens, with how likely those of the model are where that was not known."""
    return [
        t.model_copy(update={"logprob": _known(p)}) if t.by == "model" and t.logprob is None else t
        for t, p in zip(tokens, logprobs, strict=True)
    ]


def steer_views(tokenizer: TextTokenizer, trajectory: Trajectory, prompt: int, text: Place) -> dict[str, SteerView]:
    """All steers by id; `text` is where the present text ends."""
    path = trajectory.path(text)
    return {s.id: _steer_view(tokenizer, trajectory, prompt, s, path) for s in trajectory.steers}


def _steer_view(
    tokenizer: TextTokenizer, trajectory: Trajectory, prompt: int, steer: Steer, path: list[int]
) -> SteerView:
    fork = steer.fork.depth
    chosen = trajectory.path(steer.chosen) if steer.chosen is not None else trajectory.path(steer.fork)
    rejected = trajectory.path(steer.rejected[0].end)[fork:] if steer.rejected else []
    return SteerView(
        id=steer.id,
        kind=steer.kind,
        token=fork - prompt,
        at=len(shown_text(tokenizer, chosen[prompt:fork])),
        rejected=_short(tokenizer, rejected),
        chosen=_short(tokenizer, chosen[fork:]),
        reason=steer.reason,
        state=steer.state,
        created=steer.created,
        seconds=steer.created - steer.started if steer.created and steer.started else None,
        on_text=path[: len(chosen)] == chosen,
    )


def branches(tokenizer: TextTokenizer, trajectory: Trajectory, prompt: int, text: Place) -> tuple[BranchView, ...]:
    """Every span of the tree that holds tokens, parents first."""
    taken = {node.id: n for node, n in trajectory.spans(text)}
    return tuple(
        BranchView(
            node=node.id,
            parent=node.parent,
            start=trajectory.start[node.id] - prompt,
            tokens=len(node.token_ids),
            by=node.author,
            text="" if node.author == "prompt" else _short(tokenizer, node.token_ids),
            on_text=node.id in taken,
        )
        for node in trajectory.nodes
    )


def _known(logprob: float | None) -> float | None:
    """A server that does not tell a log-probability leaves one that is not a number."""
    return None if logprob is None or math.isnan(logprob) else round(logprob, 4)


def _short(tokenizer: TextTokenizer, token_ids: Sequence[int]) -> str:
    text = shown_text(tokenizer, token_ids[:_SHORT])
    return text if len(text) <= _SHORT else text[:_SHORT] + "…"
