"""What a model is asked to write: prompts of a file, or one shard of them, each once.

Every process of many takes its own shard: by the hash of what is asked, so that shards share nothing however the file
is ordered, and a prompt that is added moves no other. Only the prompts of the shard are held. It knows no model.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from midcourse.errors import InputError
from midcourse.types import Message

__all__ = ["Asked", "read_prompts"]


@dataclass(frozen=True, slots=True)
class Asked:
    """One task."""

    prompt: str | tuple[Message, ...]
    split: str | None = None
    group: str | None = None

    @property
    def key(self) -> str:
        """Hash of what is asked."""
        said = self.prompt if isinstance(self.prompt, str) else [m.to_dict() for m in self.prompt]
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16]


def read_prompts(path: str | Path, *, chat: bool = True, shard: tuple[int, int] = (1, 1)) -> list[Asked]:
    """Prompts of a file, each once: JSONL rows with `prompt` (text or messages), `split`, `group`; else one a line.

    Args:
        path: The file; it is read line by line.
        chat: Plain text is a user's message; otherwise it is continued as it stands.
        shard: Which of how many parts to keep, from 1; one of them may be empty.

    Raises:
        InputError: A line cannot be used, or there is none.
    """
    found: dict[str, Asked] = {}
    index, of = shard
    given = 0
    rows = Path(path).suffix == ".jsonl"
    try:
        with Path(path).open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                if not line.strip():
                    continue
                given += 1
                asked = _asked(line, rows, f"{path}, line {number}", chat)
                key = asked.key
                if int(key, 16) % of == index - 1:
                    found.setdefault(key, asked)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"the prompts {path} cannot be read: {error}") from error
    if not given:
        raise InputError(f"{path} holds no prompt; give one a line, or JSONL rows with `prompt`")
    return list(found.values())


def _asked(line: str, rows: bool, where: str, chat: bool) -> Asked:
    row: Any = {"prompt": line.strip()}
    if rows:
        try:
            row = json.loads(line)
        except ValueError as error:
            raise InputError(f"{where}: no JSON ({error})") from error
    said = row.get("prompt") if isinstance(row, dict) else None
    if isinstance(said, list):
        prompt: str | tuple[Message, ...] = tuple(Message.from_dict(m) for m in said)
    elif isinstance(said, str) and said.strip():
        prompt = (Message("user", said),) if chat else said
    else:
        raise InputError(f"{where}: `prompt` must be a text or a list of messages")
    split = row.get("split")
    if split not in (None, "train", "dev", "test"):
        raise InputError(f"{where}: split is {split!r}; expected train, dev or test")
    return Asked(prompt, split, row.get("group"))
