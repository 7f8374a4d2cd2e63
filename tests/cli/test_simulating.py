"""`midcourse simulate` as a user runs it."""

import pytest
from typer.testing import CliRunner

from midcourse.cli import app
from midcourse.store import Store
from midcourse.tokens import TextTokenizer
from model_folder import save_model
from model_server import serving

RULES = "stretch: 3\nmax_tokens: 12\nmax_steers: 2\nrules: [{name: again, pattern: '[^a-f]', resample: true}]\n"


@pytest.fixture
def folder(tmp_path):
    save_model(tmp_path / "model")
    (tmp_path / "rules.yaml").write_text(RULES)
    (tmp_path / "p.txt").write_text("\n".join(f"Say {i}" for i in range(4)))
    return tmp_path


def run(folder, *more: str):
    words = [
        "simulate",
        str(folder / "p.txt"),
        "--model",
        str(folder / "model"),
        "--store",
        str(folder / "s.db"),
        *more,
    ]
    return CliRunner().invoke(app, words)


def test_steers_go_into_the_store_and_a_second_run_adds_none(folder):
    first = run(folder, "--rules", str(folder / "rules.yaml"), "--shard", "1/1")
    assert first.exit_code == 0, first.output
    assert "4 texts" in first.output
    with Store(folder / "s.db") as store:
        texts = list(store.trajectories())
        assert store.verify() == []
    assert len(texts) == 4
    assert texts[0].annotator.startswith("rules rules ")
    again = run(folder, "--rules", str(folder / "rules.yaml"))
    assert "4 of 4 texts are there already" in again.output


def test_a_model_can_be_the_teacher(folder):
    save_model(folder / "stronger", seed=1)
    done = run(folder, "--teacher", str(folder / "stronger"), "--max_tokens", "12", "--habits", "measured")
    assert done.exit_code == 0, done.output
    with Store(folder / "s.db") as store:
        texts = list(store.trajectories())
    assert any(t.steers for t in texts)
    assert texts[0].annotator.startswith("teacher ")


def test_a_dry_run_says_what_it_would_take(folder):
    done = run(folder, "--rules", str(folder / "rules.yaml"), "--dry_run")
    assert "4 texts, about" in done.output
    assert not (folder / "s.db").exists()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ((), "either --rules FILE or --teacher"),
        (("--rules", "RULES", "--shard", "3/2"), "--shard"),
        (("--rules", "RULES", "--habits", "lazy"), "habits are"),
        (("--rules", "RULES", "--chosen", "guessed"), "typed, picked, rephrased"),
        (("--rules", "no.yaml"), "cannot be read"),
    ],
)
def test_mistakes_are_one_sentence(folder, more, message):
    done = run(folder, *(w.replace("RULES", str(folder / "rules.yaml")) for w in more))
    assert done.exit_code == 2
    assert message in done.output


def test_a_server_can_be_the_teacher(folder):
    with serving("llama.cpp", TextTokenizer.load(folder / "model")) as server:
        done = run(folder, "--teacher", server.url, "--max_tokens", "8")
    assert done.exit_code == 0, done.output
    with Store(folder / "s.db") as store:
        texts = list(store.trajectories())
    assert len(texts) == 4
    assert texts[0].annotator.startswith("teacher tiny on llama.cpp")
    assert len(server.asked) > 10


def test_a_server_that_tells_too_little_is_no_teacher(folder):
    with serving("openai", TextTokenizer.load(folder / "model")) as server:
        done = run(folder, "--teacher", server.url)
    assert done.exit_code == 2
    assert "a teacher needs 20" in done.output


def test_words_of_the_models_own(folder):
    (folder / "put.yaml").write_text(
        "stretch: 3\nmax_tokens: 12\nmax_steers: 2\nrules: [{name: again, pattern: '[^a-fA-F]', replacement: a}]\n"
    )
    picked = run(folder, "--rules", str(folder / "put.yaml"), "--chosen", "picked")
    assert picked.exit_code == 0, picked.output
    typed = run(folder, "--rules", str(folder / "put.yaml"))
    assert "already" not in typed.output  # other texts than the picked ones
