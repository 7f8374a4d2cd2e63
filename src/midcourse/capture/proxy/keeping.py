"""What is kept of one exchange that was heard: nothing without consent, nothing secret, and a steer where one shows.

Runs in a thread of its own, one transaction for each request. It knows the store and no connection to anybody.
"""

import time
import uuid
from collections import Counter
from dataclasses import dataclass, field, replace

import sqlalchemy as sa

from midcourse.capture.proxy.answer import Choice, Reader
from midcourse.capture.proxy.asking import Request, read_request
from midcourse.capture.proxy.client import Asker
from midcourse.capture.proxy.conversations import Conversations, Remembered
from midcourse.capture.proxy.exchange import End, Exchange, Route, Turn
from midcourse.capture.proxy.noticing import Noticed, notice
from midcourse.capture.proxy.proposal import Proposal, together, trajectory_of
from midcourse.capture.proxy.recognise import recognise
from midcourse.capture.proxy.recognition import Recognition
from midcourse.capture.proxy.redact import marked, redact
from midcourse.errors import InputError
from midcourse.store import Store, consents, exchanges, purge, reviews, writing
from midcourse.tokens import TextTokenizer
from midcourse.types import ModelRef

__all__ = ["Heard", "Keeper"]

_SECRET = "a secret was taken out"
_OFFERED = "tools were on offer, which the steer does not show"


@dataclass(frozen=True, slots=True)
class Heard:
    """One request and its answer as the client was sent it."""

    asker: Asker
    route: Route
    body: bytes
    reader: Reader
    """Has read the answer."""
    end: End
    """How the answer ended for the client; a text that says its own end has that one."""
    asked_at: float
    at: float
    id: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def size(self) -> int:
        """Bytes, about."""
        return len(self.body) + self.reader.size + 1000


@dataclass
class Keeper:
    """Decides and writes."""

    store: Store
    secret: bytes
    tokenizer: TextTokenizer | None = None
    """Of the model that will be trained; None: everything waits in the inbox."""
    model: ModelRef | None = None
    accept_certain: bool = False
    """Steers that are certain train without being looked at."""
    counts: Counter[str] = field(default_factory=Counter)
    """What was kept, and what was not and why."""

    def __post_init__(self) -> None:
        self.conversations = Conversations(self._recall, self._newest)
        self.consents = consents.Consents()
        self._purged = -1

    def refresh(self) -> None:
        """Read anew what may be kept, and forget what was purged."""
        self.consents, purged = self.store.read(lambda c: (consents.read(c), purge.last(c)))
        if purged != self._purged:
            self.conversations.forget()
            self._purged = purged

    def keep(self, heard: Heard) -> None:
        """Keep one exchange, if it may be.

        Raises:
            StoreError: It could not be written; nothing of it is.
        """
        request = read_request(heard.route, heard.body)
        if request is None or heard.asker.off:
            self.counts["not kept: asked not to" if heard.asker.off else "not kept: unreadable"] += 1
            return
        asker = heard.asker.with_user(request.user, self.secret)
        self.refresh()  # a consent that was withdrawn holds from now on
        if not self.consents.cover(asker.client, request.model):
            self.counts["not kept: nobody allowed it"] += 1
            return
        clean = _without_secrets(request)
        before = self.conversations.of(asker.name, asker.chat)
        found = recognise(clean.asked, [r.exchange for r in before], at=heard.asked_at, exact=not asker.same_person)
        if found.kind == "side_task":
            self.counts["not kept: a side task of the program"] += 1
            return
        known = {r.exchange.id: r for r in before}
        seen = [
            self._noticed(heard, f"{heard.id}-{n}" if n else heard.id, choice, clean, clean == request, found, known)
            for n, choice in heard.reader.done().items()
            if choice.text
        ]

        def work(connection: sa.Connection) -> int:
            new = 0
            for one in seen:
                exchanges.put(connection, _kept(one.remembered, asker, clean, found))
                edited = (known[e.exchange] for e in found.edits if e.exchange in known)
                offered = _OFFERED if one.remembered.offered or any(r.offered for r in edited) else ""
                doubt = offered if clean == request else _SECRET
                for proposal in one.proposals:
                    new += self._propose(connection, proposal, asker, clean, found, doubt, heard.at)
            return new

        new = self.store.write(work)
        for one in seen:
            self.conversations.add(asker.name, asker.chat, one.remembered)
            self.counts[f"no steer made: {one.unmade}"] += bool(one.unmade)
        self.counts["exchanges"] += len(seen)
        self.counts["steers"] += new

    def _noticed(
        self,
        heard: Heard,
        id: str,
        choice: Choice,
        request: Request,
        clean: bool,
        found: Recognition,
        known: dict[str, Remembered],
    ) -> Noticed:
        text = redact(choice.text)
        # An answer that never said that it was over was cut off, whatever the connection says.
        end: End = choice.end or ("failed" if heard.end == "stop" else heard.end)
        ids = heard.reader.prompt_ids
        exchange = Exchange(id, request.asked, text, end, heard.at)
        prompt_ids = None if ids is None else tuple(ids)
        same = clean and text == choice.text
        return notice(exchange, request, choice, found, known, prompt_ids=prompt_ids, clean=same)

    def _propose(
        self,
        connection: sa.Connection,
        proposal: Proposal,
        asker: Asker,
        request: Request,
        found: Recognition,
        doubt: str,
        at: float,
    ) -> bool:
        """Put a steer into the inbox, or among those that train; whether it is new."""
        if not doubt and marked(proposal.text):
            doubt = _SECRET
        why = f"{found.why}; but {doubt}" if doubt else found.why
        certain = found.certain and not doubt
        id, value = proposal.id, proposal.to_dict()
        review = reviews.Review(id, asker.name, request.model, at, found.kind, certain, why, value)
        if not reviews.put(connection, review):
            return False
        if certain and self.accept_certain and self.tokenizer is not None:
            try:
                steers = together(connection, proposal, at)
                made = trajectory_of(steers, self.tokenizer, client=asker.name, model=self.model, at=at)
            except InputError:
                self.counts["left in the inbox: cannot be learnt from with this tokenizer"] += 1
                return True
            writing.add_batch(connection, [made])
            reviews.decide(connection, id, "accepted", None, made.id)
        return True

    def _recall(self, who: str, chat: str | None, most: int) -> list[Remembered]:
        kept = self.store.read(lambda connection: exchanges.recent(connection, who, chat, most))
        return [Remembered.from_dict(k.value) for k in kept]

    def _newest(self, who: str, chat: str | None) -> str | None:
        return self.store.read(lambda connection: exchanges.newest(connection, who, chat))

    def let_go(self, retain: float) -> int:
        """Delete exchanges and open reviews older than so many seconds; returns how many."""
        until = time.time() - retain
        with self.store.transaction() as connection:
            gone = exchanges.delete(connection, exchanges.find(connection, until=until))
            gone += reviews.delete(connection, reviews.undecided(connection, until))
        if gone:
            self.conversations.forget()
        return gone


def _kept(remembered: Remembered, asker: Asker, request: Request, found: Recognition) -> exchanges.KeptExchange:
    of = remembered.exchange
    value = {**remembered.to_dict(), "sampler": dict(request.sampler), "found": found.kind, "why": found.why}
    return exchanges.KeptExchange(of.id, asker.name, asker.chat, request.model, of.at, value)


def _without_secrets(request: Request) -> Request:
    asked = request.asked
    turns = tuple(Turn(t.role, redact(t.content)) for t in asked.turns)
    return replace(request, asked=replace(asked, turns=turns, prefill=redact(asked.prefill)))
