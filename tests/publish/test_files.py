"""A link that somebody put where a file is about to be written leads nowhere."""

import os

import pytest

from midcourse.errors import InputError
from midcourse.publish.files import beside


def test_a_planted_link_is_not_followed(tmp_path):
    victim, output = tmp_path / "victim", tmp_path / "out.jsonl"
    victim.write_text("mine")
    os.symlink(victim, tmp_path / ".out.jsonl.part")
    os.symlink(victim, output)
    with beside(output) as part:
        part.write_text("rows")
    assert victim.read_text() == "mine"
    assert (output.read_text(), output.is_symlink()) == ("rows", False)
    with pytest.raises(ZeroDivisionError), beside(output) as part:
        part.write_text(str(1 / 0))
    assert output.read_text() == "rows"


def test_a_folder_that_is_not_there_is_made(tmp_path):
    with beside(tmp_path / "new" / "folder" / "out.jsonl") as part:
        part.write_text("rows")
    assert (tmp_path / "new" / "folder" / "out.jsonl").read_text() == "rows"
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InputError, match="file is no folder"), beside(tmp_path / "file" / "out.jsonl"):
        pass
