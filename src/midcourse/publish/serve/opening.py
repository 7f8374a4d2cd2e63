"""From the command line's settings to models that are ready to be served."""

import logging
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from midcourse.backends import grouped
from midcourse.backends.local import fast_dtype
from midcourse.errors import InputError
from midcourse.model import load_model
from midcourse.publish.serve.models import Models

__all__ = ["adapters_of", "open_models", "tell_changes"]


def adapters_of(given: Sequence[str]) -> dict[str, Path]:
    """NAME=DIR, or DIR alone, whose last part is the name.

    Raises:
        InputError: A name is given twice or is none.
    """
    found: dict[str, Path] = {}
    for word in given:
        name, equals, where = word.rpartition("=")
        folder = Path(where).expanduser()
        name = name if equals else folder.resolve().name
        if not name or not name.isprintable() or len(name) > 100 or not where:
            raise InputError(f"--adapter takes NAME=DIR, got {word!r}")
        if name in found:
            raise InputError(f"the adapter name {name!r} is given twice")
        found[name] = folder
    return found


def open_models(
    model: str, name: str | None, adapters: Mapping[str, Path], *, dtype: str = "auto", memory: int = 1 << 31
) -> Models:
    """Load the base and every adapter.

    Raises:
        ModelError: One of them cannot be read, or an adapter was trained on another base.
        InputError: An adapter has the base's name.
    """
    own = name or (Path(model).expanduser().resolve().name if Path(model).expanduser().is_dir() else model)
    if own in adapters:
        raise InputError(f"{own!r} is the base's name: give the adapter another, NAME=DIR, or the base, --name")
    loaded = load_model(model, dtype=fast_dtype() if dtype == "auto" else dtype, attn=grouped.NAME)
    return Models(loaded, own, adapters, memory=memory)


def tell_changes() -> None:
    """On standard error: adapters that were read anew, or could not be."""
    log = logging.getLogger("midcourse.serve")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    log.handlers, log.propagate = [handler], False
    log.setLevel(logging.INFO)
