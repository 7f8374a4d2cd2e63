"""`midcourse train --dry_run` as a user sees it."""

import json
import math
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from midcourse.cli import app
from midcourse.cli.planning import duration, size


def run(desk: Path, *words: str, code: int = 0) -> Result:
    command = ["train", str(desk / "my.jsonl"), "--model", str(desk / "tiny"), "-o", str(desk / "out"), *words]
    result = CliRunner().invoke(app, command, env={"COLUMNS": "100"})
    assert result.exit_code == code, f"{result.output}\n{result.exception!r}"
    return result


def test_the_table_says_trees_steps_time_and_memory_and_leaves_nothing(desk: Path):
    table = run(desk, "--dry_run").stdout
    for word in ("trees", "tokens", "token ratio", "rows", "steps", "time", "peak memory"):
        assert f"\n{word}" in f"\n{table}"
    assert not (desk / "out").exists()


def test_json_holds_the_same_and_nothing_else(desk: Path):
    plan = json.loads(run(desk, "--dry_run", "--json", "--num_train_epochs", "4").stdout)
    assert plan["trees"] + plan["dev_trees"] <= 12
    assert plan["steps"] == 4 * plan["steps_per_epoch"]
    assert plan["memory"] > 0


def test_a_run_too_short_to_teach_is_told_with_what_would_do(desk: Path):
    batch = ("--per_device_train_batch_size", "4")
    said = " ".join(run(desk, "--dry_run", *batch, "--num_train_epochs", "2").stderr.split())
    found = re.search(r"Only (\d+) steps: (\d+) texts by 4 a step.* --num_train_epochs (\d+) makes it 30", said)
    assert found, said
    steps, texts, enough = map(int, found.groups())
    assert steps == 2 * math.ceil(texts / 4)
    assert "steps:" not in run(desk, "--dry_run", *batch, "--num_train_epochs", str(enough)).stderr
    assert "Only 3 steps" in run(desk, "--dry_run", "--max_steps", "3").stderr


def test_json_alone_is_refused(desk: Path):
    assert "--dry_run" in run(desk, "--json", code=2).stderr


def test_a_wrong_setting_is_named_before_anything_runs(desk: Path):
    assert "did you mean beta" in run(desk, "--dry_run", "--betta", "1", code=2).stderr


@pytest.mark.parametrize(
    ("seconds", "said"), [(3.4, "3 s"), (89, "89 s"), (100, "2 min"), (5000, "83 min"), (9000, "2.5 h")]
)
def test_durations_as_a_person_says_them(seconds: float, said: str):
    assert duration(seconds) == said


def test_sizes():
    assert (size(3_240_000_000), size(12_000_000)) == ("3.2 GB", "12 MB")
