"""The losses against arithmetic written out by hand."""

import math

import pytest
import torch

from midcourse.objective import PairLogps, Totals, dpo_loss, fork_loss, sft_loss, topk_kl


def log_sigmoid(x: float) -> float:
    return -math.log(1 + math.exp(-x))


@pytest.fixture
def pairs() -> PairLogps:
    """Pair 0: chosen (-1, -2), rejected (-3, -1) with the second masked. Pair 1: chosen (-0.5), no rejected side."""
    return PairLogps(
        weight=torch.tensor([1.0, 0.5]),
        paired=torch.tensor([True, False]),
        chosen=torch.tensor([-1.0, -2.0, -0.5]),
        ref_chosen=torch.tensor([-1.5, -2.5, -0.7]),
        chosen_pair=torch.tensor([0, 0, 1]),
        chosen_step=torch.tensor([0, 1, 0]),
        rejected=torch.tensor([-3.0, -1.0]),
        ref_rejected=torch.tensor([-2.0, -1.5]),
        rejected_pair=torch.tensor([0, 0]),
        rejected_step=torch.tensor([0, 1]),
        rejected_mask=torch.tensor([1.0, 0.0]),
    )


def test_fork_loss_by_hand(pairs: PairLogps):
    # S+ = 0.5 + 0.9 * 0.5 = 0.95, S- = -1 + 0.9 * 0 * 0.5 = -1, beta 0.4: margin 0.78
    contrast = -log_sigmoid(0.4 * (0.95 + 1.0))
    first = 1.0 * (contrast + 0.2 * 1.5)  # mean of -log pi over (1, 2)
    second = 0.5 * 0.5
    expected = (first + second) / 1.5 + 5 * (0.01 + 0.03) / 4 + 2 * (0.25 * 1.0 + 0.5 * 3.0) / 3
    loss, metrics = fork_loss(
        pairs,
        torch.tensor([0.01, 0.03]),
        torch.tensor([-1.0, -3.0]),
        torch.tensor([0.25, 0.5]),
        Totals(pairs=1.5, retained=4, text=3),
        beta=0.4,
        decay=0.9,
        sft_weight=0.2,
        retain_weight=5,
        text_weight=2,
    )
    assert float(loss) == pytest.approx(expected, rel=1e-6)
    assert float(metrics["retain_kl"]) == pytest.approx(0.01)


def test_an_empty_term_is_zero(pairs: PairLogps):
    nothing = torch.zeros(0)
    settings = {"beta": 0.4, "decay": 1.0, "sft_weight": 0.0, "retain_weight": 5.0, "text_weight": 1.0}
    loss, _ = fork_loss(pairs, nothing, nothing, nothing, Totals(1.5, 0, 0), **settings)
    assert float(loss) == pytest.approx((-log_sigmoid(0.4 * (1.0 + 1.0)) + 0.5 * 0.5) / 1.5, rel=1e-6)


def test_dpo_by_hand(pairs: PairLogps):
    # rho: chosen 0.5 + 0.5, rejected -1 + 0.5; unmasked, undecayed; the unpaired steer adds nothing
    loss, _ = dpo_loss(pairs, Totals(1.5, 0, 0), beta=0.1)
    assert float(loss) == pytest.approx(-log_sigmoid(0.1 * (1.0 + 0.5)) / 1.5, rel=1e-6)


def test_sft_by_hand():
    loss, _ = sft_loss(torch.tensor([-1.0, -3.0]), torch.tensor([1.0, 0.5]), Totals(0, 0, 1.5))
    assert float(loss) == pytest.approx((1 + 1.5) / 1.5)


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
