"""Stored steers as text: rows that `midcourse import steers` reads.

Text is cut between characters: where a fork lies inside one, both sides begin with the whole character. A tokenizer
is given, never looked for; no file is written here.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from midcourse.publish.sides import steer_ids
from midcourse.tokens import TextTokenizer
from midcourse.types import Steer, Trajectory

__all__ = ["SteerText", "import_rows", "raw_prompt", "steer_text"]

TAIL = 256
"""Characters of kept text that a `local` row carries, so that its end is found again."""


@dataclass(frozen=True, slots=True)
class SteerText:
    """One steer as a person reads it."""

    prompt: str
    """As the model saw it, template included."""
    prefix: str
    """What was kept of the answer before the fork."""
    rejected: tuple[str, ...]
    chosen: str
    """What was put there; for `resampled` the text that was kept instead."""
    tail: str
    """The kept text behind the chosen side; empty where the steer lies in an abandoned part."""
    ended: bool
    """The answer stops after the chosen text."""


def steer_text(trajectory: Trajectory, steer: Steer, tokenizer: TextTokenizer) -> SteerText:
    """Decode both sides of a steer and what stands around them.

    Raises:
        TokenizerMismatch: The tokenizer did not make these ids.
    """
    ids = steer_ids(trajectory, steer, tokenizer)
    shared = tokenizer.to_bytes(ids.prefix)
    whole = _last_boundary(shared)
    carried = shared[whole:]
    put = carried + tokenizer.to_bytes(ids.chosen)
    cut = _last_boundary(put)
    return SteerText(
        prompt=tokenizer.decode(ids.prompt),
        prefix=_text(shared[:whole]),
        rejected=tuple(_text(carried + tokenizer.to_bytes(side)) for side in ids.rejected),
        chosen=_text(put if not ids.after else put[:cut]),
        tail=_text(put[cut:] + tokenizer.to_bytes(ids.after)) if ids.after else "",
        ended=ids.ended and not ids.after and (steer.kind == "ended" or trajectory.teaches == "pairs"),
    )


def import_rows(trajectory: Trajectory, tokenizer: TextTokenizer) -> Iterator[dict[str, Any]]:
    """Rows of a trajectory's steers as `midcourse import steers` reads them; what was withdrawn is left out.

    The prompt is its messages where they are known, else the raw text without the BOS that a tokenizer adds. Only the
    last steer of the kept text carries all of what follows it, so that the rows do not repeat the text.
    """
    ends = {tokenizer.decode([i]) for i in tokenizer.eos}  # a row says by its kind that ending was turned down
    texts = [(s, steer_text(trajectory, s, tokenizer)) for s in trajectory.steers if s.counts]
    last = max((s for s, text in texts if text.tail), key=lambda s: s.fork.depth, default=None)
    for steer, text in texts:
        was = [side for side in text.rejected if side not in ends]
        row: dict[str, Any] = {
            "prompt": [m.to_dict() for m in trajectory.messages] or raw_prompt(text.prompt, tokenizer),
            "prefix": text.prefix,
            "rejected": (was[0] if len(was) == 1 else was) or None,
            "chosen": text.chosen,
            "kind": steer.kind,
            "trajectory": trajectory.id,
        }
        if steer.kind == "local" and was:
            row["rejected"] = was  # a single empty text: words were only inserted
        if steer.kind == "continued" and not was and text.rejected:
            row["rejected"] = [""]
        tail = text.tail if steer is last else text.tail[:TAIL] if steer.kind == "local" else ""
        optional = {
            "tail": tail or None,
            "ended": text.ended or None,
            "whole": trajectory.teaches == "pairs" or None,
            "group": trajectory.group,
            "split": trajectory.split,
            "weight": steer.weight if steer.weight != 1.0 else None,
            "reason": steer.reason,
            "author": steer.annotator or trajectory.annotator,
        }
        yield row | {key: value for key, value in optional.items() if value is not None}


def raw_prompt(text: str, tokenizer: TextTokenizer) -> str:
    """A prompt's text without the BOS that whoever tokenizes it puts there again."""
    return text.removeprefix(tokenizer.decode(tokenizer.encode_prompt("")))


def _last_boundary(raw: bytes) -> int:
    """Where the last whole character of UTF-8 text ends: at most three bytes before the end."""
    for back in range(1, min(4, len(raw)) + 1):
        lead = raw[-back]
        if lead & 0xC0 != 0x80:
            size = 1 if lead < 0x80 else 2 if lead < 0xE0 else 3 if lead < 0xF0 else 4
            return len(raw) if size <= back else len(raw) - back
    return len(raw)


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", errors="replace")
