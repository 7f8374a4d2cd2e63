"""A corpus is read by the importer it names, from the folder that is named, or the user is told what is missing."""

import json

import pytest

from midcourse.cli.corrections import corpus_of
from midcourse.errors import InputError

EDIT = {"original": "It is a bad thing to do.", "corrected": "It is a good thing to do.", "prompt": "Say: "}


def test_edits_become_texts_with_steers(tmp_path, monkeypatch, tiny_tokenizer):
    (tmp_path / "e.jsonl").write_text(json.dumps(EDIT) + "\nno row\n")
    monkeypatch.setenv("MIDCOURSE_DATA", str(tmp_path))
    corpus = corpus_of("mine", {"format": "edits", "files": ["e.jsonl"], "folds": 2})
    [text] = corpus.read(tiny_tokenizer)
    assert len(text.steers) == 1
    assert (corpus.folds, corpus.by) == (2, "people: mine")


def test_without_the_folder_the_user_is_told(monkeypatch, tmp_path):
    monkeypatch.delenv("MIDCOURSE_DATA", raising=False)
    with pytest.raises(InputError, match="MIDCOURSE_DATA names"):
        corpus_of("mine", {"format": "edits", "files": ["e.jsonl"]})
    monkeypatch.setenv("MIDCOURSE_DATA", str(tmp_path))
    with pytest.raises(InputError, match=r"must hold e\.jsonl"):
        corpus_of("mine", {"format": "edits", "files": ["e.jsonl"]})


@pytest.mark.parametrize(
    "given", [{"format": "guess", "files": ["a"]}, {"format": "edits"}, {"format": "edits", "file": "a"}]
)
def test_a_slip_is_told(given):
    with pytest.raises(InputError, match="need `format`"):
        corpus_of("mine", given)
