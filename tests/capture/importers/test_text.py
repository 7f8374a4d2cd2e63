"""Every token of a text is learnt; a long one is cut into parts that lose nothing."""

import json
from pathlib import Path

import pytest

from midcourse.capture.importers.text import import_text, text_parts
from midcourse.errors import InputError
from midcourse.tokens import TextTokenizer
from midcourse.tree.token_tree import build_tree

from .real import DATA, apart, needs, text


def test_parts_give_the_text_back(tiny_tokenizer: TextTokenizer) -> None:
    said = "The bridge was built in 1932. Café 東京 🙂. " * 20
    parts = list(text_parts(said, tiny_tokenizer, max_tokens=50))
    ids = [i for t in parts for i in t.path(t.head)]
    assert ids == tiny_tokenizer.encode_prompt(said)
    assert tiny_tokenizer.decode(ids) == said  # a part may end inside a character; together they are whole
    assert len({t.group for t in parts}) == 1
    assert len({t.id for t in parts}) == len(parts) > 5
    tree = build_tree(parts[0]).tree
    assert tree.nll_weight.tolist() == [0.0] + [1.0] * 49
    assert not tree.retain.any()


@pytest.mark.parametrize("said", ["", "  ", "\n"])
def test_nothing_to_learn(said: str, tiny_tokenizer: TextTokenizer) -> None:
    with pytest.raises(InputError, match="too short"):
        list(text_parts(said, tiny_tokenizer))


def test_rows_and_plain_files(tiny_tokenizer: TextTokenizer, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps({"body": "To make tea."}) + "\n{}\n", encoding="utf-8")
    (tmp_path / "b.txt").write_text("One line.\n\nAnother line.\n", encoding="utf-8")
    found, skipped = apart(import_text([tmp_path / "a.jsonl"], tiny_tokenizer, columns={"text": "body"}))
    assert [text(t, tiny_tokenizer) for t in found] == ["To make tea."]
    assert "column `body` is missing; the row has none" in skipped[0].reason
    found, _ = apart(import_text([tmp_path / "b.txt"], tiny_tokenizer))
    assert [text(t, tiny_tokenizer) for t in found] == ["One line.\n\nAnother line.\n"]
    with pytest.raises(InputError, match="--max-tokens"):
        list(import_text([tmp_path], tiny_tokenizer, max_tokens=1))


def test_a_long_plain_file_comes_in_pieces(tiny_tokenizer: TextTokenizer, tmp_path: Path) -> None:
    paragraph = "the of and to a in is was that. " * 20 + "\n\n"
    (tmp_path / "b.txt").write_text(paragraph * 300, encoding="utf-8")
    found, _ = apart(import_text([tmp_path / "b.txt"], tiny_tokenizer, max_tokens=1 << 20))
    pieces = [text(t, tiny_tokenizer) for t in found]
    assert "".join(pieces) == paragraph * 300
    assert len(pieces) == 3
    assert all(p.endswith("\n\n") for p in pieces), "cut where a paragraph ends"


@pytest.mark.long
@needs("drift-text")
def test_the_real_data(tiny_tokenizer: TextTokenizer) -> None:
    found, skipped = apart(import_text([DATA / "drift-text"], tiny_tokenizer))
    assert len(found) > 400
    assert len(skipped) <= 1
    assert max(len(t.nodes[0].token_ids) for t in found) <= 1024
    assert len({t.id for t in found}) == len(found)
