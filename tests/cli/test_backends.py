"""`midcourse backends` as a user runs it."""

import json

import pytest
from typer.testing import CliRunner

from midcourse.cli import app
from midcourse.tokens import TextTokenizer
from model_folder import save_model
from model_server import serving


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_model(tmp_path_factory.mktemp("tiny"))


def check(*words: str, **env: str):
    return CliRunner().invoke(app, ["backends", "check", *words], env={"COLUMNS": "160", **env})


def test_the_table_says_what_it_can_and_that_it_is_not_verified(folder):
    with serving("vllm", TextTokenizer.load(folder)) as server:
        done = check(server.url, "--model", str(folder))
    assert done.exit_code == 0, done.output
    assert "speaks vllm (not verified" in done.output
    assert "cannot" not in done.output
    assert done.output.count(" yes ") == 7


def test_what_is_missing_is_one_line(folder):
    with serving("ollama", TextTokenizer.load(folder)) as server:
        done = check(server.url)
    assert done.exit_code == 0, done.output
    assert "(ollama) cannot: continue token ids, tell token ids, rule tokens out" in done.output


def test_the_record_as_json(folder):
    with serving("vllm", TextTokenizer.load(folder)) as server:
        record = json.loads(check(server.url, "--json").stdout)
    assert record["dialect"] == "vllm"
    assert record["verified"] is False


def test_the_key_comes_from_the_environment_and_a_wrong_one_is_one_sentence(folder):
    with serving("vllm", TextTokenizer.load(folder), key="right") as server:
        assert check(server.url, MIDCOURSE_SERVER_KEY="right").exit_code == 0
        wrong = check(server.url, "--key", "wrong")
    assert wrong.exit_code == 2
    assert "refuses the key" in wrong.output
    assert "Traceback" not in wrong.output


def test_nobody_there(folder):
    with serving("vllm", TextTokenizer.load(folder)) as server:
        pass
    done = check(server.url)
    assert done.exit_code == 2
    assert "cannot be reached" in done.output
