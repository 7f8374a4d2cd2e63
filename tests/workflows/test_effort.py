"""Steers per task: a text counts with its own number only where it is finished, long enough, and says something."""

import json
from dataclasses import replace

import pytest

from midcourse.model import load_model
from midcourse.workflows.effort import measure_effort
from midcourse.workflows.simulating import Writer
from midcourse.workflows.tasks import Task
from model_folder import save_model


@pytest.fixture
def task(tmp_path):
    rows = [{"prompt": f"Say {i}", "split": "test"} for i in range(4)]
    (tmp_path / "p.jsonl").write_text("\n".join(map(json.dumps, rows)))
    rules = "rules: [{name: never, pattern: 'qqqqq', replacement: 'a'}]"
    limits = "stretch: 3\nmax_tokens: 24\nmax_steers: 5\n"
    (tmp_path / "task.yaml").write_text(f"name: t\n{rules}\nprompts: p.jsonl\nchecker: qqqqq\n{limits}")
    return Task.load(tmp_path / "task.yaml")


@pytest.fixture
def writer(task, tmp_path):
    save_model(tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    return Writer(loaded.model, loaded.tokenizer, task.rules, loaded.ref, "rules")


def test_a_text_that_is_too_short_or_repeats_itself_is_charged_the_cap(task, writer):
    asked = task.part("test")
    usual, _ = measure_effort(writer, task, asked, distinct_floor=0.0)
    assert all(t.charged == t.steers == 0 and t.why is None and t.tokens for t in usual.tasks)
    distinct = sorted(t.distinct_3 for t in usual.tasks)
    middle = (distinct[0] + distinct[-1]) / 2
    strict, _ = measure_effort(writer, task, asked, distinct_floor=middle + 1e-9)
    for one in strict.tasks:
        repeats = one.distinct_3 <= middle
        assert one.charged == (5 if repeats else 0)
        assert (one.why is not None and "repeats itself" in one.why) == repeats
    assert strict.tasks[0] == replace(usual.tasks[0], charged=strict.tasks[0].charged, why=strict.tasks[0].why)
    longer = {a.key: 3 * t.tokens for a, t in zip(asked, usual.tasks, strict=True)}
    short, _ = measure_effort(writer, task, asked, longer, distinct_floor=0.0)
    assert all(t.charged == 5 and "the base wrote" in t.why for t in short.tasks)
