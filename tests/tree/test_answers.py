"""Whole answers: the original against the corrected text, and what is known of the original."""

import pytest

from growing import Growing
from midcourse.tree.answers import originals_known
from midcourse.tree.options import TreeOptions
from midcourse.tree.token_tree import build_tree
from midcourse.types import Place, Rejected, Steer

WHOLE = TreeOptions(whole_answers=True, keep_shared=True, end_ids=(2,))


def edited() -> Growing:
    """A finished text 10 11 12 13 2 in which 11 was replaced by 20 and 13 by 21; the tails were kept."""
    growing = Growing([1, 5]).write([10, 11, 12, 13, 2])
    first = growing.head
    replaced = Place(first.node, 4)
    fork = Place(first.node, 3)
    chosen = growing._below(fork, [20], "person")
    tail = growing._below(chosen, [12, 13, 2], "model")
    growing.steers.append(Steer("a", "t", "local", fork, (Rejected(replaced),), chosen))
    second = growing._below(Place(tail.node, tail.depth - 2), [21], "person")
    growing.steers.append(Steer("b", "t", "local", Place(tail.node, 5), (Rejected(Place(tail.node, 6)),), second))
    growing.head = growing._below(second, [2], "model")
    return growing


def ids(tree, indices) -> list[int]:
    return tree.token_ids[indices].tolist()


def test_one_pair_of_whole_texts_from_the_end_of_the_prompt():
    tree = build_tree(edited().value, WHOLE).tree
    (pair,) = tree.pairs
    assert ids(tree, pair.chosen) == [10, 20, 12, 21, 2]
    assert ids(tree, pair.rejected) == [10, 11, 12, 13, 2]
    assert pair.chosen_mask.tolist() == [0, 1, 0, 1, 0]
    assert pair.rejected_mask.tolist() == [0, 1, 0, 1, 0]
    assert pair.chosen[0] == pair.rejected[0]  # the same token of the tree, on both sides
    assert not tree.retain.any()


def test_localized_losses_compare_from_where_the_texts_part():
    tree = build_tree(edited().value, TreeOptions(whole_answers=True)).tree
    (pair,) = tree.pairs
    assert ids(tree, pair.chosen) == [20, 12, 21, 2]
    assert ids(tree, pair.rejected) == [11, 12, 13, 2]


def test_without_the_mask_all_rejected_that_differ_by_place_count():
    tree = build_tree(edited().value, TreeOptions(whole_answers=True, mask_rejected=False)).tree
    assert tree.pairs[0].rejected_mask.tolist() == [1, 1, 1, 1]


@pytest.mark.parametrize(
    ("growing", "known"),
    [
        (edited(), True),
        (Growing([1]).write([10, 11, 12]).steer(2, [20]).write([13, 2]), False),
        (Growing([1]).write([10, 11, 2]).steer(2, [20]).write([13, 2]), True),
        (Growing([1]).write([10, 2]), False),
    ],
    ids=["replaced words", "stopped", "ended by itself", "no steer"],
)
def test_how_much_of_the_original_is_known_is_said(growing: Growing, known: bool):
    assert originals_known(growing.value, WHOLE) is known


def test_a_stopped_original_ends_where_it_was_stopped():
    growing = Growing([1]).write([10, 11, 12]).steer(2, [20]).write([13]).steer(1, [21]).write([14, 2])
    tree = build_tree(growing.value, WHOLE).tree
    (pair,) = tree.pairs
    assert ids(tree, pair.rejected) == [10, 11, 12]
    assert ids(tree, pair.chosen) == [10, 20, 21, 14, 2]


def test_an_unknown_original_is_named():
    growing = Growing([1]).write([10, 11]).steer(0, [20])
    built = build_tree(growing.value, WHOLE)
    assert built.tree.pairs == ()
    assert "not known" in built.skipped[0]


def test_whole_answers_compared_as_such_are_read_whole_whatever_the_window():
    growing = Growing([1, 5]).write(list(range(10, 50))).steer(40, list(range(50, 90)))
    tree = build_tree(growing.value.with_(teaches="pairs"), TreeOptions(window=4)).tree
    assert len(tree.pairs[0].chosen) == len(tree.pairs[0].rejected) == 40
    assert len(build_tree(growing.value, TreeOptions(window=4)).tree.pairs[0].chosen) == 4
