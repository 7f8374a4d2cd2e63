"""`midcourse eval` as a user sees it."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import model_folder
from midcourse.cli import app
from midcourse.store import Store


def rows(prompts: int, *, split: str = "test", chosen: str = "chosen") -> str:
    return "".join(
        json.dumps({"prompt": f"Q{i}: ", "prefix": "It is", "rejected": " bad", chosen: " good", "split": split}) + "\n"
        for i in range(prompts)
    )


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base, two adapters of it, one of another base, and three held-out prompts."""
    home = tmp_path_factory.mktemp("desk")
    base = model_folder.save_model(home / "tiny", positions=1024)
    model_folder.save_adapter(home / "one", base)
    model_folder.save_adapter(home / "two", base)
    model_folder.save_adapter(home / "foreign", base, weights="0" * 32)
    (home / "my.jsonl").write_text(rows(3))
    return home


def run(desk: Path, *words: object, source: str = "my.jsonl", code: int = 0) -> Result:
    fixed = ["--model", str(desk / "tiny"), "--samples", "2", "--max_forks", "2"]
    command = ["eval", str(desk / source), *fixed, *map(str, words)]
    result = CliRunner().invoke(app, command, env={"COLUMNS": "200"})
    assert result.exit_code == code, f"{result.output}\n{result.exception!r}"
    if code:
        assert len(result.stderr.strip().splitlines()[-1:]) == 1
        assert "Traceback" not in result.stderr
    return result


def test_the_base_alone(desk: Path) -> None:
    said = run(desk).stdout
    assert "The model makes the same error again" in said
    assert "3 steers on 3 held-out prompts" in said
    assert "Too few: 3 held-out prompts, a claim needs 30" in said


@pytest.mark.long
def test_two_adapters_are_compared_on_the_same_forks(desk: Path, tmp_path: Path) -> None:
    result = run(desk, "--adapter", desk / "one", "--adapter", desk / "two", "-o", tmp_path / "report")
    assert "one − base" in result.stdout
    # Both adapters hold the same weights, so that they differ by nothing.
    assert "two − one: Margin between the sides, per token: +0.000 (+0.000 to +0.000), too few" in result.stdout
    assert str(tmp_path / "report" / "report.html") in result.stderr.replace("\n", "")
    kept = json.loads((tmp_path / "report" / "eval.json").read_text())
    margin = next(m for m in kept["metrics"] if m["name"] == "margin")
    assert margin["versus"]["prompts"] == 3
    assert set(margin["change"]) == {"one", "two"}


@pytest.mark.long
def test_thirty_prompts_are_enough_for_a_claim(desk: Path) -> None:
    (desk / "thirty.jsonl").write_text(rows(30))
    result = run(desk, "--adapter", desk / "one", "--samples", 0, "--json", source="thirty.jsonl")
    found = json.loads(result.stdout)
    assert found["enough"] is True
    assert found["prompts"] == 30
    verdicts = {m["name"]: m["verdict"]["one"] for m in found["metrics"]}
    assert verdicts["margin"] in ("better", "worse", "no clear change")


@pytest.mark.long
def test_a_store_and_a_file_with_other_column_names_say_the_same(desk: Path) -> None:
    (desk / "fix.jsonl").write_text(rows(3, chosen="fix"))
    mapped = json.loads(run(desk, "--map", "chosen=fix", "--json", source="fix.jsonl").stdout)
    imported = ["import", "steers", str(desk / "my.jsonl"), "--model", str(desk / "tiny")]
    assert CliRunner().invoke(app, [*imported, "--store", str(desk / "a.db")]).exit_code == 0
    stored = json.loads(run(desk, "--json", source="a.db").stdout)
    assert [m["values"] for m in mapped["metrics"]] == [m["values"] for m in stored["metrics"]]
    assert mapped["steers"] == 3
    assert "--map chosen: expected OURS=THEIRS" in run(desk, "--map", "chosen", code=2).stderr
    assert "names no column of Midcourse" in run(desk, "--map", "better=fix", code=2).stderr
    assert "column `chosen` is missing" in run(desk, source="fix.jsonl", code=2).stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--adapter", "nowhere"], "the adapter folder nowhere does not exist"),
        (["--adapter", "{desk}/tiny"], "is no PEFT adapter: it holds no adapter_config.json"),
        (["--adapter", "{desk}/foreign"], f"was trained on tiny (weights {'0' * 32}) and does not fit"),
        (["--adapter", "{desk}/one", "--adapter", "{desk}/foreign"], "does not fit"),
        (["--model", "{desk}/none"], "does not exist"),
        (["--part", "dev"], "no trajectory lies in the part 'dev' (there are 3 in test)"),
        (["--part", "held"], "--part 'held' is none of train, dev, test, all"),
        (["--checker", "(("], "is no regular expression"),
        (["--checker", "nowhere:fires"], "No module named 'nowhere'"),
        (["--dtype", "int3"], "is no torch dtype"),
    ],
)
def test_mistakes_are_one_sentence(desk: Path, words: list[str], said: str) -> None:
    assert said in run(desk, *(w.format(desk=desk) for w in words), code=2).stderr


def test_sources_that_cannot_be_read(desk: Path) -> None:
    assert "does not exist; give a store" in run(desk, source="gone.jsonl", code=2).stderr
    (desk / "other.db").write_bytes(b"no database at all, but long enough to be looked at" * 40)
    assert "not a database" in run(desk, source="other.db", code=2).stderr
    with Store(desk / "empty.db"):
        pass
    assert "there are none at all" in run(desk, source="empty.db", code=2).stderr
