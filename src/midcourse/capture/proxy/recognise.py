"""Whether a request shows that a person corrected what the model wrote before: cut, changed or extended it.

A request is compared with the generations of the same person. A steer needs a person's hand: what clients do by
themselves (trimming, fixed beginnings, names, next turns, titles) is told apart, and what may be either is not certain.
It knows text only: no HTTP, no token ids, no store.

    recognise ──> chats, prompts ──> shown ──> compare ──> importers.align
                       └───────────> tasks       └───────> plain
"""

from collections.abc import Sequence

from midcourse.capture.proxy.chats import chat
from midcourse.capture.proxy.exchange import Asked, Exchange
from midcourse.capture.proxy.prompts import prompted
from midcourse.capture.proxy.recognition import Edit, Found, Recognition, RecognitionKind
from midcourse.capture.proxy.shown import Shown, resolve
from midcourse.capture.proxy.tasks import side_task

__all__ = ["Edit", "Recognition", "RecognitionKind", "recognise"]

GAP = 1.0
"""Seconds after the end of a generation before which no person has read, corrected and sent it."""


def recognise(
    asked: Asked, earlier: Sequence[Exchange], *, at: float | None = None, exact: bool = False
) -> Recognition:
    """Compare a request with what was generated before.

    Args:
        asked: The request.
        earlier: Generations of the same person, the newest last.
        at: When the request came, in seconds since 1970; None: not known.
        exact: Count only generations whose earlier turns stand in the request word for word: where it is not known
            that the person is the same.
    """
    task = side_task(asked)
    if task:
        return Recognition("side_task", certain=True, why=f"the client asks for {task}")
    known = [e for e in earlier if e.asked.route == asked.route and not side_task(e.asked)]
    shown = [Shown(e, n) for n, e in enumerate(known)]
    if asked.route == "completions":
        prompt = "".join(t.content for t in asked.turns)
        found = prompted(prompt, shown, exact=exact)
    else:
        found = chat(resolve(asked), shown, exact=exact)
    return _judged(found, known, at)


def _judged(found: Found, known: Sequence[Exchange], at: float | None) -> Recognition:
    """The recognition, certain where nothing speaks against a person's hand."""
    ended = next((e.at for e in known if e.id == found.exchange), None)
    if found.edits and at is not None and ended is not None and at - ended < GAP:
        found.doubts.append("it came sooner than a person reads")
    doubts = list(dict.fromkeys(found.doubts))
    why = "; but ".join([found.why, *doubts])
    return Recognition(found.kind, found.exchange, tuple(found.edits), not doubts, why)
