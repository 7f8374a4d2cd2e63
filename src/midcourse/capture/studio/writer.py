"""Who writes: one base, its adapters, one of them on; which adapter can be switched while drafts are open.

Loading is done by whoever starts the studio and comes in as a function, so that nothing here needs torch. It knows no
draft and no page.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from midcourse.backends.protocol import Backend
from midcourse.backends.sharing import Shared, Turns
from midcourse.capture.studio.shapes import ModelView
from midcourse.errors import InputError
from midcourse.tokens import TextTokenizer
from midcourse.types import ModelRef

__all__ = ["Loaded", "Writer"]


@dataclass(frozen=True, slots=True)
class Loaded:
    """A backend that is ready to write."""

    backend: Backend
    tokenizer: TextTokenizer
    ref: ModelRef
    """What is put on record as who wrote."""
    kind: str = "local"
    """`local`, or the dialect of a server."""
    context: int | None = None
    token_ids: bool = True
    """Whether it tells the ids that it wrote."""
    alternatives: int = 20
    """How many it tells of at most."""
    lacks: str = ""
    """What it cannot do, in one line."""


class Writer:
    """The backend that new streams use."""

    def __init__(
        self, load: Callable[[Path | None], Loaded], adapters: Mapping[str, Path] = {}, active: str | None = None
    ) -> None:
        """Load at once.

        Args:
            load: Given the folder of an adapter, or None for the base.
            adapters: Folders by name.
            active: The adapter to begin with.
        """
        self._load = load
        self.adapters = dict(adapters)
        self.turns = Turns()
        self._switch = threading.Lock()
        self.active: str | None = None
        self._now = self._loaded(active)
        self.active = active

    @property
    def tokenizer(self) -> TextTokenizer:
        """Of the base: the same for all of its adapters."""
        return self._now.tokenizer

    @property
    def ref(self) -> ModelRef:
        """What is put on record."""
        return self._now.ref

    @property
    def switching(self) -> bool:
        """Whether another adapter is being loaded."""
        return self._switch.locked()

    def backend(self) -> Backend:
        """For a new stream; a local model is shared in turns."""
        if self._now.kind == "local":
            return Shared(self._now.backend, self.turns)
        return self._now.backend

    def view(self) -> ModelView:
        """As the page shows it."""
        return ModelView(
            name=self._now.ref.name,
            adapter=self.active,
            weights=self._now.ref.weights,
            backend=self._now.kind,
            context=self._now.context,
            token_ids=self._now.token_ids,
            alternatives=self._now.alternatives,
            lacks=self._now.lacks,
        )

    def switch(self, name: str | None) -> None:
        """Write with another adapter, None for the base; streams that run go on as they are.

        Raises:
            InputError: There is none of that name, or another switch is under way.
        """
        if name is not None and name not in self.adapters:
            raise InputError(f"there is no adapter {name!r}; there are: {', '.join(sorted(self.adapters)) or 'none'}")
        if not self._switch.acquire(blocking=False):
            raise InputError("another adapter is being loaded: wait until it is there")
        try:
            loaded = self._loaded(name)
            if loaded.tokenizer.hash != self.tokenizer.hash:
                raise InputError(
                    f"{name} has another tokenizer than the texts that are open; start a studio of its own"
                )
            self._now, self.active = loaded, name
        finally:
            self._switch.release()

    def _loaded(self, name: str | None) -> Loaded:
        return self._load(None if name is None else self.adapters[name])
