"""`midcourse studio` as a user starts it: on a server, and what is said where that cannot be."""

import json

import pytest
from typer.testing import CliRunner

from midcourse.backends.protocol import Sampling
from midcourse.capture.studio import serving as opened
from midcourse.cli import app
from midcourse.tokens import TextTokenizer
from model_folder import save_model
from model_server import TEXT, serving


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def studio(tmp_path, monkeypatch):
    """Runs the command up to where the port would be opened; gives what it printed and the application."""
    made = []
    monkeypatch.setattr(opened, "serve", lambda app, *_, **__: made.append(app))

    def run(*words: str):
        store = ["--store", str(tmp_path / "a.db"), "--runs", str(tmp_path / "runs")]
        done = CliRunner().invoke(app, ["studio", *store, *words], env={"COLUMNS": "300"})
        return done, made[-1].state.studio if made else None

    return run


def test_one_setting_switches_to_a_server(studio, folder):
    tokenizer = TextTokenizer.load(folder)
    with serving("ollama", tokenizer) as server:
        done, made = studio("--backend", server.url + "/v1", "--model", str(folder))
        assert done.exit_code == 0, done.output
        assert f"tiny writes at {server.url} (ollama; this dialect was tried on a scripted server only)" in done.output
        assert "cannot: continue token ids, tell token ids, rule tokens out" in done.output
        written = list(made.writer.backend().stream(tokenizer.encode("A"), Sampling()))
    assert tokenizer.decode([t.id for t in written[:-1]]) == TEXT
    assert made.writer.view().name == "tiny on ollama"
    assert made.rooms.sampling.alternatives == 9


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--backend", "vllm"], "'vllm' is no address of a server"),
        (["--backend", "http://127.0.0.1:9"], "cannot be reached"),
        (["--backend", "URL", "--dialect", "lama"], "no dialect 'lama'"),
        (["--backend", "URL", "--adapter", "runs/one"], "writes with what it serves"),
        (["--backend", "URL", "--key", "wrong"], "refuses the key"),
    ],
)
def test_what_cannot_be_is_one_sentence(studio, folder, words, said):
    with serving("vllm", TextTokenizer.load(folder), key="wrong" if "--key" not in words else "right") as server:
        given = [server.url if w == "URL" else w for w in words]
        key = [] if "--key" in words else ["--key", "wrong"]
        done, made = studio(*given, *key, "--model", str(folder))
    assert (done.exit_code, made) == (2, None)
    assert said in done.output
    assert "Traceback" not in done.output


def test_another_tokenizer_is_refused(studio, folder, tmp_path):
    spec = json.loads((folder / "tokenizer.json").read_text())
    names = sorted(spec["model"]["vocab"], reverse=True)
    spec["model"]["vocab"] = {name: i for i, name in enumerate(names)}
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "tokenizer.json").write_text(json.dumps(spec))
    with serving("vllm", TextTokenizer.load(folder)) as server:
        done, _ = studio("--backend", server.url, "--model", str(tmp_path / "other"))
    assert done.exit_code == 2
    assert "another tokenizer" in done.output
