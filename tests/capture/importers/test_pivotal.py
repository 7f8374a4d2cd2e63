"""Pivotal tokens in both published forms are steers of one token."""

import json
from pathlib import Path
from typing import Any

import pytest

from midcourse.capture.importers.pivotal import import_pivotal, pivotal_row
from midcourse.errors import InputError
from midcourse.tokens import TextTokenizer

from .real import all_can_be_learnt, apart, sides

CONTEXT = "What is 2 + 3?\n\nTo add, take the"
PAIR = {"prompt": CONTEXT, "chosen": " answer", "rejected": " water", "metadata": {"original_query": "What is 2 + 3?"}}
ALONE: dict[str, Any] = {
    "query": "What is 2 + 3?",
    "pivot_context": CONTEXT,
    "pivot_token": " answer",
    "pivot_token_id": 7,
    "prob_before": 0.4,
    "prob_after": 0.7,
    "prob_delta": 0.3,
}


def test_both_forms(tiny_tokenizer: TextTokenizer, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    worse = {**ALONE, "pivot_token": " water", "prob_delta": -0.3}
    rows = [PAIR, ALONE, worse, {**worse, "chosen_token": " bridge"}]
    path.write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")
    found, skipped = apart(import_pivotal([path], tiny_tokenizer))
    assert [side for t in found for side in sides(t, tiny_tokenizer)] == [
        ("picked", " water", " answer"),
        ("picked", " water", " bridge"),
    ], "the same token as a pair and alone is one steer"
    assert [s.line for s in skipped] == [3]
    assert len({t.group for t in found}) == 1
    assert all_can_be_learnt(found) == 2


def test_a_chat_has_the_query_as_its_message(tiny_tokenizer: TextTokenizer, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps(PAIR) + "\n" + json.dumps({**PAIR, "metadata": {}}), encoding="utf-8")
    (t,), (skipped,) = apart(import_pivotal([path], tiny_tokenizer, chat=True))
    assert t.messages[0].content == "What is 2 + 3?"
    assert tiny_tokenizer.decode(t.path(t.head)).endswith("assistant\nTo add, take the answer")
    assert "without --chat" in skipped.reason


@pytest.mark.parametrize(
    ("row", "says"),
    [({"prompt": "p"}, "`chosen` is missing"), ({**ALONE, "prob_delta": "x"}, "must be a number")],
)
def test_other_rows_are_refused(row: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        pivotal_row(row)
