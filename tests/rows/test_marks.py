"""A marked text gives back both texts: what the model wrote and what the person made of it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midcourse.errors import InputError
from midcourse.rows import marked_rows

PLAIN = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="{}~+->=<"), max_size=12)


def sides(rows: list[Any]) -> set[tuple[str, str]]:
    """The text each row implies (before its steer, after it)."""
    return {(r.prefix + r.rejected[0] + r.old_tail, r.prefix + r.chosen + r.tail) for r in rows}


def test_each_mark() -> None:
    rows = marked_rows("A {~~cat~>dog~~}{>>allergic<<} sat{-- down--} {==here==}{++ now++}.", prompt="p")
    assert [(r.prefix, r.rejected, r.chosen) for r in rows] == [
        ("A ", ("cat",), "dog"),
        ("A dog sat", (" down",), ""),
        ("A dog sat here", ("",), " now"),
    ]
    assert {r.prefix + r.chosen + r.tail for r in rows} == {"A dog sat here now."}
    assert [r.reason for r in rows] == ["allergic", None, None]
    assert {r.kind for r in rows} == {"local"}


def test_cut_and_put_side_by_side_are_one_replacement() -> None:
    for text in ("a {--b--}{++c++} d", "a {++c++}{--b--} d", "a {~~b~>c~~} d"):
        (row,) = marked_rows(text, prompt="p")
        assert (row.prefix, row.rejected, row.chosen, row.tail) == ("a ", ("b",), "c", " d")


@given(st.lists(st.tuples(PLAIN.filter(bool), PLAIN, PLAIN.filter(bool)), min_size=1, max_size=5), PLAIN)
def test_markup_and_spans_agree_and_lose_nothing(parts: list[tuple[str, str, str]], last: str) -> None:
    marked = "".join(f"{kept}{{~~{was}~>{put}~~}}" for kept, was, put in parts) + last
    original = "".join(kept + was for kept, was, _ in parts) + last
    final = "".join(kept + put for kept, _, put in parts) + last
    rows = marked_rows(marked, prompt="p")
    assert {r.prefix + r.chosen + r.tail for r in rows} == {final}
    first = rows[0]
    assert first.prefix + first.rejected[0] + (first.old_tail or "") == original
    spans, at = [], 0
    for kept, was, put in parts:
        if was != put:
            spans.append({"start": at + len(kept), "end": at + len(kept) + len(was), "put": put})
        at += len(kept) + len(was)
    if len(spans) == len(parts):
        assert marked_rows(original, spans=spans, prompt="p") == rows


@pytest.mark.parametrize(
    ("text", "spans", "says"),
    [
        ("nothing marked", None, "marks no steer"),
        ("a {~~b~>c d", None, "at character 2 is not closed"),
        ("a {--b--} {++c", None, "at character 10 is not closed"),
        ("abc", [{"start": 1, "end": 9, "put": "x"}], "0 ≤ start ≤ end ≤ 3"),
        ("abc", [{"start": 2, "end": 1, "put": "x"}], "0 ≤ start"),
        ("abc", [{"start": True, "end": 1, "put": "x"}], "0 ≤ start"),
        ("abc", [{"start": 0, "end": 2, "put": "x"}, {"start": 1, "end": 3, "put": "y"}], "overlap"),
        ("abc", [{"start": 0, "end": 1, "put": "a"}], "what stood there already"),
        ("abc", [3], "must be {start, end, put}"),
        ("abc", "0-3", "must be a list"),
    ],
)
def test_bad_marks_are_named(text: str, spans: Any, says: str) -> None:
    with pytest.raises(InputError) as error:
        marked_rows(text, spans=spans, prompt="p")
    assert says in str(error.value)
