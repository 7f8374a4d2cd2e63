import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from midcourse.cli.steers import app
from midcourse.errors import InputError, StoreError, TokenizerMismatch
from midcourse.store import Store, schema
from midcourse.tokens import TextTokenizer
from midcourse.types import ModelRef, Node, Place, Rejected, Steer, Trajectory


@pytest.fixture
def folder(tiny_tokenizer: TextTokenizer, tmp_path: Path) -> Path:
    """A model folder as far as a tokenizer needs one."""
    made = tmp_path / "model"
    made.mkdir()
    tiny_tokenizer._text.save(str(made / "tokenizer.json"))
    config = {"eos_token": "<|im_end|>", "chat_template": tiny_tokenizer.template}
    (made / "tokenizer_config.json").write_text(json.dumps(config))
    (made / "config.json").write_text("{}")
    (made / "model.safetensors").write_bytes(b"")
    return made


@pytest.fixture
def path(tiny_tokenizer: TextTokenizer, folder: Path, tmp_path: Path) -> Path:
    """A store with two texts of one steer each."""
    tok = tiny_tokenizer
    with Store(tmp_path / "a.db") as store:
        for name, wrong in (("bridge", " 1832."), ("tea", " cold.")):
            root = Node.below(None, tok.encode(f"About {name}: "), "prompt", tok.hash)
            wrote = Node.below(root, tok.encode("It was") + tok.encode(wrong), "model", tok.hash)
            cut = len(tok.encode("It was"))
            put = Node.below(wrote, tok.encode(" right."), "person", tok.hash, offset=cut)
            t = Trajectory(
                name, (root, wrote, put), Place(root.id, 1), tok.hash, source="test", model=ModelRef(str(folder))
            )
            fork = Place(wrote.id, t.start[wrote.id] + cut)
            steer = Steer(
                f"{name}-1", name, "typed", fork, (Rejected(t.end_of(wrote.id)),), t.end_of(put.id), "[wrong]"
            )
            store.add(t.with_(head=t.end_of(put.id), steers=(steer,), split="dev" if name == "tea" else None))
    return tmp_path / "a.db"


def run(*words: object, code: int = 0) -> Result:
    result = CliRunner().invoke(app, [str(w) for w in words], catch_exceptions=False, env={"COLUMNS": "200"})
    assert result.exit_code == code, result.output
    return result


def test_list(path: Path) -> None:
    assert "bridge-1" in run("list", "--store", path).stdout
    rows = json.loads(run("list", "--store", path, "--split", "dev", "--json").stdout)
    assert [(r["steer"], r["kind"], r["rejected"], r["reason"]) for r in rows] == [("tea-1", "typed", 1, "[wrong]")]
    assert "and more" in run("list", "--store", path, "--limit", 1).stdout
    assert "No steers match" in run("list", "--store", path, "--kind", "local").stdout


def test_show(path: Path) -> None:
    out = run("show", "bri", "--store", path).stdout
    assert "It was{~~ 1832.~> right.~~}" in out
    assert "because: [wrong]" in out
    assert "tea-1" not in out
    newest = run("show", "--store", path, "-n", 1).stdout
    assert "{~~ cold.~> right.~~}" in newest
    assert "bridge" not in newest


def test_what_an_adapter_wrote_is_shown_in_its_bases_tokens(path: Path, folder: Path) -> None:
    with Store(path) as store, store._write() as connection:
        connection.execute(schema.trajectory.update().values(model_name=f"{folder}+round-1"))
    assert "It was{~~ 1832.~> right.~~}" in run("show", "bri", "--store", path).stdout


def test_show_of_what_is_not_there(path: Path) -> None:
    with pytest.raises(InputError, match="no steer 'zz'"):
        run("show", "zz", "--store", path)
    with pytest.raises(StoreError, match="there is no store"):
        run("show", "--store", path.with_name("gone.db"))


def test_another_model_is_refused(path: Path, folder: Path) -> None:
    spec = json.loads((folder / "tokenizer.json").read_text())
    spec["added_tokens"].append({**spec["added_tokens"][0], "id": 5000, "content": "<|new|>"})
    (folder / "tokenizer.json").write_text(json.dumps(spec))
    with pytest.raises(TokenizerMismatch, match="--model"):
        run("show", "--store", path)


def test_stats(path: Path) -> None:
    found = json.loads(run("stats", "--store", path, "--json").stdout)
    assert (found["steers"], found["with_rejected"], found["split"]) == (2, 2, {"-": 1, "dev": 1})
    assert "with rejected" in run("stats", "--store", path).stdout


def test_verify(path: Path) -> None:
    assert "is sound" in run("verify", "--store", path).stdout
    with Store(path) as store, store._write() as connection:
        connection.execute(schema.node.update().values(token_ids=(1,)))
    assert "does not have the hash" in run("verify", "--store", path, code=1).stdout


def test_export(path: Path, tmp_path: Path) -> None:
    result = run("export", "--store", path)
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(r["prompt"], r["prefix"], r["rejected"], r["chosen"]) for r in rows] == [
        ("About bridge: ", "It was", " 1832.", " right."),
        ("About tea: ", "It was", " cold.", " right."),
    ]
    assert "2 rows" in result.stderr
    out = tmp_path / "out.jsonl"
    run("export", "--store", path, "--to", "trl", "-o", out, "--split", "dev")
    assert json.loads(out.read_text()) == {"prompt": "About tea: It was", "chosen": " right.", "rejected": " cold."}


def test_an_export_that_fails_leaves_the_file_that_was_there(path: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    out.write_text("before")
    with pytest.raises(InputError, match="tokenizer"):
        run("export", "--store", path, "-o", out, "--model", tmp_path / "gone")
    assert out.read_text() == "before"
    assert not list(tmp_path.glob("*.part"))
