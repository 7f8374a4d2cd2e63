"""Whatever the tokens are, a page that applies the patches has the text, and no cluster was torn."""

import regex
from hypothesis import given, settings
from hypothesis import strategies as st
from scripted import tokenizer

from midcourse.capture.studio.rendering import Rendering, parts_of

TEXTS = st.lists(
    st.one_of(
        st.sampled_from(
            ["👩‍👩‍👧", "🇩🇪🇫🇷", "e\u0301", "नमस्ते", "السلام", "日本", " word", "\r\n", "\n\n", "👍🏽", "<think>"]
        ),
        st.text(max_size=4),
    ),
    max_size=8,
).map("".join)
EOS = tokenizer().eos[0]


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_patches_lead_to_the_text(data):
    ids = tokenizer().encode(data.draw(TEXTS))
    rendering, page = Rendering(tokenizer()), ""
    at = 0
    while at < len(ids):
        step = data.draw(st.integers(1, 3))
        patch = rendering.append(ids[at : at + step])
        assert patch.at == at
        _boundary(page, patch.start)
        page = page[: patch.start] + patch.text
        _boundary(page, patch.start)
        at += step
        assert page == rendering.text
        assert rendering.ends[-1] == len(page)
    patch = rendering.settle()
    assert page[: patch.start] + patch.text == tokenizer().decode(ids)
    other = [*ids[: data.draw(st.integers(0, len(ids)))], *tokenizer().encode(data.draw(TEXTS)), EOS]
    patch = rendering.follow(other)
    assert other[: patch.at] == ids[: patch.at]
    _boundary(page, patch.start)
    page = page[: patch.start] + patch.text
    _boundary(page, patch.start)
    assert page == rendering.text
    fresh = Rendering(tokenizer(), other)
    assert (rendering.text, rendering.ends) == (fresh.text, fresh.ends)


def _boundary(text: str, at: int) -> None:
    ends = {0}
    for cluster in regex.findall(r"\X", text):
        ends.add(max(ends) + len(cluster))
    assert at in ends


def test_a_split_character_waits_for_the_rest_of_it():
    ids = tokenizer().encode("a🙂b")
    rendering = Rendering(tokenizer())
    seen = []
    for i in ids:
        rendering.append([i])
        seen.append(rendering.text)
    assert seen[-1] == "a🙂b"
    assert all("\ufffd" not in text for text in seen)


def test_parts():
    found = parts_of("<think>so</think> yes <tool_call>{}</tool_call> and <think>more")
    assert [(p.kind, p.start, p.end) for p in found] == [("thinking", 0, 17), ("tool", 22, 47), ("thinking", 52, None)]
    assert [(p.start, p.end) for p in parts_of("so</think> yes", opened=True)] == [(0, 10)]
    assert parts_of("plain < text") == ()


@given(TEXTS, st.integers(0, 30))
def test_what_is_told_again_is_the_same_text(text, at):
    rendering = Rendering(tokenizer())
    ids = tokenizer().encode(text)
    rendering.append(ids)
    at = min(at, len(ids))
    patch = rendering.again(at)
    assert patch.at == at
    assert text[: patch.start] + patch.text == text
    _boundary(text, patch.start)
