"""Rows of Alpaca and ShareGPT, written after their documented formats, say what our own rows say."""

import json
from pathlib import Path
from typing import Any

import pytest

from midcourse.capture.importers.instruction_shapes import as_ours
from midcourse.capture.importers.instructions import import_instructions
from midcourse.errors import InputError
from midcourse.tokens import TextTokenizer

from .real import apart

TALK = [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello."}]
OURS = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}]


def read(tokenizer: TextTokenizer, folder: Path, *rows: dict[str, Any], **how: Any):
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return apart(import_instructions([path], tokenizer, **how))


def paths(tokenizer: TextTokenizer, folder: Path, *rows: dict[str, Any], **how: Any) -> list[list[int]]:
    found, skipped = read(tokenizer, folder, *rows, **how)
    assert not skipped
    return [list(t.path(t.head)) for t in found]


@pytest.mark.parametrize("chat", [False, True])
def test_alpaca_is_a_prompt_and_a_completion(tiny_tokenizer: TextTokenizer, tmp_path: Path, chat: bool) -> None:
    alpaca = [
        {"instruction": "Name a colour.", "input": "", "output": "Blue."},
        {"instruction": "Name a colour.", "input": "In the sky.", "output": "Blue.", "text": "all of it"},
    ]
    ours = [
        {"prompt": "Name a colour.", "completion": "Blue."},
        {"prompt": "Name a colour.\n\nIn the sky.", "completion": "Blue."},
    ]
    assert paths(tiny_tokenizer, tmp_path, *alpaca, chat=chat) == paths(tiny_tokenizer, tmp_path, *ours, chat=chat)


def test_sharegpt_is_a_conversation(tiny_tokenizer: TextTokenizer, tmp_path: Path) -> None:
    system = {"role": "system", "content": "Be brief."}
    [plain, ruled] = paths(
        tiny_tokenizer, tmp_path, {"conversations": TALK}, {"conversations": TALK, "system": "Be brief."}
    )
    assert [plain, ruled] == paths(tiny_tokenizer, tmp_path, {"messages": OURS}, {"messages": [system, *OURS]})


def test_our_own_columns_go_first() -> None:
    row = {"messages": OURS, "conversations": "anything", "instruction": "x", "output": "y"}
    assert as_ours(row) is row
    assert as_ours({"prompt": "p", "completion": "c", "instruction": "x", "output": "y"})["prompt"] == "p"


def test_what_cannot_be_read_is_named_by_line(tiny_tokenizer: TextTokenizer, tmp_path: Path) -> None:
    stranger = {"conversations": [{"from": "ghost", "value": "Boo"}]}
    found, skipped = read(tiny_tokenizer, tmp_path, stranger, {"conversations": "Hi"}, {"instruction": 3, "output": ""})
    assert not found
    assert [s.line for s in skipped] == [1, 2, 3]
    with pytest.raises(InputError, match="'ghost' is no one we know; known are human"):
        as_ours(stranger)
