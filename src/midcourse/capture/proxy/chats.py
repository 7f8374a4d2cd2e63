"""Chat requests: whether the text to be continued, or an earlier answer in the history, is not as the model wrote it.

It compares with generations of the chat route only, and knows no prompts of raw text.
"""

import re
from collections.abc import Sequence

from midcourse.capture.proxy.compare import Difference, Manner, compare
from midcourse.capture.proxy.exchange import Turn
from midcourse.capture.proxy.plain import Plain, has_thoughts, plain, shared_start
from midcourse.capture.proxy.recognition import Edit, Found, RecognitionKind
from midcourse.capture.proxy.shown import Request, Shown, before, edit_of, nearness, resemblance, written_by
from midcourse.capture.proxy.tasks import tool_result, trimmed

__all__ = ["chat"]

ALIKE, SHARE = 20, 0.3
"""A text found elsewhere is the same one if it begins with so many of its characters, or with such a share of them."""
KINDS: dict[Manner, RecognitionKind] = {
    "same": "same",
    "cut": "cut",
    "changed": "changed",
    "repaired": "changed",
    "extended": "extended",
}
WHY: dict[RecognitionKind, str] = {
    "cut": "the end of the answer was cut",
    "changed": "words of the answer were replaced",
    "extended": "the answer was written on",
    "same": "the answer goes on as it stood",
}
_NAME = re.compile(r"[^\W\d_][\w .'’-]{0,40}: ?")


def chat(request: Request, shown: Sequence[Shown], *, exact: bool) -> Found:
    """What a chat request shows.

    Args:
        request: The request.
        shown: The person's generations on this route, the newest last.
        exact: Count only generations with the same turns before them.
    """
    history = _history(request, shown, exact)
    now = _continued(request, shown, exact) if request.prefill.strip() else _asked_again(request, shown, exact)
    if not history.edits:
        now.exchange = now.exchange or history.exchange
        return now
    if now.edits:
        now.edits = history.edits + now.edits
        now.doubts += history.doubts
        return now
    if request.prefill.strip():
        history.exchange = now.exchange  # what it goes on from, not what was corrected above it
    return history


def _asked_again(request: Request, shown: Sequence[Shown], exact: bool) -> Found:
    here = before(request.turns)
    near = [s for s in shown if here.question and nearness(here, s.context) >= (3 if exact else 2)]
    if near:
        return Found("regenerated", "the same was asked again", near[-1].exchange.id)
    return Found("new", "nothing that was written before is continued")


def _continued(request: Request, shown: Sequence[Shown], exact: bool) -> Found:
    """What became of the text that is to be continued."""
    thoughts = has_thoughts(request.prefill)
    now = plain(request.prefill, thoughts=thoughts)
    here = before(request.turns)
    near = [s for s in shown if nearness(here, s.context) >= (3 if exact else 1)]
    again = [s for s in near if s.given.strip() == request.prefill.strip() and nearness(here, s.context) > 1]
    if again:
        return Found("regenerated", "the same beginning was asked for again", again[-1].exchange.id)
    if any(s.given.strip() == request.prefill.strip() and not nearness(here, s.context) for s in shown):
        return Found("new", "this client sends the same beginning in other chats too")
    near = [s for s in near if nearness(here, s.context) > 1 or _alike(s.view(thoughts).text, now.text)]
    doubts = [] if near else ["found by its text alone"]
    if not near and not exact:
        near = [s for s in shown if _alike(s.view(thoughts).text, now.text)]
    if not near:
        return Found("new", "no known answer begins like this")
    found = _best(request, near, shown, now, thoughts)
    author = next(s for s in near if s.exchange.id == found.exchange)
    if not doubts and nearness(here, author.context) == 1:
        doubts.append("only the last question is the same")
    found.doubts += doubts
    return found


def _best(request: Request, near: Sequence[Shown], shown: Sequence[Shown], now: Plain, thoughts: bool) -> Found:
    """The comparison with the generation that is most like the text."""

    def rank(s: Shown) -> tuple[int, bool, int]:
        was = s.view(thoughts).text
        return resemblance(was, now.text), shared_start(was, now.text) >= s.base(thoughts), s.order

    ranked = sorted(near, key=rank, reverse=True)
    differences = [compare(s.view(thoughts).text, now.text, s.base(thoughts), stopped=s.stopped) for s in ranked]
    best, s = differences[0], ranked[0]
    if best.manner in ("cut", "changed") and best.edits[0].start < s.base(thoughts):
        # The rest was dropped from within what this one was given: it is the text of whoever wrote on from there.
        for other, one in zip(ranked, differences, strict=True):
            same_place = one.manner in ("cut", "changed") and one.edits[0].start == best.edits[0].start
            if same_place and one.edits[0].start >= other.base(thoughts):
                best, s = one, other
                break
    return _found(best, s, shown, now, request.place, thoughts)


def _found(difference: Difference, s: Shown, shown: Sequence[Shown], now: Plain, turn: int, thoughts: bool) -> Found:
    kind = KINDS[difference.manner]
    edits = [edit_of(hunk, s, now, turn, thoughts=thoughts) for hunk in difference.edits]
    if edits and not any(written_by(h.start, h.end, s, shown, thoughts) for h in difference.edits):
        return Found("same", "only words that the person had put were changed", s.exchange.id, edits)
    if kind == "extended" and tool_result(edits[-1].put):
        return Found("same", "a program added what a tool said", s.exchange.id)
    doubts = [difference.doubt] if difference.doubt and edits else []
    last = difference.edits[-1] if difference.edits else None
    if kind == "cut" and last and s.stopped and trimmed(now.text[: last.put_start], edits[-1].was, stopped=True):
        doubts.append("the client may have cut the unfinished sentence")
    return Found(kind, WHY[kind], s.exchange.id, edits, doubts)


def _history(request: Request, shown: Sequence[Shown], exact: bool) -> Found:
    """What became of the answers in the history; its exchange is the one of the last answer that is known."""
    found = Found("history_edit", "an earlier answer was corrected")
    known = _said_before(shown)
    for turn, said in enumerate(request.turns):
        if said.role != "assistant" or not said.content.strip():
            continue
        here = before(request.turns[:turn])
        near = [s for s in shown if nearness(here, s.context) >= (3 if exact else 1)]
        answer = _answer(turn, request, shown, near, (here.question, said.content.strip()) in known)
        if answer is None:
            continue
        s, edits, doubts = answer
        found.exchange = s.exchange.id
        found.edits += edits
        found.doubts += doubts
        if edits and nearness(here, s.context) == 1:
            found.doubts.append("only the question before it is the same")
    return found


def _answer(
    turn: int, request: Request, shown: Sequence[Shown], near: Sequence[Shown], known: bool
) -> tuple[Shown, list[Edit], list[str]] | None:
    """The generation that an answer in the history is, what was corrected in it, and what speaks against a person."""
    content = request.turns[turn].content
    thoughts = has_thoughts(content)
    for said in _without_name(turn, request):
        now = plain(said, thoughts=thoughts)
        for s in reversed(near):
            view = s.view(thoughts).text
            if compare(view, now.text, s.base(thoughts), stopped=s.stopped).manner == "same":
                return s, [], []
    if known or not near:
        return None
    said = _without_name(turn, request)[-1]
    now = plain(said, thoughts=thoughts)
    s = max(near, key=lambda s: (resemblance(s.view(thoughts).text, now.text), s.order))
    was = s.view(thoughts).text
    difference = compare(was, now.text, s.base(thoughts), stopped=s.stopped)
    rewritten = difference.manner == "changed" and bool(difference.doubt)
    if rewritten and (len(near) > 1 or nearness(before(request.turns[:turn]), s.context) < 2):
        return None  # another answer: of another model, or chosen among several
    if difference.manner == "cut" and trimmed(now.text, was[difference.edits[0].start :], stopped=s.stopped):
        return s, [], []
    found = _found(difference, s, shown, now, turn, thoughts)
    if found.kind == "same":
        return s, [], []
    if difference.manner == "extended":
        found.doubts.append("the client may have added it")
    return s, found.edits, found.doubts


def _said_before(shown: Sequence[Shown]) -> set[tuple[str, str]]:
    """Answers that stood in earlier requests, each with the question before it: what was corrected there is known."""
    return {
        (before(s.request.turns[:n]).question, turn.content.strip())
        for s in shown
        for n, turn in enumerate(s.request.turns)
        if turn.role == "assistant"
    }


def _without_name(turn: int, request: Request) -> list[str]:
    """The answer as it stands, and without the name before it where the client puts names before answers."""
    content = request.turns[turn].content
    name = _NAME.match(content)
    if name is None:
        return [content]
    others: list[Turn] = [t for n, t in enumerate(request.turns) if n != turn]
    named = any(t.content.startswith(name[0]) for t in others if t.role == "assistant")
    named = named or any(name[0].rstrip(": ") in t.content for t in others if t.role == "system")
    return [content, content[name.end() :]] if named else [content]


def _alike(was: str, now: str) -> bool:
    shared = shared_start(was, now)
    return shared >= ALIKE or shared >= max(SHARE * min(len(was), len(now)), ALIKE // 2)
