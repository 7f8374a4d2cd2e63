"""A stored text once more, under another tokenizer: the same steers, derived from the source text that was kept.

What happened to a steer since it was read is carried over where it is text or a decision; sampled rejected sides are
not, since another model would have said something else. It opens no store.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from midcourse.errors import InputError
from midcourse.rows.row import Prompt, SteerRow
from midcourse.rows.weave import Passage, Skipped, weave
from midcourse.tokens import TextTokenizer
from midcourse.types import Message, Steer, Trajectory

__all__ = ["retokenized"]


def retokenized(trajectory: Trajectory, tokenizer: TextTokenizer) -> tuple[Trajectory | None, list[Skipped]]:
    """The trajectory as an import under `tokenizer` would have made it.

    Returns:
        It, None where nothing of it can be derived; and what was left out, with the reason.
    """
    name = f"trajectory {trajectory.id[:12]} ({trajectory.source})"
    read = trajectory.source_text
    if read is None or not {"prompt", "text", "steers"} <= set(read):
        reason = "keeps no source text with its steers; texts written with a model are bound to its tokens"
        return None, [Skipped(None, f"{name} {reason}")]
    stored = _stored(trajectory, read["steers"])
    passage = _passage(trajectory, read, stored)
    made, why = weave(passage, tokenizer, trajectory.source)
    skipped = [Skipped(None, f"{name}: {s.reason}") for s in why]
    if made is None:
        return None, skipped
    assert made.source_text is not None
    was = {steer["id"]: of for steer, of in zip(made.source_text["steers"], stored, strict=True) if of is not None}
    steers = tuple(_with_history(s, was.get(s.id)) for s in made.steers)
    kept = ("annotator", "created", "status", "sampler", "model")
    return made.with_(steers=steers, **{field: getattr(trajectory, field) for field in kept}), skipped


def _stored(trajectory: Trajectory, read: list[Mapping[str, Any]]) -> list[Steer | None]:
    """For each steer as it was read, the stored one; None where it could not be learnt from."""
    by_id = {s.id: s for s in trajectory.steers}
    if all("id" in steer for steer in read):
        return [by_id.get(steer["id"]) for steer in read]
    # Before ids were kept beside the text, only the order tells.
    return list(trajectory.steers) if len(read) == len(trajectory.steers) else [None] * len(read)


def _passage(trajectory: Trajectory, read: Mapping[str, Any], stored: list[Steer | None]) -> Passage:
    prompt: Prompt = read["prompt"]
    if not isinstance(prompt, str):
        prompt = tuple(Message.from_dict(m) for m in read["prompt"])
    fixed: dict[str, Any] = {"prompt": prompt, "group": trajectory.group, "split": trajectory.split}
    rows = (_row(steer, of, read["text"], fixed) for steer, of in zip(read["steers"], stored, strict=True))
    try:
        return Passage(
            **fixed,
            text=read["text"],
            rows=tuple(rows),
            ended=bool(read.get("ended")),
            written=tuple((start, end, author) for start, end, author in read.get("written", ())),
            teaches=trajectory.teaches,
            name=read.get("name"),
            author=trajectory.annotator,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"the source text of trajectory {trajectory.id} is damaged: {error!r}") from error


def _row(steer: Mapping[str, Any], of: Steer | None, text: str, fixed: Mapping[str, Any]) -> SteerRow:
    start, end, tail = steer["start"], steer["end"], steer.get("tail", "")
    return SteerRow(
        **fixed,
        prefix=text[:start],
        chosen=text[start:end],
        rejected=tuple(steer.get("rejected", ())),
        tail=text[end : end + tail] if isinstance(tail, int) else tail,
        old_tail=steer.get("old_tail"),
        ended=bool(steer.get("ended")),
        whole=bool(steer.get("whole")),
        kind=steer["kind"],
        origin=steer.get("origin", "shown"),
        trajectory=steer.get("trajectory"),
        weight=of.weight if of else 1.0,
        reason=of.reason if of else None,
        author=of.annotator if of else None,
    )


def _with_history(made: Steer, was: Steer | None) -> Steer:
    return made if was is None else replace(made, state=was.state, started=was.started, created=was.created)
