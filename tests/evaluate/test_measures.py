"""KL, side measures, variety and words by explicit arithmetic."""

import math

import numpy as np
import pytest
import torch

from midcourse.evaluate.collapse import collapse, distinct
from midcourse.evaluate.drift import kl
from midcourse.evaluate.forks import side_measures
from midcourse.evaluate.recurrence import begins, pattern_checker, says, valid
from midcourse.evaluate.sampling import Sample
from midcourse.evaluate.variants import adapter_labels


def test_kl_goes_from_the_base_to_the_policy():
    base, policy = torch.tensor([[0.5, 0.3, 0.2]]).log(), torch.tensor([[0.2, 0.2, 0.6]]).log()
    expected = 0.5 * math.log(0.5 / 0.2) + 0.3 * math.log(0.3 / 0.2) + 0.2 * math.log(0.2 / 0.6)
    assert kl(base, policy + 7.0).item() == pytest.approx(expected, abs=1e-6)
    assert kl(base, base).item() == 0.0


def test_side_measures():
    found = side_measures(np.array([-1.0, -3.0]), np.array([-0.5, -4.0, -4.5]))
    assert found["margin"] == pytest.approx(-2.0 - -3.0)
    assert found["margin_sum"] == pytest.approx(-4.0 - -9.0)
    assert found["accuracy"] == 1.0
    assert found["first_token_log_odds"] == -0.5
    assert found["p_rejected"] == pytest.approx(math.exp(-0.5))
    alone = side_measures(np.array([-1.0]), np.array([]))
    assert math.isnan(alone["margin"])
    assert alone["logp_chosen"] == -1.0


def test_variety_and_signs_of_collapse():
    assert distinct([1, 2, 3, 4]) == 1.0
    assert distinct([1, 1, 1, 1, 1, 1]) == 0.25
    base = collapse([Sample(tuple(range(40)), True)], [np.full(41, -0.7)])
    broken = collapse([Sample((1,) * 10, False)], [np.full(10, -2.0)])
    assert base.base_nll == pytest.approx(0.7)
    assert base.signs(base) == []
    assert len(broken.signs(base)) == 4


def test_replaced_words_are_found_normalised():
    assert says("We DON’T, know", "don't", "do not")
    assert not says("We know", "don't", "do not")
    # Words the person kept are no error in themselves: they must come first.
    assert not says("not very good", "very good", "not very good")
    assert says("very good indeed", "very good", "not very good")
    # Only marks differ: the very characters count.
    assert says("Great! Go on", "Great!", "Great.")
    assert not says("Great. Go on", "Great!", "Great.")
    assert begins("a plan, then", " A plan")
    assert not begins("the plan", "plan")


def test_pattern_must_reach_into_the_continuation():
    fires = pattern_checker("very")
    assert not fires("very well", 5)
    assert fires("ve" + "ry well", 2)


def test_invalid_samples_repeat_or_are_odd():
    good, stuck = Sample(tuple(range(8)), True), Sample((1,) * 12, False)
    assert valid([good, stuck, good], [1.0, 1.0, 9.0], ceiling=2.0) == [True, False, False]


def test_labels_are_short_and_different():
    assert adapter_labels(["runs/a/adapter", "runs/b", "else/b", "base"]) == ("a", "b", "b-2", "steered")
