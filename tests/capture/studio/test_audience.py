"""A tab that was away gets what it missed, once and in order; one that cannot be told so gets everything."""

import json

import pytest

from midcourse.capture.studio import audience as audience_module
from midcourse.capture.studio import events
from midcourse.capture.studio.audience import Audience


class Kept:
    def __init__(self) -> None:
        self.got: list = []

    def send(self, text: str) -> None:
        self.got.append(json.loads(text) if text.startswith("{") else text)

    @property
    def numbers(self) -> list[int]:
        return [e["seq"] for e in self.got if isinstance(e, dict)]


def whole() -> str:
    return "everything"


def said(audience: Audience, times: int) -> None:
    for _ in range(times):
        audience.emit(events.Trouble, code=None)


def test_what_was_missed_comes_in_order_and_once():
    audience, first, second = Audience(), Kept(), Kept()
    audience.join(first, None, None, whole)
    assert first.got[0] == "everything"
    said(audience, 3)
    audience.leave(first)
    said(audience, 2)
    audience.join(first, audience.epoch, first.numbers[-1], whole)
    assert first.numbers == list(range(1, audience.seq + 1))
    assert first.got.count("everything") == 1
    audience.join(second, "another", 1, whole)
    assert second.got[0] == "everything"
    assert [e["tabs"] for e in first.got if isinstance(e, dict) and e["event"] == "presence"] == [1, 0, 1, 2]


@pytest.mark.parametrize("seq", [-5, 0, 99])
def test_what_is_not_remembered_is_not_pretended(seq, monkeypatch):
    monkeypatch.setattr(audience_module, "_LOG_EVENTS", 3)
    audience, tab = Audience(), Kept()
    said(audience, 8)
    audience.join(tab, audience.epoch, seq, whole)
    assert tab.got[0] == "everything"
    back = Kept()
    audience.join(back, audience.epoch, audience.seq - 2, whole)
    assert "everything" not in back.got


def test_alone_is_counted_from_the_last_that_left():
    audience, tab = Audience(), Kept()
    audience.join(tab, None, None, whole)
    assert audience.alone_for == 0
    audience.leave(tab)
    audience.leave(tab)  # twice says nothing more
    assert audience.alone_for > 0
    assert audience.seq == 2
