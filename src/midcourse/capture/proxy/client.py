"""Who asks: a client told apart by its key, the person and the chat behind it where headers say.

Nothing of it can be read back: keys, names and addresses become HMACs under a secret of the store before anything else
sees them. It knows no consent.
"""

import hashlib
import hmac
from dataclasses import dataclass, replace

from midcourse.capture.proxy.upstream import Header

__all__ = ["Asker", "asker", "client_of_key"]

_KEYS = (b"authorization", b"x-api-key", b"api-key")
_USERS = (b"x-steer-user", b"x-openwebui-user-id")
_CHATS = (b"x-steer-chat", b"x-openwebui-chat-id", b"x-conversation-id")


@dataclass(frozen=True, slots=True)
class Asker:
    """Who sent a request."""

    client: str
    """The key it came with, or the address where there is none."""
    user: str | None = None
    chat: str | None = None
    off: bool = False
    """`X-Steer-Capture: off`: keep nothing of this."""

    @property
    def name(self) -> str:
        """As it is put on record: `client`, or `client/user`."""
        return self.client if self.user is None else f"{self.client}/{self.user}"

    @property
    def same_person(self) -> bool:
        """Whether headers say who it is, so that a chat need not be recognised by its every word."""
        return self.user is not None or self.chat is not None

    def with_user(self, user: str | None, secret: bytes) -> "Asker":
        """The same with the person that the request's body names, if no header does."""
        return self if user is None or self.user is not None else replace(self, user=_hashed(secret, "user", user))


def asker(headers: list[Header], peer: str, secret: bytes) -> Asker:
    """Who sent a request with these headers from this address."""
    given = {name.lower(): value.decode("latin-1").strip() for name, value in reversed(headers)}

    def first(names: tuple[bytes, ...]) -> str | None:
        return next((given[name] for name in names if given.get(name)), None)

    key, user, chat = first(_KEYS), first(_USERS), first(_CHATS)
    client = client_of_key(key, secret) if key is not None else _hashed(secret, "address", peer)
    return Asker(
        client=client,
        user=None if user is None else _hashed(secret, "user", user),
        chat=None if chat is None else _hashed(secret, "chat", chat),
        off=given.get(b"x-steer-capture", "").lower() in ("off", "0", "false", "no"),
    )


def client_of_key(key: str, secret: bytes) -> str:
    """The name of whoever uses a key, given as `sk-…` or as the header holds it."""
    kind, _, rest = key.strip().partition(" ")
    return _hashed(secret, "key", rest.strip() if kind.lower() == "bearer" and rest else key.strip())


def _hashed(secret: bytes, kind: str, value: str) -> str:
    return hmac.new(secret, f"{kind}\0{value}".encode(), hashlib.sha256).hexdigest()[:20]
