"""What lies on the desk: the queue, the people, their time and their notes, as the journal tells it.

A pure fold: entries in, state out; the same journal always gives the same desk. It knows no database and no text of a
steer.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from midcourse.capture.studio.journal import Entry

__all__ = ["ALONE", "Desk", "Item", "Member", "Prompt", "Share"]

Prompt = str | tuple[Mapping[str, str], ...]
ALONE = "me"
"""Who works where the studio has no people."""


@dataclass(slots=True)
class Share:
    """One person's part in a prompt."""

    state: Literal["open", "done", "skipped"]
    draft: str | None = None
    reason: str | None = None


@dataclass(slots=True)
class Item:
    """A prompt in the queue."""

    id: str
    prompt: Prompt
    seq: float
    practice: bool = False
    people: int = 1
    removed: bool = False
    shares: dict[str, Share] = field(default_factory=dict)
    again: set[str] = field(default_factory=set)
    """Who wants to be asked once more."""
    settled: str | None = None

    @property
    def taken(self) -> int:
        """People who have it or had it, without those who skipped."""
        return sum(s.state != "skipped" for s in self.shares.values())


@dataclass(slots=True)
class Member:
    """Somebody who may sign in."""

    name: str
    role: Literal["admin", "annotator"]
    revoked: bool = False


@dataclass(slots=True)
class Link:
    """A one-time link, by the hash of its token."""

    name: str
    expires: float
    used: bool = False


class Desk:
    """The state of the work."""

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self.seq = 0
        self.items: dict[str, Item] = {}
        self.members: dict[str, Member] = {}
        self.names: dict[str, str] = {}
        """Who wrote under a name alone, before anybody signed in; see `who`."""
        self.links: dict[str, Link] = {}
        self.sessions: dict[str, tuple[str, float]] = {}
        """Name and expiry, by the hash of the cookie."""
        self.guidelines = ""
        self.tags: tuple[str, ...] = ()
        self.steer_tags: dict[str, tuple[tuple[str, ...], str | None]] = {}
        self.flags: dict[str, str] = {}
        self.seconds: dict[tuple[str, str], float] = {}
        """By (person, draft)."""
        self.item_of: dict[str, str] = {}
        """The prompt a draft was written for."""
        self.adapter: str | None = None
        self.rounds: list[tuple[float, str | None]] = []
        """When which adapter was switched on."""
        self.trainings: list[Mapping[str, Any]] = []
        for entry in entries:
            self.apply(entry)

    def apply(self, entry: Entry) -> None:
        """Take one entry in; kinds of a newer version are passed over."""
        self.seq = max(self.seq, entry.seq)
        known: dict[str, Callable[[Entry], None]] = {
            "prompt": self._prompt,
            "change": self._change,
            "take": self._take,
            "finish": self._finish,
            "skip": self._skip,
            "settle": self._settle,
            "person": self._person,
            "revoke": self._revoke,
            "adopt": self._adopt,
            "link": self._link,
            "session": self._session,
            "leave": lambda e: self._leave(e),
            "guidelines": lambda e: setattr(self, "guidelines", e.value["text"]),
            "tags": lambda e: setattr(self, "tags", tuple(e.value["tags"])),
            "reason": self._reason,
            "flag": self._flag,
            "time": self._time,
            "adapter": self._adapter,
            "training": lambda e: self.trainings.append(e.value),
        }
        action = known.get(entry.kind)
        if action is not None:
            action(entry)

    # -- the queue -------------------------------------------------------------------------------------------------

    def next_for(self, name: str, *, practice: bool = False) -> Item | None:
        """The prompt this person should get now: practice first, then in order; never one they had."""
        free = [
            i
            for i in self.items.values()
            if not i.removed
            and (name not in i.shares or name in i.again)
            and (i.practice or i.taken < i.people or name in i.again)
        ]
        free.sort(key=lambda i: (not i.practice, name in i.again, i.seq))
        return next((i for i in free if i.practice or not practice), None)

    def overlapping(self) -> list[Item]:
        """Prompts that several people finished."""
        return [i for i in self.items.values() if sum(s.state == "done" for s in i.shares.values()) > 1]

    def _prompt(self, e: Entry) -> None:
        given = e.value["prompt"]
        prompt: Prompt = given if isinstance(given, str) else tuple(given)
        self.items[e.value["id"]] = Item(
            e.value["id"], prompt, e.seq, e.value.get("practice", False), e.value.get("people", 1)
        )

    def _change(self, e: Entry) -> None:
        item = self.items[e.value["id"]]
        item.people = e.value.get("people") or item.people
        if e.value.get("first"):
            item.seq = min((i.seq for i in self.items.values()), default=0) - 1
        if e.value.get("removed") is not None:
            item.removed = e.value["removed"]

    def _take(self, e: Entry) -> None:
        item = self.items[e.value["item"]]
        who = self.who(e.by or ALONE)
        item.shares[who] = Share("open", e.value["draft"])
        item.again.discard(who)
        self.item_of[e.value["draft"]] = item.id

    def _finish(self, e: Entry) -> None:
        item = self.items.get(self.item_of.get(e.value["draft"], ""))
        for share in item.shares.values() if item is not None else ():
            if share.draft == e.value["draft"]:
                share.state = "done" if e.value["status"] == "accepted" else "skipped"
                if e.value["status"] == "open":
                    share.state = "open"

    def _skip(self, e: Entry) -> None:
        item = self.items[e.value["item"]]
        who = self.who(e.by or ALONE)
        share = item.shares.setdefault(who, Share("skipped"))
        share.state, share.reason = "skipped", e.value.get("reason")
        if e.value.get("again"):
            item.again.add(who)

    def _settle(self, e: Entry) -> None:
        self.items[e.value["item"]].settled = e.value["draft"]

    # -- people ----------------------------------------------------------------------------------------------------

    def who(self, name: str) -> str:
        """The person behind a name in a record."""
        return self.names.get(name, name)

    def _person(self, e: Entry) -> None:
        self.members[e.value["name"]] = Member(e.value["name"], e.value["role"])

    def _revoke(self, e: Entry) -> None:
        name = e.value["name"]
        if name in self.members:
            self.members[name].revoked = True
        self.sessions = {h: s for h, s in self.sessions.items() if s[0] != name}
        self.links = {h: link for h, link in self.links.items() if link.name != name}

    def _adopt(self, e: Entry) -> None:
        of, name = e.value["of"], e.value["name"]
        self.names[of] = name
        for item in self.items.values():
            if of in item.shares:
                item.shares.setdefault(name, item.shares.pop(of))
            if of in item.again:
                item.again = item.again - {of} | {name}
        for (who, draft), seconds in list(self.seconds.items()):
            if who == of:
                del self.seconds[of, draft]
                self.seconds[name, draft] = self.seconds.get((name, draft), 0.0) + seconds

    def _link(self, e: Entry) -> None:
        self.links[e.value["hash"]] = Link(e.value["name"], e.value["expires"])

    def _session(self, e: Entry) -> None:
        link = self.links.get(e.value.get("link", ""))
        if link is not None:
            link.used = True
        self.sessions[e.value["hash"]] = (e.value["name"], e.value["expires"])

    def _leave(self, e: Entry) -> None:
        self.sessions.pop(e.value["hash"], None)

    # -- notes -----------------------------------------------------------------------------------------------------

    def _reason(self, e: Entry) -> None:
        self.steer_tags[e.value["steer"]] = (tuple(e.value["tags"]), e.value.get("note"))

    def _flag(self, e: Entry) -> None:
        if e.value.get("note") is None:
            self.flags.pop(e.value["draft"], None)
        else:
            self.flags[e.value["draft"]] = e.value["note"]

    def _time(self, e: Entry) -> None:
        key = (self.who(e.by or ALONE), e.value["draft"])
        self.seconds[key] = self.seconds.get(key, 0.0) + e.value["seconds"]

    def _adapter(self, e: Entry) -> None:
        self.adapter = e.value["name"]
        self.rounds.append((e.at, e.value["name"]))
