"""From token ids to the text a page can draw: offsets of every token, and changes that never tear a cluster.

Text is decoded as bytes arrive; what ends inside a character waits for the rest. It knows a tokenizer and offsets, no
draft and no socket.
"""

import codecs
import re
from collections.abc import Sequence
from dataclasses import dataclass

import regex

from midcourse.capture.studio.shapes import PartView
from midcourse.tokens import TextTokenizer, common_prefix

__all__ = ["Patch", "Rendering", "parts_of"]

_CLUSTER = regex.compile(r"\X")
_WINDOW = 256
"""Code points looked back for where a cluster begins; longer clusters do not occur in writing."""
_PARTS = {
    "thinking": (r"<think>|<\|channel\|>analysis", r"</think>|<\|end\|>"),
    "tool": (r"<tool_call>|\[TOOL_CALLS\]", r"</tool_call>"),
}


@dataclass(frozen=True, slots=True)
class Patch:
    """Keep the first `at` tokens and `start` code points, then append."""

    at: int
    start: int
    text: str


class Rendering:
    """The text of a growing list of ids."""

    def __init__(self, tokenizer: TextTokenizer, token_ids: Sequence[int] = ()) -> None:
        self._tokenizer = tokenizer
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self.ids: list[int] = []
        self.ends: list[int] = []
        """Code points of text after each token."""
        self.text = ""
        self.append(token_ids)

    def append(self, token_ids: Sequence[int]) -> Patch:
        """Add ids; the patch that brings a page up to date."""
        at, old, new, length = len(self.ids), self.text, [], len(self.text)
        for i in token_ids:
            if i not in self._tokenizer.eos:
                piece = self._decoder.decode(self._tokenizer.token_bytes(i))
                length += len(piece)
                new.append(piece)
            self.ids.append(i)
            self.ends.append(length)
        added = "".join(new)
        self.text = old + added
        start = _safe(old, added)
        return Patch(at, start, self.text[start:])

    def settle(self) -> Patch:
        """The model has stopped: bytes that wait for the rest of their character show as they are."""
        waiting = self._decoder.getstate()[0]
        old = self.text
        shown = old + waiting.decode("utf-8", errors="replace")
        start = _safe(old, shown[len(old) :])
        return Patch(len(self.ids), start, shown[start:])

    def again(self, at: int) -> Patch:
        """The text behind the first `at` tokens once more, for tokens of which there is more to say now."""
        whole = self.text + self._decoder.getstate()[0].decode("utf-8", errors="replace")
        kept = self.ends[at - 1] if at else 0
        start = _safe(whole[:kept], whole[kept:])
        return Patch(at, start, whole[start:])

    def follow(self, token_ids: Sequence[int]) -> Patch:
        """Become another text; the patch that leads there."""
        at = common_prefix(self.ids, token_ids)
        if at == len(self.ids):
            return self.append(token_ids[at:])
        old = self.text
        fresh = Rendering(self._tokenizer, token_ids)
        kept = min(self.ends[at - 1], fresh.ends[at - 1]) if at else 0
        self.ids, self.ends, self.text, self._decoder = fresh.ids, fresh.ends, fresh.text, fresh._decoder
        start = min(_safe(old[:kept], old[kept:]), _safe(self.text[:kept], self.text[kept:]))
        return Patch(at, start, self.text[start:])


def _safe(old: str, added: str) -> int:
    """Where the text may be cut, at `len(old)` or a cluster before, so that no cluster is torn."""
    if not old or not added:
        return len(old)
    window = old[-_WINDOW:]
    last = _CLUSTER.findall(window)[-1]
    grown = _CLUSTER.match(last + added[:_WINDOW])
    return len(old) if grown is not None and grown.group() == last else len(old) - len(last)


def parts_of(text: str, *, opened: bool = False) -> tuple[PartView, ...]:
    """Thinking and tool calls in a text.

    Args:
        text: The answer.
        opened: The prompt itself ends by opening the thinking.
    """
    found: list[PartView] = []
    for kind, (opens, closes) in _PARTS.items():
        at, start = 0, 0 if opened and kind == "thinking" else None
        for mark in re.finditer(f"(?P<opens>{opens})|(?P<closes>{closes})", text):
            if mark["opens"] and start is None:
                start = mark.start()
            elif mark["closes"] and start is not None:
                at, start = _add(found, kind, start, mark.end()), None
        if start is not None and start >= at:
            found.append(PartView(kind=kind, start=start, end=None))  # type: ignore[arg-type]
    return tuple(sorted(found, key=lambda p: p.start))


def _add(found: list[PartView], kind: str, start: int, end: int) -> int:
    found.append(PartView(kind=kind, start=start, end=end))  # type: ignore[arg-type]
    return end
