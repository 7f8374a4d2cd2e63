"""`midcourse steers fill` as a user sees it."""

from typer.testing import CliRunner

import model_folder
from midcourse.backends.local import LocalBackend
from midcourse.cli import app
from midcourse.drafts.draft import Draft
from midcourse.model import load_model
from midcourse.store.db import Store

RUNNER = CliRunner()


def test_steers_get_rejected_sides_once(tmp_path):
    base = model_folder.save_model(tmp_path / "tiny")
    loaded = load_model(base)
    store = tmp_path / "steers.db"
    with Store(store) as opened:
        for text in ("go", "stay here"):
            draft = Draft(LocalBackend(loaded.model, loaded.tokenizer.eos), loaded.tokenizer, opened)
            draft.start("Say " + text).replace(0, text)
            draft.accept()
    command = ["steers", "fill", "--store", str(store), "--model", str(base), "--samples", "2"]
    result = RUNNER.invoke(app, command)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("2 of 2 steers got")
    with Store(store) as opened:
        assert opened.verify() == []
        for trajectory in opened.trajectories():
            [steer] = trajectory.steers
            assert {r.origin for r in steer.rejected} == {"sampled"}
            chosen = trajectory.path(steer.chosen)
            for r in steer.rejected:
                assert trajectory.path(r.end)[: len(chosen)] != chosen
    again = RUNNER.invoke(app, command)
    assert again.exit_code == 0
    assert "rejected side already" in " ".join(again.stderr.split())
