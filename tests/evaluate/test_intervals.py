import math

import pytest

from midcourse.evaluate.intervals import interval, paired


def test_mean_and_counts_on_known_data():
    found = interval([1.0, 2.0, 3.0, 6.0, math.nan], ["a", "a", "b", "b", "b"])
    assert found is not None
    assert (found.mean, found.n, found.prompts) == (3.0, 4, 2)
    # Two clusters with means 1.5 and 4.5: a resample is one of 1.5, 3 and 4.5.
    assert (found.low, found.high) == (1.5, 4.5)


def test_clusters_widen_the_interval():
    values = [float(i % 2) for i in range(200) for _ in range(4)]
    alone = interval(values, [str(i) for i in range(800)])
    together = interval(values, [str(i // 4) for i in range(800)])
    assert alone is not None
    assert together is not None
    ratio = (together.high - together.low) / (alone.high - alone.low)
    assert ratio == pytest.approx(2.0, rel=0.15)  # four copies of one value say no more than one: √4 wider


def test_paired_difference_cancels_what_is_hard_for_both():
    prompts = [str(i) for i in range(40)]
    before = [float(i) for i in range(40)]
    found = paired([b + 0.5 for b in before], before, prompts)
    assert found is not None
    assert (found.mean, found.low, found.high) == (0.5, 0.5, 0.5)
    assert found.verdict() == "higher"


def test_too_few_prompts_make_no_claim():
    found = paired([1.0] * 29, [0.0] * 29, [str(i) for i in range(29)])
    assert found is not None
    assert found.verdict() == "too few"
    assert interval([math.nan], ["a"]) is None
