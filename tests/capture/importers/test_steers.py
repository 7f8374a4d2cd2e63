"""Steer files become trajectories as they are read; bad rows are named with file and line."""

import json
from pathlib import Path
from typing import Any

import pytest

from midcourse.capture.importers.steers import import_steers
from midcourse.errors import InputError
from midcourse.rows import Skipped
from midcourse.tokens import TextTokenizer
from midcourse.types import Trajectory


def write(path: Path, *rows: Any) -> Path:
    path.write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")
    return path


def test_rows_of_one_text_are_joined_and_bad_ones_named(tmp_path: Path, tiny_tokenizer: TextTokenizer) -> None:
    path = write(
        tmp_path / "a.jsonl",
        {"prompt": "p", "prefix": "It is", "rejected": " bad", "fix": " good"},
        {"prompt": "p"},
        {"prompt": "p", "prefix": "It is good", "rejected": " not", "fix": " indeed"},
        {"prompt": "other", "text": "a {~~b~>c~~} d", "split": "test"},
        {"prompt": "third", "rejected": "x", "fix": "x"},
        {"prompt": "fourth", "rejected": "x", "fix": "y", "tools": [{"name": "t"}]},
    )
    found = list(import_steers([path], tiny_tokenizer, columns={"chosen": "fix"}, chat=True, split="dev"))
    trajectories = [f for f in found if isinstance(f, Trajectory)]
    assert [len(t.steers) for t in trajectories] == [2, 1]
    assert [t.split for t in trajectories] == ["dev", "test"]
    assert {t.source for t in trajectories} == {"a.jsonl"}
    assert trajectories[0].messages[0].content == "p"
    skipped = sorted((f for f in found if isinstance(f, Skipped)), key=lambda s: s.line)
    assert [(s.file, s.line) for s in skipped] == [(str(path), 2), (str(path), 5), (str(path), 6)]
    assert str(skipped[0]).startswith(f"{path}:2: column `chosen`")
    assert "rows with `tools`" in skipped[2].reason


def test_it_streams(tmp_path: Path, tiny_tokenizer: TextTokenizer) -> None:
    rows = [{"prompt": f"p{n}", "prefix": "It is", "rejected": " bad", "chosen": " good"} for n in range(50)]
    path = write(tmp_path / "a.jsonl", *rows)
    read: list[int] = []
    found = import_steers([path], tiny_tokenizer, advance=lambda _, position: read.append(position))
    next(found)
    assert len(read) == 2
    assert len(list(found)) == 49
    assert read[-1] == path.stat().st_size


def test_options_are_checked_first(tmp_path: Path, tiny_tokenizer: TextTokenizer) -> None:
    path = write(tmp_path / "a.jsonl", {"prompt": "p", "chosen": "a"})
    with pytest.raises(InputError, match="names no column"):
        list(import_steers([path], tiny_tokenizer, columns={"selected": "fix"}))
    with pytest.raises(InputError, match="--split must be"):
        list(import_steers([path], tiny_tokenizer, split="holdout"))
