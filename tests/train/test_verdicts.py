"""Votes of people on tokens, and what a run makes of them."""

import math
from pathlib import Path

import pytest
import torch

from growing import Growing
from midcourse.errors import InputError
from midcourse.train import SteerConfig
from midcourse.train.verdicts import discounts, votes
from midcourse.tree.token_tree import TreeOptions, build_tree
from training_run import trainer


def corrected(name: str, was: int, put: int) -> Growing:
    """Ten tokens let stand, one turned down and put right, three more."""
    return (
        Growing([1, 2], name).write([10, 11, 12, 13, 14, 15, 16, 17, 18, 19, was]).steer(1, [put]).write([10, 11, 12])
    )


def test_what_was_turned_down_first_and_what_was_let_stand_is_counted():
    data = [corrected("a", 30, 31), corrected("b", 30, 32), corrected("c", 12, 33)]
    trees = [build_tree(g.value, TreeOptions()).tree for g in data]
    down, stand = votes(trees, 40)
    assert down[30] == 2
    assert down[12] == 1
    assert down.sum() == 3
    assert stand[12] == 6  # twice in each text
    assert stand[16] == 0  # too near the fork: people stop late
    assert stand[[30, 31, 32, 33, 1, 2]].sum() == 0  # neither what a person put nor the prompt


def test_each_that_was_turned_down_at_one_place_is_a_vote():
    growing = Growing([1, 2], "t").write([10, 11, 12, 13])
    for said in (20, 21, 22):
        growing.steer(2, [], kind="resampled").write([said, 30])
    tree = build_tree(growing.write([40]).value, TreeOptions()).tree
    down, stand = votes([tree], 50)
    assert down.nonzero().flatten().tolist() == [12, 20, 21]
    assert stand[22] == 0  # it is the chosen side, which is learnt and not held


def test_a_token_loses_the_share_of_its_votes():
    down, stand = torch.tensor([3.0, 1.0, 1.0, 0.0]), torch.tensor([0.0, 0.0, 8.0, 5.0])
    assert discounts(down, stand, 1.0).exp().tolist() == pytest.approx([1 / 4, 1 / 2, 9 / 10, 1])
    assert discounts(down, stand, 0.5).exp().tolist() == pytest.approx([1 - 3 / 8, 3 / 4, 19 / 20, 1])


def test_a_run_is_held_to_what_is_left_of_the_base(tmp_path: Path):
    data = [corrected(f"t{n}", 30, 31).value for n in range(6)]
    plain, held = (trainer(str(tmp_path / str(d)), data=data, retain_discount=d) for d in (0.0, 1.0))
    for made in (plain, held):
        made._prepare_reference(fresh=True)
    tree = held.data.trees[0]
    before, after = plain._held_to(tree), held._held_to(tree)
    assert torch.equal(before.logps, after.logps)  # what the contrast is made against is the base as it was
    share = torch.where(before.top_ids == 30, 1 / 7, 1.0)
    assert float(share.min()) < 1
    left = (before.top_logps.exp() * share).sum(1) + before.rest.exp()
    assert torch.allclose(after.top_logps.exp(), before.top_logps.exp() * share / left[:, None], rtol=1e-4)
    assert torch.allclose(after.top_logps.exp().sum(1) + after.rest.exp(), torch.ones(len(left)), atol=1e-5)


@pytest.mark.long
def test_what_was_turned_down_becomes_unlikely_where_the_text_was_let_stand(tmp_path: Path):
    data = [corrected(f"t{n}", 30, 31).value for n in range(6)]

    def chance(discount: float) -> float:
        made = trainer(
            str(tmp_path / str(discount)), data=data, retain_discount=discount, retain_weight=5.0, num_train_epochs=8,
            learning_rate=5e-3, beta=1e-6,
        )  # fmt: skip
        made.train()
        ids = torch.tensor([[1, 2, 10, 11, 12, 13, 14]])
        with torch.no_grad():
            return float(made.model(ids).logits[0, 2:].softmax(1)[:, 30].mean())

    assert math.log(chance(1.0) / chance(0.0)) < -0.3


@pytest.mark.parametrize("without", [{"retain_weight": 0.0}, {"retain_source": "none"}, {"loss_type": "sigmoid"}])
def test_a_discount_on_nothing_is_refused(tmp_path: Path, without: dict[str, object]):
    with pytest.raises(InputError, match=r"retain_discount is 0\.5; expected 0, since nothing is held"):
        SteerConfig(output_dir=str(tmp_path), retain_discount=0.5, **without)
    SteerConfig(output_dir=str(tmp_path), retain_discount=0.5, use_cpu=True)
