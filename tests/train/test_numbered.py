"""What is read by number answers to slices and to numbers from the end as a list does, and reads nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midcourse.train.numbered import Numbered


class Squares(Numbered[int]):
    def __init__(self, count: int) -> None:
        self.count = count
        self.asked: list[int] = []

    def __len__(self) -> int:
        return self.count

    def read(self, index: int) -> int:
        self.asked.append(index)
        return index * index


ends = st.one_of(st.none(), st.integers(-12, 12))


@given(st.integers(0, 9), ends, ends, st.one_of(st.none(), st.integers(-3, -1), st.integers(1, 3)))
def test_a_slice_is_that_of_a_list(count: int, start: int | None, stop: int | None, step: int | None):
    squares, plain = Squares(count), [n * n for n in range(count)]
    assert squares[start:stop:step] == plain[start:stop:step]
    assert squares.asked == list(range(count))[start:stop:step]


@given(st.integers(0, 9), st.integers(-12, 12))
def test_a_number_is_that_of_a_list(count: int, at: int):
    squares, plain = Squares(count), [n * n for n in range(count)]
    if -count <= at < count:
        assert squares[at] == plain[at]
        assert squares.asked == [at % count]
    else:
        with pytest.raises(IndexError):
            squares[at]
        assert squares.asked == []
    assert list(squares) == plain
