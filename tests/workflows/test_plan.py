"""A plan counts what the run then does, and reckons by explicit arithmetic."""

from pathlib import Path

import pytest

from midcourse.tree.pack import plain_row
from midcourse.workflows.calibrate import Fit, Speed, row_flops
from midcourse.workflows.plan import make_plan
from training_run import trainer, weights

SPEED = Speed(forward=Fit(0.0, 1e-6), training=Fit(0.5, 3e-6), memory=Fit(1e6, 100.0), tokens=384)


def test_a_line_through_two_points():
    assert Fit.through((1, 5), (3, 9)) == Fit(3, 2)
    assert Fit.through((1, 5), (3, 9)).at(10) == 23


@pytest.mark.parametrize("points", [((1, 1), (3, 9)), ((1, 9), (3, 6)), ((2, 4), (2, 6))])
def test_where_noise_would_give_a_negative_part_the_longer_row_decides(points):
    fit = Fit.through(*points)
    assert fit.fixed == 0
    assert fit.at(points[1][0]) == pytest.approx(points[1][1])


def test_flops_of_a_plain_row_by_hand(tmp_path: Path):
    made = trainer(str(tmp_path))
    row = plain_row([1, 2, 3])  # nothing is read of it
    # 10 parameters · 3 tokens · 2; attention: 4 · (4 heads · 8) · 2 layers · (1 + 2 + 3 visible pairs)
    assert row_flops(made.model.config, 10, row) == 60 + 4 * 32 * 2 * 6


def test_the_run_does_what_the_plan_counts(tmp_path: Path):
    made = trainer(str(tmp_path), dev=True, eval_strategy="epoch", num_train_epochs=3, gradient_accumulation_steps=2)
    plan = make_plan(made, SPEED)
    made.train()
    assert made.state.global_step == plan.steps == 6
    assert (plan.trees, plan.dev_trees) == (9, 3)
    assert plan.tokens == sum(map(len, made.examples.trees))
    assert plan.branch_tokens == sum(t.branch_tokens for t in made.examples.trees)
    assert plan.steers == made.examples.steers
    assert plan.largest_row >= plan.largest_tree == max(map(len, made.examples.trees))


def test_most_steps_are_heeded(tmp_path: Path):
    plan = make_plan(trainer(str(tmp_path), max_steps=7), SPEED)
    assert (plan.steps, plan.steps_per_epoch) == (7, 3)
    assert plan.epochs == pytest.approx(7 / 3)


def test_time_and_memory_by_arithmetic(tmp_path: Path):
    made = trainer(str(tmp_path), num_train_epochs=2)
    plan = make_plan(made, SPEED)
    assert plan.seconds is not None
    assert plan.seconds.training > 2 * plan.rows * 0.5
    assert plan.seconds.evaluation == 0  # there is no dev part
    assert plan.seconds.total == plan.seconds.reference + plan.seconds.training
    retained = sum(len(t.retained) for t in made.examples.trees)
    assert plan.memory == 1_000_000 + 100 * plan.largest_row + 8 * plan.trained_weights + retained * 64 * 12
    twice = make_plan(trainer(str(tmp_path / "b"), num_train_epochs=4), SPEED)
    assert twice.seconds.training == pytest.approx(2 * plan.seconds.training)


def test_every_look_at_the_dev_part_takes_time(tmp_path: Path):
    one = make_plan(trainer(str(tmp_path), dev=True, eval_strategy="epoch", num_train_epochs=2), SPEED)
    two = make_plan(trainer(str(tmp_path), dev=True, eval_strategy="steps", eval_steps=1, num_train_epochs=2), SPEED)
    assert two.seconds.evaluation == pytest.approx(one.seconds.evaluation * 6 / 2)


def test_smaller_rows_take_less_memory(tmp_path: Path):
    one, two = (make_plan(trainer(str(tmp_path), max_tokens=n), SPEED) for n in (60, 2048))
    assert one.largest_row < two.largest_row
    assert one.memory < two.memory


@pytest.mark.parametrize("more", [{}, {"activation_checkpointing": True}, {"forward_path": "branches"}])
def test_measuring_really_runs_rows_and_changes_nothing(tmp_path: Path, more: dict):
    made = trainer(str(tmp_path), **more)
    before = weights(made)
    plan = make_plan(made)
    assert plan.seconds.training > 0  # how much is a matter of the machine
    assert plan.seconds.reference > 0
    assert plan.memory > 10_000_000  # Python with torch is larger than that
    assert all(before[n].equal(w) for n, w in weights(made).items())
    assert all(p.grad is None for p in made.model.parameters())


def test_a_plan_as_json_names_everything(tmp_path: Path):
    found = make_plan(trainer(str(tmp_path)), SPEED).to_dict()
    assert found["token_ratio"] == pytest.approx(found["branch_tokens"] / found["tokens"])
    assert found["seconds"]["total"] > 0
    assert {"trees", "steers", "rows", "largest_row", "steps", "memory", "path"} <= found.keys()


def test_a_pass_that_is_cut_short_still_ends_with_a_look(tmp_path: Path):
    made = trainer(str(tmp_path), dev=True, eval_strategy="epoch", max_steps=2)
    one = make_plan(trainer(str(tmp_path), dev=True, eval_strategy="epoch", max_steps=3), SPEED)
    assert make_plan(made, SPEED).seconds.evaluation == one.seconds.evaluation > 0
    made.train()
    assert sum("eval_loss" in h for h in made.state.log_history) == 1
