"""The permuted row and its slices: everything seen is a key, every path is contiguous, nothing is computed for long."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from midcourse.tree.attention import dense_mask
from midcourse.tree.pack import plain_row
from midcourse.tree.plan import Plan, plan_row
from random_trees import random_row

seeds = st.integers(0, 10_000)


def seen(plan: Plan, window: int | None) -> torch.Tensor:
    """[T, T] what the slices compute, in the row's own order."""
    mask = torch.zeros(len(plan.order), len(plan.order), dtype=torch.bool)
    for part in plan.slices[window]:
        keys = torch.cat([torch.arange(lo, hi) for lo, hi in part.keys])
        n = part.stop - part.begin
        visible = torch.ones(n, n, dtype=torch.bool).tril() if part.bias is None else part.bias == 0
        queries = torch.arange(part.begin, part.stop)
        assert not mask[queries].any()
        mask[queries[:, None], keys[None, :]] = visible
    order = torch.as_tensor(plan.order)
    out = torch.zeros_like(mask)
    out[order[:, None], order[None, :]] = mask
    return out


@given(seeds, st.sampled_from([None, 1, 5, 40, 150]), st.sampled_from([4, 32, 256]), st.sampled_from([0, 140]))
@settings(max_examples=60, deadline=None)
def test_slices_compute_exactly_what_the_tree_says(seed: int, window: int | None, queries: int, trunk: int):
    row = random_row(seed, trunk=trunk)
    plan = plan_row(row, (window,), queries=queries)
    expected = dense_mask(torch.as_tensor(row.end), torch.as_tensor(row.position), window)
    assert torch.equal(seen(plan, window), expected)


@given(seeds)
@settings(max_examples=60, deadline=None)
def test_every_path_is_contiguous_after_its_fork(seed: int):
    row = random_row(seed)
    plan = plan_row(row)
    assert np.array_equal(plan.order[plan.rank], np.arange(len(row)))
    for token in range(len(row)):
        above = row.parent[token]
        if above >= 0:
            assert plan.rank[above] < plan.rank[token]
            if row.end[above] == row.end[token]:  # the last child: the path goes on
                assert plan.rank[token] == plan.rank[above] + 1


def test_a_text_is_one_causal_call():
    plan = plan_row(plain_row(list(range(300))), (None, 1000, 50))
    for window in (None, 1000):
        (only,) = plan.slices[window]
        assert only.bias is None
        assert only.pairs == 300 * 301 // 2
    assert len(plan.slices[50]) > 1
    assert all(sum(hi - lo for lo, hi in part.keys) < 50 + 256 for part in plan.slices[50])


@pytest.mark.parametrize("seed", range(5))
def test_no_slice_has_a_key_that_none_of_its_queries_sees(seed: int):
    plan = plan_row(random_row(seed, tokens=300, trunk=300), (None, 20), queries=64)
    for part in (*plan.slices[None], *plan.slices[20]):
        if part.bias is not None:
            assert (part.bias == 0).any(0).all()
            assert part.stop - part.begin <= 64
