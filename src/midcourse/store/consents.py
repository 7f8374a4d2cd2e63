"""Who may be listened to: clients and models that were switched on, and the secret under which clients are told apart.

Records are only added, and the newest of a name counts. It knows no key: a client comes as an HMAC that only this
store's secret can make.
"""

import secrets
import time
from dataclasses import dataclass
from typing import Literal

import sqlalchemy as sa

from midcourse.store import dialects, schema

__all__ = ["SECRET", "Consents", "allow", "read", "secret"]

SECRET = "secret"
"""Its key in `meta`."""


@dataclass(frozen=True, slots=True)
class Consents:
    """What is switched on; nothing by default."""

    clients: frozenset[str] = frozenset()
    models: frozenset[str] = frozenset()

    def cover(self, client: str, model: str | None) -> bool:
        """Whether an exchange may be kept: its client or its model is switched on."""
        return client in self.clients or model in self.models

    def __bool__(self) -> bool:
        return bool(self.clients or self.models)


def allow(connection: sa.Connection, kind: Literal["client", "model"], name: str, allowed: bool = True) -> None:
    """Switch a client or a model on, or off again."""
    row = {"kind": kind, "name": name, "allowed": allowed, "at": time.time()}
    connection.execute(schema.consent.insert(), [row])


def read(connection: sa.Connection) -> Consents:
    """What is switched on now."""
    table = schema.consent
    newest = sa.select(sa.func.max(table.c.seq)).group_by(table.c.kind, table.c.name)
    on: dict[str, set[str]] = {"client": set(), "model": set()}
    for row in connection.execute(sa.select(table).where(table.c.seq.in_(newest), table.c.allowed)):
        on[row.kind].add(row.name)
    return Consents(frozenset(on["client"]), frozenset(on["model"]))


def secret(connection: sa.Connection) -> bytes:
    """This store's own secret, 32 bytes; made at the first call, inside a writing transaction."""
    query = sa.select(schema.meta.c.value).where(schema.meta.c.key == SECRET)
    known = connection.execute(query).scalar()
    if known is None:
        made = {"key": SECRET, "value": secrets.token_hex(32)}
        connection.execute(dialects.insert_new(connection, schema.meta), [made])
        known = connection.execute(query).scalar_one()
    return bytes.fromhex(known)
