"""What a run leaves on its way: JSON files, there whole or not at all, so that whoever was stopped can go on."""

import json
from pathlib import Path
from typing import Any

__all__ = ["write_note"]


def write_note(path: Path, value: Any) -> None:
    """Put `value` at `path`, in place of what was there; folders are made, and what JSON has no word for is text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".part")
    beside.write_text(json.dumps(value, indent=1, ensure_ascii=False, default=str) + "\n", encoding="utf-8")
    beside.replace(path)
