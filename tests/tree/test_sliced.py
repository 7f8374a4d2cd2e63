"""Attention by slices against one call with a mask, in float64: outputs and all gradients."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from midcourse.tree import sliced
from midcourse.tree.attention import dense_mask
from midcourse.tree.plan import plan_row
from midcourse.tree.sliced import sliced_attention
from random_trees import random_row


def compare(seed: int, window: int | None, queries: int, groups: int, trunk: int = 0) -> float:
    row = random_row(seed, trunk=trunk)
    plan = plan_row(row, (window,), dtype=torch.float64, queries=queries)
    draw = torch.Generator().manual_seed(seed)
    shapes = ((1, len(row), h, 8) for h in (4, groups, groups))
    q, k, v = (torch.randn(s, generator=draw, dtype=torch.float64).transpose(1, 2).requires_grad_() for s in shapes)
    upstream = torch.randn(1, len(row), 4, 8, generator=draw, dtype=torch.float64)
    order = torch.as_tensor(plan.order)
    permuted = sliced_attention(*(x[:, :, order] for x in (q, k, v)), plan.slices[window], 0.3)
    mine = torch.empty_like(permuted)
    mine[:, order] = permuted
    mask = dense_mask(torch.as_tensor(row.end), torch.as_tensor(row.position), window)
    full = F.scaled_dot_product_attention(
        q, *(x.repeat_interleave(4 // groups, 1) for x in (k, v)), attn_mask=mask, scale=0.3
    ).transpose(1, 2)
    largest = float((mine - full).detach().abs().max())
    for a, b in zip(*(torch.autograd.grad((o * upstream).sum(), (q, k, v)) for o in (mine, full)), strict=True):
        largest = max(largest, float((a - b).abs().max()))
    return largest


@given(st.integers(0, 10_000), st.sampled_from([None, 3, 30]), st.sampled_from([8, 256]), st.sampled_from([1, 2, 4]))
@settings(max_examples=30, deadline=None)
def test_slices_equal_the_dense_mask(seed: int, window: int | None, queries: int, groups: int):
    assert compare(seed, window, queries, groups, trunk=150 * (seed % 2)) < 1e-12


@pytest.mark.parametrize("name", ["_FLASH", "_GROUPS"])
def test_without_the_kernels_of_this_torch_the_numbers_are_the_same(name: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sliced, name, None)
    assert compare(7, None, 32, 2, trunk=150) < 1e-12


def test_a_head_of_another_width_is_recomputed():
    row = random_row(3)
    plan = plan_row(row, dtype=torch.float64)
    q, k = (torch.randn(1, 2, len(row), 8, dtype=torch.float64, requires_grad=True) for _ in range(2))
    v = torch.randn(1, 2, len(row), 4, dtype=torch.float64, requires_grad=True)
    assert sliced_attention(q, k, v, plan.slices[None], 0.3).shape == (1, len(row), 2, 4)


def test_half_precision_adds_up_in_single():
    row = random_row(5, tokens=200)
    q, k, v = (torch.randn(1, 2, len(row), 8).requires_grad_() for _ in range(3))
    grads = []
    for dtype in (torch.float32, torch.bfloat16):
        plan = plan_row(row, dtype=dtype, queries=8)
        out = sliced_attention(*(x.to(dtype) for x in (q, k, v)), plan.slices[None], 0.3)
        grads.append(torch.autograd.grad(out.float().square().sum(), (q, k, v)))
    for full, half in zip(*grads, strict=True):
        assert (full - half).norm() / full.norm() < 2e-2
