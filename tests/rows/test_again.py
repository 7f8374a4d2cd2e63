"""Steers derived again for another tokenizer are those that an import with it would have made."""

from dataclasses import replace

import pytest
import tokenizers
from tokenizers import decoders, models, pre_tokenizers

from midcourse.rows import join, read_rows
from midcourse.rows.again import retokenized
from midcourse.tokens import TextTokenizer
from midcourse.types import Trajectory

RECORDS = [
    {"prompt": "p", "prefix": "It is", "rejected": [" bad", " 東京"], "chosen": " good", "reason": "so", "author": "a"},
    {"prompt": "p", "prefix": "It is good", "rejected": " not", "chosen": " indeed", "weight": 2.0, "tail": " today"},
    {"prompt": "q", "text": "a {~~b~>c~~} d {++e++} Café {--🙂--}.end", "split": "dev"},
    {"prompt": [{"role": "user", "content": "r"}], "prefix": "Done.", "rejected": " And more.", "ended": True},
    {"prompt": "s", "prefix": "x", "chosen": " y", "trajectory": "named", "group": "g"},
]


@pytest.fixture
def letters() -> TextTokenizer:
    """A tokenizer of single bytes."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    backend = tokenizers.Tokenizer(models.BPE({c: i for i, c in enumerate(alphabet)}, []))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens(["<end>"])
    return TextTokenizer(backend, template="{{ messages[0].content }}: ", eos=["<end>"])


def imported(tokenizer: TextTokenizer) -> list[Trajectory]:
    rows = [row for line, record in enumerate(RECORDS, 1) for row in read_rows(record, line=line)]
    found, skipped = join(rows, tokenizer, source="t")
    assert not skipped
    return found


def test_the_same_as_an_import_with_that_tokenizer(tiny_tokenizer: TextTokenizer, letters: TextTokenizer) -> None:
    there = imported(letters)
    again = [retokenized(t, letters) for t in imported(tiny_tokenizer)]
    assert [why for _, why in again] == [[]] * len(there)
    assert [t for t, _ in again] == there
    assert [retokenized(t, tiny_tokenizer)[0] for t in there] == imported(tiny_tokenizer)  # and back


def test_decisions_stay(tiny_tokenizer: TextTokenizer, letters: TextTokenizer) -> None:
    first = imported(tiny_tokenizer)[0]
    steers = (first.steers[0], replace(first.steers[1], state="withdrawn", created=5.0))
    again, _ = retokenized(first.with_(steers=steers, annotator="someone"), letters)
    assert again is not None
    assert [(s.state, s.created, s.reason, s.weight) for s in again.steers] == [
        ("active", None, "so", 1.0),
        ("withdrawn", 5.0, None, 2.0),
    ]
    assert again.annotator == "someone"


def test_texts_that_were_stored_before_ids_were_kept(tiny_tokenizer: TextTokenizer, letters: TextTokenizer) -> None:
    first = imported(tiny_tokenizer)[0]
    assert first.source_text is not None
    older = [{k: v for k, v in s.items() if k != "id"} for s in first.source_text["steers"]]
    again, _ = retokenized(first.with_(source_text={**first.source_text, "steers": older}), letters)
    assert again is not None
    assert [s.reason for s in again.steers] == ["so", None]


def test_what_cannot_be_derived_is_named(tiny_tokenizer: TextTokenizer, letters: TextTokenizer) -> None:
    first = imported(tiny_tokenizer)[0]
    made, [why] = retokenized(first.with_(source_text=None, source="studio"), letters)
    assert made is None
    assert "(studio) keeps no source text" in str(why)
