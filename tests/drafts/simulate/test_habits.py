"""Habits do what they say, as often as they say."""

import random
from collections import Counter

import pytest
from scripted import Scripted, tokenizer

from midcourse.drafts.draft import Draft
from midcourse.drafts.simulate import Habits, Rule, RuleSet, simulate
from midcourse.drafts.simulate.habits import CAREFUL, MEASURED, named
from midcourse.errors import InputError

RULES = RuleSet((Rule("mild", r"\bshould\b", "could"),), stretch=3, max_tokens=30)
TEXT = [" You should go", " home.", " It is", " a day.", " You should", " stop the", " cat.<end>"]


def runs(habits: Habits, n: int = 40):
    return [
        simulate(Draft(Scripted(TEXT), tokenizer()).start("Say:", id=str(i)), RULES, habits, seed=3) for i in range(n)
    ]


def test_careful_is_what_a_rule_does():
    assert named("careful") == CAREFUL
    assert {s.kind for run in runs(CAREFUL, 3) for s in run.trajectory.steers} == {"typed"}
    assert all(not run.broken for run in runs(CAREFUL, 3))


def test_a_late_stop_rejects_more():
    early, late = (
        [len(r.trajectory.path(r.trajectory.steers[0].rejected[0].end)) for r in runs(Habits(late=n))] for n in (0, 6)
    )
    assert sum(late) > sum(early) + 40


def test_lateness_has_the_mean_it_is_given():
    dice = random.Random(0)
    drawn = [Habits(late=5).lateness(dice) for _ in range(4000)]
    assert 4.6 < sum(drawn) / 4000 < 5.4


def test_what_is_overlooked_stays():
    assert all(not r.steers and r.broken["mild"] >= 1 for r in runs(Habits(overlooks=1.0), 3))
    some = runs(Habits(overlooks=0.5), 60)
    assert 0.3 < sum(bool(r.broken) for r in some) / 60 < 0.95
    for run in some:  # seen or overlooked, each mistake once
        assert run.steers.total() + run.broken.total() >= 1


def test_the_tail_is_kept_where_there_is_one():
    kinds = Counter(s.kind for r in runs(Habits(late=4, keeps_tail=1.0)) for s in r.trajectory.steers)
    assert kinds["local"] > kinds["typed"]
    kept = next(r for r in runs(Habits(late=4, keeps_tail=1.0)) if r.trajectory.steers[0].kind == "local")
    assert kept.text.startswith(" You could go")


def test_being_wrong_turns_down_what_was_fine():
    run = runs(Habits(wrong=1.0), 1)[0]
    steer = run.trajectory.steers[0]
    assert steer.kind == "resampled"
    assert "should" not in tokenizer().decode(run.trajectory.path(steer.fork))


def test_the_same_seed_gives_the_same_person():
    one, two = ([(r.text, [s.kind for s in r.trajectory.steers], r.paid) for r in runs(MEASURED, 10)] for _ in range(2))
    assert one == two


def test_names_and_numbers():
    assert named("measured") is MEASURED
    assert named("late=4, wrong=0.1") == Habits(late=4, wrong=0.1)
    for text in ("sloppy", "late", "late=x", "speed=1"):
        with pytest.raises(InputError, match="habits are"):
            named(text)
    with pytest.raises(InputError, match="chance from 0 to 1"):
        named("wrong=2")
