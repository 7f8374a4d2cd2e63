"""`midcourse study` as a user runs it on a task of their own."""

import json

import pytest
from typer.testing import CliRunner

from midcourse.cli import app
from model_folder import save_model

TASK = """name: mine
rules: [{name: again, pattern: '[^a-fA-F]', replacement: a}]
prompts: p.jsonl
stretch: 3
max_tokens: 8
max_steers: 2
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    rows = [{"prompt": f"Say {i}", "split": s} for i, s in enumerate(["train"] * 6 + ["test"] * 3)]
    (tmp_path / "p.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "mine.yaml").write_text(TASK)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*words: str):
    return CliRunner().invoke(app, ["study", *words])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--task", "no such.yaml"], "the task no such.yaml cannot be read"),
        (["--task", "p.jsonl"], "the task p.jsonl cannot be read"),
        (["--task", "mine.yaml", "--config", "mine.yaml"], "give either --task FILE"),
        ([], "give either --task FILE"),
    ],
)
def test_a_slip_in_the_task_is_told_once_before_anything_runs(folder, words, said):
    done = run(*words)
    assert done.exit_code == 2
    assert " ".join(done.output.split()).count(said) == 1
    assert not (folder / "study").exists()


def test_a_dry_run_lists_the_core_of_the_study(folder):
    done = run("--task", "mine.yaml", "--steers", "4", "--dry_run")
    assert done.exit_code == 0, done.output
    assert "9 cells left" in done.output
    assert "same/mine/fork-4-0.json" in done.output
    assert "own/mine/sft_full-4-0.json" in done.output


@pytest.mark.long
def test_a_sitting_leaves_results_and_tables(folder):
    save_model(folder / "model", positions=512)
    words = ["--task", "mine.yaml", "--model", "model", "--steers", "4", "--only", "base", "--only", "sft_full-4"]
    done = run(*words, "--most", "2")
    assert done.exit_code == 0, done.output
    assert {p.name for p in (folder / "study/results/same/mine").iterdir()} == {"base-0-0.json", "sft_full-4-0.json"}
    page = (folder / "study/results/study.md").read_text()
    assert "## mine, 4 steers" in page
    assert "| sft_full | 1 |" in page
