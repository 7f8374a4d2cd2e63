"""What chat front ends keep of an edit becomes steers; regenerations become pairs; greetings and notes are left out."""

import json
from pathlib import Path
from typing import Any

import pytest

from midcourse.capture.importers.chats import (
    import_open_webui,
    import_sillytavern,
    import_text_generation_webui,
    open_webui,
    sillytavern,
    text_generation_webui,
)
from midcourse.errors import InputError
from midcourse.tokens import TextTokenizer

from .real import all_can_be_learnt, apart, sides, text

EXPORTS = Path(__file__).parent / "exports"


def test_open_webui(tiny_tokenizer: TextTokenizer) -> None:
    path = EXPORTS / "open-webui.json"
    found, skipped = apart(import_open_webui([path], tiny_tokenizer))
    assert [[(k, r.strip(), c.strip()) for k, r, c in sides(t, tiny_tokenizer)] for t in found] == [
        [("local", "built", "opened")],
        [("local", "town", "county")],
    ]
    first, second = found
    assert [m.role for m in second.messages] == ["system", "user", "assistant", "user"]
    assert second.messages[2].content.startswith("The bridge was opened in 1932"), "what stands is what was answered"
    assert "Thought for" not in text(first, tiny_tokenizer)
    assert {t.group for t in found} == {"c1"}, "a chat is not torn apart"
    assert [(s.line, "chat.history.messages" in s.reason) for s in skipped] == [(3, True)]
    assert all_can_be_learnt(found) == 2
    assert apart(import_open_webui([path], tiny_tokenizer))[0] == found, "importing again gives the same ids"


def test_sillytavern(tiny_tokenizer: TextTokenizer) -> None:
    path = EXPORTS / "sillytavern.jsonl"
    found, skipped = apart(import_sillytavern([path], tiny_tokenizer))
    assert skipped == []
    edit, pair = found
    assert [(k, r.strip(), c.strip()) for k, r, c in sides(edit, tiny_tokenizer)] == [("local", "built", "opened")]
    assert (pair.teaches, [s.kind for s in pair.steers]) == ("pairs", ["edit"])
    assert [m.role for m in edit.messages] == ["assistant", "user"], "the greeting is what the user answered"
    (only,), _ = apart(import_sillytavern([path], tiny_tokenizer, alternatives=False))
    assert only == edit


def test_text_generation_webui(tiny_tokenizer: TextTokenizer) -> None:
    found, skipped = apart(import_text_generation_webui([EXPORTS / "text-generation-webui.json"], tiny_tokenizer))
    assert skipped == []
    (edit,) = found
    assert [(k, r.strip(), c.strip()) for k, r, c in sides(edit, tiny_tokenizer)] == [("local", "built", "opened")]
    assert [(m.role, m.content[:4]) for m in edit.messages] == [("assistant", "Good"), ("user", "When")]


@pytest.mark.parametrize(
    ("read", "value", "says"),
    [
        (open_webui, [], "must be an object"),
        (open_webui, {"title": "x"}, "chat.history.messages"),
        (sillytavern, [], "`mes`"),
        (sillytavern, [{"text": "x"}], "`mes`"),
        (text_generation_webui, {"data": []}, "`internal`"),
        (text_generation_webui, {"internal": [["a"]]}, "`internal`"),
    ],
)
def test_other_files_are_refused(read: Any, value: Any, says: str) -> None:
    with pytest.raises(InputError, match=says):
        list(read(value))


def test_a_broken_document_is_named(tiny_tokenizer: TextTokenizer, tmp_path: Path) -> None:
    whole = (EXPORTS / "open-webui.json").read_text(encoding="utf-8")
    path = tmp_path / "a.json"
    path.write_text(whole[:200], encoding="utf-8")
    with pytest.raises(InputError, match=r"not a JSON document.*export it again"):
        list(import_open_webui([path], tiny_tokenizer))
    path.write_bytes(b'["\xff"]')
    with pytest.raises(InputError, match="not UTF-8"):
        list(import_open_webui([path], tiny_tokenizer))
    path.write_text("".join(json.dumps(chat) + "\n" for chat in json.loads(whole)), encoding="utf-8")
    assert len(apart(import_open_webui([path], tiny_tokenizer))[0]) == 2, "rows under the wrong name"


def test_a_circle_of_messages_ends() -> None:
    message = {"role": "assistant", "content": "b", "originalContent": "a", "parentId": "x"}
    messages = {"x": {"role": "user", "content": "q", "parentId": "y"}, "y": message}
    (answer,) = open_webui({"chat": {"history": {"messages": messages}}})
    assert answer.earlier == ("a",)
