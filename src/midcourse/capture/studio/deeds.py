"""Who did what to a store and when: an audit log read from what is recorded anyway, without a word of any text.

Sign-ins, people, trainings, adapters and settings from the studio's journal; exports, adapters, purges and consents
from the store. What the command line does is in the journal too, with the account that did it. It decides nothing.
"""

import contextlib
import getpass
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from midcourse.capture.studio import journal
from midcourse.store import schema
from midcourse.store.db import Store

__all__ = ["Deed", "account", "deeds", "line", "note"]

_TOLD: Mapping[str, tuple[str, ...]] = {
    "person": ("name", "role"),
    "revoke": ("name",),
    "adopt": ("of", "name"),
    "link": ("name",),
    "session": ("name",),
    "leave": (),
    "guidelines": (),
    "tags": (),
    "change": ("id", "removed"),
    "settle": ("item",),
    "train": ("name",),
    "training": ("name", "state"),
    "adapter": ("name",),
    "exported": ("where", "format"),
    "purge": ("texts", "steers", "exchanges", "reviews"),
}
"""Kinds of the journal, and which of their values are told: none holds a text."""
_WORDS = {
    "person": "let in",
    "revoke": "shown out",
    "adopt": "texts written alone given to",
    "link": "sign-in link made",
    "session": "signed in",
    "leave": "signed out",
    "guidelines": "guidelines changed",
    "tags": "tags changed",
    "change": "queue changed",
    "settle": "difference settled",
    "train": "training started",
    "training": "training ended",
    "adapter": "adapter switched",
    "exported": "exported",
    "purge": "purged",
}


@dataclass(frozen=True, slots=True)
class Deed:
    """One thing that somebody did."""

    at: float
    """Unix time."""
    what: str
    by: str | None
    """A name of the studio, or an account of the machine; None where it is not known."""
    facts: Mapping[str, Any]


def account() -> str:
    """Who runs this process, for the record."""
    with contextlib.suppress(Exception):  # a container may have no name for its user
        return f"{getpass.getuser()} at the command line"
    return "somebody at the command line"


def note(connection: sa.Connection, kind: str, value: Mapping[str, Any], by: str | None) -> None:
    """Write into the journal within a transaction of the store."""
    journal.TABLES.create_all(connection)
    row = {"kind": kind, "by": by, "at": time.time(), "value": dict(value)}
    connection.execute(journal.TABLES.tables["studio_journal"].insert(), [row])


def deeds(store: Store, since: float = 0.0) -> list[Deed]:
    """Everything that was done from a time on, in order."""
    found = []
    with store.snapshot() as connection:
        table = journal.TABLES.tables["studio_journal"]
        if sa.inspect(connection).has_table(table.name):
            query = sa.select(table).where(table.c.kind.in_(_TOLD), table.c.at >= since)
            for row in connection.execute(query):
                facts = {k: row.value[k] for k in _TOLD[row.kind] if row.value.get(k) is not None}
                by = row.by or (facts.pop("name", None) if row.kind == "session" else None)
                found.append(Deed(row.at, _WORDS[row.kind], by, facts))
        for made in connection.execute(sa.select(schema.handed_out).where(schema.handed_out.c.at >= since)):
            facts = {"where": made._mapping["where"], "texts": len(made.trajectories)}
            found.append(Deed(made.at, f"{made.kind} made", None, facts))
        for row in connection.execute(sa.select(schema.consent).where(schema.consent.c.at >= since)):
            what = "proxy may keep" if row.allowed else "proxy may no longer keep"
            found.append(Deed(row.at, what, None, {row.kind: row.name}))
    return sorted(found, key=lambda d: d.at)


def line(deed: Deed) -> str:
    """One line of JSON."""
    return json.dumps({"at": round(deed.at, 3), "what": deed.what, "by": deed.by, **deed.facts})
