"""Chats and raw texts as a client sends them, in few words."""

from midcourse.capture.proxy.exchange import Asked, End, Exchange, Turn
from midcourse.capture.proxy.recognise import Recognition

ROLES = {"s": "system", "u": "user", "a": "assistant", "t": "tool"}


def turns(*said: str) -> tuple[Turn, ...]:
    """Turns written as `u:What is it?`."""
    return tuple(Turn(ROLES[one[0]], one[2:]) for one in said)


def chat(*said: str, prefill: str = "") -> Asked:
    return Asked("chat", turns(*said), prefill)


def raw(prompt: str) -> Asked:
    return Asked("completions", (Turn("prompt", prompt),))


def wrote(asked: Asked, text: str, end: End = "aborted", *, id: str = "e1", at: float = 100.0) -> Exchange:
    return Exchange(id, asked, text, end, at)


def applied(exchange: Exchange, found: Recognition) -> str:
    """The assistant's text of an exchange with the edits made."""
    text = exchange.text if exchange.asked.route == "completions" else exchange.asked.prefill + exchange.text
    for edit in sorted(found.edits, key=lambda e: e.start, reverse=True):
        assert edit.exchange == exchange.id
        assert text.startswith(edit.was, edit.start), (edit, text)
        text = text[: edit.start] + edit.put + text[edit.start + len(edit.was) :]
    return text
