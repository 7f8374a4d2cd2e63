"""Which tokens are held and which are learnt, by the options."""

import numpy as np
import pytest

from growing import Growing
from midcourse.tree.options import TreeOptions
from midcourse.tree.token_tree import TokenTree, build_tree

GROWING = (
    Growing([1, 2]).write(list(range(10, 20))).steer(2, [30, 31]).write(list(range(40, 50))).steer(3, [32]).write([60])
)


def learnt(tree: TokenTree) -> list[int]:
    return tree.token_ids[tree.nll_weight > 0].tolist()


def held(tree: TokenTree) -> list[int]:
    return tree.token_ids[tree.retain].tolist()


@pytest.mark.parametrize(
    ("options", "text", "retained"),
    [
        (TreeOptions(retain_margin=2), [], [*range(10, 16), *range(40, 45), 60]),
        (TreeOptions(retain_margin=2, retain="none"), [], []),
        (TreeOptions(retain_margin=2, resumed_tokens=3), [40, 41, 42, 60], [*range(10, 16), 43, 44]),
        (TreeOptions(retain_margin=2, resumed_tokens=99), [*range(40, 45), 60], [*range(10, 16)]),
        (TreeOptions(retain_margin=2, text="spans"), [30, 31, 32], [*range(10, 16), *range(40, 45), 60]),
        (TreeOptions(retain_margin=2, retain="text"), [], []),
    ],
)
def test_what_is_learnt_and_what_is_held(options: TreeOptions, text: list[int], retained: list[int]):
    tree = build_tree(GROWING.value, options).tree
    assert learnt(tree) == text
    assert held(tree) == retained


def test_the_weights_of_a_trajectory_add_up_to_one():
    growing = Growing([1, 2]).write([10, 11, 12]).steer(1, [30]).write([40, 41]).steer(1, [31])
    assert sum(p.weight for p in build_tree(growing.value).tree.pairs) == 2
    assert sum(p.weight for p in build_tree(growing.value, TreeOptions(per_trajectory=True)).tree.pairs) == 1


def test_stops_without_a_correction_are_pairs_only_when_asked_for():
    growing = Growing([1, 2]).write([10, 11, *range(50, 70)]).steer(21, [])
    assert build_tree(growing.value).tree.pairs == ()
    tree = build_tree(growing.value, TreeOptions(without_chosen=True)).tree
    (pair,) = tree.pairs
    assert len(pair.chosen) == 0
    assert tree.token_ids[pair.rejected].tolist() == [11, *range(50, 57)]
    assert pair.weight == 0.25


def test_steers_without_a_rejected_side_can_be_left_out():
    growing = Growing([1, 2]).write([10, 11]).steer(0, [30])
    assert len(build_tree(growing.value).tree.pairs) == 1
    built = build_tree(growing.value, TreeOptions(without_rejected="skip"))
    assert built.tree.pairs == ()
    assert "no rejected side" in built.skipped[0]


@pytest.mark.parametrize(("window", "tokens"), [(None, 8), (3, 3), (100, 20)])
def test_the_rejected_window(window: int | None, tokens: int):
    growing = Growing([1, 2]).write(list(range(10, 30))).steer(20, [40])
    tree = build_tree(growing.value, TreeOptions(rejected_window=window)).tree
    assert len(tree.pairs[0].rejected) == tokens


def test_several_rejected_at_one_fork_have_its_number():
    growing = Growing([1, 2]).write([10, 11]).steer(1, [], kind="resampled").write([12])
    growing = growing.steer(1, [], kind="resampled").write([13, 14, 15]).steer(1, [20])
    tree = build_tree(growing.value).tree
    assert [p.fork for p in tree.pairs] == [0, 0, 1]
    assert np.isclose([p.weight for p in tree.pairs], [0.5, 0.5, 1]).all()
