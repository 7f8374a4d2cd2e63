"""λ answers to the drift on the dev part, within bounds, and often enough for a run of one pass."""

from pathlib import Path

import pytest

from growing import random_trajectory
from midcourse.train.drift import adapted
from training_run import trainer


def test_lambda_answers_to_drift_within_bounds():
    assert adapted(5, 5, drift=0.011, budget=0.01) == pytest.approx(7.5)
    assert adapted(5, 5, drift=0.03, budget=0.01) == pytest.approx(15)
    assert adapted(5, 5, drift=0.9, budget=0.01) == pytest.approx(20)
    assert adapted(5, 5, drift=0.001, budget=0.01) == pytest.approx(4)
    assert adapted(5, 5, drift=0.008, budget=0.01) == 5
    assert adapted(320, 5, drift=1, budget=0.01) == 320
    assert adapted(0, 0, drift=1, budget=0.01) > 0


def steps_of_looks(tmp_path: Path, texts: int = 40, **settings) -> list[int]:
    data = [random_trajectory(i) for i in range(texts)]
    made = trainer(
        str(tmp_path), data=data, dev=True, **{"per_device_train_batch_size": 1, "max_drift": 1e-9, **settings}
    )
    made.train()
    weights = [h["retain_weight"] for h in made.state.log_history if "retain_weight" in h]
    assert weights[-1] > weights[0]
    return [h["step"] for h in made.state.log_history if "eval_loss" in h]


@pytest.mark.long
def test_within_a_single_pass_lambda_is_asked_too(tmp_path: Path):
    assert steps_of_looks(tmp_path, num_train_epochs=1) == [10, 20, 30, 40]


@pytest.mark.long
def test_the_end_of_a_pass_is_looked_at_once(tmp_path: Path):
    assert steps_of_looks(tmp_path, num_train_epochs=2) == [20, 40, 60, 80]


@pytest.mark.long
def test_passes_can_be_enough(tmp_path: Path):
    assert steps_of_looks(tmp_path, num_train_epochs=2, drift_looks=0) == [40, 80]


@pytest.mark.long
def test_the_strategy_that_was_asked_for_counts_alone(tmp_path: Path):
    asked = {"eval_strategy": "steps", "eval_steps": 25}
    assert steps_of_looks(tmp_path, num_train_epochs=1, **asked) == [25, 40]
