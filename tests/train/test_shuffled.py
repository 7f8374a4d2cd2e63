"""A shuffled order by index: each number once, another one for each key, the same on every machine."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midcourse.train.shuffled import Shuffled


@given(st.integers(1, 400), st.integers(0, 2**70), st.integers(0, 9))
def test_each_number_comes_once(size: int, seed: int, again: int):
    assert sorted(Shuffled(size, seed, again)) == list(range(size))


@given(st.integers(64, 400), st.integers(0, 1000), st.integers(0, 9))
def test_seed_and_pass_decide_the_order(size: int, seed: int, again: int):
    order = list(Shuffled(size, seed, again))
    assert order == list(Shuffled(size, seed, again))
    for other in (Shuffled(size, seed + 1, again), Shuffled(size, seed, again + 1)):
        assert list(other) != order


def test_it_is_the_same_on_every_machine():
    assert list(Shuffled(12, 0, 1, 2)) == [1, 8, 5, 2, 7, 9, 3, 11, 4, 10, 6, 0]


def test_a_large_one_is_not_laid_out():
    order = Shuffled(25_000_000_000, 7)
    some = [order[i] for i in range(1000)]
    assert len(set(some)) == 1000
    assert 0.4 < sum(some) / 1000 / len(order) < 0.6


def test_every_number_comes_first_about_as_often():
    first = Counter(Shuffled(10, seed)[0] for seed in range(2000))
    assert len(first) == 10
    assert all(120 < count < 280 for count in first.values())  # 200 expected; six standard deviations


def test_beyond_its_ends_there_is_nothing():
    order = Shuffled(5, 1)
    assert order[-1] == order[4]
    assert order[1:3] == [order[1], order[2]]
    for at in (5, -6):
        with pytest.raises(IndexError):
            order[at]
