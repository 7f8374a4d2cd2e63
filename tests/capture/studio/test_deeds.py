"""The log of a store says who did what, through every door, and holds no word of any text."""

import json
import sys

import pytest
from scripted import TEMPLATE, tokenizer
from served import Babbler, person, serve
from typer.testing import CliRunner

from midcourse.capture.studio.deeds import deeds
from midcourse.cli import app
from midcourse.store import Store

SECRET = "my secret address"


@pytest.fixture
def run(tmp_path):
    def call(*words: str) -> str:
        done = CliRunner().invoke(app, [*words, "--store", str(tmp_path / "store.db")])
        assert done.exit_code == 0, done.output
        return done.stdout

    return call


def test_who_did_what(tmp_path, run):
    run("studio", "users", "add", "eve", "--role", "admin")
    with serve(tmp_path, Babbler(), max_new_tokens=20, command=(sys.executable, "-c", "raise SystemExit(2)")) as served:
        c, cookie, token = person(served, "ada", "admin")
        assert c.put("api/guidelines", json={"text": SECRET}).status_code == 200
        assert c.post("api/queue", json={"prompts": [SECRET]}).json() == {"added": 1}
        page = served.page(cookie)
        page.do("new", text=SECRET)
        page.rest()
        page.do("replace", cut=4, text=" never", reason=SECRET)
        page.rest()
        assert c.get("api/export").status_code == 200
        c.post("api/leave")
    run("studio", "users", "revoke", "eve")
    (tmp_path / "m").mkdir()
    tokenizer()._text.save(str(tmp_path / "m" / "tokenizer.json"))
    (tmp_path / "m" / "tokenizer_config.json").write_text(json.dumps({"eos_token": "<end>", "chat_template": TEMPLATE}))
    (tmp_path / "m" / "config.json").write_text("{}")
    (tmp_path / "m" / "model.safetensors").write_bytes(b"")  # only the tokenizer is read
    run("export", "--model", str(tmp_path / "m"), "--output", str(tmp_path / "out.jsonl"))
    run("store", "purge", "--author", "ada", "--yes")
    said = run("store", "log", "--json")
    found = [json.loads(line) for line in said.splitlines()]
    did = [(d["what"], d["by"]) for d in found]
    mine = next(d["by"] for d in found if d["what"] == "purged")
    assert mine.endswith("at the command line")
    assert {("let in", mine), ("shown out", mine), ("exported", mine), ("purged", mine)} <= set(did)
    assert ("export made", None) in did
    assert next(d for d in found if d["what"] == "purged")["texts"] == 1
    assert all(by != "ada" for _, by in did), "what a person did goes with them; that they were let in stays"
    assert SECRET not in said
    assert token not in said
    assert cookie not in said


def test_the_studio_says_who_before_they_are_purged(tmp_path, run):
    with serve(tmp_path, Babbler(), max_new_tokens=5, command=(sys.executable, "-c", "raise SystemExit(2)")) as served:
        c, _, _ = person(served, "ada", "admin")
        c.put("api/guidelines", json={"text": SECRET})
        c.get("api/export")
        c.post("api/train", json={})
        c.post("api/adapters", json={"name": None})
        c.post("api/leave")
    with Store(tmp_path / "store.db") as store:
        did = [(d.what, d.by) for d in deeds(store)]
    wanted = ("signed in", "guidelines changed", "exported", "training started", "adapter switched", "signed out")
    assert {(what, "ada") for what in wanted} <= set(did)
    shown = run("store", "log")
    assert "training started" in shown
    assert "ada" in shown
    assert run("store", "log", "--since", "2999-01-01").count("\n") <= 1
