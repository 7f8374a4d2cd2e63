"""The retain term against the KL of distributions written out."""

import math

import pytest
import torch

from midcourse.objective import discounted, topk_kl


def test_topk_kl_is_the_kl_of_the_bucketed_distributions():
    logits = torch.tensor([[0.1, -0.3, 0.7, 0.0]])
    ref = torch.tensor([0.5, 0.25, 0.15, 0.1])
    policy = logits[0].softmax(0)
    ids = torch.tensor([[0, 1]])
    got = topk_kl(logits, ids, ref[:2].log()[None], ref[2:].sum().log()[None])
    p, q = [0.5, 0.25, 0.25], [float(policy[0]), float(policy[1]), float(policy[2] + policy[3])]
    assert float(got) == pytest.approx(sum(a * math.log(a / b) for a, b in zip(p, q, strict=True)), rel=1e-5)
    full = sum(a * math.log(a / float(b)) for a, b in zip(ref.tolist(), policy, strict=True))
    assert float(got) <= full


def test_what_a_token_loses_all_others_gain_in_proportion():
    ref = torch.tensor([0.5, 0.25, 0.15, 0.1])
    ids, rest = torch.tensor([[0, 1]]), ref[2:].sum().log()[None]
    discount = torch.tensor([0.2, 1.0, 1.0, 0.5]).log()  # the last one is not among the likeliest
    top, left = discounted(ids, ref[:2].log()[None], rest, discount)
    assert top.exp()[0].tolist() == pytest.approx([0.1 / 0.6, 0.25 / 0.6])
    assert float(left.exp()) == pytest.approx(0.25 / 0.6)
