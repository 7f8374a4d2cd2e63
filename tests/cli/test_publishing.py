"""`midcourse publish` as a user runs it."""

import pytest
from typer.testing import CliRunner

import model_folder
from midcourse.cli import app
from midcourse.store import Store
from store.trees import small

RUNNER = CliRunner()


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    home = tmp_path_factory.mktemp("models")
    base = model_folder.save_model(home / "tiny", positions=256, scale=0.2)
    return base, model_folder.save_adapter(home / "adapter", base)


def publish(made, *words):
    base, adapter = made
    return RUNNER.invoke(app, ["publish", str(adapter), "--model", str(base), *words])


def test_merged_says_what_was_compared(made, tmp_path):
    done = publish(made, "--output_dir", str(tmp_path / "out"), "--as", "merged")
    assert done.exit_code == 0, done.output
    assert done.stdout.strip() == str(tmp_path / "out")
    assert "differ from the adapter's by at most" in done.stderr
    assert "licence or consent were not stated" in done.stderr
    again = publish(made, "--output_dir", str(tmp_path / "out"))
    assert again.exit_code == 2
    assert "give --output_dir a new folder" in again.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--as", "gguf"), "LLAMA_CPP_DIR"),
        (("--public",), "--push REPO_ID"),
        (("--push", "you/model"), "HF_HUB_OFFLINE"),
        (("--eval", "none.json"), "no eval.json"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(made, tmp_path, monkeypatch, words, said):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("LLAMA_CPP_DIR", raising=False)
    done = publish(made, "--output_dir", str(tmp_path / "out"), *words)
    assert done.exit_code == 2, done.output
    assert said in done.stderr
    assert "Traceback" not in done.output
    assert not (tmp_path / "out").exists()


def test_a_purge_names_the_published_copies(made, tmp_path):
    """As training records the adapter, publishing records what it wrote of it; a purge of one of its texts tells."""
    _, adapter = made
    path = tmp_path / "steers.db"
    with Store(path) as store:
        store.add_many([small("mine", annotator="anna"), small("other", prompt=7)])
        store.record_handed_out("adapter", adapter.resolve(), ["mine"])
    out = tmp_path / "out"
    done = publish(made, "--output_dir", str(out), "--store", str(path))
    assert done.exit_code == 0, done.output
    assert "on record" not in done.stderr
    gone = RUNNER.invoke(app, ["store", "purge", "--author", "anna", "--yes", "--store", str(path)])
    assert f"Made of it, and still holding it: adapter {adapter.resolve()}" in gone.stdout
    assert f"Made of it, and still holding it: copy {out.resolve()}" in gone.stdout
    done = publish(made, "--output_dir", str(tmp_path / "more"), "--store", str(tmp_path / "none.db"))
    assert done.exit_code == 0, done.output
    assert "is not on record for a purge: there is no store at" in done.stderr
