"""`midcourse import` from the outside: what a person sees, and what is in the store afterwards."""

import json
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import save_file
from typer.testing import CliRunner, Result

from midcourse.cli import app
from midcourse.model import weights_hash
from midcourse.store import Store
from midcourse.tokens import TextTokenizer
from midcourse.types import ModelRef

ROWS = [
    {"prompt": "p", "prefix": "It is", "rejected": " bad", "chosen": " good"},
    {"prompt": "p", "prefix": "It is good", "rejected": " not", "chosen": " indeed"},
    {"prompt": "p", "chosen": 5},
    {"prompt": "q", "text": "a {~~b~>c~~} d {++e++}"},
]


@pytest.fixture
def folder(tmp_path: Path, tiny_tokenizer: TextTokenizer) -> Path:
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text("{}")
    save_file({}, model / "model.safetensors")
    (model / "tokenizer.json").write_text(tiny_tokenizer._text.to_str(), encoding="utf-8")
    config = {"eos_token": "<|im_end|>", "chat_template": tiny_tokenizer.template}
    (model / "tokenizer_config.json").write_text(json.dumps(config))
    write(tmp_path / "my.jsonl", ROWS)
    return tmp_path


def write(path: Path, rows: list[Any]) -> None:
    path.write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")


def run(folder: Path, *args: str, source: str = "steers") -> Result:
    fixed = ["--model", str(folder / "model"), "--store", str(folder / "s.db")]
    return CliRunner().invoke(app, ["import", source, *args, *fixed])


def test_the_model_named_is_kept_by_its_weights(folder: Path) -> None:
    assert run(folder, str(folder / "my.jsonl"), "--chat").exit_code == 0
    with Store(folder / "s.db") as store:
        models = {t.model for t in store.trajectories()}
    assert models == {ModelRef(str((folder / "model").resolve()), weights_hash(folder / "model"))}
    shown = CliRunner().invoke(app, ["steers", "show", "--store", str(folder / "s.db")])
    assert shown.exit_code == 0, shown.output  # no --model: the store knows whose tokenizer it was


def test_import_twice(folder: Path) -> None:
    path = str(folder / "my.jsonl")
    first = run(folder, path, "--chat", "--json")
    assert first.exit_code == 0, first.output
    result = json.loads(first.stdout)
    assert (result["trajectories"], result["steers"], result["skipped"], result["already_there"]) == (2, 4, 1, 0)
    assert result["reasons"] == [f"{path}:3: column `chosen` must be text, got int 5"]
    with Store(folder / "s.db") as store:
        before = store.stats()
        assert before["steers"] == 4
        assert store.verify() == []
    assert json.loads(run(folder, path, "--chat", "--json").stdout)["already_there"] == 2
    assert "there already: 2 trajectories" in run(folder, path, "--chat").output
    with Store(folder / "s.db") as store:
        assert store.stats() == before


def test_check_shows_and_stores_nothing(folder: Path) -> None:
    result = run(folder, str(folder / "my.jsonl"), "--check")
    assert result.exit_code == 0
    said = result.stderr
    assert "It is{-- bad--}{++ good++} indeed" in said
    assert said.count("──") == 3
    assert "my.jsonl:3: column `chosen` must be text" in said
    assert "4 steers in 2 trajectories would be imported, 1 row skipped" in said
    assert not (folder / "s.db").exists()


def test_strict_stops(folder: Path) -> None:
    result = run(folder, str(folder / "my.jsonl"), "--strict")
    assert result.exit_code == 2
    assert "my.jsonl:3" in result.stderr


def test_nothing_to_import_exits_2(folder: Path) -> None:
    write(folder / "bad.jsonl", [{"prompt": 1}, {"chosen": 2}])
    result = run(folder, str(folder / "bad.jsonl"))
    assert result.exit_code == 2
    assert "nothing could be imported: 2 rows skipped" in result.stderr
    (folder / "empty.jsonl").write_text("\n")
    result = run(folder, str(folder / "empty.jsonl"))
    assert result.exit_code == 2
    assert "nothing could be imported: no row was found" in result.stderr
    for args, says in [
        ([str(folder / "none.jsonl")], "does not exist"),
        ([str(folder / "my.jsonl"), "--map", "chosen"], "expected OURS=THEIRS"),
        ([str(folder / "my.jsonl"), "--map", "good=fix"], "names no column"),
        ([str(folder / "my.jsonl"), "--split", "some"], "--split must be"),
    ]:
        result = run(folder, *args)
        assert result.exit_code == 2
        assert says in result.stderr


def test_columns_are_mapped(folder: Path) -> None:
    write(folder / "a.jsonl", [{"q": "p", "fix": "good", "was": "bad"}])
    args = ["--map", "chosen=fix", "--map", "prompt=q", "--map", "rejected=was", "--json"]
    assert json.loads(run(folder, str(folder / "a.jsonl"), *args).stdout)["without_rejected"] == 0


def test_prm800k(folder: Path) -> None:
    steps = [
        {"completions": [{"text": "No.", "rating": -1}], "human_completion": "Yes.", "chosen_completion": None},
        {
            "completions": [{"text": "So.", "rating": 1}, {"text": "Or.", "rating": -1}],
            "human_completion": None,
            "chosen_completion": 0,
        },
    ]
    write(folder / "prm.jsonl", [{"problem": "p", "steps": steps}])
    path = str(folder / "prm.jsonl")
    assert json.loads(run(folder, path, "--check", "--json", source="prm800k").stdout)["steers"] == 1
    assert json.loads(run(folder, path, "--preferences", "--json", source="prm800k").stdout)["steers"] == 2


MAPPED = ["--map", "original=a", "--map", "corrected=c"]
STEPS = ["--map", "prefix=prefix"]
FORMATS: list[tuple[str, dict[str, Any], list[str], dict[str, int]]] = [
    (
        "coauthor",
        {
            "session": "s",
            "writer": "w",
            "context": "Once upon",
            "action": "cut",
            "model_text": " the tea was hot.",
            "cut": 8,
            "human_text": " boiled away.",
        },
        [],
        {"steers": 1},
    ),
    ("edits", {"src": "s", "mt": "the big tea was hot", "pe": "the small tea was hot"}, ["--chat"], {"steers": 1}),
    ("edits", {"p": "q", "a": "b", "c": "d"}, [*MAPPED, "--prompt", "{p} "], {"pairs": 1}),
    ("trl", {"prompt": "p ", "chosen": "good", "rejected": "bad"}, [], {"pairs": 1}),
    ("step-dpo", {"prompt": "p", "prefix": "1.", "chosen": " good", "rejected": " bad"}, STEPS, {"steers": 1}),
    ("pivotal", {"prompt": "the answer", "chosen": " is", "rejected": " was"}, [], {"steers": 1}),
    ("instructions", {"prompt": "p", "completion": "the answer"}, ["--chat"], {"instructions": 1}),
    ("text", {"text": "the answer is that"}, ["--max-tokens", "512"], {"text": 1}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "row", "args", "teaches"), FORMATS)
def test_every_format(folder: Path, name: str, row: dict[str, Any], args: list[str], teaches: dict[str, int]) -> None:
    write(folder / "a.jsonl", [row, {"nothing": "known"}])
    looked = json.loads(run(folder, str(folder / "a.jsonl"), *args, "--check", "--json", source=name).stdout)
    assert (looked["stored"], looked["non_canonical_forks"]) == (False, 0)
    result = json.loads(run(folder, str(folder / "a.jsonl"), *args, "--json", source=name).stdout)
    assert result["teaches"] == teaches
    assert result["skipped"] == 1
    assert "a.jsonl:2: column" in result["reasons"][0] or "a row needs" in result["reasons"][0]
    with Store(folder / "s.db") as store:
        assert store.verify() == []
        (kept,) = store.trajectories()
        assert {kept.teaches: 1} == teaches
        before = store.stats()
    again = json.loads(run(folder, str(folder / "a.jsonl"), *args, "--json", source=name).stdout)
    assert again["already_there"] == 1
    with Store(folder / "s.db") as store:
        assert store.stats() == before
    assert run(folder, str(folder / "a.jsonl"), *args, "--strict", source=name).exit_code == 2


EXPORTS = Path(__file__).parents[1] / "capture" / "importers" / "exports"


@pytest.mark.parametrize(
    ("source", "name", "options", "steers", "skipped"),
    [
        ("open-webui", "open-webui.json", [], 2, 1),
        ("sillytavern", "sillytavern.jsonl", ["--edits-only"], 1, 0),
        ("text-generation-webui", "text-generation-webui.json", [], 1, 0),
        ("argilla", "argilla.json", ["--chat"], 1, 1),
        ("argilla", "argilla-flat.jsonl", ["--prompt", "{instruction}\n"], 1, 0),
        ("label-studio", "label-studio.json", ["--chat", "--question", "answer"], 1, 0),
    ],
)
def test_exports_of_other_programs(
    folder: Path, source: str, name: str, options: list[str], steers: int, skipped: int
) -> None:
    result = run(folder, str(EXPORTS / name), *options, "--json", source=source)
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert (told["steers"], told["skipped"]) == (steers, skipped)
    with Store(folder / "s.db") as store:
        assert store.stats()["steers"] == steers
        assert store.verify() == []


def test_an_export_of_another_program_is_a_mistake_that_is_explained(folder: Path) -> None:
    result = run(folder, str(EXPORTS / "label-studio.json"), source="open-webui")
    assert result.exit_code == 2
    assert "no chat of Open WebUI" in result.stderr
    unknown = run(folder, str(EXPORTS / "argilla.json"), "--map", "chosen=x", source="argilla")
    assert unknown.exit_code == 2
    assert "names no column of this format" in unknown.stderr


def test_a_file_in_place_of_its_kind_is_told(folder: Path) -> None:
    runner = CliRunner(env={"COLUMNS": "400"})
    said = runner.invoke(app, ["import", str(folder / "my.jsonl")])
    assert said.exit_code == 2
    assert f"midcourse import steers {folder / 'my.jsonl'}" in said.stderr
    assert "Did you mean 'steers'" in runner.invoke(app, ["import", "steer", "x"]).stderr
