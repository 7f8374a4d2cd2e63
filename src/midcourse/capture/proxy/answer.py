"""What a model server answered, read along while it passes: events of a stream or one JSON, plain or compressed.

It keeps the text and forgets the bytes, so that its memory is the text's. What it cannot read it gives up on, and says
why; the client has its answer by then. It knows the OpenAI routes and llama.cpp's own, and no connection.
"""

import json
import zlib
from dataclasses import dataclass, field
from typing import Any, Protocol

from midcourse.capture.proxy.exchange import End

__all__ = ["Choice", "Reader"]

MOST_JSON = 4_000_000
"""Bytes of an answer in one piece that are read."""
MOST_EVENT = 500_000
MOST_TEXT = 400_000
"""Characters of one text that are kept."""


@dataclass(slots=True)
class Choice:
    """One text of an answer."""

    text: str = ""
    end: End | None = None
    """As the server says; None: it did not say."""
    hidden: str = ""
    """What of it the text does not show: `thinking`, `tools`."""
    ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    whole: bool = True
    """Whether every piece of the text came with its ids, from the first that did on."""
    bare: str = ""
    """What came before that one: all of it where no ids are told, a prefill where the server repeats it."""
    leading: int = 0
    parts: list[str] = field(default_factory=list)
    size: int = 0


class _Unpacker(Protocol):
    @property
    def unconsumed_tail(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int = 0, /) -> bytes: ...


class Reader:
    """Reads one answer."""

    def __init__(self, content_type: str, encoding: str = "") -> None:
        """Prepare for an answer with these headers."""
        self.choices: dict[int, Choice] = {}
        self.prompt_ids: list[int] | None = None
        self.unread = ""
        """Why nothing was read."""
        kind = content_type.partition(";")[0].strip().lower()
        self._events = kind in ("text/event-stream", "application/x-ndjson")
        self._held = bytearray()
        self._unpack: _Unpacker | None = None
        if not self._events and kind != "application/json":
            self.unread = f"an answer of the type {kind or 'unknown'}"
        if encoding.lower() in ("gzip", "x-gzip"):
            self._unpack = zlib.decompressobj(31)
        elif encoding.lower() == "deflate":
            self._unpack = zlib.decompressobj()
        elif encoding and encoding.lower() != "identity":
            self.unread = f"an answer packed with {encoding}"

    @property
    def size(self) -> int:
        """What it holds, in bytes, about."""
        return len(self._held) + sum(c.size + 16 * len(c.ids) for c in self.choices.values())

    def feed(self, part: bytes) -> None:
        """Take the next bytes."""
        if self.unread:
            return
        try:
            while part and not self.unread:
                unpack = self._unpack
                # In small parts: what is packed well may be no end of it.
                self._held += unpack.decompress(part, MOST_EVENT) if unpack else part
                part = unpack.unconsumed_tail if unpack else b""
                if self._events:
                    self._lines()
                elif len(self._held) > MOST_JSON:
                    self._give_up("an answer of many megabytes")
        except (ValueError, TypeError, AttributeError, KeyError, RecursionError, zlib.error) as error:
            self._give_up(f"an answer that is none ({type(error).__name__})")

    def done(self) -> dict[int, Choice]:
        """The texts, once all bytes were fed."""
        if not self.unread and self._held:
            try:
                for line in bytes(self._held).split(b"\n") if self._events else (bytes(self._held),):
                    self._line(line)
            except (ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
                if not self._events:  # a stream that was cut off ends in half an event
                    self._give_up(f"an answer that is none ({type(error).__name__})")
        self._held.clear()
        for choice in self.choices.values():
            choice.bare += "".join(choice.parts[: choice.leading])
            choice.text, choice.parts, choice.leading = choice.text + "".join(choice.parts), [], 0
        return self.choices

    def _give_up(self, why: str) -> None:
        self.unread, self.choices = why, {}
        self._held.clear()

    def _lines(self) -> None:
        *lines, rest = bytes(self._held).split(b"\n")
        self._held[:] = rest
        for line in lines:
            self._line(line)
        if len(rest) > MOST_EVENT:
            self._give_up("an event of half a megabyte")

    def _line(self, line: bytes) -> None:
        line = line.strip()
        if line.startswith(b"data:"):
            line = line[5:].strip()
        elif self._events and not line.startswith(b"{"):
            return  # a comment, the name of an event, or the end of one
        if not line or line == b"[DONE]":
            return
        event = json.loads(line)
        if isinstance(event, dict):
            self.event(event)

    def event(self, event: dict[str, Any]) -> None:
        """Take one event that was read already."""
        if isinstance(event.get("prompt_token_ids"), list):
            self.prompt_ids = event["prompt_token_ids"]
        for row in event.get("choices") or ():
            self._choice(row)
        if "choices" not in event and isinstance(event.get("content"), str):  # llama.cpp's own route
            choice = self.choices.setdefault(0, Choice())
            self._add(choice, event["content"])
            _tell(choice, event.get("tokens"), None)
            if event.get("stop"):
                choice.end = "length" if event.get("stop_type") == "limit" else "stop"

    def _choice(self, row: dict[str, Any]) -> None:
        choice = self.choices.setdefault(int(row.get("index") or 0), Choice())
        said = row.get("delta") or row.get("message") or row
        words = said.get("content") if said is not row else row.get("text")
        if said.get("reasoning_content") or said.get("reasoning"):
            choice.hidden = choice.hidden or "thinking"
        if said.get("tool_calls") or said.get("function_call"):
            choice.hidden = choice.hidden or "tools"
        if isinstance(row.get("prompt_token_ids"), list):
            self.prompt_ids = row["prompt_token_ids"]
        told = _told(row)
        if isinstance(words, str) and words:
            self._add(choice, words)
        if isinstance(words, str) and words and told is None:
            choice.leading += not choice.ids
            choice.whole = choice.whole and not choice.ids
        if told is not None:
            _tell(choice, *told)
        if row.get("finish_reason"):
            choice.end = "length" if row["finish_reason"] == "length" else "stop"

    def _add(self, choice: Choice, words: str) -> None:
        choice.size += len(words)
        if choice.size > MOST_TEXT:
            self._give_up("a text of hundreds of pages")
            return
        choice.parts.append(words)


def _told(row: dict[str, Any]) -> tuple[list[int], list[float] | None] | None:
    """Ids, and log-probabilities where they are told with them."""
    logprobs = row.get("logprobs") or {}
    entries = logprobs.get("content")
    told = [float(e["logprob"]) for e in entries] if isinstance(entries, list) else logprobs.get("token_logprobs")
    if isinstance(row.get("token_ids"), list):
        return row["token_ids"], told
    if isinstance(entries, list) and entries and all(isinstance(e.get("id"), int) for e in entries):
        return [e["id"] for e in entries], told
    return None


def _tell(choice: Choice, ids: Any, logprobs: list[float] | None) -> None:
    if not isinstance(ids, list):
        choice.whole = False
        return
    choice.ids += ids
    known = logprobs is not None and len(logprobs) == len(ids)
    choice.logprobs += list(logprobs or ()) if known else [float("nan")] * len(ids)
