"""What is served: one base in memory, its adapters by name, each read anew when its folder changes.

All of them share the base's weights and take turns on it, one token each. An answer that is under way goes on with the
adapter it began with; the next one has the new. A folder that cannot be read leaves the adapter as it was. It knows no
request and no text.
"""

import logging
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from midcourse.backends.local import LocalBackend
from midcourse.backends.protocol import Backend
from midcourse.backends.sharing import Shared, Turns
from midcourse.errors import ModelError
from midcourse.model import LoadedModel, check_adapter, weights_hash
from midcourse.publish.serve.switching import Switch
from midcourse.tokens import TextTokenizer

__all__ = ["Lease", "Models", "Unknown"]

log = logging.getLogger("midcourse.serve")
_FILES = ("adapter_config.json", "adapter_model.safetensors")
Stamp = tuple[tuple[int, int], ...]


class Unknown(ModelError):
    """No model of this name is served."""


@dataclass
class Lease:
    """One model as an answer uses it."""

    backend: Backend
    fingerprint: str
    """Changes with the weights."""
    own: str | None = None
    """The adapter's name inside the shared model; None: the base."""
    stamp: Stamp = ()
    users: int = 0
    old: bool = False


class Models:
    """The base and its adapters."""

    def __init__(self, loaded: LoadedModel, name: str, adapters: Mapping[str, Path], *, memory: int = 1 << 31) -> None:
        """Read every adapter at once.

        Args:
            loaded: The base, without an adapter.
            name: By which it is asked for.
            adapters: Folders by name.
            memory: Bytes for the caches of recent texts, of all together.

        Raises:
            ModelError: An adapter cannot be read or was trained on another base.
        """
        self.name, self.adapters = name, dict(adapters)
        self.tokenizer: TextTokenizer = loaded.tokenizer
        self.weights, self._ref = loaded.ref.weights or "", loaded.ref
        self.turns = Turns()
        self.began = int(time.time())
        self._switch = Switch(loaded.model)
        self._share = memory // (1 + len(self.adapters))
        self._guard = threading.Lock()
        self._reading = threading.Lock()
        self._now: dict[str, Lease] = {}
        self._told: dict[str, Stamp] = {}
        for adapter in self.adapters:
            self._now[adapter] = self._read(adapter)
        self._now[name] = Lease(self._backend(None), self.weights[:16])
        self.context: int = self._local(None).context

    @property
    def names(self) -> list[str]:
        """The base first."""
        return [self.name, *self.adapters]

    @contextmanager
    def lease(self, name: str) -> Iterator[Lease]:
        """A model for one answer, as its folder is now.

        Raises:
            Unknown: There is none of this name.
        """
        if name not in self._now:
            raise Unknown(f"there is no model {name[:100]!r} here; there are: {', '.join(self.names)}")
        self._refresh(name)
        with self._guard:
            lease = self._now[name]
            lease.users += 1
        try:
            yield lease
        finally:
            with self._guard:
                lease.users -= 1
            self._forget(lease)

    # -- inside ----------------------------------------------------------------------------------------------------

    def _refresh(self, name: str) -> None:
        """Read an adapter again if its files are others than before; whoever comes meanwhile has the old one."""
        folder = self.adapters.get(name)
        if folder is None or not self._reading.acquire(blocking=False):
            return
        try:
            stamp, before = _stamp(folder), self._now[name]
            if stamp in (before.stamp, self._told.get(name)):
                return
            try:
                lease = self._read(name)
            except ModelError as error:  # half written, gone, or of another base
                self._told[name] = stamp
                log.warning("%s stays as it was: %s", name, error)
                return
            with self._guard:
                self._now[name], before.old = lease, True
            log.info("%s was read anew", name)
            self._forget(before)
        finally:
            self._reading.release()

    def _read(self, name: str) -> Lease:
        folder = self.adapters[name]
        stamp = _stamp(folder)
        check_adapter(folder, self._ref)
        with self.turns.turn():  # nobody reads the model while an adapter is being put into it
            own = self._switch.add(folder)
        return Lease(self._backend(own), weights_hash(folder)[:16], own, stamp)

    def _forget(self, lease: Lease) -> None:
        """Take an adapter out that was replaced, once its last answer has ended."""
        with self._guard:
            if not lease.old or lease.users or lease.own is None:
                return
            own, lease.own = lease.own, None
        with self.turns.turn():
            self._switch.drop(own)

    def _backend(self, own: str | None) -> Shared:
        return Shared(self._local(own), self.turns)

    def _local(self, own: str | None) -> LocalBackend:
        return LocalBackend(
            self._switch.model, self.tokenizer.eos, memory=self._share, before=self._switch.turning(own)
        )


def _stamp(folder: Path) -> Stamp:
    """Sizes and times of change of an adapter's files."""
    found = []
    for name in _FILES:
        try:
            stat = (folder / name).stat()
        except OSError:
            continue
        found.append((stat.st_size, stat.st_mtime_ns))
    return tuple(found)
