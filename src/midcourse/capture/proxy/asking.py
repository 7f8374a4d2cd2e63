"""What a request to a model server asks for, read from its JSON: the words that the next request is compared with.

Pure: bytes in, values out. What is no text (an image, a sound) is named by a hash, so that it can be compared but is
not kept. It knows no connection.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from midcourse.capture.proxy.exchange import Asked, Route, Turn

__all__ = ["Request", "read_request", "route_of"]

_SAMPLER = ("temperature", "top_p", "top_k", "min_p", "seed", "max_tokens", "max_completion_tokens", "n_predict")


@dataclass(frozen=True, slots=True)
class Request:
    """One request to generate text."""

    asked: Asked
    model: str | None
    user: str | None = None
    """The OpenAI API's own field for who it is."""
    opaque: str = ""
    """What of it is no text, or was told to the model beside the messages: such a prompt cannot be written down."""
    offered: bool = False
    """Whether tools were on offer. A chat program may send dozens with every question: while none is called the
    answer is text like any other, but the model read more than a steer shows."""
    sampler: Mapping[str, Any] = field(default_factory=dict)


def route_of(method: str, path: str) -> Route | None:
    """Whether a request generates text, and how; None: it is none of our business."""
    if method != "POST":
        return None
    if path.endswith("/chat/completions"):
        return "chat"
    return "completions" if path.endswith(("/completions", "/completion")) else None


def read_request(route: Route, body: bytes) -> Request | None:
    """What a body asks for; None where it is nothing that we could read, whatever the server makes of it."""
    try:
        given = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(given, dict):
        return None
    model = given.get("model") if isinstance(given.get("model"), str) else None
    user = given.get("user") if isinstance(given.get("user"), str) else None
    sampler = {name: given[name] for name in _SAMPLER if isinstance(given.get(name), int | float)}
    if route == "completions":
        prompt = given.get("prompt")
        prompt = prompt[0] if isinstance(prompt, list) and len(prompt) == 1 else prompt
        if not isinstance(prompt, str):
            return None
        opaque = "text behind the place" if given.get("suffix") or given.get("input_suffix") else ""
        return Request(Asked(route, (Turn("prompt", prompt),)), model, user, opaque, sampler=sampler)
    messages = given.get("messages")
    if not isinstance(messages, list) or not messages:
        return None
    opaque, offered = "", bool(given.get("tools") or given.get("functions"))
    turns = []
    for message in messages:
        if not isinstance(message, dict):
            return None
        words, odd = _content(message)
        turns.append(Turn(str(message.get("role")), words))
        opaque = opaque or odd
    prefill = turns.pop().content if len(turns) > 1 and turns[-1].role == "assistant" else ""
    return Request(Asked(route, tuple(turns), prefill), model, user, opaque, offered, sampler)


def _content(message: Mapping[str, Any]) -> tuple[str, str]:
    """The text of a message, and what else it holds."""
    content, odd = message.get("content"), "tools" if message.get("tool_calls") or message.get("tool_call_id") else ""
    if isinstance(content, str):
        return content, odd
    if not isinstance(content, list):
        return "", odd
    words = []
    for part in content:
        if isinstance(part, str):
            words.append(part)
        elif isinstance(part, dict) and isinstance(part.get("text"), str):
            words.append(part["text"])
        else:
            kind = str(part.get("type")) if isinstance(part, dict) else "part"
            mark = hashlib.sha256(json.dumps(part, sort_keys=True).encode()).hexdigest()[:16]
            words.append(f"[{kind} {mark}]")
            odd = odd or kind
    return "".join(words), odd
