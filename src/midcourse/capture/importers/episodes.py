"""One suggestion of a model and what a writer did with it: kept, cut and gone on, repaired in the middle, dismissed.

Reads episodes replayed from CoAuthor's keystroke logs (Lee, Liang and Yang 2022, coauthor.stanford.edu, CC BY-SA 4.0),
one a row. It knows no session and no tokens.
"""

from dataclasses import dataclass
from typing import Any

from midcourse.capture.importers.align import repairs
from midcourse.capture.importers.columns import record_of, text_at, value_at
from midcourse.errors import InputError
from midcourse.rows.row import SteerRow, check_text
from midcourse.types import Kind

__all__ = ["Episode", "Outcome", "outcome", "read_episode"]

ACTIONS = ("kept", "cut", "deleted", "dismissed")


@dataclass(frozen=True, slots=True)
class Episode:
    """One suggestion and what the writer did with it."""

    session: str
    writer: str
    context: str
    """The text before it, perhaps without its beginning."""
    shortened: bool
    action: str
    model_text: str
    """What was taken; empty if dismissed."""
    cut: int
    """Characters of it that were left standing."""
    human_text: str
    """What the writer put behind that."""
    candidates: tuple[str, ...] = ()
    trailing_only: bool = False
    """Only closing punctuation went: the sentence was carried on."""
    group: str | None = None
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What stands where the suggestion was made."""

    text: str
    person: tuple[tuple[int, int], ...]
    """Characters of it that the writer wrote without correcting anything."""
    rows: tuple[SteerRow, ...] = ()


def read_episode(value: Any, group: str = "writer", line: int | None = None) -> Episode:
    """Check one row.

    Raises:
        InputError: A column is missing or contradicts another.
    """
    record = record_of(value)
    context, action = text_at(record, "context"), text_at(record, "action")
    if action not in ACTIONS:
        raise InputError(f"column `action` must be one of {', '.join(ACTIONS)}, got {action!r}")
    model_text = check_text(value_at(record, "model_text") or "", "model_text")
    cut = value_at(record, "cut") or 0
    if not isinstance(cut, int) or not 0 <= cut <= len(model_text):
        raise InputError(f"column `cut` must lie between 0 and {len(model_text)}, the length of the text, got {cut!r}")
    candidates = value_at(record, "candidates") or ()
    if not isinstance(candidates, list | tuple):
        raise InputError(f"column `candidates` must be a list of texts, got {type(candidates).__name__}")
    return Episode(
        session=text_at(record, "session"),
        writer=text_at(record, "writer"),
        context=context.removeprefix("…").lstrip() if context.startswith("…") else context,
        shortened=context.startswith("…"),
        action=action,
        model_text=model_text,
        cut=cut,
        human_text=check_text(value_at(record, "human_text") or "", "human_text"),
        candidates=tuple(check_text(c, "candidates") for c in candidates),
        trailing_only=bool(value_at(record, "trailing_only")),
        group=text_at(record, group),
        line=line,
    )


def outcome(episode: Episode, before: str, *, dismissed: bool = False, trailing: bool = False) -> Outcome:
    """What a writer made of a suggestion.

    Args:
        episode: What was suggested and done.
        before: The story behind its beginning (the prompt), up to the suggestion.
        dismissed: Make a steer of suggestions of which none was taken.
        trailing: Make a steer of a cut of closing punctuation.

    Returns:
        For a cut a `typed` steer; where the model's own ending still stands behind what was put, one `local` steer
        for each edit; where nothing was put, a `resampled` one.
    """
    text = episode.model_text[: episode.cut] + episode.human_text
    own = ((episode.cut, len(text)),) if len(text) > episode.cut else ()
    if episode.action == "dismissed":
        put = episode.human_text.rstrip()
        shown = tuple(c for c in episode.candidates if c)
        rows: tuple[SteerRow, ...] = ()
        if dismissed and put and shown:
            rows = (_row(episode, before, put, shown, "typed"),)
        return Outcome(text, own, rows)
    if episode.cut == len(episode.model_text) or (episode.trailing_only and not trailing):
        return Outcome(text, own)
    put = episode.human_text.rstrip()
    edits = repairs(episode.model_text, text.rstrip()) if put else []
    if not edits:
        kept = before + episode.model_text[: episode.cut]
        cut_off = (episode.model_text[episode.cut :],)
        return Outcome(text, own, (_row(episode, kept, put, cut_off, "typed" if put else "resampled"),))
    stands = edits[-1].put_end + len(episode.model_text) - edits[-1].end
    rows = tuple(
        _row(
            episode,
            before + text[: e.put_start],
            text[e.put_start : e.put_end],
            (episode.model_text[e.start : e.end],),
            "local",
            episode.model_text[e.end :],
        )
        for e in edits
    )
    return Outcome(text, ((stands, len(text)),) if stands < len(text) else (), rows)


def _row(
    episode: Episode, prefix: str, put: str, rejected: tuple[str, ...], kind: Kind, old_tail: str | None = None
) -> SteerRow:
    return SteerRow(
        prompt=episode.context,
        prefix=prefix,
        chosen=put,
        rejected=rejected,
        old_tail=old_tail,
        kind=kind,
        origin="candidate" if episode.action == "dismissed" else "shown",
        trajectory=episode.session,
        author=episode.writer,
        line=episode.line,
    )
