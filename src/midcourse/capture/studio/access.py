"""Who may come in: one person on loopback, or people with a one-time link that becomes a cookie.

Only hashes of links and cookies are kept. Requests that change something must come from this very page. It knows no
draft and no route.
"""

import ipaddress
import secrets
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from midcourse.capture.studio.desk import ALONE
from midcourse.capture.studio.office import Office, digest
from midcourse.capture.studio.socket import Visitor

__all__ = ["COOKIE", "Access", "is_loopback", "new_link"]

COOKIE = "midcourse_session"
LINK_DAYS, SESSION_DAYS = 3, 90
_DAY = 86_400.0


def is_loopback(host: str) -> bool:
    """Whether a host name or address stays on this machine."""
    name = host.strip("[]")
    if name in ("localhost", ""):
        return name == "localhost"
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def new_link(name: str) -> tuple[str, dict[str, object]]:
    """A one-time token, and the journal entry that makes it valid."""
    token = secrets.token_urlsafe(24)
    return token, {"hash": digest(token), "name": name, "expires": time.time() + LINK_DAYS * _DAY}


@dataclass(frozen=True)
class Access:
    """The door of one server."""

    office: Office
    hosts: frozenset[str] = frozenset()
    """Names this server may be called by, beside loopback ones; empty where people sign in."""
    name: str = ALONE
    """Who works here alone."""

    def right_host(self, host: str | None) -> bool:
        """Without people, only loopback names: a foreign name that leads here is an attack (DNS rebinding)."""
        if not self.office.alone:
            return True
        name = (urlsplit(f"//{host}").hostname or "") if host else ""
        return is_loopback(name) or name in self.hosts

    def same_origin(self, origin: str | None, host: str | None) -> bool:
        """Whether a browser's request comes from a page of this server."""
        return origin is not None and host is not None and urlsplit(origin).netloc.lower() == host.lower()

    def visitor(self, cookies: Mapping[str, str]) -> Visitor | None:
        """Who is asking; None: nobody we know."""
        desk = self.office.desk
        if self.office.alone:
            return Visitor(self.name, "admin")
        session = digest(cookies.get(COOKIE, ""))
        name, expires = desk.sessions.get(session, ("", 0.0))
        member = desk.members.get(name)
        if member is None or member.revoked or expires < time.time():
            return None
        return Visitor(name, member.role, session)

    async def enter(self, token: str) -> str | None:
        """Turn a one-time token into a cookie's value; None if it is wrong, old or used."""
        await self.office.refresh()
        link = self.office.desk.links.get(digest(token))
        if link is None or link.used or link.expires < time.time():
            return None
        cookie = secrets.token_urlsafe(32)
        entry = {
            "hash": digest(cookie),
            "name": link.name,
            "expires": time.time() + SESSION_DAYS * _DAY,
            "link": digest(token),
        }
        await self.office.record("session", entry, link.name)
        return cookie


def names(hosts: Iterable[str]) -> frozenset[str]:
    """Host names without ports."""
    return frozenset((urlsplit(f"//{h}").hostname or h) for h in hosts)
