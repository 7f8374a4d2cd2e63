"""recipes/one_machinery from prose to a steered model, at a small size, with the real stories model."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RECIPE = ROOT / "recipes" / "one_machinery" / "run.py"
DATA = Path(os.environ.get("MIDCOURSE_DATA", ROOT.parent / "shared" / "data"))

WHERE = "in ../shared/data nor in MIDCOURSE_DATA"
needs_data = pytest.mark.skipif(
    not ((DATA / "stories260k").is_dir() and (DATA / "drift-text" / "sherlock.jsonl").is_file()),
    reason=f"the stories model and the prose are neither {WHERE}",
)


@pytest.fixture
def material(monkeypatch):
    monkeypatch.syspath_prepend(str(RECIPE.parent))
    spec = importlib.util.spec_from_file_location("one_machinery_material", RECIPE.with_name("material.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def recipe(out: Path, what: str, *more: str) -> dict:
    figures = out / f"{what}.json"
    environment = {**os.environ, "MIDCOURSE_DATA": str(DATA), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    environment.pop("MIDCOURSE_STORE", None)
    words = [sys.executable, str(RECIPE), what, "--small", "--output_dir", str(out), "--json", str(figures), *more]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    trainings = [line for line in done.stdout.splitlines() if line.startswith("$ midcourse train ")]
    return {**json.loads(figures.read_text(encoding="utf-8")), "trainings": trainings}


@pytest.mark.slow
@pytest.mark.timeout(1500)
@needs_data
def test_one_command_pretrains_instructs_and_steers_and_a_teacher_follows(tmp_path: Path) -> None:
    whole = recipe(tmp_path, "stages")
    words = [[w for w in line.split() if str(tmp_path) not in w] for line in whole["trainings"]]
    assert len(words) == 3
    assert words[0] == words[1] == words[2]  # nothing but the paths differs
    after = whole["after"]
    assert list(after) == ["base", "prose", "answers", "steers"]
    assert after["prose"]["prose_bits_per_byte"] < after["base"]["prose_bits_per_byte"] - 0.1
    assert after["answers"]["answers_bits_per_byte"] < after["prose"]["answers_bits_per_byte"] - 0.1

    again = recipe(tmp_path, "replay", "--seeds", "1")
    assert len(again["trainings"]) == 7  # the three stages are there already
    arms = again["arms"]
    assert arms["base"]["drift/kl_retained"]["mean"] == 0
    assert arms["neither"]["logp_chosen"]["mean"] > arms["base"]["logp_chosen"]["mean"]
    assert arms["KL"]["drift/kl_retained"]["mean"] < arms["neither"]["drift/kl_retained"]["mean"]

    taught = recipe(tmp_path, "teacher")
    assert taught["shards"] == "2 of 2"
    assert taught["texts"] == 24
    assert taught["steers"] > 0


@needs_data
def test_no_held_out_text_is_trained_on_and_no_passage_is_lost(material) -> None:
    book = DATA / "drift-text" / "sherlock.jsonl"
    rows = material.passages(book)
    train = {row["group"] for row in rows if row["split"] == "train"}
    test = {row["group"] for row in rows if row["split"] == "test"}
    assert test
    assert not train & test
    whole = sum(len(json.loads(line)["text"]) for line in book.read_text(encoding="utf-8").splitlines())
    assert 0.98 * whole < sum(len(row["text"]) for row in rows) <= whole
    assert max(len(row["text"]) for row in rows) <= material.PIECE


def test_of_a_few_chapters_the_end_is_held_out(material, tmp_path: Path) -> None:
    (tmp_path / "book.txt").write_text("It rained. " * 400, encoding="utf-8")
    parts = [row["split"] for row in material.passages(tmp_path)]
    assert parts == sorted(parts, reverse=True)
    assert 0 < parts.count("test") < parts.count("train")


def test_there_are_ten_thousand_heroes_and_no_two_are_the_same(material) -> None:
    assert len(set(material.heroes())) == len(material.heroes()) == 10_368
    assert material.heroes(0) != material.heroes(1)


@pytest.mark.long
def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(RECIPE), "stages", "--data", str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "is not there" in done.stderr
