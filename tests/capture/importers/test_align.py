"""Edits give the corrected text back, word by word, and stay apart where enough was kept between them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midcourse.capture.importers.align import align, changed, words

texts = st.lists(st.sampled_from(["the", " cat", " sat", ",", "\n", "  on", " 東京", "don't", " ", "é"])).map("".join)


@given(st.text() | texts)
def test_words_join_to_the_text(text: str) -> None:
    assert "".join(words(text)) == text


@given(texts, texts, st.integers(0, 3))
def test_the_edits_lead_from_one_text_to_the_other(was: str, put: str, gap: int) -> None:
    edits = align(was, put, gap=gap)
    made, at = "", 0
    for e in edits:
        made += was[at : e.start] + put[e.put_start : e.put_end]
        at = e.end
        assert made == put[: e.put_end], "each edit stands in the text as it was corrected up to there"
    assert made + was[at:] == put
    assert 0 <= changed(was, put, edits) <= 1
    assert (was == put) == (not edits)


def pieces(was: str, put: str, **options: int) -> list[tuple[str, str]]:
    return [(was[e.start : e.end], put[e.put_start : e.put_end]) for e in align(was, put, **options)]


@pytest.mark.parametrize(
    ("was", "put", "expected"),
    [
        ("a big cat sat on it", "a small cat sat on that", [(" big", " small"), (" it", " that")]),
        ("one two three four", "uno two tres four", [("one two three", "uno two tres")]),
        ("Koki region", "Kok region", [("Koki", "Kok")]),
        ("it isn't so", "it wasn't so", [(" isn't", " wasn't")]),
        ("Well, then go", "Well then go", [(",", "")]),
        ("go home", "go back home", [("", " back")]),
        ("私は猫です", "私は犬です", [("猫", "犬")]),
        ("same", "same", []),
    ],
)
def test_edits_are_whole_words_and_merge_when_close(was: str, put: str, expected: list[tuple[str, str]]) -> None:
    assert pieces(was, put) == expected


def test_the_gap_decides_what_is_one_edit() -> None:
    assert len(pieces("one two three four", "uno two tres four", gap=1)) == 2
    assert len(pieces("a b c d e", "x b c d y", gap=4)) == 1
