"""A session is one story: kept suggestions are the model's, cuts and repairs are steers, the rest is the writer's."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from midcourse.capture.importers.coauthor import import_coauthor
from midcourse.capture.importers.episodes import outcome, read_episode
from midcourse.errors import InputError
from midcourse.tokens import TextTokenizer

from .real import DATA, all_can_be_learnt, apart, needs, sides, text

needs_data = needs("coauthor-creative")


def episode(context: str, action: str, model: str | None, cut: int, human: str, **more: Any) -> dict[str, Any]:
    fixed = {"session": "s", "writer": "w1", "prompt_code": "pig", "context": context, "action": action}
    return {**fixed, "model_text": model, "cut": cut, "human_text": human, **more}


CONTEXTS = ["Once. ", "A pig ran. It hid. ", "The wolf saw nothing at all. ", "So. "]
DONE: list[tuple[Any, ...]] = [
    ("kept", "A pig ran.", 10, " It hid. "),
    ("cut", "The wolf came to eat it.", 9, "saw nothing at all. "),
    ("dismissed", None, 0, "So. "),
    ("cut", "The red house fell down.", 4, "big house fell down. End. "),
]
STORY = [episode("".join(CONTEXTS[: n + 1]), *done, candidates=["x", "y"]) for n, done in enumerate(DONE)]


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")
    return path


def test_a_session_is_one_story(tiny_tokenizer: TextTokenizer, tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", STORY)
    (story,), skipped = apart(import_coauthor([path], tiny_tokenizer))
    assert skipped == []
    told = "Once. A pig ran. It hid. The wolf saw nothing at all. So. The big house fell down. End. "
    assert text(story, tiny_tokenizer) == told
    assert [(k, r, c.strip()) for k, r, c in sides(story, tiny_tokenizer)] == [
        ("typed", "came to eat it.", "saw nothing at all."),
        ("local", " red", "big"),
    ]
    by_model = text(story, tiny_tokenizer, "model")
    assert "pig ran." in by_model
    assert "house fell down." in by_model, "the model's own ending is what was let stand"
    assert "hid" not in by_model
    assert "End" not in by_model
    assert story.annotator == "w1"
    assert text(story, tiny_tokenizer, "prompt").startswith("Once.")
    assert all_can_be_learnt([story]) == 2
    (more,), _ = apart(import_coauthor([path], tiny_tokenizer, dismissed=True))
    assert len(more.steers) == 3
    assert {r.origin for s in more.steers for r in s.rejected} == {"shown", "candidate"}
    assert apart(import_coauthor([path], tiny_tokenizer, writer="other")) == ([], [])


def test_where_the_writer_changed_what_stood_a_new_story_begins(tiny_tokenizer: TextTokenizer, tmp_path: Path) -> None:
    changed = episode("Twice. A pig sat. ", "kept", "It slept.", 9, "")
    found, _ = apart(import_coauthor([write(tmp_path / "a.jsonl", [*STORY, changed])], tiny_tokenizer))
    assert [text(t, tiny_tokenizer)[:6] for t in found] == ["Once. ", "Twice."]
    assert found[0].group == found[1].group, "a writer's stories are not torn apart"


def test_unseen_text_belongs_to_nobody(tiny_tokenizer: TextTokenizer, tmp_path: Path) -> None:
    later = episode("… A pig ran. It hid. Then rain fell on the old roof of the house. ", "kept", "The end.", 8, "")
    first = episode("Once. ", "kept", "A pig ran.", 10, " It hid. ")
    long = {**later, "context": "Once. A pig ran. It hid. Then rain. "}
    (story,), _ = apart(import_coauthor([write(tmp_path / "a.jsonl", [first, long])], tiny_tokenizer))
    assert "Then rain." in text(story, tiny_tokenizer, "prompt")
    found, _ = apart(import_coauthor([write(tmp_path / "b.jsonl", [first, later])], tiny_tokenizer))
    assert len(found) == 2, "too little of it is known to tell where it goes on"


@pytest.mark.parametrize(
    ("row", "kinds"),
    [
        (episode("c", "cut", "It was late.", 11, " and dark.", trailing_only=True), []),
        (episode("c", "cut", "It was late and dark.", 7, "early. "), ["typed"]),
        (episode("c", "cut", "It was late and very dark.", 7, "early and very dark. Then"), ["local"]),
        (episode("c", "deleted", "It was late.", 0, ""), ["resampled"]),
        (episode("c", "kept", "It was late.", 12, " So"), []),
        (episode("c", "dismissed", None, 0, "So", candidates=["a"]), []),
    ],
)
def test_what_a_writer_did_decides_the_kind(row: dict[str, Any], kinds: list[str]) -> None:
    found = outcome(read_episode(row), "Before. ")
    assert [r.kind for r in found.rows] == kinds
    assert found.text == (row["model_text"] or "")[: row["cut"]] + row["human_text"]


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ([], "must be an object"),
        ({"context": "c"}, "`action` is missing"),
        (episode("c", "eaten", "m", 0, ""), "`action` must be one of"),
        (episode("c", "cut", "m", 2, ""), "`cut` must lie between 0 and 1"),
        (episode("c", "cut", 3, 0, ""), "`model_text` must be text"),
    ],
)
def test_other_rows_are_refused(row: Any, says: str) -> None:
    with pytest.raises(InputError, match=says):
        read_episode(row)


@pytest.mark.long
@needs_data
def test_the_real_cuts(tiny_tokenizer: TextTokenizer) -> None:
    found, skipped = apart(import_coauthor([DATA / "coauthor-creative" / "cuts.jsonl"], tiny_tokenizer))
    steers = [s for t in found for s in t.steers]
    assert Counter(s.kind for s in steers) == {"local": 331, "typed": 301, "resampled": 12}
    assert len({t.annotator for t in found}) > 30
    assert len(skipped) == 40, "cuts behind which the story is not told on"
    assert all_can_be_learnt(found[::10]) > 0
    per_writer, _ = apart(import_coauthor([DATA / "coauthor-creative"], tiny_tokenizer, writer="w06", group="session"))
    assert {t.annotator for t in per_writer} == {"w06"}
    assert len({t.group for t in per_writer}) > 10


@needs_data
def test_the_real_sessions(tiny_tokenizer: TextTokenizer) -> None:
    path = DATA / "coauthor-creative" / "sessions.jsonl"
    found, _ = apart(import_coauthor([path], tiny_tokenizer))
    assert len({t.id for t in found}) == len(found) == 123, "80 sessions, some cut where earlier text was changed"
    assert Counter(s.kind for t in found for s in t.steers) == {"local": 67, "typed": 67, "resampled": 3}
    by_model = "".join(text(t, tiny_tokenizer, "model") for t in found)
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    kept = sum(len(r["model_text"]) for r in rows if r["action"] == "kept")
    assert len(by_model) > 0.8 * kept, "kept suggestions are retained text"
    assert all_can_be_learnt(found) == sum(len(t.steers) for t in found)
