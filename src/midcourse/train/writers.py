"""Adapters that wrote some of the texts a run learns from: found by the hash of their weights, switched on to read.

Where a person let text stand, the model that wrote it was right. For a text that a steered model wrote that model is
not the base, which would have made the errors that were corrected before. It knows no loss and keeps no numbers.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from midcourse.errors import InputError
from midcourse.model import check_adapter, weights_hash
from midcourse.types import ModelRef

__all__ = ["Writers"]


class Writers:
    """Folders of adapters by the hash that texts name; each is loaded when it is first asked for.

    Args:
        folders: Where they are.
        texts: How many texts each model wrote, by the hash of its weights.
        base: What adapters that wrote some must have been trained on; None where its hash is not comparable.

    Raises:
        ModelError: One of them is no adapter, or wrote some of the texts and is one of another base.
    """

    def __init__(
        self, folders: Sequence[Path] = (), texts: Mapping[str, int] | None = None, base: ModelRef | None = None
    ) -> None:
        self._texts, self._base = texts or {}, base
        self._folders: dict[str, Path] = {}
        self._loaded: dict[str, str] = {}
        for folder in folders:
            check_adapter(folder)
            weights = weights_hash(folder)
            if weights in self._texts:
                check_adapter(folder, base)
            self._folders[weights] = folder

    def __contains__(self, writer: object) -> bool:
        return writer in self._folders

    def doubts(self) -> Iterator[str]:
        """What a user should know before they train."""
        if self._folders and not any(weights in self._texts for weights in self._folders):
            named = ", ".join(map(str, self._folders.values()))
            yield f"None of the texts was written by one of the --writers as it is now ({named})"
        if self._base is None:
            return
        known = {self._base.weights, *self._folders}
        others = sum(n for weights, n in self._texts.items() if weights not in known)
        if others:
            yield (
                f"{others} of {sum(self._texts.values())} texts were written by another model than {self._base.name}. "
                "Where they were let stand, the run holds to the base, which may make errors there that their writer "
                "no longer made. If adapters wrote them, name their folders with --writers"
            )

    @contextmanager
    def on(self, model: Any, writer: str) -> Iterator[None]:
        """The model with that adapter in place of its own.

        Raises:
            InputError: The model has no adapter of its own that another could stand in for.
        """
        if not hasattr(model, "load_adapter") or not hasattr(model, "peft_config"):
            raise InputError("--writers needs a run that trains an adapter; leave it out, or set --use_peft true")
        if writer not in self._loaded:
            name = f"writer{len(self._loaded)}"
            with torch.random.fork_rng():  # a layer is made at random before it is filled
                model.load_adapter(str(self._folders[writer]), adapter_name=name, is_trainable=False)
            self._loaded[writer] = name
        own = model.active_adapter
        model.set_adapter(self._loaded[writer])
        try:
            yield
        finally:
            model.set_adapter(own)

    def forget(self, model: Any) -> None:
        """Take all of them out of the model again, so that none is trained or saved."""
        for name in self._loaded.values():
            model.delete_adapter(name)
        self._loaded.clear()
