from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted import Scripted, tokenizer

from midcourse.drafts.draft import Draft
from midcourse.drafts.simulate import Rule, RuleSet, simulate
from midcourse.drafts.simulate.kinds import SentenceWords
from midcourse.errors import InputError

MILD = RuleSet(
    (
        Rule("mild", r"\bshould\b", "could", "milder"),
        Rule("whole", r"\b(it)'s\b", r"\1 is", ignore_case=True),
        Rule("again", r"\bcat\b"),
    ),
    stretch=2,
    max_tokens=40,
)


def written(rules: RuleSet, *texts: str):
    return simulate(Draft(Scripted(texts), tokenizer()).start("Say:"), rules)


def test_it_stops_at_the_first_mistake_and_the_model_goes_on():
    run = written(MILD, " You should", " go home.", " stop", " it. It's", " good", " day", ".", "<end>")
    assert run.text.startswith(" You could")
    [first, *_] = run.trajectory.steers
    assert (first.kind, first.reason) == ("typed", "milder")
    assert run.steers["mild"] == 1
    assert not run.broken
    assert run.trajectory.status == "accepted"
    assert run.tokens == len(run.trajectory.path(run.trajectory.head)) - len(run.trajectory.nodes[0].token_ids)


def test_the_capital_of_what_was_replaced_is_kept():
    run = written(MILD, " It", "'s a", " good day", "<end>")
    assert run.text.startswith(" It is")


def test_a_word_that_is_still_being_written_is_not_judged():
    assert MILD.first("You should", finished=False) is None
    assert MILD.first("You shouldn", finished=False) is None
    assert MILD.first("You should go", finished=False).start == 4
    assert MILD.first("You should").end == 10


def test_the_budget_of_steers_is_kept_and_what_is_left_is_counted():
    rules = RuleSet(MILD.rules, stretch=20, max_tokens=60, max_steers=1)
    run = written(rules, " You should go", " You should", " stop. It's", "<end>")
    assert run.steers.total() == 1
    assert run.broken == {"mild": 1, "whole": 1}


def test_the_budget_of_tokens_is_kept():
    rules = RuleSet(MILD.rules, stretch=3, max_tokens=7)
    run = written(rules, *[" very very good day"] * 9)
    assert run.tokens == 7


def test_resample_turns_down_and_tries_again():
    run = written(MILD, " The cat.", " stop.", " go", "<end>")
    assert [s.kind for s in run.trajectory.steers] == ["resampled"]
    assert "cat" not in run.text


def test_a_correction_that_breaks_a_rule_is_refused():
    rules = RuleSet((Rule("a", "should", "must"), Rule("b", "must", "should")), stretch=4)
    with pytest.raises(InputError, match="'must' of the rule 'a' breaks the rule 'b' itself"):
        written(rules, " You should go")


def test_where_the_correction_of_one_rule_breaks_another_both_are_put_right_at_once():
    rules = RuleSet((Rule("comma", r",( \w+)", r"\1"), SentenceWords("long", 2)), stretch=3)
    run = written(rules, " You go", ", then you", " sleep", "<end>")
    assert run.steers["comma"] == 1
    assert run.text.startswith(" You go.")  # without its comma, `then` is the third word
    assert not run.broken


@given(st.lists(st.sampled_from(["should", "it's", "It's", "go", "cat", "."]), max_size=8))
def test_counting_walks_over_every_mistake_once(words):
    text = " ".join(words)
    want = {
        "mild": words.count("should"),
        "whole": words.count("it's") + words.count("It's"),
        "again": words.count("cat"),
    }
    assert MILD.count(text) == {k: n for k, n in want.items() if n}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rules: []", "must hold a list"),
        ("[", "cannot be read"),
        ("rules: [{name: a}]", "needs the texts"),
        ("rules: [{name: a, pattern: '('}]", "needs either"),
        ("rules: [{name: a, pattern: '(', replacement: x}]", "no valid pattern"),
        ("rules: [{name: a, pattern: 'b', replacement: '\\1'}]", "no valid pattern"),
        ("rules: [{name: a, pattern: 'b', replacement: x, colour: red}]", "unknown field 'colour'"),
        ("stretch: 0\nrules: [{name: a, pattern: 'b', replacement: x}]", "at least 1"),
        ("speed: 0\nrules: [{name: a, pattern: 'b', replacement: x}]", "unknown field 'speed'"),
    ],
)
def test_what_is_wrong_with_a_rule_file_is_named(tmp_path, text, message):
    (tmp_path / "rules.yaml").write_text(text)
    with pytest.raises(InputError, match=message):
        RuleSet.load(tmp_path / "rules.yaml")


def test_the_house_style_agrees_with_its_own_check():
    """The rule that steers and the checker share no code; on texts full of mistakes they must count alike."""
    import importlib.util

    recipes = Path(__file__).parents[3] / "recipes"
    spec = importlib.util.spec_from_file_location("house_style_check", recipes / "house_style_check.py")
    check = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(check)
    rules = RuleSet.load(recipes / "house_style.yaml")
    for text, count in {
        "It's a simple guide. You’ll need to rest!": 4,
        "Don't worry: they're fine, and there's no must.": 4,
        "An important step is an effective plan. Essential oils help.": 2,
        "1. **Rest**: you should, and you have to.": 4,
        "The dog's bed and the day's work; I have two.": 0,
        "Let's go. Everyone's here, I'd say. We can't, we won't, I've been, I'm off.": 7,
    }.items():
        assert rules.count(text).total() == count, text
        assert check.breaks(text) == rules.count(text), text
