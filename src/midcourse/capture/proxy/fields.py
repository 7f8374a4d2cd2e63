"""The fields that make a server tell token ids: added to a request, and taken out of the answer again.

A client that did not ask gets the events it would have got, in the same order and at the same time. Which fields a
server takes is known by its dialect and tried before it is believed. It knows no connection.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from midcourse.backends.remote.dialects import models, recognise
from midcourse.backends.remote.http import Line
from midcourse.capture.proxy.answer import Reader
from midcourse.capture.proxy.exchange import Route
from midcourse.errors import ServerError

__all__ = ["FIELDS", "Fields", "Kind", "Stripper", "find_fields", "kind_of"]

Kind = Literal["chat", "completions", "native"]
"""`native`: llama.cpp's own `/completion`."""


@dataclass(frozen=True, slots=True)
class Fields:
    """What is added to a request, and what comes of it."""

    add: Mapping[str, Any]
    events: tuple[str, ...] = ()
    """Keys that only these fields bring into an event."""
    choices: tuple[str, ...] = ()
    """The same in each choice."""
    empty: Mapping[str, Any] = field(default_factory=dict)
    """Keys that are always there, and what they hold when nobody asks; of the event or its choices."""
    streams: bool = True
    """Whether a stream needs them too; False: it tells ids unasked."""

    def added(self, body: bytes) -> tuple[bytes, "Stripper | None"]:
        """The request with the fields in it, and what takes them out of its answer; unchanged where it asks itself."""
        try:
            given = json.loads(body)
        except (ValueError, RecursionError):
            return body, None
        if not isinstance(given, dict) or any(given.get(name) not in (None, False, 0) for name in self.add):
            return body, None
        if given.get("stream") and not self.streams:
            return body, None
        return _packed({**given, **self.add}), Stripper(self)

    def strip(self, event: dict[str, Any]) -> bool:
        """Take out of one event what nobody asked for; whether there was something."""
        had = False
        for part, names in ((event, self.events), *((c, self.choices) for c in event.get("choices") or ())):
            for name in names:
                had |= part.pop(name, _NOTHING) is not _NOTHING
            for name, nothing in self.empty.items():
                if name in part and part[name] != nothing:
                    part[name], had = nothing, True
        return had


_NOTHING = object()
_VLLM = Fields({"return_token_ids": True}, ("prompt_token_ids",), ("token_ids", "prompt_token_ids"))
FIELDS: dict[str, dict[Kind, Fields]] = {
    "vllm": {"chat": _VLLM, "completions": _VLLM},
    "llama.cpp": {
        "chat": Fields({"logprobs": True, "top_logprobs": 1}, choices=("logprobs",)),
        "completions": Fields({"logprobs": 1}, empty={"logprobs": None}),
        "native": Fields({"return_tokens": True}, empty={"tokens": []}, streams=False),
    },
}
"""By dialect and route, as documented: vLLM's `return_token_ids`; in llama.cpp each entry of `logprobs` has an `id`."""


def _packed(value: Any) -> bytes:
    """JSON as short as it gets; half a character, which UTF-8 cannot hold, stays escaped."""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":")).encode()


class Stripper:
    """Takes added fields out of one answer, event by event; everything else passes as it is."""

    def __init__(self, fields: Fields) -> None:
        self._fields = fields
        self._held = b""
        self._events = True

    def began(self, content_type: str) -> bool:
        """Whether the answer is of a kind that can be stripped; an answer in one piece is held until it is whole."""
        kind = content_type.partition(";")[0].strip().lower()
        self._events = kind == "text/event-stream"
        return self._events or kind == "application/json"

    @property
    def whole(self) -> bool:
        """Whether the answer comes in one piece, so that its length changes."""
        return not self._events

    def shown(self, part: bytes) -> bytes:
        """What the client gets of the bytes so far."""
        self._held += part
        if not self._events:
            return b""
        *lines, self._held = self._held.split(b"\n")
        return b"".join(self._line(line) + b"\n" for line in lines)

    def rest(self) -> bytes:
        """What it gets at the end."""
        held, self._held = self._held, b""
        return self._line(held) if self._events else self._stripped(held)

    def _line(self, line: bytes) -> bytes:
        if not line.startswith(b"data:"):
            return line
        said = line[5:].strip()
        stripped = self._stripped(said)
        return line if stripped is said else b"data: " + stripped + (b"\r" if line.endswith(b"\r") else b"")

    def _stripped(self, said: bytes) -> bytes:
        try:
            event = json.loads(said)
            had = isinstance(event, dict) and self._fields.strip(event)
        except (ValueError, AttributeError, TypeError, RecursionError):
            return said
        return _packed(event) if had else said


def find_fields(url: str, key: str | None = None, patience: float = 30.0) -> tuple[str, dict[Kind, Fields]]:
    """Which fields a server takes, tried with one token on each route.

    Returns:
        Its dialect, and the fields by route; none where it tells no ids.

    Raises:
        InputError: The address is none.
        ServerError: It cannot be reached, refuses the key, or is no model server.
    """
    line = Line(url, key=key, patience=patience)
    try:
        dialect, name = recognise(line), str(models(line)[0]["id"])
        known = FIELDS.get(dialect, {})
        return dialect, {kind: fields for kind, fields in known.items() if _tells(line, kind, fields, name)}
    finally:
        line.close()


def kind_of(route: Route, path: str) -> Kind:
    """Which of the routes a path is."""
    return "native" if path.endswith("/completion") else route


def _tells(line: Line, kind: Kind, fields: Fields, model: str) -> bool:
    asked: dict[Kind, tuple[str, dict[str, Any]]] = {
        "chat": ("/v1/chat/completions", {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1}),
        "completions": ("/v1/completions", {"prompt": "Hi", "max_tokens": 1}),
        "native": ("/completion", {"prompt": "Hi", "n_predict": 1}),
    }
    path, body = asked[kind]
    said = {} if kind == "native" else {"model": model}
    reader = Reader("text/event-stream")
    try:
        for event in line.events(path, {**said, **body, "stream": True, **fields.add}):
            reader.event(event)
    except ServerError:
        return False
    return any(c.ids for c in reader.choices.values())
