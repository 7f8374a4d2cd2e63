from hypothesis import given
from hypothesis import strategies as st
from scripted import tokenizer

from midcourse.drafts.cuts import character_ends, cut_out, tokens_within


@given(st.binary(max_size=30))
def test_one_entry_per_shown_character(raw):
    ends = character_ends(raw)
    shown = raw.decode("utf-8", errors="replace")
    assert len(ends) == len(shown) + 1
    for a, b, character in zip(ends, ends[1:], shown, strict=False):
        assert raw[a:b].decode("utf-8", errors="replace") == character


@given(st.text(max_size=20), st.data())
def test_tokens_within_never_split_a_character(text, data):
    ids = tokenizer().encode(text)
    cut = data.draw(st.integers(0, len(text)))
    kept = tokens_within(tokenizer(), ids, len(text[:cut].encode()))
    assert text[:cut].startswith(tokenizer().decode(ids[:kept]))


@given(st.text(max_size=20), st.text(max_size=6), st.data())
def test_a_cut_out_reads_as_the_string_edit(text, put, data):
    ids = tokenizer().encode(text)
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    local = cut_out(tokenizer(), ids, len(text[:start].encode()), len(text[:end].encode()), put)
    new = [*ids[: local.kept], *local.token_ids, *ids[local.tail :]]
    assert tokenizer().decode(new) == text[:start] + put + text[end:]


def test_the_tail_is_joined_as_running_text():
    """What is left and right of a replacement must not stay split where the tokenizer would never split it."""
    text = "It's a good day, isn't it?"
    ids = tokenizer().encode(text)
    start, end = text.index("good"), text.index("day")
    local = cut_out(tokenizer(), ids, start, end, "very ")
    new = [*ids[: local.kept], *local.token_ids, *ids[local.tail :]]
    assert new == tokenizer().encode("It's a very day, isn't it?")
    assert len(ids) - local.tail >= 5


def test_a_tail_that_merges_with_what_stands_before_it_is_taken_over():
    text = "very go od day, isn't it?"
    ids = tokenizer().encode(text)
    at = text.index(" od")
    local = cut_out(tokenizer(), ids, at, at + 1, "")
    new = [*ids[: local.kept], *local.token_ids, *ids[local.tail :]]
    assert new == tokenizer().encode("very good day, isn't it?")
    assert len(ids) - local.tail >= 5
