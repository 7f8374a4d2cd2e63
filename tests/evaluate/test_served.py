"""Recurrence of models on servers: the same judgement as here, and what a server does not tell is not measured."""

import json

import pytest
from typer.testing import CliRunner

from midcourse.backends.remote import connect
from midcourse.cli import app
from midcourse.errors import ServerError, TokenizerMismatch
from midcourse.evaluate import Options, write_report
from midcourse.evaluate.served import MEASURED, measure_served
from midcourse.rows import join, read_row
from midcourse.tokens import TextTokenizer
from model_folder import save_model
from model_server import serving

SAID = " grey cat sat on the mat."
ROWS = [
    # The scripted server continues its text: at the first two forks it makes the error again, at the third it does not.
    {"prompt": "Q1: ", "prefix": "A", "rejected": " grey cat", "chosen": " black cat"},
    {"prompt": "Q2: ", "prefix": "The grey", "rejected": " cat sat", "chosen": " dog sat"},
    {"prompt": "Q3: ", "prefix": "A", "rejected": " white cat", "chosen": " grey cat"},
]
SMALL = Options(samples=2, max_forks=8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def tokenizer(folder):
    return TextTokenizer.load(folder)


@pytest.fixture(scope="module")
def trajectories(tokenizer):
    rows = [read_row({**r, "split": "test"}, map=None, line=i) for i, r in enumerate(ROWS)]
    found, skipped = join(rows, tokenizer, source="t")
    assert not skipped
    return found


def measured(server, tokenizer, trajectories, *others):
    names = {n: n for n in others}
    backends = {n: connect(server.url, tokenizer, patience=5)[0] for n in ("base", *others)}
    return measure_served(backends, tokenizer, trajectories, model="tiny", names=names, options=SMALL)


@pytest.mark.parametrize("dialect", ["vllm", "llama.cpp", "ollama"])
def test_errors_that_come_again_are_counted_as_here(dialect, tokenizer, trajectories, tmp_path):
    with serving(dialect, tokenizer, text=SAID) as server:
        results = measured(server, tokenizer, trajectories, "steered")
    assert [f.measures["base"]["recurrence"] for f in results.forks] == [1.0, 1.0, 0.0]
    assert [f.measures["base"]["adoption"] for f in results.forks] == [0.0, 0.0, 1.0]
    assert results.metric("recurrence").values["base"].mean == pytest.approx(2 / 3)
    assert results.metric("recurrence").change["steered"].mean == 0
    assert {m.name for m in results.metrics if any(m.values.values())} == set(MEASURED)
    assert (results.weights, results.settings["sampled_forks"], results.tiers) == (None, 3, {"words": 3})
    page = write_report(results, tmp_path).read_text(encoding="utf-8")
    assert "makes the corrected errors again" in page
    assert json.loads((tmp_path / "eval.json").read_text())["metrics"][0]["values"]["base"]["mean"] == 2 / 3


def test_each_sample_has_a_seed_of_its_own_and_the_same_ones_again(tokenizer, trajectories):
    with serving("vllm", tokenizer, text=SAID) as server:
        seeds = []
        for _ in range(2):
            backends = {"base": connect(server.url, tokenizer)[0]}
            server.asked.clear()
            measure_served(backends, tokenizer, trajectories, model="tiny", names={}, options=SMALL)
            assert {body["temperature"] for body in server.asked} == {1.0}
            seeds.append(sorted(body["seed"] for body in server.asked))
    assert seeds[0] == seeds[1]
    assert len(set(seeds[0])) == 6


def test_a_prefix_that_cannot_be_sent_is_named_and_left_out(tokenizer):
    rows = [{"prompt": "Q: ", "prefix": "A ", "rejected": "é", "chosen": "è"}, ROWS[0]]  # they part inside a character
    given = [read_row({**r, "split": "test"}, map=None, line=i) for i, r in enumerate(rows)]
    found, _ = join(given, tokenizer, source="t")
    with serving("ollama", tokenizer, text=SAID) as server:
        results = measured(server, tokenizer, found)
    assert (results.steers, results.settings["sampled_forks"]) == (2, 1)
    assert "ends inside a character" in results.skipped[-1]


def test_a_server_that_goes_and_another_tokenizer_are_told(tokenizer, trajectories, tiny_tokenizer):
    with serving("vllm", tokenizer, text=SAID) as server:
        backends = {"base": connect(server.url, tokenizer)[0]}
        server.fault = "cut"
        with pytest.raises(ServerError, match="broke off"):
            measure_served(backends, tokenizer, trajectories, model="tiny", names={}, options=SMALL)
        with pytest.raises(TokenizerMismatch):
            measure_served(backends, tiny_tokenizer, trajectories, model="tiny", names={}, options=SMALL)


def test_on_the_command_line(folder, tokenizer, tmp_path):
    source = tmp_path / "steers.jsonl"
    source.write_text("".join(json.dumps({**r, "split": "test"}) + "\n" for r in ROWS))

    def run(*words: str):
        given = ["eval", str(source), "--model", str(folder), "--samples", "2", *words]
        return CliRunner().invoke(app, given, env={"COLUMNS": "160"})

    with serving("vllm", tokenizer, text=SAID) as server:
        done = run(
            "--backend", server.url, "--served", "tiny", "--served", "tiny-steered", "-o", str(tmp_path / "report")
        )
        assert done.exit_code == 0, done.output
        assert {body["model"] for body in server.asked} == {"tiny", "tiny-steered"}
        assert "67%" in done.stdout
        assert "Not measured: " in done.stdout
        assert "Drift on a page of prose" in done.stdout.replace("\n", " ")
        assert (tmp_path / "report" / "report.html").is_file()
        refused = run("--backend", server.url, "--adapter", "runs/one")
    assert (refused.exit_code, "--served" in refused.output) == (2, True)
    gone = run("--backend", server.url)
    assert (gone.exit_code, "cannot be reached" in gone.output) == (2, True)
