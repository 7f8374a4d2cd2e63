"""What is read as chosen and rejected, by kind of steer."""

from hypothesis import given
from hypothesis import strategies as st

from growing import Growing
from midcourse.tree.matching import lcs
from midcourse.tree.sides import read_sides
from midcourse.types import Place, Rejected, Steer


def sides(growing: Growing, n: int, window: int = 64):
    trajectory = growing.value
    return read_sides(trajectory, trajectory.steers[n], window)[0]


def test_typed_takes_what_the_person_put_and_what_the_model_was_saying():
    (side,) = sides(Growing([1, 2]).write([10, 11, 12, 13]).steer(2, [20, 21]).write([30]), 0)
    assert side.prefix == (1, 2, 10, 11)
    assert side.chosen == (20, 21)
    assert side.rejected == (12, 13)


def test_the_fork_token_counts_even_where_it_stands_in_the_chosen_text():
    (side,) = sides(Growing([1]).write([10, 11, 12, 13]).steer(3, [12, 11]), 0)
    assert side.counted[0]
    assert side.counted == (True, False, True)


def test_a_chosen_text_that_was_corrected_ends_at_the_second_fork():
    growing = Growing([1]).write([10, 11, 12]).steer(2, [20, 21, 22]).steer(1, [23])
    assert sides(growing, 0)[0].chosen == (20, 21)
    (second,) = sides(growing, 1)
    assert second.chosen == (23,)
    assert second.rejected == ()  # what was cut, a person had written


def test_a_chosen_text_wholly_replaced_gives_way_to_the_later_correction():
    growing = Growing([1]).write([10, 11, 12]).steer(2, [20, 21]).steer(2, [25])
    assert sides(growing, 0)[0].chosen == (25,)


def test_a_steer_in_a_part_that_was_abandoned_keeps_its_own_sides():
    growing = Growing([1]).write([10, 11, 12, 13]).steer(1, [20]).write([14, 15]).steer(6, [30])
    (inner,) = sides(growing, 0)
    assert (inner.chosen, inner.rejected) == ((20,), (13,))
    (outer,) = sides(growing, 1)
    assert outer.chosen == (30,)
    assert outer.rejected == (10, 11, 12)  # up to the first token a person wrote


def test_windows_bound_both_sides():
    growing = Growing([1]).write(list(range(10, 90))).steer(79, [3, 4, 5, 6, 7, 8, 9])
    (side,) = sides(growing, 0)
    assert len(side.rejected) == 14
    (side,) = sides(growing, 0, window=2)
    assert (side.chosen, len(side.rejected)) == ((3, 4), 8)


def test_a_resample_that_was_kept_is_the_chosen_side():
    growing = Growing([1]).write([10, 11, 12]).steer(2, [], kind="resampled").write([20, 21, 22, 23])
    (side,) = sides(growing, 0)
    assert (side.chosen, side.rejected) == ((20, 21), (11, 12))


def test_a_deletion_takes_the_kept_words_as_chosen():
    growing = Growing([1]).write([10, 11, 12, 13]).steer(3, [], kind="local").write([13])
    (side,) = sides(growing, 0)
    assert side.chosen == (13,)
    assert side.rejected == (11, 12, 13)


def test_a_fork_without_a_token_before_it_is_named():
    growing = Growing([1]).write([10])
    root = growing.nodes[0].id
    steer = Steer("s", "t", "typed", Place(root, 0), (Rejected(growing.head),), Place(root, 1))
    trajectory = growing.value.with_(steers=(steer,))
    assert "no token before it" in read_sides(trajectory, steer, 64)[1][0]


@given(st.lists(st.integers(0, 4), max_size=12), st.lists(st.integers(0, 4), max_size=12))
def test_matched_tokens_are_a_common_subsequence(rejected: list[int], chosen: list[int]):
    kept = [t for t, m in zip(rejected, lcs(rejected, chosen)[0], strict=True) if m]
    rest = iter(chosen)
    assert all(t in rest for t in kept)
    if set(rejected) & set(chosen):
        assert kept
