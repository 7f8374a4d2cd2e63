"""Rows of each trainer obey what that trainer documents of its format; what does not fit is counted and named."""

from typing import Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, TypeAdapter

from midcourse.publish.export import Export
from midcourse.publish.formats import Tally, Trainer, trainer_rows
from midcourse.rows import SteerRow, join
from midcourse.tokens import TextTokenizer
from midcourse.types import Message, Trajectory


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class TextPair(Strict):
    prompt: str
    chosen: str
    rejected: str


class Completion(Strict):
    prompt: str
    completion: str


class Segment(Strict):
    label: bool
    text: str


class Segments(Strict):
    segments: list[Segment]


class Part(Strict):
    role: Literal["system", "user", "assistant", "tool"]
    content: str
    loss: bool | None = None


class SwiftPair(Strict):
    messages: list[Part]
    rejected_messages: list[Part]


class SwiftMessages(Strict):
    messages: list[Part]


class IdPair(Strict):
    prompt_ids: list[int]
    chosen_ids: list[int]
    rejected_ids: list[int]


class Labelled(Strict):
    input_ids: list[int]
    labels: list[int]


DOCUMENTED: dict[tuple[Trainer, bool], type[BaseModel]] = {
    (Trainer.trl, False): TextPair,
    (Trainer.trl, True): Completion,
    (Trainer.trl_ids, False): IdPair,
    (Trainer.trl_ids, True): Labelled,
    (Trainer.ms_swift, False): SwiftPair,
    (Trainer.ms_swift, True): SwiftMessages,
    (Trainer.axolotl, False): TextPair,
    (Trainer.axolotl, True): Segments,
}
ROWS = [
    SteerRow((Message("user", "Tea?"),), "Boil the", " water first.", (" leaves", " cup"), trajectory="tea"),
    SteerRow((Message("user", "Tea?"),), "Boil the water first.", " Then pour.", (), trajectory="tea"),
    SteerRow("About the bridge: ", "Built in", " 1932.", (" 1832.",), trajectory="bridge"),
]


@pytest.fixture
def texts(tiny_tokenizer: TextTokenizer) -> list[Trajectory]:
    made, skipped = join(ROWS, tiny_tokenizer, source="test")
    assert skipped == []
    return made


def exported(
    texts: list[Trajectory], tok: TextTokenizer, trainer: Trainer, **options: Any
) -> tuple[list[dict[str, Any]], Tally]:
    tally = Tally()
    return [row for t in texts for row in trainer_rows(t, tok, trainer, tally, **options)], tally


@pytest.mark.parametrize("form", ["span", "full"])
@pytest.mark.parametrize(("trainer", "supervised"), DOCUMENTED)
def test_rows_as_documented(
    texts: list[Trajectory], tiny_tokenizer: TextTokenizer, trainer: Trainer, supervised: bool, form: str
) -> None:
    rows, tally = exported(texts, tiny_tokenizer, trainer, supervised=supervised, form=form)
    assert len(rows) == tally.rows > 0
    for row in rows:
        TypeAdapter(DOCUMENTED[trainer, supervised]).validate_python(row)
    assert tally.verdicts["same"] == len(rows)


def test_the_kept_beginning_is_no_part_of_the_loss(texts: list[Trajectory], tiny_tokenizer: TextTokenizer) -> None:
    rows, tally = exported(texts, tiny_tokenizer, Trainer.ms_swift)
    assert rows[0]["rejected_messages"] == [
        {"role": "user", "content": "Tea?"},
        {"role": "assistant", "content": "Boil the", "loss": False},
        {"role": "assistant", "content": " leaves", "loss": True},
    ]
    assert {why: len(ids) for why, ids in tally.left_out.items()} == {
        "nothing was rejected": 1,
        "the prompt is text, and ms-swift takes messages": 1,
    }


def test_ids_and_labels(texts: list[Trajectory], tiny_tokenizer: TextTokenizer) -> None:
    (row, *_), _ = exported(texts[-1:], tiny_tokenizer, Trainer.trl_ids, supervised=True)
    assert tiny_tokenizer.decode([i for i in row["labels"] if i != -100]) == " 1932."
    assert tiny_tokenizer.decode(row["input_ids"]) == "About the bridge: Built in 1932."


def test_a_whole_text_is_learnt_once(texts: list[Trajectory], tiny_tokenizer: TextTokenizer) -> None:
    rows, _ = exported(texts[:1], tiny_tokenizer, Trainer.trl, supervised=True, form="full")
    assert [row["completion"] for row in rows] == ["Boil the water first. Then pour."]


def test_what_is_said_of_an_export(texts: list[Trajectory], tiny_tokenizer: TextTokenizer) -> None:
    job = Export(lambda _: tiny_tokenizer, Trainer.trl)
    assert len(list(job.rows(texts))) == 3
    assert [note.split(" (")[0] for note in job.notes()] == ["1 steers left out: nothing was rejected"]
    assert "end token <|im_end|>" in (job.warning() or "")
    told = job.card("trl", licence="cc-by-4.0", consent=None)
    assert "license: cc-by-4.0" in told
    assert "ask them before this is published" in told
    open_ended = Export(lambda _: tiny_tokenizer, Trainer.trl_ids)
    assert list(open_ended.rows(texts))
    assert open_ended.warning() is None
    segments = Export(lambda _: tiny_tokenizer, Trainer.axolotl, supervised=True)
    assert list(segments.rows(texts))
    assert segments.warning() is None
