"""Each edit is a steer in the text as corrected so far; too much changed is a pair; nothing changed is kept text."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from midcourse.capture.importers.edits import edit_rows, import_edits
from midcourse.errors import InputError
from midcourse.rows import Passage, SteerRow
from midcourse.tokens import TextTokenizer

from .real import DATA, all_can_be_learnt, apart, needs, sides, text

WAS = "The bridge was built in 1932 and carries two lanes of cars"
NOW = "The bridge was opened in 1932 and carries three lanes for buses"


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")
    return path


def test_edits_are_conditioned_on_the_text_corrected_so_far() -> None:
    first, second = edit_rows("p ", WAS, NOW)
    assert isinstance(first, SteerRow)
    assert isinstance(second, SteerRow)
    assert (first.prefix, first.rejected, first.chosen) == ("The bridge was", (" built",), " opened")
    assert second.prefix == "The bridge was opened in 1932 and carries"
    assert (second.rejected, second.chosen) == ((" two lanes of cars",), " three lanes for buses")
    assert first.tail == " in 1932 and carries three lanes for buses"
    assert first.old_tail == " in 1932 and carries two lanes of cars"
    assert {first.kind, second.kind} == {"local"}


def test_rewritten_is_a_pair_and_untouched_is_kept(tiny_tokenizer: TextTokenizer, tmp_path: Path) -> None:
    rows = [
        {"q": "Ask: ", "old": "to be or not", "new": {"text": "something else"}, "who": 7},
        {"q": "Ask: ", "old": "as it was", "new": {"text": "as it was\n"}},
        {"q": "Ask: ", "old": 5, "new": {"text": "x"}},
    ]
    columns = {"original": "old", "corrected": "new.text", "prompt": "q", "author": "who"}
    path = write(tmp_path / "a.jsonl", rows)
    trajectories, skipped = apart(import_edits([path], tiny_tokenizer, columns=columns, chat=True))
    pair, kept = trajectories
    assert pair.teaches == "pairs"
    assert pair.steers[0].annotator == "7"
    prompt = len(tiny_tokenizer.prompt_ids(pair.messages))
    assert pair.steers[0].fork.depth == prompt
    assert sides(pair, tiny_tokenizer) == [("edit", "to be or not<|im_end|>", "something else<|im_end|>")]
    assert (kept.steers, kept.teaches) == ((), "steers")
    assert text(kept, tiny_tokenizer, "model") == "as it was"
    assert [(s.line, s.reason) for s in skipped] == [(3, "column `old` must be text, got int 5")]
    again, _ = apart(import_edits([path], tiny_tokenizer, columns=columns, chat=True))
    assert again == trajectories, "importing again gives the same ids"


def test_what_was_cut_or_added_at_the_end(tiny_tokenizer: TextTokenizer, tmp_path: Path) -> None:
    rows = [
        {"prompt": "p ", "original": "boil the water first and then more", "corrected": "boil the water first"},
        {"prompt": "p ", "original": "boil the water first", "corrected": "boil the water first now"},
    ]
    found, skipped = apart(import_edits([write(tmp_path / "a.jsonl", rows)], tiny_tokenizer))
    assert [sides(t, tiny_tokenizer) for t in found] == [
        [("local", " and then more", "<|im_end|>")],
        [("continued", "<|im_end|>", " now")],
    ]
    assert skipped == []
    assert all_can_be_learnt(found) == 2


def test_what_an_editing_field_added_is_no_edit() -> None:
    (kept,) = edit_rows("p", "a\n  b\n", "\na  \r\n  b")
    assert isinstance(kept, Passage)
    assert kept.text == "a\n  b"


def test_an_unknown_column_is_refused(tiny_tokenizer: TextTokenizer, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="names no column of this format"):
        import_edits([tmp_path], tiny_tokenizer, columns={"before": "x"})
    path = write(tmp_path / "a.jsonl", [{"original": "a", "corrected": "b"}])
    _, (skipped,) = apart(import_edits([path], tiny_tokenizer))
    assert "column `prompt` is missing; the row has original, corrected" in skipped.reason


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "trajectories", "kinds", "untouched"),
    [
        pytest.param("mlqe-pe", 3450, {"local": 4759, "edit": 542, "continued": 54}, 450, marks=needs("mlqe-pe")),
        pytest.param("defacto", 1042, {"local": 1252, "edit": 180, "continued": 1}, 5, marks=needs("defacto")),
        pytest.param("ilf-mbpp", 194, {"local": 302, "edit": 56, "continued": 7}, 0, marks=needs("ilf-mbpp")),
    ],
)
def test_the_real_data(
    name: str, trajectories: int, kinds: dict[str, int], untouched: int, tiny_tokenizer: TextTokenizer
) -> None:
    found, skipped = apart(import_edits([DATA / name], tiny_tokenizer))
    assert len(found) + len(skipped) >= trajectories, "a tokenizer may not tell two texts apart; then it says so"
    steers = [s for t in found for s in t.steers]
    counted = Counter(s.kind for s in steers)
    assert all(abs(counted[kind] - number) <= len(skipped) for kind, number in kinds.items())
    assert abs(sum(not t.steers for t in found) - untouched) <= 10
    assert len(skipped) <= 2
    assert len({s.id for s in steers}) == len(steers)
    assert all_can_be_learnt(found[::25]) >= len(found[::25]) // 2
    if name == "defacto":
        assert sum(bool(s.reason) for s in steers) > 0.9 * len(steers)
