"""What is published: an adapter as a run left it, and the base it was trained on.

Everything is looked up and checked before anything long begins. Nothing is loaded into memory here.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from midcourse.errors import InputError, ModelError
from midcourse.model import BUILTIN, adapter_base, check_adapter, resolve, weights_hash
from midcourse.types import ModelRef

__all__ = ["Steered", "open_steered"]

BUILTIN_FAMILY = "HuggingFaceTB/SmolLM2-135M-Instruct"


@dataclass(frozen=True, slots=True)
class Steered:
    """An adapter that fits its base."""

    folder: Path
    base: ModelRef
    base_path: Path
    """Folder of the base."""
    record: Mapping[str, Any]
    """`midcourse.json` as the run wrote it; empty where another program trained the adapter."""

    @property
    def base_name(self) -> str:
        """How the base is called in public: a path of this machine shows its last part alone."""
        if Path(self.base.name).expanduser().is_dir():
            return Path(self.base.name).expanduser().resolve().name
        return self.base.name

    def config(self) -> dict[str, Any]:
        """The base's `config.json`."""
        return _json(self.base_path / "config.json")

    @property
    def hub_id(self) -> str | None:
        """The base as the Hub links it, if it is there; of the built-in model the family it was made of."""
        if self.base.name == BUILTIN:
            return BUILTIN_FAMILY
        return self.base.name if self.base_name == self.base.name and self.base.name.count("/") == 1 else None


def open_steered(folder: Path, model: str | None = None) -> Steered:
    """Read an adapter's folder and find its base.

    Args:
        folder: Holds `adapter_config.json` and `adapter_model.safetensors`.
        model: The base, where the recorded name no longer leads to it.

    Raises:
        ModelError: It is no adapter, or its base is not here or has other weights.
    """
    if not (folder / "adapter_config.json").is_file():
        check_adapter(folder)  # says what is missing
    known = adapter_base(folder)
    name = model or (known.name if known else _json(folder / "adapter_config.json").get("base_model_name_or_path"))
    if not name:
        raise ModelError(f"{folder} does not say which base it was trained on; give it as --model")
    path = resolve(name)
    base = ModelRef(str(name), weights_hash(path))
    check_adapter(folder, base)
    record = folder / "midcourse.json"
    return Steered(folder, base, path, _json(record) if record.is_file() else {})


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path} is damaged: {error}") from error
    if not isinstance(value, dict):
        raise InputError(f"{path} is damaged: it holds no JSON object")
    return value
