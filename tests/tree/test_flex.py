"""FlexAttention's masks against the dense one; forward through models on CPU. Its CUDA kernels are not run here."""

import numpy as np
import pytest
import torch

from growing import tiny_model
from midcourse.tree import attention, flex
from midcourse.tree.attention import attention_kind, dense_mask
from midcourse.tree.forward import token_logps
from midcourse.tree.plan import ordered
from random_trees import random_row

UNFUSED = "ignore:flex_attention called without torch.compile:UserWarning"


@pytest.mark.parametrize("seed", range(4))
def test_the_mask_is_the_dense_one_and_no_needed_block_is_skipped(seed: int):
    row = random_row(seed, tokens=200, trunk=250)
    order = ordered(row).order
    masks = flex.block_masks(row, order, (None, 20), torch.device("cpu"))
    length = len(row) + flex.padding(len(row))
    at = torch.arange(length)
    for window, mask in masks.items():
        seen = mask.mask_mod(torch.tensor(0), torch.tensor(0), at[:, None], at[None, :])
        dense = dense_mask(torch.as_tensor(row.end), torch.as_tensor(row.position), window)[order][:, order]
        assert torch.equal(seen[: len(row), : len(row)], dense)
        assert torch.equal(seen[len(row) :], torch.eye(length, dtype=torch.bool)[len(row) :])
        assert not seen[: len(row), len(row) :].any()
        blocks = mask.to_dense()[0, 0].bool().repeat_interleave(flex.BLOCK, 0).repeat_interleave(flex.BLOCK, 1)
        assert not (seen & ~blocks).any()


@pytest.mark.filterwarnings(UNFUSED)
@pytest.mark.parametrize("family", ["llama", "qwen3", "gemma3", "mistral"])
def test_a_forward_pass_gives_what_plain_rows_give(family: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(attention, "flex_usable", lambda _: True)
    model, row = tiny_model(family), random_row(3, trees=2)
    assert attention_kind(model) == "flex"
    labels = torch.as_tensor(np.flatnonzero(row.parent >= 0))
    with torch.no_grad():
        mine, plain = (token_logps(model, row, labels, path) for path in ("packed", "branches"))
    assert (mine - plain).abs().max() < 1e-4


def test_without_cuda_it_is_not_chosen():
    assert not flex.flex_usable(torch.device("cpu"))
    assert attention_kind(tiny_model()) == "sliced"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA: never run where this was written")
@pytest.mark.parametrize("family", ["llama", "gemma3"])
def test_on_cuda_gradients_are_those_of_plain_rows(family: str):
    model, row = tiny_model(family).cuda(), random_row(3, trees=2)
    labels = torch.as_tensor(np.flatnonzero(row.parent >= 0))
    grads = []
    for path in ("packed", "branches"):
        logps = token_logps(model, row, labels, path)
        grads.append(torch.cat([g.flatten() for g in torch.autograd.grad(logps.sum(), list(model.parameters()))]))
    assert (grads[0] - grads[1]).norm() / grads[1].norm() < 1e-3
