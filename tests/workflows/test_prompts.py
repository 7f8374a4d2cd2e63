"""Prompts of a file, each once, whole or a shard of them."""

import json

import pytest

from midcourse.errors import InputError
from midcourse.types import Message
from midcourse.workflows.prompts import read_prompts


def prompts(tmp_path, n=5):
    path = tmp_path / "p.jsonl"
    rows = [{"prompt": f"Say {i}", "split": "train", "group": f"g{i}"} for i in range(n)]
    path.write_text("\n".join(map(json.dumps, [*rows, rows[0]])))
    return read_prompts(path)


def test_prompts_are_read_once_each(tmp_path):
    asked = prompts(tmp_path)
    assert len(asked) == 5
    assert asked[0].prompt == (Message("user", "Say 0"),)
    lines = tmp_path / "p.txt"
    lines.write_text("One\n\nTwo\nOne\n")
    assert [a.prompt for a in read_prompts(lines, chat=False)] == ["One", "Two"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "line 1: no JSON"),
        ('{"prompt": 3}', "must be a text"),
        ('{"prompt": "a", "split": "x"}', "split is"),
        ("", "no"),
    ],
)
def test_a_line_that_cannot_be_used_is_named(tmp_path, text, message):
    (tmp_path / "p.jsonl").write_text(text)
    with pytest.raises(InputError, match=message):
        read_prompts(tmp_path / "p.jsonl")


def test_shards_share_nothing_and_leave_nothing_out(tmp_path):
    asked = prompts(tmp_path, 40)
    parts = [read_prompts(tmp_path / "p.jsonl", shard=(i, 3)) for i in (1, 2, 3)]
    assert sorted(a.key for p in parts for a in p) == sorted(a.key for a in asked)
    assert all(parts)


def test_a_shard_may_be_empty_a_file_may_not(tmp_path):
    prompts(tmp_path, 1)
    assert sorted(len(read_prompts(tmp_path / "p.jsonl", shard=(i, 2))) for i in (1, 2)) == [0, 1]


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.jsonl cannot be read"):
        read_prompts(tmp_path / "none.jsonl")
