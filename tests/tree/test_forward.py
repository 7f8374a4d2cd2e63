"""Packed trees against one row per branch: log-probabilities and gradients, with windows and nesting."""

import numpy as np
import pytest
import torch

from growing import random_trajectory, tiny_model
from midcourse.tree.attention import packed_refusal
from midcourse.tree.forward import choose_path, token_logps
from midcourse.tree.pack import Row, pack, plain_row
from midcourse.tree.token_tree import build_tree


def a_row(*seeds: int) -> Row:
    return Row.of([build_tree(random_trajectory(s, steers=5)).tree for s in seeds])


def labels(row: Row) -> torch.Tensor:
    return torch.as_tensor(np.flatnonzero(row.parent >= 0))


@pytest.mark.parametrize("family", ["llama", "qwen3", "gemma3", "mistral"])
def test_packed_equals_one_row_per_branch(family: str):
    model, row = tiny_model(family), a_row(1, 2, 3)
    packed, plain = (token_logps(model, row, labels(row), p) for p in ("packed", "branches"))
    assert (packed - plain).abs().max() < 1e-4
    grads = []
    for logps in (packed, plain):
        weights = torch.linspace(-1, 1, len(logps))
        grads.append(
            torch.cat([g.flatten() for g in torch.autograd.grad((weights * logps).sum(), list(model.parameters()))])
        )
    assert (grads[0] - grads[1]).norm() / grads[1].norm() < 1e-5


def test_a_branch_sees_nothing_but_its_own_path():
    model, row = tiny_model(), a_row(4)
    pair = next(p for p in row.trees[0].pairs if len(p.rejected))
    trunk = torch.as_tensor(pair.chosen)
    before = token_logps(model, row, trunk)
    row.token_ids[pair.rejected] = 3
    assert torch.equal(before, token_logps(model, row, trunk))


def test_the_order_of_branches_changes_nothing():
    model = tiny_model()
    trees = [build_tree(random_trajectory(s)).tree for s in (5, 6)]
    one, other = Row.of(trees), Row.of(trees[::-1])
    cut = len(trees[0]) - 1
    a = token_logps(model, one, labels(one))[:cut]
    b = token_logps(model, other, labels(other))[-cut:]
    assert (a - b).abs().max() < 1e-5


def test_a_plain_row_gives_what_the_model_itself_gives():
    model, ids = tiny_model(), [1, 5, 9, 13, 4]
    row = plain_row(ids)
    expected = model(torch.tensor([ids])).logits[0, :-1].log_softmax(-1)[range(4), ids[1:]]
    assert (token_logps(model, row, labels(row)) - expected).abs().max() < 1e-5


def test_a_root_has_no_log_probability():
    with pytest.raises(ValueError, match="first token"):
        token_logps(tiny_model(), plain_row([1, 2]), torch.tensor([0]))


def test_models_that_take_no_tree_mask_go_by_branches():
    model = tiny_model()
    assert choose_path(model) == ("packed", None)
    model.config.rope_parameters = {"rope_type": "dynamic", "rope_theta": 1e4, "factor": 2.0}
    assert choose_path(model)[0] == "branches"
    model.config.rope_parameters = {"rope_type": "default", "rope_theta": 1e4}
    model.config._attn_implementation = "flash_attention_2"
    assert "flash_attention_2" in str(packed_refusal(model.config))


def test_rows_hold_the_budget_and_every_tree_once():
    trees = [build_tree(random_trajectory(s)).tree for s in range(12)]
    rows = pack(trees, 90)
    assert all(len(r) <= 90 or len(r.trees) == 1 for r in rows)
    assert sorted(t.id for r in rows for t in r.trees) == sorted(t.id for t in trees)
