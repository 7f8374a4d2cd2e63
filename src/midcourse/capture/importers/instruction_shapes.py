"""What well-known instruction sets call things: Alpaca's and ShareGPT's rows, said as ours.

Alpaca: `instruction`, `input` (may be empty), `output` (github.com/tatsu-lab/stanford_alpaca). ShareGPT:
`conversations`, a list of `{from, value}`, as FastChat and LLaMA-Factory read it. A row that has our columns is left as
it is. It knows no tokenizer and no trajectory.
"""

from collections.abc import Mapping
from typing import Any

from midcourse.errors import InputError

__all__ = ["as_ours"]

_ROLES = {
    **dict.fromkeys(("human", "user"), "user"),
    **dict.fromkeys(("gpt", "assistant", "chatgpt", "bing", "bard", "model"), "assistant"),
    "system": "system",
    **dict.fromkeys(("tool", "observation", "function_response"), "tool"),
}


def as_ours(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """The record with `messages`, or `prompt` and `completion`, if it is one of the known kinds; else as it was.

    Raises:
        InputError: It is of a known kind, and a value in it cannot be used.
    """
    if "messages" in record or "completion" in record:
        return record
    if "conversations" in record:
        said = _conversation(record["conversations"])
        if system := record.get("system"):
            said = [{"role": "system", "content": system}, *said]
        return {**record, "messages": said}
    if "instruction" in record and "output" in record:
        parts = [record["instruction"], record.get("input") or ""]
        if not all(isinstance(part, str) for part in parts):
            raise InputError("columns `instruction` and `input` must be texts")
        return {"prompt": "\n\n".join(part for part in parts if part), "completion": record["output"], **record}
    return record


def _conversation(turns: Any) -> list[dict[str, Any]]:
    if not isinstance(turns, list | tuple) or not all(isinstance(turn, Mapping) for turn in turns):
        raise InputError(f"column `conversations` must be a list of {{from, value}}, got {type(turns).__name__}")
    said = []
    for turn in turns:
        role = turn.get("from", turn.get("role"))
        if not isinstance(role, str) or role not in _ROLES:
            raise InputError(f"column `conversations`: {role!r} is no one we know; known are {', '.join(_ROLES)}")
        said.append({"role": _ROLES[role], "content": turn.get("value", turn.get("content"))})
    return said
