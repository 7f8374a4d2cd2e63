"""What people made of a suggested text: each edit a steer with its author, what they left as it was is let stand."""

import json
from pathlib import Path
from typing import Any

import pytest

from midcourse.capture.importers.annotations import argilla, import_argilla, import_label_studio, label_studio
from midcourse.errors import InputError
from midcourse.tokens import TextTokenizer

from .real import all_can_be_learnt, apart, sides, text

EXPORTS = Path(__file__).parent / "exports"
STANDS = "The bridge was built in 1932 and carries two lanes of cars."


def test_argilla(tiny_tokenizer: TextTokenizer) -> None:
    found, skipped = apart(import_argilla([EXPORTS / "argilla.json"], tiny_tokenizer, chat=True))
    edit, left = found
    assert [(k, r.strip(), c.strip()) for k, r, c in sides(edit, tiny_tokenizer)] == [("local", "built", "opened")]
    assert (edit.annotator, left.annotator) == ("5a1c", "77fe")
    assert [m.content for m in edit.messages] == ["When was the bridge built?"]
    assert (left.steers, text(left, tiny_tokenizer, "model")) == ((), STANDS)
    assert [(s.line, s.reason.partition(",")[0]) for s in skipped] == [
        (3, "question `answer` has no suggestion"),
    ]
    assert all_can_be_learnt([edit]) == 1


def test_argilla_from_the_hub(tiny_tokenizer: TextTokenizer) -> None:
    path = EXPORTS / "argilla-flat.jsonl"
    prompted, skipped = apart(import_argilla([path], tiny_tokenizer, prompt="{instruction}\n"))
    assert (len(prompted), skipped) == (1, []), "drafts are left out"
    assert text(prompted[0], tiny_tokenizer, "prompt") == "When was the bridge built?\n"
    mapped, _ = apart(import_argilla([path], tiny_tokenizer, columns={"prompt": "instruction", "group": "id"}))
    assert mapped[0].group == "r1"
    (_, (unnamed,)) = apart(import_argilla([path], tiny_tokenizer))
    assert "which column that may be the prompt?" in unnamed.reason


def test_label_studio(tiny_tokenizer: TextTokenizer) -> None:
    path = EXPORTS / "label-studio.json"
    found, skipped = apart(import_label_studio([path], tiny_tokenizer, chat=True))
    edit, left = found
    assert [(k, r.strip(), c.strip()) for k, r, c in sides(edit, tiny_tokenizer)] == [("local", "built", "opened")]
    assert (edit.annotator, left.annotator) == ("7", "8")
    assert (left.steers, text(left, tiny_tokenizer, "model")) == ((), "The town paid.")
    assert skipped == [], "nobody has worked on the third task"


def test_the_original_may_stand_in_the_data() -> None:
    task = json.loads((EXPORTS / "label-studio.json").read_text(encoding="utf-8"))[0]
    task["data"]["draft"], task["predictions"] = "The bridge is old.", [3]
    columns = {"prompt": "data.question", "original": "data.draft"}
    (answer,) = label_studio(task, columns=columns)
    assert answer.earlier == ("The bridge is old.",)
    with pytest.raises(InputError, match="has no prediction"):
        list(label_studio(task, columns={"prompt": "data.question"}))
    with pytest.raises(InputError, match=r"there are data\.draft, data\.question"):
        list(label_studio(task, columns={"original": "data.draft"}))


def test_a_conversation_as_the_prompt() -> None:
    record = json.loads((EXPORTS / "argilla.json").read_text(encoding="utf-8"))[0]
    record["fields"] = {"chat": [{"role": "user", "content": "When?"}]}
    first, _ = argilla(record)
    assert [m.to_dict() for m in first.prompt if not isinstance(m, str)] == record["fields"]["chat"]


@pytest.mark.parametrize(
    ("read", "value", "says"),
    [
        (argilla, [], "must be an object"),
        (argilla, {"text": "x"}, "no record of Argilla"),
        (argilla, {"responses": {"a": [1], "b": [1]}, "suggestions": {"a": {}, "b": {}}}, "there are a, b"),
        (label_studio, {"text": "flat"}, "not JSON-MIN"),
    ],
)
def test_other_records_are_refused(read: Any, value: Any, says: str) -> None:
    with pytest.raises(InputError, match=says):
        list(read(value))


def test_an_unknown_column_is_refused_at_once(tiny_tokenizer: TextTokenizer) -> None:
    with pytest.raises(InputError, match="names no column of this format"):
        import_argilla([EXPORTS / "argilla.json"], tiny_tokenizer, columns={"chosen": "x"})
