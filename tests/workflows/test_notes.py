import json
from pathlib import Path

import pytest

from midcourse.workflows.notes import write_note


def test_a_note_is_there_whole_or_not_at_all(tmp_path, monkeypatch):
    note = tmp_path / "a" / "b.json"
    write_note(note, {"n": 1, "where": Path("x"), "word": "né"})
    assert json.loads(note.read_text(encoding="utf-8")) == {"n": 1, "where": "x", "word": "né"}

    def full(self, text, **options):
        self.write_bytes(text[:3].encode())
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="No space"):
        write_note(note, {"n": 2})
    assert json.loads(note.read_text(encoding="utf-8"))["n"] == 1
