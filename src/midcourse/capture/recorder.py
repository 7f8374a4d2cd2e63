"""Generations and corrections of an application of one's own, recorded as they happen.

The application says what was asked and what the model wrote, and later what a person made of it; or it says only what
it asks next, and corrections are recognised there as the proxy does. Each answer is a draft: the same tree of ids as
one written in the studio. What is written is in the store when a call returns. It generates nothing and sends nothing.
"""

import asyncio
import math
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from midcourse.backends.protocol import Sampling, Token
from midcourse.capture.proxy.compare import Difference, compare
from midcourse.capture.proxy.exchange import Asked, Exchange, Turn
from midcourse.capture.proxy.plain import plain
from midcourse.capture.proxy.recognise import recognise
from midcourse.drafts.draft import Draft
from midcourse.errors import InputError
from midcourse.store.db import Store
from midcourse.tokens import TextTokenizer
from midcourse.types import Message, ModelRef, Steer

__all__ = ["Recorder"]

Asks = str | Sequence[Message | Mapping[str, Any]]
REMEMBERED = 200
"""Generations that a next request is compared with, and drafts that are kept in memory."""


@dataclass(frozen=True, slots=True)
class _Heard:
    """One generation, whose it is and where it stands."""

    exchange: Exchange
    person: str | None
    chat: str | None
    draft: Draft
    begun: str
    """What stood before the draft's text: the prompt (raw text), or the part of the answer that nobody wrote here."""


class Recorder:
    """Keeps what a model wrote and what people made of it.

    Use it as a context manager, in threads or with `async with`; the methods whose names begin with `a` are the same
    for asyncio.

    Args:
        store: A path, a URL or an open store. None: `MIDCOURSE_STORE`, else ./midcourse.db.
        model: Whose tokenizer: `builtin`, a model folder, a hub id, or a tokenizer.
        person: Who corrects, where a call does not say.
        source: Where it came from, on record.
        clock: The time in seconds since 1970.
    """

    def __init__(
        self,
        store: "str | Path | Store | None" = None,
        *,
        model: str | Path | TextTokenizer = "builtin",
        person: str | None = None,
        source: str = "recorder",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._own = not isinstance(store, Store)
        self.store = store if isinstance(store, Store) else Store(store)
        """What it writes into."""
        self._ref: ModelRef | None = None
        if isinstance(model, TextTokenizer):
            self.tokenizer = model
        else:
            from midcourse.model import resolve, weights_hash

            folder = resolve(model)
            self.tokenizer = TextTokenizer.load(folder)
            self._ref = ModelRef(str(model), weights_hash(folder))
        self.person, self.source, self._clock = person, source, clock
        self._heard: deque[_Heard] = deque(maxlen=REMEMBERED)
        self._lock = threading.RLock()

    # -- what happened ---------------------------------------------------------------------------------------------

    def wrote(
        self,
        asked: Asks,
        text: str,
        *,
        ended: bool = True,
        token_ids: Sequence[int] | None = None,
        logprobs: Sequence[float] | None = None,
        person: str | None = None,
        chat: str | None = None,
    ) -> str:
        """Record what a model wrote.

        A last message of the assistant is what it continued. Where it, or an earlier answer, is not as it was recorded,
        the person corrected it: that is recorded first. With neither a person nor a chat known, only requests count
        that repeat the conversation word for word.

        Args:
            asked: The prompt as text or messages (`role`, `content`).
            text: The answer, or how it went on.
            ended: Whether the model came to its own end; False: it was stopped, or had no room.
            token_ids: The answer's ids, where the server told them, without an end token.
            logprobs: What the sampler reported for each.
            person: Who reads it.
            chat: Which conversation it belongs to.

        Returns:
            The answer's id; an answer that is continued keeps it.

        Raises:
            InputError: The prompt is empty, or the ids do not give the text.
        """
        with self._lock:
            person = self.person if person is None else person
            request = _asked(asked)
            known = [h for h in self._heard if (h.person, h.chat) == (person, chat)]
            exact = person is None and chat is None
            found = recognise(request, [h.exchange for h in known], at=self._clock(), exact=exact)
            for turn, id in dict.fromkeys((e.turn, e.exchange) for e in found.edits):
                if request.route == "chat" and turn < len(request.turns):
                    self._correct(_of(known, id), request.turns[turn].content, closes=True, certain=found.certain)
            raw = request.route == "completions"  # corrected above a next turn, such a text has no place of its own
            goes_on = found.kind not in (*_NOT_ON, "history_edit") if raw else found.kind not in _NOT_ON
            on = _of(known, found.exchange) if found.exchange and goes_on and (raw or request.prefill) else None
            draft, begun = (on.draft, on.begun) if on else self._begin(request, person)
            if on is not None:
                held = request.prefill or request.turns[0].content
                self._correct(on, held, closes=False, certain=found.certain)
            self._take(draft, text, ended, token_ids, logprobs)
            end = Exchange(uuid.uuid4().hex, request, text, "stop" if ended else "aborted", self._clock())
            self._heard.append(_Heard(end, person, chat, draft, begun))
            return draft.peek.id

    def corrected(self, answer: str, text: str, *, reason: str | None = None) -> tuple[Steer, ...]:
        """Record what a person made of an answer: each place a steer, the rest let stand.

        Args:
            answer: Its id.
            text: As it stands now, all of it.
            reason: Why, in the person's words.

        Returns:
            The steers; none where nothing was changed.

        Raises:
            InputError: There is no such answer.
        """
        with self._lock:
            draft = self._draft(answer)
            steers = self._apply(draft, plain(text).text, closes=True, reason=reason)
            draft.accept()
            return steers

    def stands(self, answer: str) -> None:
        """Record that a person read an answer and left it as it is.

        Raises:
            InputError: There is no such answer.
        """
        with self._lock:
            self._draft(answer).accept()

    # -- the same for asyncio --------------------------------------------------------------------------------------

    async def awrote(self, asked: Asks, text: str, **more: Any) -> str:
        """As `wrote`, without holding up the event loop."""
        return await asyncio.to_thread(self.wrote, asked, text, **more)

    async def acorrected(self, answer: str, text: str, *, reason: str | None = None) -> tuple[Steer, ...]:
        """As `corrected`, without holding up the event loop."""
        return await asyncio.to_thread(self.corrected, answer, text, reason=reason)

    async def astands(self, answer: str) -> None:
        """As `stands`, without holding up the event loop."""
        await asyncio.to_thread(self.stands, answer)

    def close(self) -> None:
        """Close the store, unless it was given open."""
        if self._own:
            self.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self.close)

    # -- inside ----------------------------------------------------------------------------------------------------

    def _begin(self, request: Asked, person: str | None) -> tuple[Draft, str]:
        draft = self._new(person)
        if request.route == "completions":
            return draft.start(request.turns[0].content), request.turns[0].content
        messages = [Message(t.role, t.content) for t in request.turns]
        ids = [*self.tokenizer.prompt_ids(messages), *self.tokenizer.encode(request.prefill)]
        return draft.start(messages, token_ids=ids if request.prefill else None), request.prefill

    def _new(self, person: str | None) -> Draft:
        return Draft(
            _Silent(),
            self.tokenizer,
            self.store,
            model=self._ref,
            annotator=person,
            source=self.source,
            clock=self._clock,
        )

    def _draft(self, answer: str) -> Draft:
        known = next((h.draft for h in reversed(self._heard) if h.draft.peek.id == answer), None)
        return known or self._new(self.person).reopen(self.store.trajectory(answer))

    def _take(
        self,
        draft: Draft,
        text: str,
        ended: bool,
        token_ids: Sequence[int] | None,
        logprobs: Sequence[float] | None,
    ) -> None:
        ids = list(token_ids) if token_ids is not None else self.tokenizer.encode(text)
        if self.tokenizer.to_bytes(ids) != text.encode():
            raise InputError("token_ids do not give the text: leave them out, or give the ids of this answer alone")
        self.tokenizer.check_ids(ids)
        known = list(logprobs) if logprobs is not None and len(logprobs) == len(ids) else [math.nan] * len(ids)
        tokens = [Token(i, p) for i, p in zip(ids, known, strict=True)]
        if ended and self.tokenizer.eos:
            tokens.append(Token(self.tokenizer.eos[0], math.nan))
        if tokens:
            draft.take(tokens)

    def _correct(self, of: _Heard, held: str, *, closes: bool, certain: bool) -> None:
        """What a later request says in place of an answer; what may be no person's hand waits for review."""
        if not held.startswith(of.begun.rstrip()):
            return  # what stood before the answer is another: no place of it is known
        steers = self._apply(of.draft, plain(held[len(of.begun) :]).text, closes=closes)
        for steer in steers if not certain else ():
            self.store.set_state(steer.id, "pending", of.person)

    def _apply(self, draft: Draft, now: str, *, closes: bool, reason: str | None = None) -> tuple[Steer, ...]:
        was, ended = draft.text, draft.ended
        before = len(draft.steers)
        difference = compare(was, now, stopped=not ended)
        closes = closes and ended
        moved = 0
        for start, end, put in _places(difference, now):
            at, last = start + moved, end >= len(was.rstrip())
            if last and not put.strip() and closes:
                draft.end(at, reason=reason)
            elif last and not put.strip():
                draft.resample(at, reason=reason)
            elif last:
                draft.replace(at, put, closes=closes, reason=reason)
            else:
                draft.replace(at, put, "local", end=at + end - start, reason=reason)
            moved += len(put) - (end - start)
        return draft.steers[before:]


_NOT_ON = ("new", "regenerated", "side_task")


class _Silent:
    """Writes nothing: the model is elsewhere."""

    def stream(self, token_ids: Sequence[int], sampling: Sampling) -> Iterator[Token]:
        return iter(())


def _asked(asked: Asks) -> Asked:
    if isinstance(asked, str):
        return Asked("completions", (Turn("prompt", asked),))
    messages = [m if isinstance(m, Message) else Message.from_dict(m) for m in asked]
    turns = [Turn(m.role, m.content) for m in messages]
    prefill = turns.pop().content if len(turns) > 1 and turns[-1].role == "assistant" else ""
    return Asked("chat", tuple(turns), prefill)


def _of(known: Sequence[_Heard], exchange: str) -> _Heard:
    return next(h for h in known if h.exchange.id == exchange)


def _places(difference: Difference, now: str) -> list[tuple[int, int, str]]:
    return [(e.start, e.end, now[e.put_start : e.put_end]) for e in difference.edits]
