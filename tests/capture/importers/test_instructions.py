"""What the assistant says is learnt, the prompt is not; turns share a trajectory where the template lets them."""

import json
from pathlib import Path
from typing import Any

import pytest

from midcourse.capture.importers.instructions import conversation, import_instructions
from midcourse.errors import InputError
from midcourse.tokens import TextTokenizer
from midcourse.tree.token_tree import build_tree
from midcourse.types import Message, Trajectory

from .real import DATA, apart, needs, text

TURNS = [
    Message("user", "Hi"),
    Message("assistant", "Hello."),
    Message("user", "Bye"),
    Message("assistant", "See you."),
]


def learnt(t: Trajectory, tokenizer: TextTokenizer) -> str:
    tree = build_tree(t).tree
    assert not tree.retain.any()
    return tokenizer.decode([int(i) for i, w in zip(tree.token_ids, tree.nll_weight, strict=True) if w])


def test_turns_that_extend_each_other_are_one_trajectory(tiny_tokenizer: TextTokenizer) -> None:
    (t,) = conversation(TURNS, tiny_tokenizer)
    assert learnt(t, tiny_tokenizer) == "Hello.<|im_end|>See you.<|im_end|>"
    assert t.path(t.head)[: len(tiny_tokenizer.prompt_ids(TURNS[:3]))] == tiny_tokenizer.prompt_ids(TURNS[:3])


def test_turns_that_the_template_rewrites_stand_apart(tiny_tokenizer: TextTokenizer) -> None:
    forgetful = TextTokenizer(
        tiny_tokenizer._text, template="{% for m in messages[-1:] %}{{ m.content }}{% endfor %}>", eos=["<|im_end|>"]
    )
    found = list(conversation(TURNS, forgetful))
    assert [learnt(t, forgetful) for t in found] == ["Hello.<|im_end|>", "See you.<|im_end|>"]
    assert len({t.group for t in found}) == 1
    assert len({t.id for t in found}) == 2


ROWS: list[tuple[dict[str, Any], str]] = [
    ({"messages": [m.to_dict() for m in TURNS[:2]]}, "Hello.<|im_end|>"),
    ({"prompt": "Say: ", "completion": "so"}, "so<|im_end|>"),
    ({"prompt": [TURNS[0].to_dict()], "completion": [TURNS[1].to_dict()]}, "Hello.<|im_end|>"),
]


def test_all_shapes(tiny_tokenizer: TextTokenizer, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    bad: list[dict[str, Any]] = [{"prompt": "p"}, {"question": "q"}, {"messages": [TURNS[0].to_dict()]}]
    bad.append({**ROWS[0][0], "tools": [{"name": "weather"}]})  # the prompt would be another one without them
    path.write_text("".join(json.dumps(r) + "\n" for r in [*(r for r, _ in ROWS), *bad]), encoding="utf-8")
    found, skipped = apart(import_instructions([path], tiny_tokenizer))
    assert [learnt(t, tiny_tokenizer) for t in found] == [words for _, words in ROWS]
    assert {t.teaches for t in found} == {"instructions"}
    assert [s.line for s in skipped] == [4, 5, 6, 7]
    assert "tools" in skipped[-1].reason
    assert apart(import_instructions([path], tiny_tokenizer))[0] == found


def test_rows_with_tools_are_skipped_unless_the_prompt_says_them(tiny_tokenizer: TextTokenizer, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    shared = {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello."}]}
    none: list[Any] = [None, [], "", "[]"]
    some: list[Any] = [[{"type": "function", "function": {"name": "weather"}}], '[{"name": "weather"}]']
    rows = [{**row, "tools": tools} for row in (*(r for r, _ in ROWS), shared) for tools in (*none, *some)]
    path.write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")
    found, skipped = apart(import_instructions([path], tiny_tokenizer))
    assert len(found) == 16
    assert [s.line for s in skipped] == [5, 6, 11, 12, 17, 18, 23, 24]
    assert {s.reason for s in skipped} == {
        "rows with `tools` cannot be imported: the prompt would be rendered without them"
    }
    path.write_text(json.dumps({"ask": "Rain?", "tools": "weather(city)", "completion": "Yes."}), encoding="utf-8")
    (told,), _ = apart(import_instructions([path], tiny_tokenizer, prompt="{tools}\n{ask}\n"))
    assert text(told, tiny_tokenizer, "prompt") == "weather(city)\nRain?\n"


def test_a_conversation_needs_an_answer(tiny_tokenizer: TextTokenizer) -> None:
    with pytest.raises(InputError, match="needs a turn of the assistant"):
        list(conversation(TURNS[:1], tiny_tokenizer))


@needs("instructions")
def test_the_real_data_by_path(tiny_tokenizer: TextTokenizer) -> None:
    columns = {"completion": "instances.0.output", "group": "id"}
    path = DATA / "instructions" / "seed_tasks.jsonl"
    found, skipped = apart(
        import_instructions([path], tiny_tokenizer, columns=columns, prompt="{instruction}", chat=True)
    )
    assert (len(found), len(skipped)) == (175, 0)
    assert text(found[0], tiny_tokenizer, "person").startswith("Yes, you can have")
