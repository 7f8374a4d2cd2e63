"""`midcourse store` as a user sees it."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import model_folder
from midcourse.capture.studio.journal import Journal
from midcourse.cli import app
from midcourse.store import Store, schema
from midcourse.types import Node, Place, Trajectory
from store.conftest import place, postgres, server

__all__ = ["place", "postgres", "server"]  # fixtures
ROWS = [
    {"prompt": "p", "prefix": "It is", "rejected": " bad", "chosen": " good", "author": "anna", "reason": "my dog Rex"},
    {"prompt": "q", "prefix": "It is", "rejected": " bad", "chosen": " good", "author": "ben"},
    {
        "prompt": "r",
        "prefix": "It is",
        "rejected": " nowhere",
        "chosen": " here",
        "trajectory": "one",
        "author": "anna",
    },
    {"prompt": "r", "prefix": "It is here", "rejected": " no", "chosen": " yes", "trajectory": "one", "author": "ben"},
]


def run(*words: object, code: int = 0, said: str | None = None) -> Result:
    result = CliRunner().invoke(app, [str(w) for w in words], input=said, env={"COLUMNS": "300"})
    assert result.exit_code == code, f"{result.output}\n{result.exception!r}"
    return result


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    model_folder.save_model(tmp_path / "tiny")
    (tmp_path / "my.jsonl").write_text("".join(json.dumps(r) + "\n" for r in ROWS))
    run("import", "steers", tmp_path / "my.jsonl", "--model", tmp_path / "tiny", "--store", tmp_path / "a.db")
    return tmp_path


def prompts(path: Path) -> list[str]:
    with Store(path, create=False) as store:
        assert store.verify() == []
        return [t.source_text["prompt"] for t in store.trajectories() if t.source_text]


@pytest.mark.long
def test_a_person_is_purged_and_what_was_made_of_it_is_named(desk: Path) -> None:
    store, tiny = desk / "a.db", desk / "tiny"
    run("steers", "export", "--store", store, "--model", tiny, "-o", desk / "out.jsonl")
    run("train", store, "--model", tiny, "--output_dir", desk / "run", "--num_train_epochs", 1)
    kept = json.loads((desk / "run" / "midcourse.json").read_text())
    with Store(store) as opened:
        assert kept["trajectories"] == sorted(t.id for t in opened.trajectories())
    (desk / "a.db.schema1.bak").write_bytes(b"an older copy")
    refused = run("store", "purge", "--store", store, "--author", "anna", code=2, said="n\n")
    assert "Delete 2 texts with 3 steers, 1 of them by others" in refused.stderr
    assert "nothing was deleted" in refused.stderr
    assert prompts(store) == ["p", "q", "r"]
    said = run("store", "purge", "--store", store, "--author", "anna", "--yes").stdout
    assert f"still holding it: export {desk / 'out.jsonl'}" in said
    assert f"still holding it: adapter {desk / 'run'}" in said
    assert f"Backups are not touched\n  {desk / 'a.db.schema1.bak'}" in said
    assert prompts(store) == ["q"]
    assert "Rex" not in store.read_bytes().decode("latin1")
    run("import", "steers", desk / "my.jsonl", "--model", tiny, "--store", store)
    assert prompts(store) == ["q"]  # the same file does not bring it back


@pytest.mark.parametrize(
    ("words", "left"),
    [
        (["--text", "dog Rex"], ["q", "r"]),  # in a reason
        (["--text", " nowhere"], ["p", "q"]),  # in a rejected side
        (["--text", "It is", "--author", "ben"], ["p"]),
        (["--since", "2020-01-01"], []),
        (["--since", "2020-01-01", "--until", "2021-01-01"], None),
    ],
)
def test_what_is_purged(desk: Path, words: list[str], left: list[str] | None) -> None:
    command = ["store", "purge", "--store", desk / "a.db", "--model", desk / "tiny", "--json", *words, "--yes"]
    if left is None:
        assert "nothing in" in run(*command, code=2).stderr
        assert prompts(desk / "a.db") == ["p", "q", "r"]
    else:
        assert json.loads(run(*command).stdout)["trajectories"] == 3 - len(left)
        assert prompts(desk / "a.db") == left


def test_purge_needs_to_know_what_and_where(desk: Path) -> None:
    assert "give --author" in run("store", "purge", "--store", desk / "a.db", code=2).stderr
    assert "there is no store" in run("store", "purge", "--store", desk / "no.db", "--author", "a", code=2).stderr
    assert not (desk / "no.db").exists()


def test_what_the_studio_keeps_goes_too(desk: Path) -> None:
    with Store(desk / "a.db") as store:
        first, second, _ = (t.id for t in store.trajectories())
        journal = Journal(store)
        for by, of in (("anna", second), ("ben", first), ("ben", second)):
            journal.add("flag", {"draft": of, "why": "my dog Rex"}, by)
            journal.note(f"typing {of}", "my dog Rex")
            journal.spool(of, Place("n", 1), [1], [0.0], 1)
    run("store", "purge", "--store", desk / "a.db", "--author", "anna", "--yes")
    with Store(desk / "a.db") as store:
        journal = Journal(store)
        assert [(e.by, e.value["draft"]) for e in journal.since() if e.kind != "purge"] == [("ben", second)]
        assert journal.noted(f"typing {first}") is None
        assert journal.noted(f"typing {second}") == "my dog Rex"
        assert journal.spooled(first) is None
        assert journal.spooled(second) is not None


def test_retokenize(desk: Path) -> None:
    other = model_folder.save_model(desk / "other")
    spec = json.loads((other / "tokenizer.json").read_text())
    vocab = spec["model"]["vocab"]
    spec["model"]["merges"] = [["o", "o"]]
    vocab["oo"] = vocab.pop("Ā")  # in place of a byte that no text holds
    (other / "tokenizer.json").write_text(json.dumps(spec))
    with Store(desk / "a.db") as store:  # a text that was written with the model
        tokenizer = next(store.trajectories()).tokenizer
        root = Node.below(None, [1, 2], "prompt", tokenizer)
        store.add(Trajectory("draft", (root,), Place(root.id, 2), tokenizer, source="studio"))
    command = ["store", "retokenize", "--store", desk / "a.db", "--model", other]
    done = run(*command, "--to", desk / "b.db")
    assert "4 steers in 3 texts" in done.stdout
    assert "left out trajectory draft (studio)" in done.stderr
    assert prompts(desk / "b.db") == ["p", "q", "r"]
    run("import", "steers", desk / "my.jsonl", "--model", other, "--store", desk / "c.db")
    with Store(desk / "b.db") as derived, Store(desk / "c.db") as imported:
        assert list(derived.trajectories()) == list(imported.trajectories())
    assert "is the store itself" in run(*command, "--to", desk / "a.db", code=2).stderr


def test_migrate_and_verify(desk: Path) -> None:
    store = desk / "a.db"
    assert "up to date" in run("store", "migrate", "--store", store).stdout
    with Store(store) as opened, opened._write() as connection:
        for table in (schema.tombstone, schema.handed_out):
            table.drop(connection)
        connection.execute(schema.meta.update().where(schema.meta.c.key == "schema").values(value="2"))
    said = run("store", "migrate", "--store", store).stdout
    assert "brought from schema 2 to today's" in said
    assert f"The store as it was: {store}.schema2.bak" in said
    assert "is sound" in run("store", "verify", "--store", store).stdout
    assert "there is no store" in run("store", "migrate", "--store", desk / "no.db", code=2).stderr
    (desk / "text.db").write_text("hello " * 1000)
    assert "not a database" in run("store", "migrate", "--store", desk / "text.db", code=2).stderr


@pytest.mark.long
def test_a_backup_is_brought_back_with_the_studios_records(desk: Path, place: Callable[[], str]) -> None:
    used, again, kept = place(), place(), desk / "kept.bak"
    run("store", "copy", desk / "a.db", used)
    with Store(used) as store:
        journal = Journal(store)
        journal.add("queue", {"prompt": "p"}, "anna")
        journal.note("typing x", "unfin")
        journal.spool("x", Place("n", 1), [1], [0.0], 1)
        before = list(store.trajectories())
    said = run("store", "backup", kept, "--store", used).output
    assert "every hash is right" in said
    assert kept.read_bytes().startswith(b"SQLite format 3")
    assert "already" in run("store", "backup", kept, "--store", used, code=2).output
    run("store", "restore", kept, "--store", again)
    with Store(again) as store:
        assert list(store.trajectories()) == before
        journal = Journal(store)
        assert [(e.kind, e.by) for e in journal.since()] == [("queue", "anna")]
        assert journal.noted("typing x") == "unfin"
        assert journal.spooled("x") is not None
        assert journal.add("queue", {"prompt": "q"}).seq == 2  # a number of its own
    assert "is sound" in run("store", "verify", "--store", again).stdout
    assert "holds something already" in run("store", "restore", kept, "--store", again, code=2).output
    assert not list(desk.glob("*.part*"))


def test_a_backup_beside_the_store_is_named_by_the_time_and_by_a_purge(desk: Path) -> None:
    run("store", "backup", "--store", desk / "a.db")
    (made,) = desk.glob("a.db.*Z.bak")
    assert str(made) in run("store", "purge", "--author", "ben", "--yes", "--store", desk / "a.db").output


def test_a_copy_of_a_store_onto_itself_is_refused(desk: Path) -> None:
    assert "two stores" in run("store", "copy", desk / "a.db", desk / "a.db", code=2).output
    assert "no store" in run("store", "copy", desk / "none.db", desk / "c.db", code=2).output
    assert "no backup" in run("store", "restore", desk / "none.bak", "--store", desk / "c.db", code=2).output
    assert not (desk / "c.db").exists()
