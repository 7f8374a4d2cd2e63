"""Listens to what passes and has it written down by a thread of its own, so that no client ever waits for a disk.

What waits to be written is bounded; when the store is locked or full the proxy goes on serving, says so, and tries
again. It knows the events of a request and an answer, and leaves what is kept of them to the keeper.
"""

import logging
import queue
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from midcourse.capture.proxy.answer import Reader
from midcourse.capture.proxy.asking import route_of
from midcourse.capture.proxy.client import Asker, asker
from midcourse.capture.proxy.exchange import End, Route
from midcourse.capture.proxy.fields import Fields, Kind, Stripper, kind_of
from midcourse.capture.proxy.keeping import Heard, Keeper
from midcourse.capture.proxy.passing import Call, Hearing
from midcourse.capture.proxy.upstream import Header
from midcourse.errors import StoreError

__all__ = ["Listening"]

log = logging.getLogger("midcourse.proxy")
WAITING = 64_000_000
"""Bytes that may wait to be written; what comes beyond them is not kept."""
REFRESH = 1.0
"""Seconds after which a new consent is known."""
HOUR = 3600.0
TOLD = 100
"""Clients whose names are put into the log."""


class Listening:
    """The listener of a proxy."""

    def __init__(
        self,
        keeper: Keeper,
        *,
        fields: Mapping[Kind, Fields] | None = None,
        retain: float | None = None,
        patience: float = 5.0,
    ) -> None:
        """Nothing runs yet; see `start`.

        Args:
            keeper: Decides and writes.
            fields: With `--capture ids`: what is added to requests, by route.
            retain: Seconds after which exchanges are deleted.
            patience: Seconds between tries while the store cannot be written to.
        """
        self.keeper, self.fields, self.retain, self.patience = keeper, fields or {}, retain, patience
        self.waiting = 0
        """Bytes that wait to be written."""
        self.trouble = ""
        """Why nothing can be written at the moment."""
        self._queue: queue.SimpleQueue[Heard | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._lost = 0
        self._told: set[str] = set()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="listening", daemon=True)

    # -- listening -------------------------------------------------------------------------------------------------

    def hears(self, call: Call) -> Hearing | None:
        """See `Listener.hears`; only requests for text, and nothing while nobody has allowed anything."""
        route = route_of(call.method, call.path)
        if route is None:
            return None
        who, allowed = asker(call.headers, call.peer, self.keeper.secret), self.keeper.consents
        if who.off:
            return None
        if not allowed.models and who.client not in allowed.clients:
            self._not_kept(who.client)
            return None
        return _Hearing(self, who, route, kind_of(route, call.path))

    def _not_kept(self, client: str) -> None:
        """Tell once how a client could be listened to."""
        if client not in self._told and len(self._told) < TOLD:
            self._told.add(client)
            log.info("client %s is passed on and not kept; to keep: midcourse proxy allow --client %s", client, client)

    def take(self, heard: Heard) -> None:
        """Have something written down, unless too much waits already."""
        with self._lock:
            if self.waiting + heard.size > WAITING:
                self._lost += 1
                full = self._lost == 1
            else:
                self.waiting += heard.size
                full = False
                self._queue.put(heard)
        if full:
            log.error("too much waits to be written: what comes now is passed on and not kept")

    # -- writing ---------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to write."""
        self._refresh()
        self._thread.start()

    def stop(self, patience: float = 5.0) -> None:
        """Write down what waits, for at most so many seconds."""
        self._queue.put(None)
        self._thread.join(patience)
        self._ending.set()
        self._thread.join(1.0)
        left = self._queue.qsize()
        if left:
            log.error("%d exchanges could not be written before the end: %s", left, self.trouble or "no time left")

    def _run(self) -> None:
        let_go = 0.0
        while not self._ending.is_set():
            try:
                heard = self._queue.get(timeout=REFRESH)
            except queue.Empty:
                self._refresh()
                if self.retain is not None and time.monotonic() - let_go > HOUR:
                    let_go = time.monotonic()
                    self._let_go(self.retain)
                continue
            if heard is None:
                return
            size = heard.size
            self._keep(heard)
            with self._lock:
                self.waiting -= size
                lost, self._lost = (self._lost, 0) if self.waiting < WAITING / 2 else (0, self._lost)
            if lost:
                log.error("%d exchanges were passed on and not kept, for too much waited to be written", lost)

    def _keep(self, heard: Heard) -> None:
        """Write one down, however long it takes."""
        while True:
            try:
                self.keeper.keep(heard)
            except StoreError as error:
                self._troubled(str(error))
                if self._ending.wait(self.patience):
                    return
                continue
            except Exception as error:  # a bug must not end the recording; its message could quote a text
                log.error("one exchange was not kept, because of a mistake of ours (%s)", _place(error))
            if self.trouble:
                log.warning("the store can be written to again; nothing that waited was lost")
                self.trouble = ""
            return

    def _refresh(self) -> None:
        try:
            self.keeper.refresh()
        except StoreError as error:
            self._troubled(str(error))

    def _let_go(self, retain: float) -> None:
        try:
            gone = self.keeper.let_go(retain)
        except StoreError as error:
            self._troubled(str(error))
            return
        if gone:
            log.info("%d exchanges and open reviews were deleted: their time was over", gone)

    def _troubled(self, why: str) -> None:
        if why != self.trouble:
            log.error("requests are passed on, but nothing can be kept at the moment: %s", why)
        self.trouble = why


@dataclass
class _Hearing:
    """One request that is listened to."""

    listening: Listening
    asker: Asker
    route: Route
    kind: Kind
    body: bytes = b""
    reader: Reader | None = None
    stripper: Stripper | None = None
    asked_at: float = field(default_factory=time.time)

    def asked(self, body: bytes, headers: list[Header]) -> tuple[bytes, list[Header]]:
        self.body = body
        fields = self.listening.fields.get(self.kind)
        if fields is None:
            return body, headers
        sent, self.stripper = fields.added(body)
        if self.stripper is None:
            return sent, headers
        # What is to be taken out again must not come packed.
        plain = [h for h in headers if h[0].lower() != b"accept-encoding"]
        return sent, [*plain, (b"accept-encoding", b"identity")]

    def began(self, status: int, headers: list[Header]) -> list[Header]:
        given = {name.lower(): value.decode("latin-1") for name, value in headers}
        if status == 200:
            self.reader = Reader(given.get(b"content-type", ""), given.get(b"content-encoding", ""))
        if self.stripper is not None:
            if status != 200 or not self.stripper.began(given.get(b"content-type", "")):
                self.stripper = None
            elif self.stripper.whole:
                return [h for h in headers if h[0].lower() != b"content-length"]
        return headers

    def shown(self, part: bytes) -> bytes | None:
        return None if self.stripper is None else self.stripper.shown(part)

    def heard(self, part: bytes) -> None:
        if self.reader is not None:
            self.reader.feed(part)

    def rest(self) -> bytes:
        return b"" if self.stripper is None else self.stripper.rest()

    def ended(self, end: End) -> None:
        if self.reader is not None:
            heard = Heard(self.asker, self.route, self.body, self.reader, end, self.asked_at, time.time())
            self.listening.take(heard)


def _place(error: Exception) -> str:
    trace, last = error.__traceback__, ""
    while trace is not None:
        last = f"{trace.tb_frame.f_code.co_filename.rsplit('/', 1)[-1]}:{trace.tb_lineno}"
        trace = trace.tb_next
    return f"{type(error).__name__} at {last}"
