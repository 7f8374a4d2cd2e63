"""`midcourse model` and `midcourse chat` as a user sees them."""

import pytest
from typer.testing import CliRunner

import model_folder
from midcourse.backends.local import LocalBackend
from midcourse.backends.protocol import Sampling
from midcourse.cli import app
from midcourse.model import load_model
from midcourse.types import Message

RUNNER = CliRunner()


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    home = tmp_path_factory.mktemp("models")
    base = model_folder.save_model(home / "tiny")
    return base, model_folder.save_adapter(home / "adapter", base)


def test_list_and_path(made, monkeypatch, tmp_path):
    monkeypatch.setenv("MIDCOURSE_CACHE", str(tmp_path))
    shown = RUNNER.invoke(app, ["model", "list"])
    assert shown.exit_code == 0
    assert "builtin" in shown.stdout
    assert "not here yet" in shown.stdout
    assert RUNNER.invoke(app, ["model", "path", str(made[0])]).stdout.strip() == str(made[0])


def test_a_missing_model_is_one_sentence(tmp_path):
    result = RUNNER.invoke(app, ["model", "path", str(tmp_path / "none")])
    assert result.exit_code == 2
    assert "does not exist" in result.stderr
    assert "Traceback" not in result.stderr


def test_one_prompt_streams_what_the_model_says(made):
    base, _ = made
    loaded = load_model(base)
    ids = loaded.tokenizer.prompt_ids([Message("user", "Hello")])
    tokens = LocalBackend(loaded.model, loaded.tokenizer.eos).stream(ids, Sampling(max_new_tokens=12))
    want = loaded.tokenizer.decode([t.id for t in tokens if t.id not in loaded.tokenizer.eos]).rstrip("\ufffd")
    result = RUNNER.invoke(app, ["chat", "--model", str(base), "--prompt", "Hello", "--max_new_tokens", "12"])
    assert result.exit_code == 0, result.stderr
    assert [c for c in result.stdout if c.isalnum()] == [c for c in want if c.isalnum()]


def test_compare_shows_both_and_they_differ(made):
    base, adapter = made
    command = ["chat", "--model", str(base), "--adapter", str(adapter), "--compare", "--prompt", "Hi"]
    for width in ("120", "50"):
        result = RUNNER.invoke(app, [*command, "--max_new_tokens", "8"], env={"COLUMNS": width})
        assert result.exit_code == 0, result.stderr
        assert "base" in result.stdout
        assert "steered" in result.stdout


def test_a_conversation_goes_on_until_the_input_ends(made):
    base, _ = made
    result = RUNNER.invoke(app, ["chat", "--model", str(base), "--max_new_tokens", "3"], input="Hi\n\nAnd?\n")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.count("you ›") == 4


def test_compare_needs_an_adapter(made):
    result = RUNNER.invoke(app, ["chat", "--model", str(made[0]), "--compare", "--prompt", "Hi"])
    assert result.exit_code == 2
    assert "--adapter" in result.stderr
