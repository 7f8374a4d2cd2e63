"""Stored steers as text: rows that `midcourse import steers` and other trainers read.

Text is cut between characters: where a fork lies inside one, both sides begin with the whole character. A tokenizer
is given, never looked for; no file is written here.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from midcourse.errors import TokenizerMismatch
from midcourse.tokens import TextTokenizer, common_prefix
from midcourse.types import Place, Steer, Trajectory

__all__ = ["SteerText", "check_tokenizer", "has_sides", "import_rows", "steer_text", "trl_rows"]

KEPT = 64
"""Tokens of the kept text that stand for the chosen side where nothing was put (`resampled`)."""
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


def check_tokenizer(trajectory: Trajectory, tokenizer: TextTokenizer) -> None:
    """Refuse a tokenizer that did not make these ids.

    Raises:
        TokenizerMismatch: The hashes differ.
    """
    if trajectory.tokenizer != tokenizer.hash:
        raise TokenizerMismatch(
            f"the steers of trajectory {trajectory.id[:12]} are stored under tokenizer {trajectory.tokenizer}, and the "
            f"given model has tokenizer {tokenizer.hash}: name the model they were imported or written with by --model"
        )


def steer_text(trajectory: Trajectory, steer: Steer, tokenizer: TextTokenizer) -> SteerText:
    """Decode both sides of a steer and what stands around them.

    Raises:
        TokenizerMismatch: The tokenizer did not make these ids.
    """
    check_tokenizer(trajectory, tokenizer)
    prefix = trajectory.path(steer.fork)
    at = min(_prompt_length(trajectory, steer.fork), len(prefix))
    trunk = trajectory.path(trajectory.head)
    sides = [trajectory.path(r.end)[len(prefix) :] for r in steer.rejected]
    if steer.chosen is not None:
        chosen = trajectory.path(steer.chosen)[len(prefix) :]
    else:
        kept = trunk[len(prefix) :] if trunk[: len(prefix)] == prefix else []
        chosen = kept[: min(KEPT, max(map(len, sides), default=KEPT))]
    path = prefix + chosen
    after = trunk[len(path) :] if common_prefix(trunk, path) == len(path) else []
    ended = bool(chosen or after) and [*chosen, *after][-1] in tokenizer.eos
    if ended:
        chosen, after = (chosen, after[:-1]) if after else (chosen[:-1], after)
    shared = tokenizer.to_bytes(prefix[at:])
    whole = _last_boundary(shared)
    carried = shared[whole:]
    put = carried + tokenizer.to_bytes(chosen)
    cut = _last_boundary(put)
    ends = [_strip(side, tokenizer) for side in sides]
    return SteerText(
        prompt=tokenizer.decode(prefix[:at]),
        prefix=_text(shared[:whole]),
        rejected=tuple(_text(carried + tokenizer.to_bytes(side)) for side in ends),
        chosen=_text(put if not after else put[:cut]),
        tail=_text(put[cut:] + tokenizer.to_bytes(after)) if after else "",
        ended=ended and not after and (steer.kind == "ended" or trajectory.teaches == "pairs"),
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
            "prompt": [m.to_dict() for m in trajectory.messages] or _raw_prompt(text.prompt, tokenizer),
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


def trl_rows(trajectory: Trajectory, tokenizer: TextTokenizer) -> Iterator[dict[str, Any]]:
    """Rows in TRL's explicit-prompt preference format: one for each rejected side, none without text on both sides.

    The prompt is plain text up to the fork, template included: TRL's conversational rows cannot begin inside an answer.
    """
    for steer in trajectory.steers:
        if not steer.counts:
            continue
        text = steer_text(trajectory, steer, tokenizer)
        end = tokenizer.decode(tokenizer.eos[:1]) if text.ended else ""
        prompt = _raw_prompt(text.prompt, tokenizer) + text.prefix
        for rejected in text.rejected:
            if rejected and text.chosen + end:  # words only inserted or cut have no text on one side
                yield {"prompt": prompt, "chosen": text.chosen + end, "rejected": rejected}


def has_sides(trajectory: Trajectory, steer: Steer) -> bool:
    """Whether something was rejected and something chosen, as TRL's rows need: words only inserted or cut are not."""
    put = steer.chosen is None or steer.chosen.depth > steer.fork.depth
    return put and any(r.end.depth > steer.fork.depth for r in steer.rejected)


def _prompt_length(trajectory: Trajectory, place: Place) -> int:
    """Leading tokens of a path that belong to the prompt."""
    authors = trajectory.authors(place)
    return next((i for i, author in enumerate(authors) if author != "prompt"), len(authors))


def _raw_prompt(text: str, tokenizer: TextTokenizer) -> str:
    return text.removeprefix(tokenizer.decode(tokenizer.encode_prompt("")))


def _strip(ids: list[int], tokenizer: TextTokenizer) -> list[int]:
    """A rejected side without the end token, unless ending is what was turned down (`continued`)."""
    return [i for i in ids if i not in tokenizer.eos] or ids


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
