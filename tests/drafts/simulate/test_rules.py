"""Rules of every kind: the first mistake, what is put there, and that what was put is let stand."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from midcourse.drafts.simulate import RuleSet
from midcourse.errors import InputError


def rules(**rule) -> RuleSet:
    return ruled(rule)


def ruled(rule: dict) -> RuleSet:
    return RuleSet.of({"rules": [{"name": "r", **rule}]}, "rules.yaml")


@pytest.mark.parametrize(
    ("rule", "text", "start", "correction"),
    [
        ({"forbid": {"delve": "dig", "tapestry": None}}, "We Delve deep", 3, "Dig"),
        ({"forbid": ["tapestry"]}, "a tapestry of", 2, None),
        ({"case": "lower"}, "the End is", 4, "end"),
        ({"case": "upper"}, "THE end is", 4, "END"),
        ({"sentence_words": 3}, "One two three. And four five six seven", 28, "."),
        ({"bullets": "- "}, "- one\n* two", 6, "- "),
        ({"bullets": "- "}, "1. one", 0, "- "),
        ({"begins": "Answer:"}, "The answer", 0, "Answer:"),
        ({"ends": "Good luck."}, "Do it.", 6, " Good luck."),
        ({"max_words": 3}, "one two three four five", 13, "."),
    ],
)
def test_each_kind(rule, text, start, correction):
    found = rules(**rule).first(text)
    assert (found.start, found.correction) == (start, correction)


@pytest.mark.parametrize(
    ("rule", "text", "start"),
    [({"sentences": 2}, "One. Two. Three.", 9), ({"max_words": 5}, "One two. Three four five six.", 8)],
)
def test_what_should_have_ended(rule, text, start):
    found = rules(**rule).first(text)
    assert (found.start, found.ends) == (start, True)
    assert rules(**rule).first(text[:start]) is None


@pytest.mark.parametrize(
    "rule", [{"sentence_words": 2}, {"max_words": 2}, {"case": "lower"}, {"bullets": "- "}, {"forbid": ["bb"]}]
)
@settings(max_examples=40, deadline=None)
@given(text=st.text(alphabet="aB b.\n-*1,", max_size=30))
def test_putting_right_comes_to_an_end(rule, text):
    checked = rules(**rule)
    for _ in range(80):
        found = checked.first(text)
        if found is None:
            return
        assert text[found.start : found.end] != found.correction
        tail = "" if found.ends else text[found.end :]
        text = text[: found.start] + (found.correction or "") + tail
    raise AssertionError(text)


@pytest.mark.parametrize(
    "rule",
    [
        {"case": "lower"},
        {"sentence_words": 3},
        {"forbid": ["ab"]},
        {"max_words": 4},
        {"begins": "Ab"},
        {"bullets": "- "},
    ],
)
@settings(max_examples=40, deadline=None)
@given(text=st.text(alphabet="abA .\n", max_size=25), more=st.text(alphabet="abA .\n", max_size=10))
def test_an_unfinished_text_is_judged_only_where_what_follows_cannot_mend_it(rule, text, more):
    found = rules(**rule).first(text, finished=False)
    if found is not None:
        again = rules(**rule).first(text + more)
        assert again.start == found.start
        assert again.correction == found.correction


def test_of_two_mistakes_the_first_counts():
    both = RuleSet.of({"rules": [{"name": "a", "forbid": ["x"]}, {"name": "b", "case": "lower"}]}, "r")
    assert both.first("x Y").rule == "a"
    assert both.first("Y x").rule == "b"
    assert both.first("x Y", at=1).rule == "b"
    assert both.count("x Y x") == {"a": 2, "b": 1}


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"case": "camel"}, "lower or upper"),
        ({"sentence_words": 0}, "at least 1"),
        ({"sentence_words": 3, "colour": 1}, "colour"),
        ({"check": "spelling"}, "not one of arithmetic, json, word_order"),
        ({"check": ["json"]}, r"check is \['json'\], not one of arithmetic, json, word_order"),
        ({"check": {"json": None}}, "check is {'json': None}, not one of"),
        ({"forbid": 3}, "takes words"),
        ({"forbid": {"delve": 3}}, "a text or null"),
        ({"pattern": "a", 1: 2, "colour": 3}, "unknown field 1"),
        ({"check": "json", "keys": [1]}, "list of texts"),
    ],
)
def test_a_rule_that_cannot_be_used_is_named(rule, message):
    with pytest.raises(InputError, match=message):
        ruled(rule)
