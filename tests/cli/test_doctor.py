"""`midcourse doctor` as a user sees it."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from midcourse.cli import app
from midcourse.workflows import doctor

RUNNER = CliRunner()


def test_json_and_exit_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = RUNNER.invoke(app, ["doctor", "--json", "--store", str(tmp_path / "a.db")])
    said = json.loads(result.stdout)
    assert said["ok"] is True
    assert result.exit_code == 0
    assert not (tmp_path / "a.db").exists()
    monkeypatch.setattr(doctor, "DISK_NEEDED", 1 << 60)
    result = RUNNER.invoke(app, ["doctor", "--json"])
    assert result.exit_code == 1
    assert json.loads(result.stdout)["ok"] is False


def test_text_says_how_to_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "DISK_NEEDED", 1 << 60)
    result = RUNNER.invoke(app, ["doctor"])
    assert result.exit_code == 1
    assert "✗ disk here" in result.stdout
    assert "→ free some space" in result.stdout
