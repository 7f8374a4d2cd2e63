"""JSON checked character by character: stops where the text can no longer become a JSON object, and mends it there.

A small automaton follows the text. At the first character that JSON does not allow it says what stands there instead:
the opening brace, a straight quote, a missing comma, the next key that is wanted, the end. It judges form and keys,
never values.
"""

import re
from dataclasses import dataclass

from midcourse.drafts.simulate.judge import Found

__all__ = ["JsonForm"]

_LITERAL = re.compile(r"(?:true|false|null|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)(?![\w.])")
_OPENS = {"{": "}", "[": "]"}


@dataclass(frozen=True)
class JsonForm:
    """The answer is one JSON object and nothing else, with these keys in this order where they are named."""

    name: str
    reason: str | None = None
    keys: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """A YAML list is a tuple here."""
        if not all(isinstance(k, str) for k in self.keys):
            raise ValueError("`keys` is a list of texts")
        object.__setattr__(self, "keys", tuple(self.keys))

    def about(self, prompt: str) -> "JsonForm":
        """The same, whatever was asked."""
        return self

    def first(self, text: str, *, finished: bool = True, at: int = 0) -> Found | None:
        """See `Judge.first`."""
        found = _Reader(self, text, finished).read()
        return found if found is not None and found.start >= at else None


class _Reader:
    """One pass over one text."""

    def __init__(self, form: JsonForm, text: str, finished: bool) -> None:
        self.form, self.text, self.finished = form, text, finished
        self.at = 0
        self.open: list[str] = []
        self.keys = list(form.keys)

    def read(self) -> Found | None:
        """The first mistake, None where the text is JSON or may still become it."""
        self._skip()
        if self.at == len(self.text):
            return None
        if self.text[self.at] != "{":
            return self._found(0, "{", len(self.text))
        expects = "value"
        while self.at < len(self.text):
            self._skip()
            if self.at == len(self.text):
                break
            if not self.open and expects != "value":
                return self._found(self.at, None, len(self.text), ends=True)
            step = getattr(self, f"_{expects}")()
            if not isinstance(step, str):
                return step if isinstance(step, Found) else None
            expects = step
        if self.finished and self.open:
            return self._found(len(self.text.rstrip()), self.open[-1], len(self.text))
        return None

    def _skip(self) -> None:
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1

    def _found(self, start: int, put: str | None, end: int, *, ends: bool = False) -> Found:
        return Found(self.form.name, start, max(end, start), put, self.form.reason, ends)

    # Each step reads one part and says what must follow, or gives the mistake; None: the text stops in the middle.

    def _value(self) -> str | Found | None:
        sign = self.text[self.at]
        if sign in _OPENS:
            self.open.append(_OPENS[sign])
            self.at += 1
            return "first_key" if sign == "{" else "first_item"
        if sign == '"':
            return self._string("comma")
        literal = _LITERAL.match(self.text, self.at)
        if literal and (literal.end() < len(self.text) or self.finished):
            self.at = literal.end()
            return "comma"
        if re.fullmatch(r"-?[\w.+-]*", self.text[self.at :]) and not self.finished:
            return None
        return self._found(self.at, '"', self.at + 1)

    def _first_item(self) -> str | Found | None:
        return self._close() if self.text[self.at] == "]" else self._value()

    def _first_key(self) -> str | Found | None:
        if self.text[self.at] == "}" and not (self.keys and len(self.open) == 1):
            return self._close()
        return self._key()

    def _key(self) -> str | Found | None:
        wanted = self.keys[0] if self.keys and len(self.open) == 1 else None
        if wanted is not None:
            whole = f'"{wanted}"'
            said = self.text[self.at : self.at + len(whole)]
            if not whole.startswith(said) or (self.finished and said != whole):
                return self._found(self.at, whole, self.at + max(1, len(said)))
            if said != whole:
                return None
            self.keys.pop(0)
        elif self.form.keys and len(self.open) == 1:  # all wanted keys have come
            return self._found(self.at, "}", self.at + 1)
        elif self.text[self.at] != '"':
            return self._found(self.at, '"', self.at + 1)
        return self._string("colon")

    def _string(self, following: str) -> str | Found | None:
        match = re.compile(r'"(?:[^"\\\n]|\\.)*("|\n|\Z)', re.DOTALL).match(self.text, self.at)
        if match is None or (match[1] == "" and not self.finished):
            return None
        if match[1] != '"':
            end = match.end() - len(match[1])
            return self._found(end, '"', match.end())
        self.at = match.end()
        return following

    def _colon(self) -> str | Found | None:
        if self.text[self.at] != ":":
            return self._found(self.at, ":", self.at + 1)
        self.at += 1
        return "value"

    def _comma(self) -> str | Found | None:
        sign = self.text[self.at]
        if sign == self.open[-1] and not (sign == "}" and self.keys and len(self.open) == 1):
            return self._close()
        more = sign in "}]" and bool(self.keys) and len(self.open) == 1
        if sign != ",":
            put = "," if more or sign == '"' or (self.open[-1] == "]" and sign not in "}]") else self.open[-1]
            return self._found(self.at, f', "{self.keys[0]}"' if more else put, self.at + 1)
        if self.form.keys and not self.keys and len(self.open) == 1:
            return self._found(self.at, "}", self.at + 1)
        self.at += 1
        return "key" if self.open[-1] == "}" else "value"

    def _close(self) -> str | Found | None:
        self.open.pop()
        self.at += 1
        return "comma"
