"""Requests of raw text: whether a prompt that runs along an earlier prompt and its text shows a correction.

The model's own words stand in the prompt behind what it was given then. Clients that render chats themselves send the
next turn behind them; clients with little room drop the beginning. It compares with generations of the `completions`
route only.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from midcourse.capture.importers.align import Edit as Hunk
from midcourse.capture.proxy.chats import KINDS, WHY
from midcourse.capture.proxy.compare import compare, hunks
from midcourse.capture.proxy.plain import Plain, plain, shared_end, shared_start
from midcourse.capture.proxy.recognition import Edit, Found
from midcourse.capture.proxy.shown import TAIL, Shown, edit_of, written_by
from midcourse.capture.proxy.tasks import next_turn, tool_result, trimmed

__all__ = ["prompted"]

ANCHORS = (200, 60)
"""Characters before the model's words by which their place is found again, where the beginning is another."""
LEAST = 40
"""Characters of the shortest anchor that is no chance."""
DROPPED = 80
"""Characters of what was given that are missing in one piece: the client dropped them for want of room."""


@dataclass(frozen=True, slots=True)
class _Placed:
    """A generation whose words begin at a place of the prompt."""

    shown: Shown
    at: int
    whole: bool
    """All that it was given stands before them, as it was."""
    score: int


def prompted(prompt: str, shown: Sequence[Shown], *, exact: bool) -> Found:
    """What a prompt shows.

    Args:
        prompt: The whole prompt.
        shown: The person's generations on this route, the newest last.
        exact: Count only generations whose whole prompt it begins with.
    """
    now = plain(prompt)
    again = [s for s in shown if s.given.strip() and s.given.rstrip() == prompt.rstrip()]
    if again:
        return Found("regenerated", "the same prompt was sent again", again[-1].exchange.id)
    placed = [p for s in shown if s.wrote.strip() and (p := _place(s, now.text, exact))]
    if not placed:
        return Found("new", "it does not run along anything that was written before")
    best = max(placed, key=lambda p: (p.score, p.shown.order))
    return _compared(best, now, shown)


def _place(s: Shown, now: str, exact: bool) -> _Placed | None:
    """Where the words of a generation begin in a prompt."""
    view = s.view(True).text
    base = s.base(True)
    given = view[:base].rstrip()
    shared = shared_start(view, now)
    whole = bool(given) and shared >= len(given)
    at = min(base, shared) if whole else None if exact else _anchored(given, view[:base], now)
    if at is None:
        return None
    begin = shared if whole else len(given) + shared_start(view[base:], now[at:])
    end = shared_end(view[base:], now[at:])
    return _Placed(s, at, whole, begin + (end if end >= TAIL else 0))


def _anchored(given: str, spaced: str, now: str) -> int | None:
    for length in ANCHORS:
        anchor = given[-length:]
        place = now.rfind(anchor)
        if len(anchor) >= LEAST and place >= 0:
            end = place + len(anchor)
            return end + shared_start(spaced[len(given) :], now[end:])
    return None


def _compared(placed: _Placed, now: Plain, shown: Sequence[Shown]) -> Found:
    s = placed.shown
    view, base = s.view(True), s.base(True)
    wrote, said = view.text[base:], now.text[placed.at :]
    ahead = next_turn(said, view.text[:base])
    if ahead is not None:
        own = next_turn(wrote, view.text[:base])  # a model may run on into the next turn itself
        wrote, said = wrote[:own], said[:ahead]
    difference = compare(wrote, said, stopped=s.stopped)
    cut = difference.manner == "cut" and trimmed(said, wrote[difference.edits[0].start :], stopped=s.stopped)
    doubts = [difference.doubt] if difference.doubt and difference.edits else []
    edits = [_edit(h, s, now, base, placed.at) for h in difference.edits]
    if ahead is not None:
        nothing = not said.strip() or (cut and bool(doubts or s.stopped)) or difference.manner == "same"
        older = _older(placed, now, shown)
        own_edits = [] if nothing else edits
        if older or own_edits:
            found = Found("history_edit", "an earlier answer was corrected", s.exchange.id, older + own_edits)
            found.doubts = [] if nothing else doubts
            return found
        return Found("new", "the next turn of a chat", s.exchange.id)
    kind = KINDS[difference.manner]
    if kind == "extended" and tool_result(edits[-1].put):
        return Found("same", "a program added what a tool said", s.exchange.id, _older(placed, now, shown))
    found = Found(kind, WHY[kind], s.exchange.id, _older(placed, now, shown) + edits, doubts)
    if found.edits and kind == "same":
        found.kind, found.why = "history_edit", "earlier words were corrected"
    if cut and s.stopped:
        found.doubts.append("the client may have cut the unfinished sentence")
    return found


def _edit(hunk: Hunk, s: Shown, now: Plain, base: int, at: int) -> Edit:
    """An edit of the generation's own words, from one in characters behind their beginnings."""
    moved = Hunk(hunk.start + base, hunk.end + base, hunk.put_start + at, hunk.put_end + at)
    return edit_of(moved, s, now, 0)


def _older(placed: _Placed, now: Plain, shown: Sequence[Shown]) -> list[Edit]:
    """Corrections of words that stood in the prompt already and that a model wrote before, each as that one's."""
    if placed.whole:
        return []
    s = placed.shown
    found = []
    for hunk in hunks(s.view(True).text[: s.base(True)], now.text[: placed.at]):
        dropped = hunk.put_start == hunk.put_end and hunk.end - hunk.start >= DROPPED
        author = None if dropped or hunk.start == 0 else written_by(hunk.start, hunk.end, s, shown, True)
        if author is not None:
            by, start = author
            own = Hunk(start, start + hunk.end - hunk.start, hunk.put_start, hunk.put_end)
            found.append(edit_of(own, by, now, 0))
    return found
