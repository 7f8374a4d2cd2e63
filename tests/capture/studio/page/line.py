"""A line between a browser and a studio that can be cut: then it swallows every byte and tells nobody.

What was connected when it was cut, or tried to connect meanwhile, stays dead for good, as behind a router that has
forgotten it; only what connects anew gets through again.
"""

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress

__all__ = ["Line", "line_to"]


class Line:
    """Passes bytes from one port to another."""

    def __init__(self, port: int) -> None:
        self._behind, self._whole = port, True
        self._dead: set[socket.socket] = set()
        self._all: list[socket.socket] = []
        self._listens = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._listens.getsockname()[1]}/"
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Nothing passes from now on, in either direction."""
        self._whole = False
        self._dead.update(self._all)

    def mend(self) -> None:
        """What connects from now on gets through."""
        self._whole = True

    def close(self) -> None:
        """No more of it."""
        for one in (self._listens, *self._all):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        while True:
            try:
                browser, _ = self._listens.accept()
            except OSError:
                return
            self._all.append(browser)
            if not self._whole:
                self._dead.add(browser)
                threading.Thread(target=self._swallow, args=(browser,), daemon=True).start()
                continue
            studio = socket.create_connection(("127.0.0.1", self._behind))
            self._all.append(studio)
            for one, other in ((browser, studio), (studio, browser)):
                threading.Thread(target=self._pass, args=(one, other), daemon=True).start()

    def _pass(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while data := one.recv(65536):
                if one not in self._dead:
                    other.sendall(data)
            if one not in self._dead:
                other.shutdown(socket.SHUT_WR)

    def _swallow(self, one: socket.socket) -> None:
        with suppress(OSError):
            while one.recv(65536):
                pass


@contextlib.contextmanager
def line_to(port: int) -> Iterator[Line]:
    """Open while it is used."""
    line = Line(port)
    try:
        yield line
    finally:
        line.close()
