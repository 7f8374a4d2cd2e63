"""Files in a mix: told apart by their columns, or said; what cannot be used is named."""

import json
from pathlib import Path

import pytest

from midcourse.capture.importers.text import import_text
from midcourse.cli.mixing import mixed_files
from midcourse.errors import InputError
from midcourse.store import Store
from midcourse.tokens import TextTokenizer

ROWS = {
    "text": {"text": "The cat sat on the mat."},
    "instructions": {"prompt": "Tell me. ", "completion": "The cat sat."},
    "pairs": {"prompt": "Tell me. ", "chosen": "The cat sat.", "rejected": "The dog ran."},
    "steers": {"prompt": "Tell me. ", "prefix": "The ", "chosen": "cat sat.", "rejected": "dog ran."},
}


def write(path: Path, row: dict) -> str:
    path.write_text(json.dumps(row) + "\n", encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("kind", ROWS)
def test_a_file_is_known_by_its_columns(tiny_tokenizer: TextTokenizer, tmp_path: Path, kind: str):
    name = write(tmp_path / "file.jsonl", ROWS[kind])
    (trajectory,) = mixed_files([kind, name], tiny_tokenizer)[name]
    assert trajectory.teaches == kind


def test_a_changed_file_has_another_signature(tiny_tokenizer: TextTokenizer, tmp_path: Path):
    name = write(tmp_path / "file.jsonl", ROWS["text"])
    (file,) = mixed_files([name], tiny_tokenizer).values()
    before = file.signature
    assert before == file.signature is not None
    assert before != mixed_files([f"instructions:{name}"], tiny_tokenizer)[f"instructions:{name}"].signature
    write(tmp_path / "file.jsonl", {"text": "The dog sat on the mat."})
    assert file.signature != before
    assert [t.learns_text for t in file] == [t.learns_text for t in file] == [True]


def test_a_text_file_is_text(tiny_tokenizer: TextTokenizer, tmp_path: Path):
    (tmp_path / "a.txt").write_text("The cat sat on the mat.")
    (trajectory,) = mixed_files([str(tmp_path / "a.txt")], tiny_tokenizer)[str(tmp_path / "a.txt")]
    assert trajectory.learns_text


def test_the_kind_can_be_said(tiny_tokenizer: TextTokenizer, tmp_path: Path):
    name = "text:" + write(tmp_path / "file.jsonl", {**ROWS["instructions"], **ROWS["text"]})
    (trajectory,) = mixed_files([name], tiny_tokenizer)[name]
    assert trajectory.teaches == "text"


@pytest.mark.parametrize(("name", "said"), [("nothere.jsonl", "no such file"), ("odd.jsonl", "instructions:")])
def test_what_cannot_be_used_is_named(tiny_tokenizer: TextTokenizer, tmp_path: Path, name: str, said: str):
    write(tmp_path / "odd.jsonl", {"question": "?"})
    with pytest.raises(InputError, match=said):
        mixed_files([str(tmp_path / name)], tiny_tokenizer)


@pytest.mark.parametrize("kind", ["text", "store"])
def test_what_is_held_out_is_not_mixed_in(tiny_tokenizer: TextTokenizer, tmp_path: Path, kind: str):
    splits = [None, "train", "dev", "test"]
    rows = [{"text": f"The cat sat on mat {n}.", "split": split} for n, split in enumerate(splits)]
    path = tmp_path / "file.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    if kind == "store":
        with Store(tmp_path / "file.db") as store:
            store.add_many(import_text([path], tiny_tokenizer))
        path = tmp_path / "file.db"
    assert [t.split for t in mixed_files([str(path)], tiny_tokenizer)[str(path)]] == [None, "train"]
