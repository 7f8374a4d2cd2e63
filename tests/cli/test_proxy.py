"""`midcourse proxy` and what belongs to it, by hand."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from midcourse.capture.proxy.client import client_of_key
from midcourse.cli import app
from midcourse.store import Store, consents, exchanges, reviews
from midcourse.store.exchanges import KeptExchange
from midcourse.store.reviews import Review


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MIDCOURSE_STORE", str(tmp_path / "a.db"))
    monkeypatch.setenv("MIDCOURSE_CLIENT_KEY", "")
    runner = CliRunner()

    def call(*arguments: str, code: int = 0, **more) -> str:
        result = runner.invoke(app, ["proxy", *arguments], **more)
        assert result.exit_code == code, result.output
        return result.output

    call.path = tmp_path / "a.db"
    return call


def review(id: str, certain: bool = True) -> Review:
    row = {"prefix": "The cat sat on the", "chosen": " mat", "rejected": [" hat"], "tail": "", "kind": "typed"}
    value = {"name": id, "prompt": "Say:", "text": "The cat sat on the mat.", "rows": [row], "person": []}
    return Review(id, "c1", "tiny", 5.0, "changed", certain, "because", {**value, "sampler": {}, "steps": []})


def test_consent_is_given_shown_and_taken_back(run) -> None:
    assert "Nothing is switched on" in run("allow", "--model", "tiny") + run("deny", "--model", "tiny") + run("allowed")
    run("allow", "--key", env={"MIDCOURSE_CLIENT_KEY": "sk-a-secret"})
    with Store(run.path) as store, store.transaction() as connection:
        name = client_of_key("sk-a-secret", consents.secret(connection))
        assert consents.read(connection).clients == {name}
    assert run("who", env={"MIDCOURSE_CLIENT_KEY": "sk-a-secret"}).strip() == name
    assert name in run("allowed")
    assert name in run("allow", "--key", input="sk-a-secret\n")
    assert b"sk-a-secret" not in run.path.read_bytes()
    assert "say whom" in run("allow", code=2)
    assert "say whom" in run("allow", "--model", "a", "--client", "b", code=2)
    assert "no key was given" in run("allow", "--key", input="\n", code=2)


def test_mistakes_are_one_sentence(run) -> None:
    assert "where is the model server?" in run(code=2)
    assert "no address of a server" in run("--upstream", "nonsense", code=2)
    assert "expected a time such as 90d" in run("--upstream", "http://x", "--retain", "long", code=2)
    assert "needs --model" in run("--upstream", "http://x", "--accept", "certain", code=2)
    assert "choose another port" in run("--upstream", "http://x", "--host", "203.0.113.9", code=2)


def test_the_inbox_is_shown_and_decided(run, tmp_path: Path) -> None:
    from model_folder import save_model

    model = str(save_model(tmp_path / "tiny"))
    with Store(run.path) as store, store.transaction() as connection:
        for seen in (review("aaa1"), review("bbb2", certain=False), review("ccc3")):
            reviews.put(connection, seen)
    shown = run("inbox")
    assert "hat⟨ mat⟩" in shown
    assert "3 wait." in shown
    assert [r["id"] for r in json.loads(run("inbox", "list", "--json"))] == ["aaa1", "bbb2", "ccc3"]
    assert "1 rejected" in run("inbox", "reject", "ccc")
    assert "1 of 1 accepted" in run("inbox", "accept", "--certain", "--model", model, "--by", "me")
    with Store(run.path) as store:
        [trajectory] = store.trajectories()
        assert trajectory.steers[0].state == "approved"
    assert "1 wait." in run("inbox")
    assert "bbb2" in run("inbox", "list", "--state", "open")
    assert "say which" in run("inbox", "accept", code=2)
    assert "has no review" in run("inbox", "reject", "zzz", code=2)


def test_a_purge_takes_what_the_proxy_kept(run) -> None:
    kept = KeptExchange("1", "c1/u", None, "tiny", 5.0, {"text": "my address"})
    with Store(run.path) as store, store.transaction() as connection:
        exchanges.put(connection, kept)
        reviews.put(connection, review("aaa1"))
    runner = CliRunner()
    said = runner.invoke(app, ["store", "purge", "--text", "my address", "--yes", "--json"])
    assert json.loads(said.stdout) | {"handed_out": [], "backups": []} == {
        "trajectories": 0,
        "steers": 0,
        "nodes": 0,
        "exchanges": 1,
        "reviews": 0,
        "handed_out": [],
        "backups": [],
    }
    said = runner.invoke(app, ["store", "purge", "--author", "c1", "--yes"])
    assert "0 exchanges and 1 reviews of the proxy" in said.output
    assert b"my address" not in run.path.read_bytes()
