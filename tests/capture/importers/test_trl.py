"""All four shapes of TRL's preference rows come to the same pair: prompt, then one whole answer against another."""

import json
from pathlib import Path
from typing import Any

import pytest

from midcourse.capture.importers.trl import import_trl, preference_row
from midcourse.errors import InputError
from midcourse.tokens import TextTokenizer
from midcourse.types import Message

from .real import all_can_be_learnt, apart, sides


def says(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


ASK, GOOD, BAD = says("user", "Sky?"), says("assistant", "It is blue."), says("assistant", "It is green.")
SHAPES: list[dict[str, Any]] = [
    {"prompt": [ASK], "chosen": [GOOD], "rejected": [BAD]},
    {"chosen": [ASK, GOOD], "rejected": [ASK, BAD]},
    {"prompt": "Sky?", "chosen": [ASK, GOOD], "rejected": [ASK, BAD]},
    {"prompt": [ASK], "chosen": "It is blue.", "rejected": "It is green."},
]


@pytest.mark.parametrize("row", SHAPES)
def test_conversations(row: dict[str, Any]) -> None:
    told = [row.get(name) for name in ("prompt", "chosen", "rejected")]
    read = preference_row(*told)
    assert read.prompt == (Message("user", "Sky?"),)
    assert (read.prefix, read.chosen, read.rejected) == ("", "It is blue.", ("It is green.",))
    assert read.whole
    assert read.ended


def test_texts_with_and_without_a_prompt() -> None:
    read = preference_row("The sky is", " blue.", " green.")
    assert (read.prompt, read.chosen, read.rejected) == ("The sky is", " blue.", (" green.",))
    read = preference_row(None, "The sky is blue.", "The sky is bluish.")
    assert (read.prompt, read.chosen, read.rejected) == ("The sky is", " blue.", (" bluish.",))


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ((None, None, "b"), "column `chosen` is missing"),
        (("p", "a", [BAD]), "must both be texts"),
        ((None, [GOOD], [BAD]), "do not begin with the same messages"),
        ((None, [ASK, GOOD, ASK, GOOD], [ASK, BAD]), "chosen has 3 messages and rejected 1"),
        ((None, [ASK, GOOD], [ASK, GOOD]), "equal to rejected"),
        (("p", "", "b"), "says nothing"),
        (("p", 4, "b"), "must both be texts or both"),
        (("p", [{"role": "user"}], [BAD]), "needs the strings"),
    ],
)
def test_other_rows_are_refused(row: tuple[Any, Any, Any], why: str) -> None:
    with pytest.raises(InputError, match=why):
        preference_row(*row)


def test_the_fork_stands_right_after_the_prompt(tiny_tokenizer: TextTokenizer, tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    rows = [
        *SHAPES,
        {"prompt": "x", "chosen": "a", "rejected": "b", "tools": [{"name": "t"}]},
        SHAPES[0] | {"rejected": "no"},
    ]
    path.write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")
    (pair,), skipped = apart(import_trl([path], tiny_tokenizer, chat=True))
    assert pair.teaches == "pairs"
    (steer,) = pair.steers
    assert steer.fork.depth == len(tiny_tokenizer.prompt_ids([Message("user", "Sky?")]))
    assert sides(pair, tiny_tokenizer) == [("edit", "It is green.<|im_end|>", "It is blue.<|im_end|>")]
    assert [s.line for s in skipped] == [5, 6]
    assert all_can_be_learnt([pair]) == 1


def test_several_rejected_of_one_answer_share_its_tree(tiny_tokenizer: TextTokenizer, tmp_path: Path) -> None:
    rows = [{"prompt": "p ", "chosen": "good", "rejected": r} for r in ("bad", "worse", "good indeed", "good")]
    path = tmp_path / "p.jsonl"
    path.write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")
    (pair,), skipped = apart(import_trl([path], tiny_tokenizer))
    assert len(pair.steers[0].rejected) == 3, "an answer that goes on is told apart by the end token"
    assert ["equal to rejected" in s.reason for s in skipped] == [True]
    assert all_can_be_learnt([pair]) == 3
