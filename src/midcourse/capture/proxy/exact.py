"""A corrected text written down by the ids that the server told: the recorded steps played once more into a draft.

So a steer made elsewhere is the same tree of ids as one made in the studio. What cannot be followed exactly is refused,
and then the text alone counts. It knows no request and no inbox.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from midcourse.backends.protocol import Sampling, Token
from midcourse.drafts.draft import Draft
from midcourse.errors import InputError
from midcourse.rows.row import Prompt, digest
from midcourse.rows.weave import plain
from midcourse.tokens import TextTokenizer
from midcourse.types import ModelRef, Trajectory

__all__ = ["Step", "replay"]


@dataclass(frozen=True, slots=True)
class Step:
    """One request and what the model wrote then, on one text."""

    given: str
    """What the request held of the answer."""
    edits: tuple[tuple[int, str, str], ...]
    """How it was made of the text before: where (character of that text), what stood there, what was put."""
    text: str = ""
    """What the model wrote behind it."""
    ids: tuple[int, ...] = ()
    logprobs: tuple[float, ...] = ()
    prompt_ids: tuple[int, ...] | None = None
    """Prompt and `given` as the server read them, where it tells."""
    stopped: bool = False
    """Whether the model came to its own end."""

    def to_dict(self) -> dict[str, Any]:
        """As it is kept."""
        known = [None if math.isnan(p) else p for p in self.logprobs]
        return {**asdict(self), "logprobs": known}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> "Step":
        """Back again."""
        return cls(
            value["given"],
            tuple((start, was, put) for start, was, put in value["edits"]),
            value["text"],
            tuple(value["ids"]),
            tuple(math.nan if p is None else p for p in value["logprobs"]),
            None if value["prompt_ids"] is None else tuple(value["prompt_ids"]),
            value["stopped"],
        )


class _Silent:
    """Writes nothing: what was written is known."""

    def stream(self, token_ids: Sequence[int], sampling: Sampling) -> Iterator[Token]:
        return iter(())


def replay(
    steps: Sequence[Step],
    prompt: Prompt,
    tokenizer: TextTokenizer,
    *,
    name: str,
    source: str,
    model: ModelRef | None = None,
    annotator: str | None = None,
    clock: Callable[[], float],
) -> Trajectory:
    """The tree that these steps grew, and the steers of the last of them.

    Args:
        steps: From the beginning of the text on; the last may be an edit alone.
        prompt: What was answered.
        tokenizer: Of the model behind the server.
        name: Which text it is; with the edits it makes the ids.
        source: Where it came from.
        model: On record as who wrote.
        annotator: On record as who corrected.
        clock: The time on record.

    Raises:
        InputError: The ids do not give the text, or an edit does not lead to what the next request held.
    """
    place = [0, 0]

    def new_id() -> str:
        place[1] += 1
        step = steps[place[0]]
        return digest("steer", source, tokenizer.hash, name, plain(prompt), *place, step.given, step.edits)

    first = steps[0]
    base = len(first.given)
    ids: Sequence[int] | None = first.prompt_ids
    if ids is None:
        ids = [*tokenizer.prompt_ids(prompt), *tokenizer.encode(first.given)]
    draft = Draft(_Silent(), tokenizer, model=model, annotator=annotator, source=source, new_id=new_id, clock=clock)
    draft.start(prompt, id=digest("trajectory", source, tokenizer.hash, name, plain(prompt), list(ids)), token_ids=ids)
    before = 0
    for n, step in enumerate(steps):
        place[:], before = [n, 0], len(draft.steers)
        if n:
            _edit(draft, step, base)
        if step.text:
            _write(draft, step, base, tokenizer)
    # Each step's steers are decided on their own; the tree is the same.
    return draft.trajectory.with_(steers=draft.steers[before:])


def _edit(draft: Draft, step: Step, base: int) -> None:
    moved = 0
    for start, was, put in step.edits:
        at = start - base + moved
        text = draft.text
        if at < 0 or text[at : at + len(was)] != was:
            raise InputError("an edit does not stand where the ids are")
        last = at + len(was) >= len(text.rstrip())
        if last and not put and step.text:
            draft.resample(at)
        elif last and not put:
            draft.end(at)
        elif last:
            draft.replace(at, put)
        else:
            draft.replace(at, put, "local", end=at + len(was))
        moved += len(put) - len(was)
    if draft.text != step.given[base:]:
        raise InputError("the ids end elsewhere than the text that was gone on with")
    if draft.ended and step.text:
        raise InputError("the text went on behind its end")


def _write(draft: Draft, step: Step, base: int, tokenizer: TextTokenizer) -> None:
    known = step.logprobs if len(step.logprobs) == len(step.ids) else (math.nan,) * len(step.ids)
    tokens = [Token(i, p) for i, p in zip(step.ids, known, strict=True)]
    if step.stopped and tokenizer.eos and (not tokens or tokens[-1].id not in tokenizer.eos):
        tokens.append(Token(tokenizer.eos[0], math.nan))  # the server kept its end token to itself
    tokenizer.check_ids(step.ids)
    draft.take(tokens)
    if draft.text != step.given[base:] + step.text:
        raise InputError("the server's ids do not give the text that the client was sent")
