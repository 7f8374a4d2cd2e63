"""Steers per task: a text counts with its own number only where it is finished, long enough, and says something."""

import json

import pytest
import torch

from midcourse.model import load_model
from midcourse.workflows.effort import DISTINCT, measure_effort
from midcourse.workflows.simulating import Writer
from midcourse.workflows.tasks import Task
from model_folder import save_model


@pytest.fixture
def task(tmp_path):
    rows = [{"prompt": f"Say {i}", "split": "test"} for i in range(4)]
    (tmp_path / "p.jsonl").write_text("\n".join(map(json.dumps, rows)))
    rules = "rules: [{name: never, pattern: 'qqqqq', replacement: 'a'}]"
    limits = "stretch: 3\nmax_tokens: 40\nmax_steers: 5\n"
    (tmp_path / "task.yaml").write_text(f"name: t\n{rules}\nprompts: p.jsonl\nchecker: qqqqq\n{limits}")
    return Task.load(tmp_path / "task.yaml")


@pytest.fixture
def writer(task, tmp_path):
    save_model(tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    return Writer(loaded.model, loaded.tokenizer, task.rules, loaded.ref, "rules")


def test_a_text_that_repeats_itself_is_charged_the_cap(task, writer):
    asked = task.part("test")
    found, _ = measure_effort(writer, task, asked)
    assert all(t.charged == t.steers == 0 and t.why is None and t.distinct_3 > DISTINCT for t in found.tasks)
    with torch.no_grad():
        writer.model.get_output_embeddings().weight.zero_()  # all tokens are as likely: the first of them, always
    usual, _ = measure_effort(writer, task, asked, distinct_floor=0.0)
    strict, _ = measure_effort(writer, task, asked)
    for one, other in zip(usual.tasks, strict.tasks, strict=True):
        assert (one.charged, one.steers, one.why) == (0, 0, None)
        assert (other.charged, other.steers) == (5, 0)
        assert "repeats itself (distinct 3-grams 0.0" in other.why


def test_a_text_that_is_too_short_is_charged_the_cap(task, writer):
    asked = task.part("test")
    found, _ = measure_effort(writer, task, asked)
    for more, charged in ((0, 0), (1, 5)):  # half of the base's length is enough, less is not
        base = {a.key: 2 * t.tokens + more for a, t in zip(asked, found.tasks, strict=True)}
        again, _ = measure_effort(writer, task, asked, base)
        assert [t.charged for t in again.tasks] == [charged] * len(asked)
