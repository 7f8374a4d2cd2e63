"""Prompts from a file or a text field: JSONL, or one prompt a line, or paragraphs.

It knows text only; who gets which prompt is the desk's matter.
"""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from midcourse.capture.studio.desk import Prompt
from midcourse.errors import InputError

__all__ = ["entries", "prompt_id", "read_prompts"]

ROLES = ("system", "user", "assistant", "tool")


def read_prompts(text: str, name: str = "the prompts") -> list[Prompt]:
    """Read a file's content.

    JSONL lines hold `prompt` (text or messages) or `messages`, or are a plain JSON string. In other text blank lines
    separate prompts if there are any, else each line is one.

    Raises:
        InputError: A line is no prompt; it is named by its number.
    """
    text = text.removeprefix("\ufeff")
    lines = [(n, line) for n, line in enumerate(text.splitlines(), 1) if line.strip()]
    if not lines:
        raise InputError(f"{name} hold no prompt")
    if all(line.lstrip()[0] in '{"' for _, line in lines):
        return [_of_json(line, f"{name}, line {n}") for n, line in lines]
    blocks = [b.strip("\n") for b in text.replace("\r\n", "\n").split("\n\n") if b.strip()]
    return list(blocks) if len(blocks) > 1 else [line.strip() for _, line in lines]


def _of_json(line: str, where: str) -> Prompt:
    try:
        value = json.loads(line)
    except ValueError as error:
        raise InputError(f"{where} is no JSON: {error}") from error
    if isinstance(value, dict):
        value = value.get("messages", value.get("prompt"))
    if isinstance(value, str) and value.strip():
        return value
    if isinstance(value, list) and value and all(_is_message(m) for m in value):
        if value[-1]["role"] == "assistant":
            raise InputError(f"{where} ends with an assistant's message; a prompt ends where the model is to answer")
        return tuple({"role": m["role"], "content": m["content"]} for m in value)
    raise InputError(f"{where} must be a JSON string or hold `prompt` or `messages`")


def _is_message(value: Any) -> bool:
    return isinstance(value, dict) and value.get("role") in ROLES and isinstance(value.get("content"), str)


def prompt_id(prompt: Prompt, practice: bool = False) -> str:
    """The same prompt has the same id, so that a file can be given again."""
    text = json.dumps([prompt, practice], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def entries(prompts: Sequence[Prompt], *, people: int = 1, practice: bool = False) -> list[dict[str, Any]]:
    """Journal entries of new prompts."""
    return [{"id": prompt_id(p, practice), "prompt": p, "people": people, "practice": practice} for p in prompts]
