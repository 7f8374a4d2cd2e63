"""Whatever was cut, put or written on is found again: the edits, made in the old text, give the new one."""

from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from midcourse.capture.proxy.exchange import Asked
from midcourse.capture.proxy.recognise import recognise

from .talk import applied, chat, raw, wrote

SAID = ["river", "bridge", "stone", "walks", "under", "the", "slowly", "a", "old", "miller", "sees", "light", "it"]
PUT = ["quartz", "jumps", "zebra", "vixen", "fjord"]
"""Words that no generated text has: what was put can be told from what stood there."""
word = st.sampled_from(SAID)
ends = st.sampled_from([" ", " ", " ", " ", ", ", ". ", ".\n\n"])
QUESTION = "u:What happens at the mill?"
PROMPT = "The mill stood by the water and nobody had worked there for years. That evening "


@st.composite
def texts(draw: st.DrawFn) -> str:
    parts = draw(st.lists(st.tuples(word, ends), min_size=12, max_size=80))
    return "".join(w + end for w, end in parts).rstrip() + draw(st.sampled_from(["", "."]))


def starts(text: str) -> list[int]:
    """Where a word begins, with the space before it."""
    return [i for i in range(len(text)) if text[i].isspace() and text[i + 1 :][:1].isalpha()]


@st.composite
def cases(draw: st.DrawFn) -> tuple[str, str]:
    """A text and what a person made of it, at word ends."""
    text = draw(texts())
    places = starts(text)
    n = draw(st.integers(2, len(places) - 4))
    start, behind = places[n], places[n + draw(st.integers(1, 2))]
    put = "".join(" " + w for w in draw(st.lists(st.sampled_from(PUT), min_size=1, max_size=4)))
    how = draw(st.sampled_from(["cut", "rest", "words", "insert", "on"]))
    if how == "cut":
        return text, text[:start]
    if how == "rest":
        return text, text[:start] + put
    if how == "words":
        return text, text[:start] + put + text[behind:]
    if how == "insert":
        return text, text[:start] + put + text[start:]
    return text, text + put


@given(cases(), st.booleans())
@settings(max_examples=150, deadline=None)
def test_an_edit_is_given_back(case: tuple[str, str], as_chat: bool) -> None:
    text, now = case
    first = wrote(chat(QUESTION) if as_chat else raw(PROMPT), text, "stop")
    sent: Asked = chat(QUESTION, prefill=now) if as_chat else raw(PROMPT + now)
    found = recognise(sent, [first])
    assert found.kind in ("cut", "changed", "extended")
    assert applied(first, found).rstrip() == now.rstrip()
    shared = next((i for i, (a, b) in enumerate(zip(text, now, strict=False)) if a != b), min(len(text), len(now)))
    assert min(e.start for e in found.edits) <= shared
    assert not any(text[e.start : shared].strip().count(" ") for e in found.edits[:1]), "widened by one word at most"


@given(cases())
@settings(max_examples=80, deadline=None)
def test_an_edit_in_the_history_is_given_back(case: tuple[str, str]) -> None:
    text, now = case
    first = wrote(chat(QUESTION), text, "stop")
    found = recognise(chat(QUESTION, "a:" + now, "u:And then?"), [first])
    assert found.kind == "history_edit"
    assert applied(first, found).rstrip() == now.rstrip()


TRIMS: list[Callable[[str], str]] = [
    str.rstrip,
    lambda t: t + "\n",
    lambda t: t.replace("\n", "\r\n"),
    lambda t: t[:-1],
]


@given(texts(), st.sampled_from(TRIMS))
@settings(max_examples=60, deadline=None)
def test_what_clients_do_is_no_edit(text: str, trim: Callable[[str], str]) -> None:
    text = text.rstrip(".,")
    first = wrote(chat(QUESTION), text)
    assert recognise(chat(QUESTION, prefill=trim(text)), [first]).edits == ()
    assert recognise(chat(QUESTION, "a:" + trim(text), "u:And then?"), [first]).edits == ()


@given(texts(), texts(), texts())
@settings(max_examples=60, deadline=None)
def test_other_requests_never_raise_and_point_into_the_text(text: str, prefill: str, more: str) -> None:
    first = wrote(chat(QUESTION), text)
    second = wrote(chat(QUESTION, prefill=prefill), more, id="e2")
    for sent in (chat(QUESTION, prefill=more), chat(QUESTION, "a:" + more, "u:Well?"), chat("u:Well?", prefill=more)):
        for edit in recognise(sent, [first, second]).edits:
            whole = text if edit.exchange == "e1" else prefill + more
            assert whole.startswith(edit.was, edit.start)
            assert edit.was != edit.put
