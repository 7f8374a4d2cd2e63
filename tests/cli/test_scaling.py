"""`midcourse plan` as a user sees it."""

import json

import pytest
from typer.testing import CliRunner, Result

from midcourse.cli import app


def plan(*words: str, code: int = 0) -> Result:
    result = CliRunner().invoke(app, ["plan", *words], env={"COLUMNS": "200"})
    assert result.exit_code == code, f"{result.output}\n{result.exception!r}"
    return result


def test_a_file_in_the_type_of_the_run_is_in_main_memory_once():
    words = ("--model", "llama-3.1-70b", "--gpus", "8")
    said, made = plan(*words).stdout, json.loads(plan(*words, "--json").stdout)
    assert made["host_memory"] == 2 * 70_553_706_496
    assert made["training"]["sharded"]
    assert "host memory              141.1 GB  of a machine with all processes" in said
    assert "one copy" in said


def test_a_file_of_another_type_is_copied_by_each_process(tmp_path):
    config = {"model_type": "llama", "dtype": "float32", "hidden_size": 64, "num_hidden_layers": 2}
    file = tmp_path / "config.json"
    file.write_text(json.dumps(config))
    words = ("--model", str(file), "--gpus", "4")
    made = json.loads(plan(*words, "--json").stdout)
    assert made["host_memory"] == 4 * 2 * made["shape"]["parameters"]
    assert "a copy for each process, since the file is float32" in plan(*words).stdout


def test_what_train_refuses_is_not_planned():
    words = ("--model", "llama-3.1-8b", "--gpus", "8", "--lora_r", "0")
    assert "leave out --fsdp" in plan(*words, "--fsdp", code=2).stderr
    said = plan(*words).stdout
    assert "each with all weights" in said
    assert "does not fit" in said


@pytest.mark.parametrize(("memory", "where"), [("80", "each with all weights"), ("20", "each with a shard")])
def test_the_base_is_in_shards_where_it_does_not_fit(memory: str, where: str):
    assert where in plan("--model", "llama-3.1-8b", "--gpus", "2", "--gpu_memory", memory).stdout


def test_a_run_in_float32_is_reckoned_as_one():
    words = ("--model", "llama-3.1-8b")
    half, full = (json.loads(plan(*words, "--dtype", kind, "--json").stdout) for kind in ("bfloat16", "float32"))
    assert full["memory"]["weights"] - half["memory"]["weights"] == pytest.approx(2 * 8_030_261_248)
    assert full["hours"] == pytest.approx(half["hours"] * 989 / 67)
    assert "float32  reckoned in float32" in plan(*words, "--dtype", "float32").stdout
    assert "expected bfloat16 or float32" in plan(*words, "--dtype", "fp32", code=2).stderr
