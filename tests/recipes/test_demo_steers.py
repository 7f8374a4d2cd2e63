"""The demo's data: enough of it, in the style it claims, and read by the importer without a loss."""

import importlib.util
import json
from collections import Counter, defaultdict
from pathlib import Path

import pytest

RECIPES = Path(__file__).parents[2] / "recipes"


def lines(name: str) -> list[dict]:
    return [json.loads(line) for line in (RECIPES / name).read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def rows() -> list[dict]:
    return lines("demo_steers.jsonl")


@pytest.fixture(scope="module")
def check():
    spec = importlib.util.spec_from_file_location("house_style_check", RECIPES / "house_style_check.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_there_is_enough_of_it(rows):
    prompts = {entry["prompt"]: entry["split"] for entry in lines("demo_prompts.jsonl")}
    assert len(prompts) == 72
    steered = defaultdict(set)
    for row in rows:
        assert prompts[row["prompt"][0]["content"]] == row["split"]
        steered[row["split"]].add(row["trajectory"])
    assert Counter(row["split"] for row in rows)["train"] >= 60
    assert len(steered["train"]) >= 24
    assert len(steered["test"]) == 34


def test_finished_texts_keep_the_style_and_rejected_ones_broke_it(rows, check):
    for row in rows:
        kept = row["prefix"] + row["chosen"]
        assert not check.breaks(kept + row["tail"])
        assert check.breaks(row["prefix"] + row["rejected"]), row
        assert row["chosen"]
        assert row["chosen"][0] != row["rejected"][:1] or not row["rejected"].startswith(row["chosen"])


def test_each_prefix_runs_along_the_row_before(rows):
    text = defaultdict(str)
    for row in rows:
        assert row["prefix"] == text[row["trajectory"]] or not text[row["trajectory"]]
        text[row["trajectory"]] = row["prefix"] + row["chosen"] + row["tail"]


@pytest.mark.long
@pytest.mark.model
def test_rows_become_one_trajectory_a_prompt(rows):
    from midcourse.model import builtin_path
    from midcourse.rows import join, read_row
    from midcourse.tokens import TextTokenizer

    if not builtin_path().is_dir():
        pytest.skip("the built-in model is not here: run `midcourse model pull`")
    tokenizer = TextTokenizer.load(builtin_path())
    joined, skipped = join([read_row(r, map=None, line=n) for n, r in enumerate(rows, 1)], tokenizer, source="demo")
    assert skipped == []
    assert len(joined) == len({row["trajectory"] for row in rows})
    assert sum(len(t.steers) for t in joined) == len(rows)
