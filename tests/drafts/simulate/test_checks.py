"""Checkers stop at the first false step and write the right one; a text they mended is what they would accept."""

import json
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from midcourse.drafts.simulate.arithmetic import Arithmetic, value_of
from midcourse.drafts.simulate.json_form import JsonForm
from midcourse.drafts.simulate.word_order import WordOrder

SUMS = Arithmetic("sums")


@pytest.mark.parametrize(
    ("text", "start", "correction"),
    [
        ("17 + 25 = 43, so", 10, "42"),
        ("He pays $3 * 4 = $11 in all", 17, "$12"),
        ("2 × (3 + 4) = 15.", 14, "14"),
        ("10 / 4 = 2.4 of them", 9, "2.5"),
        ("<<6*2=13>>", 6, "12"),
        ("first 1 + 1 = 2, then 2 + 2 = 5 .", 30, "4"),
    ],
)
def test_a_false_result_is_found_and_put_right(text, start, correction):
    found = SUMS.first(text)
    assert (found.start, found.correction) == (start, correction)


@pytest.mark.parametrize("text", ["17 + 25 = 42", "10 / 3 = 3.33", "x = 5", "room 12 = big", "1 / 0 = 4", "5 = 6"])
def test_what_is_right_or_no_sum_is_let_stand(text):
    assert SUMS.first(text) is None


def test_a_result_that_may_go_on_is_not_judged():
    assert SUMS.first("17 + 25 = 4", finished=False) is None
    assert SUMS.first("17 + 25 = 43", finished=False) is None
    assert SUMS.first("17 + 25 = 43 ", finished=False).correction == "42"
    assert SUMS.first("17 + 25 = 4").correction == "42"


@given(st.lists(st.integers(0, 99), min_size=2, max_size=5), st.data())
def test_values_are_those_of_arithmetic(numbers, data):
    signs = [data.draw(st.sampled_from("+-*")) for _ in numbers[1:]]
    text = str(numbers[0]) + "".join(f" {s} {n}" for s, n in zip(signs, numbers[1:], strict=True))
    assert value_of(text) == Fraction(eval(text))


FORM = JsonForm("form", keys=["name", "age"])


def mend(form, text: str) -> str:
    """Put every mistake right, as if the model then said nothing more."""
    for _ in range(40):
        found = form.first(text)
        if found is None:
            return text
        text = text[: found.start] + (found.correction or "")
    raise AssertionError(text)


@pytest.mark.parametrize(
    ("text", "start", "correction"),
    [
        ("Sure! Here it is", 0, "{"),
        ("{name: 'A'", 1, '"name"'),
        ('{"nome": 1', 1, '"name"'),
        ('{"name" "A"', 8, ":"),
        ("{\"name\": 'A'", 9, '"'),
        ('{"name": "A" "age": 3}', 13, ","),
        ('{"name": "A"}', 12, ', "age"'),
        ('{"name": "A", "age": 3, "x": 1}', 22, "}"),
        ('{"name": "A", "age": [1 2]}', 24, ","),
        ('{"name": "A\nB", "age": 3}', 11, '"'),
    ],
)
def test_the_first_character_that_is_no_json(text, start, correction):
    found = FORM.first(text)
    assert (found.start, found.correction) == (start, correction)


def test_what_may_still_become_json_is_let_stand():
    whole = '{"name": "A b", "age": 31}'
    for end in range(len(whole) + 1):
        assert FORM.first(whole[:end], finished=False) is None, whole[:end]
    assert FORM.first(whole) is None
    assert FORM.first(whole + " Hope", finished=False).ends


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet='{}[]",: nametgx1\\\n', max_size=25))
def test_what_was_mended_is_json(text):
    said = mend(FORM, text)
    if said.strip():
        try:
            value = json.loads(said)
        except json.JSONDecodeError:  # a value is what the model must say: only form is mended
            return
        assert list(value) == ["name", "age"]


VALUES = st.lists(st.integers(-99, 99) | st.booleans() | st.text('x"\\', max_size=4), max_size=3)


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.text("ab", min_size=1, max_size=2), VALUES, max_size=3))
def test_true_json_is_never_touched(value):
    form, text = JsonForm("form"), json.dumps({"first": value}, indent=1)
    assert form.first(text) is None
    for end in range(len(text)):
        assert form.first(text[:end], finished=False) is None


ORDER = WordOrder("order").about("Sort these words: pear, apple, fig")


def test_words_in_order():
    assert ORDER.words == ("apple", "fig", "pear")
    assert ORDER.first("Here you are: apple, fig, pear") is None
    found = ORDER.first("Sorted: apple, pear, fig")
    assert (found.start, found.correction) == (15, "fig")
    assert ORDER.first("apple, fig, pear. Hope this").ends
    assert ORDER.first("apple, fi", finished=False) is None
    assert ORDER.first("apple, fig").correction == ", pear"
