"""The arrays: order, mask, retained positions, no contradiction, exact splitting."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from growing import Growing, random_trajectory
from midcourse.tree.token_tree import TreeOptions, build_tree, chain, restrict, split_tree

seeds = st.integers(0, 10_000)


def path(tree, i: int) -> list[int]:
    out = []
    while i >= 0:
        out.append(int(tree.token_ids[i]))
        i = int(tree.parent[i])
    return out[::-1]


@given(seeds)
@settings(max_examples=60, deadline=None)
def test_the_trunk_is_exactly_what_the_model_saw(seed: int):
    trajectory = random_trajectory(seed)
    tree = build_tree(trajectory).tree
    trunk = trajectory.path(trajectory.head)
    assert trunk in [path(tree, i) for i in range(len(tree)) if tree.position[i] == len(trunk) - 1]


@given(seeds)
@settings(max_examples=60, deadline=None)
def test_below_k_are_exactly_the_tokens_up_to_end(seed: int):
    tree = build_tree(random_trajectory(seed)).tree
    for k in range(len(tree)):
        below = [
            q
            for q in range(len(tree))
            if tree.position[q] >= tree.position[k] and path(tree, q)[: tree.position[k] + 1] == path(tree, k)
        ]
        assert below == list(range(k, int(tree.end[k])))


@given(seeds)
@settings(max_examples=60, deadline=None)
def test_no_token_is_pushed_both_ways_and_no_learnt_token_is_retained(seed: int):
    tree = build_tree(random_trajectory(seed, steers=6)).tree
    up = {int(i) for p in tree.pairs for i in p.chosen}
    down = {int(i) for p in tree.pairs for i in p.rejected[p.rejected_mask > 0]}
    assert not up & down
    assert not (up | down) & set(tree.retained.tolist())
    for pair in tree.pairs:
        if len(pair.rejected):
            assert tree.parent[pair.chosen[0]] == tree.parent[pair.rejected[0]]
            assert pair.rejected_mask[0] == 1


def test_retained_are_the_models_words_that_stand_outside_the_margin():
    growing = Growing([1, 2]).write(list(range(10, 20))).steer(2, [30]).write([40, 41])
    tree = build_tree(growing.value).tree
    kept = tree.token_ids[tree.retained].tolist()
    assert kept == [10, 11, 12, 13, 40, 41]  # 14 to 17 are the margin, 30 a person put
    tree = build_tree(growing.value, TreeOptions(retain_margin=0)).tree
    assert tree.token_ids[tree.retained].tolist() == [10, 11, 12, 13, 14, 15, 16, 17, 40, 41]


def test_what_lies_beyond_the_context_is_left_out_and_named():
    growing = Growing([1]).write(list(range(10, 30))).steer(2, [40]).write([50])
    built = build_tree(growing.value, TreeOptions(max_depth=10))
    assert not built.tree.pairs
    assert "beyond the context of 10 tokens" in built.skipped[0]
    assert built.tree.position.max() == 9


def test_weights_share_a_fork():
    growing = Growing([1]).write([10, 11])
    growing.steer(2, [20])
    from dataclasses import replace

    first = growing.steers[0]
    growing.steers[0] = replace(first, rejected=first.rejected + growing_other(growing))
    tree = build_tree(growing.value).tree
    assert [p.weight for p in tree.pairs] == [0.5, 0.5]


def growing_other(growing: Growing):
    from midcourse.types import Place, Rejected

    fork = growing.steers[0].fork
    end = growing._below(Place(fork.node, fork.depth), [15, 16], "model")
    return (Rejected(end, "candidate"),)


@pytest.mark.parametrize("text", ["spans", "full"])
def test_text_weight_marks_the_corrected_text(text: str):
    growing = Growing([1, 2]).write([10, 11, 12]).steer(1, [20]).write([30])
    tree = build_tree(growing.value, TreeOptions(text=text)).tree
    assert tree.token_ids[tree.nll_weight > 0].tolist() == ([20] if text == "spans" else [10, 11, 20, 30])


@given(seeds, st.integers(8, 40))
@settings(max_examples=40, deadline=None)
def test_splitting_keeps_every_pair_and_retained_token_once(seed: int, budget: int):
    tree = build_tree(random_trajectory(seed, steers=6)).tree
    parts = split_tree(tree, budget)
    assert sorted(p.steer for t in parts for p in t.pairs) == sorted(p.steer for p in tree.pairs)
    assert sum(int(t.retain.sum()) for t in parts) == int(tree.retain.sum())
    whole = sorted(tuple(path(tree, int(i))) for i in tree.labels)
    assert sorted({tuple(path(t, int(i))) for t in parts for i in t.labels}) == sorted(set(whole))


def test_a_text_deeper_than_the_budget_is_not_read_once_for_each_of_its_tokens():
    tree = chain(range(3000), nll=True)
    parts = split_tree(tree, 256)
    assert [len(p) for p in parts] == [3000], "its last token needs all before it, so nothing is saved by cutting"


@given(seeds, st.integers(8, 40))
@settings(max_examples=40, deadline=None)
def test_no_part_is_larger_than_the_budget_or_what_cannot_be_read_in_less(seed: int, budget: int):
    tree = build_tree(random_trajectory(seed, steers=6)).tree
    forks = {pair.fork for pair in tree.pairs}
    of_fork = [[n for n, pair in enumerate(tree.pairs) if pair.fork == fork] for fork in forks]
    depths = tree.position[tree.retain | (tree.nll_weight > 0)] + 1
    least = max([len(restrict(tree, members, [])) for members in of_fork] + depths.tolist())
    assert max(map(len, split_tree(tree, budget))) <= max(budget, least)


def test_a_chain_is_an_ordinary_text():
    tree = chain([5, 6, 7], nll=True)
    assert tree.nll_weight.tolist() == [0, 1, 1]
    assert np.array_equal(tree.end, [3, 3, 3])


def test_what_teaches_its_text_has_weight_on_what_a_person_wrote():
    told = Growing([1, 2]).steer(0, [30, 31]).value.with_(steers=())
    assert not build_tree(told).tree.nll_weight.any(), "of a text with steers only the steers are learnt"
    tree = build_tree(told.with_(teaches="instructions")).tree
    assert tree.nll_weight.tolist() == [0, 0, 1, 1]
    assert tree.teaches == "instructions"
    assert not tree.retain.any()
    raw = Growing([1, 2, 3])
    raw.nodes[0] = replace(raw.nodes[0], author="person")
    assert build_tree(raw.value.with_(teaches="text")).tree.nll_weight.tolist() == [0, 1, 1], "the first has no label"
