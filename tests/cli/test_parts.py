"""Which part of a source is trained on: the same whether it is held or read anew for each part."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from midcourse.cli import parts
from midcourse.cli.parts import SourcePart, read_parts
from midcourse.errors import InputError
from midcourse.tokens import TextTokenizer


def source(path: Path, count: int, **more: str) -> dict:
    rows = [
        {"prompt": f"{n}. ", "prefix": "The cat ", "rejected": "ran.", "chosen": "sat.", **more} for n in range(count)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in [*rows, {"prompt": "x"}]), encoding="utf-8")
    return {"source": str(path), "chat": False, "columns": {}}


def read(plan: dict, tokenizer: TextTokenizer) -> tuple:
    return read_parts(plan, tokenizer, Console(file=io.StringIO()))


def test_held_and_read_anew_the_parts_are_the_same(
    tiny_tokenizer: TextTokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    plan = source(tmp_path / "steers.jsonl", 60)
    held = read(plan, tiny_tokenizer)
    assert all(isinstance(part, list) for part in held)
    assert capsys.readouterr().err.count("skipped") == 1
    monkeypatch.setattr(parts, "_HELD", 20)
    anew = read(plan, tiny_tokenizer)
    assert all(isinstance(part, SourcePart) for part in anew)
    for one, two in zip(held, anew, strict=True):
        assert [t.id for t in one] == [t.id for t in two] == [t.id for t in two]
    assert (
        capsys.readouterr().err.count("skipped") == 2
    )  # the part that is trained on was read twice, the other is quiet
    assert anew[0].signature != anew[1].signature
    before = anew[0].signature
    source(tmp_path / "steers.jsonl", 61)
    assert anew[0].signature != before


@pytest.mark.parametrize("held", [20, 4096])
def test_all_held_out_and_too_few_to_hold_out(
    tiny_tokenizer: TextTokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, held: int
):
    monkeypatch.setattr(parts, "_HELD", held)
    with pytest.raises(InputError, match="are held out"):
        read(source(tmp_path / "a.jsonl", 30, split="test"), tiny_tokenizer)
    train, dev = read(source(tmp_path / "b.jsonl", 30, group="one problem"), tiny_tokenizer)
    assert (len(list(train)), dev) == (30, None)
    train, dev = read(source(tmp_path / "c.jsonl", 30, split="train"), tiny_tokenizer)
    assert (len(list(train)), dev) == (30, None)
