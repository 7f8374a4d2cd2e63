"""Each loss against arithmetic written out by hand."""

import math
from dataclasses import replace

import pytest
import torch

from midcourse.errors import InputError
from midcourse.objective import (
    LossSettings,
    PairLogps,
    Totals,
    all_losses,
    find_loss,
    pair_loss,
    pair_values,
    registry,
    step_loss,
)

NOTHING = torch.zeros(0)


def log_sigmoid(x: float) -> float:
    return -math.log(1 + math.exp(-x))


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def edited(*, p_c: float, p_r: float, now: tuple[float, float]) -> float:
    """KL from the reference with 99 in 100 of p_r moved to the chosen token, over chosen, rejected and the rest."""
    target = (p_c + 0.99 * p_r, 0.01 * p_r, 1 - p_c - p_r)
    return sum(q * math.log(q / p) for q, p in zip(target, (*now, 1 - sum(now)), strict=True))


@pytest.fixture
def pairs() -> PairLogps:
    """Pair 0: chosen (-1, -2), rejected (-3, -1) with the second masked. Pair 1: chosen (-0.5), no rejected side."""
    return PairLogps(
        weight=torch.tensor([1.0, 0.5]),
        fork=torch.tensor([0, 1]),
        chosen=torch.tensor([-1.0, -2.0, -0.5]),
        ref_chosen=torch.tensor([-1.5, -2.5, -0.7]),
        chosen_pair=torch.tensor([0, 0, 1]),
        chosen_step=torch.tensor([0, 1, 0]),
        chosen_mask=torch.tensor([1.0, 0.0, 1.0]),
        rejected=torch.tensor([-3.0, -1.0]),
        ref_rejected=torch.tensor([-2.0, -1.5]),
        rejected_pair=torch.tensor([0, 0]),
        rejected_step=torch.tensor([0, 1]),
        rejected_mask=torch.tensor([1.0, 0.0]),
    )


@pytest.fixture
def three_rejected() -> PairLogps:
    """One fork with a chosen token of ρ = 0.5 and rejected ones of ρ = -1, 0, 2; a second fork of one pair."""
    return PairLogps(
        weight=torch.tensor([1.0, 1.0, 1.0, 3.0]) / 3,
        fork=torch.tensor([0, 0, 0, 1]),
        chosen=torch.tensor([-1.0, -1.0, -1.0, -1.0]),
        ref_chosen=torch.tensor([-1.5, -1.5, -1.5, -1.5]),
        chosen_pair=torch.arange(4),
        chosen_step=torch.zeros(4, dtype=torch.int64),
        chosen_mask=torch.ones(4),
        rejected=torch.tensor([-3.0, -2.0, -0.5, -3.0]),
        ref_rejected=torch.tensor([-2.0, -2.0, -2.5, -2.0]),
        rejected_pair=torch.arange(4),
        rejected_step=torch.zeros(4, dtype=torch.int64),
        rejected_mask=torch.ones(4),
    )


@pytest.fixture
def stopped() -> PairLogps:
    """A stop without a correction: two tokens turned down, nothing in their place."""
    none = torch.zeros(0, dtype=torch.int64)
    return PairLogps(
        weight=torch.tensor([0.25]),
        fork=torch.tensor([0]),
        **dict.fromkeys(("chosen", "ref_chosen", "chosen_mask"), NOTHING),
        **dict.fromkeys(("chosen_pair", "chosen_step"), none),
        rejected=torch.tensor([-1.0, -2.0]),
        ref_rejected=torch.tensor([-1.2, -2.5]),
        rejected_pair=torch.tensor([0, 0]),
        rejected_step=torch.tensor([0, 1]),
        rejected_mask=torch.ones(2),
    )


def first(name: str, x: PairLogps, **settings: float) -> float:
    return float(find_loss(name).per_pair(x, LossSettings(**settings))[0])


# Of pair 0: Σρ(c) = 0.5 + 0.5 = 1, Σρ(r) = -1 + 0.5 = -0.5, counted alone -1.
BY_HAND = [
    ("fork", {"beta": 0.4, "decay": 0.9}, -log_sigmoid(0.4 * (0.5 + 0.9 * 0.5 + 1))),
    (
        "fork",
        {"beta": 0.4, "decay": 0.9, "first_token_weight": 3.0},
        -log_sigmoid(0.4 * (3 * 0.5 + 0.9 * 0.5 + 3)),
    ),
    (
        "fork",
        {"beta": 0.4, "decay": 1.0, "label_smoothing": 0.1},
        -0.9 * log_sigmoid(0.8) - 0.1 * log_sigmoid(-0.8),
    ),
    (
        "fork",
        {"beta": 0.4, "decay": 0.9, "surprise": 2.0},
        -log_sigmoid(
            0.4 * ((1 - math.exp(-1.5)) ** 2 * 0.5 + 0.9 * (1 - math.exp(-2.5)) ** 2 * 0.5 + math.exp(-2) ** 2 * 1)
        ),
    ),
    ("listwise", {"beta": 0.4, "decay": 0.9}, -log_sigmoid(0.4 * (0.95 + 1))),
    (
        "per_token",
        {"beta": 0.4, "decay": 0.9},
        -log_sigmoid(0.4 * (0.5 + 1)) - 0.9 * log_sigmoid(0.4 * 0.5),  # the second rejected token is masked
    ),
    (
        "transfer",
        {"decay": 0.9},
        edited(p_c=math.exp(-1.5), p_r=math.exp(-2), now=(math.exp(-1), math.exp(-3))) + 0.9 * 2,
    ),
    ("masked", {"beta": 0.1}, -log_sigmoid(0.1 * (1 + 1))),
    ("sigmoid", {"beta": 0.1}, -log_sigmoid(0.1 * (1 + 0.5))),
    ("sigmoid", {"beta": 0.1, "label_smoothing": 0.2}, -0.8 * log_sigmoid(0.15) - 0.2 * log_sigmoid(-0.15)),
    (
        "robust",
        {"beta": 0.1, "label_smoothing": 0.2},
        (-0.8 * log_sigmoid(0.15) + 0.2 * log_sigmoid(-0.15)) / (1 - 0.4),
    ),
    ("hinge", {"beta": 0.1}, 1 - 0.15),
    ("hinge", {"beta": 1.0}, 0.0),
    ("ipo", {"beta": 0.1}, (0.5 + 0.25 - 5) ** 2),
    ("simpo", {"beta": 2.0, "simpo_gamma": 0.5}, -log_sigmoid(2 * (-1.5 + 2) - 0.5)),
    ("dpop", {"beta": 0.3, "displacement_guard": 50.0}, -log_sigmoid(0.3 * 1.5)),  # chosen rose: nothing is taken off
    (
        "segments",
        {"beta": 0.5, "segment_weight": 5.0},
        -log_sigmoid(0.5 * ((5 * 0.5 + 0.5) / 6 - (5 * -1 + 0.5) / 6)),
    ),
    ("apo_zero_unpaired", {"beta": 0.1}, 1 - sigmoid(0.1) + sigmoid(-0.05)),
    ("unlikelihood", {}, 1.5 - math.log(1 - math.exp(-3))),
    ("sft", {}, 0.0),
    ("sft_full", {}, 0.0),
]


@pytest.mark.parametrize(
    ("name", "settings", "expected"), BY_HAND, ids=[f"{n}-{i}" for i, (n, _, _) in enumerate(BY_HAND)]
)
def test_by_hand(pairs: PairLogps, name: str, settings: dict, expected: float):
    assert first(name, pairs, **settings) == pytest.approx(expected, rel=1e-4)


def test_every_loss_is_checked_by_hand():
    assert {name for name, _, _ in BY_HAND} == set(all_losses())


@pytest.mark.parametrize("name", list(all_losses()))
def test_a_pair_that_lacks_a_side_spoils_no_gradient(pairs: PairLogps, stopped: PairLogps, name: str):
    for x in (pairs, stopped):
        sides = [getattr(x, side).clone().requires_grad_() for side in ("chosen", "rejected")]
        made = PairLogps(
            **{f: getattr(x, f) for f in PairLogps.__slots__} | dict(zip(("chosen", "rejected"), sides, strict=True))
        )
        pair_values(find_loss(name), made, LossSettings(sft_weight=0.1, without_chosen="kto")).sum().backward()
        assert all(side.grad is None or side.grad.isfinite().all() for side in sides)


@pytest.mark.parametrize("name", ["fork", "dpop", "masked", "listwise"])
def test_the_guard_takes_off_what_the_chosen_side_fell(pairs: PairLogps, name: str):
    fallen = PairLogps(
        **{f: getattr(pairs, f) for f in PairLogps.__slots__} | {"chosen": torch.tensor([-1.7, -2.8, -0.5])}
    )  # Σρ(c) = -0.2 - 0.3
    minus = -0.5 if name == "dpop" else -1.0
    guarded = first(name, fallen, beta=0.3, decay=1.0, displacement_guard=2.0)
    assert guarded == pytest.approx(-log_sigmoid(0.3 * (-0.5 - minus - 2 * 0.5)), rel=1e-5)


def test_a_transfer_rests_at_its_target_and_comes_back_from_beyond(pairs: PairLogps):
    """The other losses push as long as there is a margin to gain."""

    def pull(chosen: float, rejected: float) -> tuple[float, float]:
        at = torch.tensor([chosen, 0.5, 0.5]).log().requires_grad_()
        against = torch.tensor([rejected, 0.5]).log().requires_grad_()
        x = replace(pairs, chosen=at, rejected=against)
        find_loss("transfer").per_pair(x, LossSettings())[0].backward()
        return float(at.grad[0]), float(against.grad[0])

    p_c, p_r = math.exp(-1.5), math.exp(-2)
    assert pull(p_c + 0.99 * p_r, 0.01 * p_r) == pytest.approx((0, 0), abs=1e-6)
    chosen, rejected = pull(p_c, p_r)
    assert chosen < 0 < rejected  # down the gradient: the chosen one up, the rejected one down
    chosen, rejected = pull(0.9, 0.0001)
    assert rejected < 0 < chosen


def test_listwise_by_hand(three_rejected: PairLogps):
    # beta 0.4: margins 1.5, 0.5, -1.5; the second fork has the one pair of margin 1.5
    values = find_loss("listwise").per_pair(three_rejected, LossSettings(beta=0.4))
    together = math.log(1 + math.exp(-0.6) + math.exp(-0.2) + math.exp(0.6))
    assert values.tolist() == pytest.approx([together] * 3 + [-log_sigmoid(0.6)], rel=1e-5)
    loss, _ = step_loss(
        find_loss("listwise"), three_rejected, NOTHING, NOTHING, NOTHING, Totals(2, 0, 0), LossSettings(beta=0.4)
    )
    assert float(loss) == pytest.approx((together - log_sigmoid(0.6)) / 2, rel=1e-5)


def test_several_rejected_pairwise_count_as_one_steer(three_rejected: PairLogps):
    loss, _ = step_loss(
        find_loss("fork"), three_rejected, NOTHING, NOTHING, NOTHING, Totals(2, 0, 0), LossSettings(beta=0.4)
    )
    first_fork = -(log_sigmoid(0.6) + log_sigmoid(0.2) + log_sigmoid(-0.6)) / 3
    assert float(loss) == pytest.approx((first_fork - log_sigmoid(0.6)) / 2, rel=1e-5)


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("kto", sigmoid(0.1 * 0.7)),
        ("unlikelihood", -(math.log(1 - math.exp(-1)) + math.log(1 - math.exp(-2))) / 2),
    ],
)
def test_a_stop_without_a_correction(stopped: PairLogps, how: str, expected: float):
    settings = LossSettings(beta=0.1, without_chosen=how)
    loss, _ = step_loss(find_loss("fork"), stopped, NOTHING, NOTHING, NOTHING, Totals(0.25, 0, 0), settings)
    assert float(loss) == pytest.approx(expected, rel=1e-3)


def test_all_terms_by_hand(pairs: PairLogps):
    contrast = -log_sigmoid(0.4 * (0.95 + 1.0))
    of_first = 1.0 * (contrast + 0.2 * 1.5)  # mean of -log pi over (1, 2)
    of_second = 0.5 * 0.5
    expected = (of_first + of_second) / 1.5 + 5 * (0.01 + 0.03) / 4 + 2 * (0.25 * 1.0 + 0.5 * 3.0) / 3
    loss, parts = step_loss(
        find_loss("fork"),
        pairs,
        torch.tensor([0.01, 0.03]),
        torch.tensor([-1.0, -3.0]),
        torch.tensor([0.25, 0.5]),
        Totals(pairs=1.5, retained=4, text=3),
        LossSettings(beta=0.4, decay=0.9, sft_weight=0.2, retain_weight=5, text_weight=2),
    )
    assert float(loss) == pytest.approx(expected, rel=1e-6)
    assert float(parts["retain_kl"]) == pytest.approx(0.01)


def test_an_empty_term_is_zero(pairs: PairLogps):
    settings = LossSettings(beta=0.4, decay=1.0, retain_weight=5.0)
    loss, _ = step_loss(find_loss("fork"), pairs, NOTHING, NOTHING, NOTHING, Totals(1.5, 0, 0), settings)
    assert float(loss) == pytest.approx((-log_sigmoid(0.4 * (1.0 + 1.0)) + 0.5 * 0.5) / 1.5, rel=1e-6)


@pytest.mark.parametrize("name", ["sft", "sft_full"])
def test_what_learns_text_learns_nothing_else(pairs: PairLogps, name: str):
    text = torch.tensor([-1.0, -3.0]), torch.tensor([1.0, 0.5])
    loss, parts = step_loss(find_loss(name), pairs, NOTHING, *text, Totals(1.5, 0, 1.5), LossSettings(sft_weight=1.0))
    assert float(loss) == pytest.approx((1 + 1.5) / 1.5)
    assert float(parts["pair_loss"]) == 0


def test_names_people_know_are_understood():
    assert find_loss("dpo") is find_loss("sigmoid")
    assert find_loss("kto") is find_loss("apo_zero_unpaired")
    with pytest.raises(InputError, match="did you mean simpo"):
        find_loss("simp")


def test_a_loss_of_ones_own_is_one_function(pairs: PairLogps, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(registry, "_KNOWN", dict(registry._KNOWN))

    @pair_loss("mine", source="here", when="never")
    def mine(x: PairLogps, s: LossSettings) -> torch.Tensor:
        """β Σ_j ρ(r_j)"""
        return s.beta * x.sums()[1]

    assert find_loss("mine").formula == "β Σ_j ρ(r_j)"
    assert first("mine", pairs, beta=2.0) == pytest.approx(-1.0)
