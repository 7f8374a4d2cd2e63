"""Every figure in a run's log stands in the table of docs/configuration.md, and every figure of the table in a log."""

from pathlib import Path

import training_run
from midcourse.train.metrics import LOGGED, logged

OF_TRANSFORMERS = {"epoch", "grad_norm", "learning_rate", "step", "total_flos"}


def test_the_log_and_its_table_name_the_same(tmp_path: Path) -> None:
    run = training_run.trainer(str(tmp_path), dev=True, eval_strategy="epoch", loss_type="fork")
    run.train()
    names = {name for entry in run.state.log_history for name in entry}
    ours = {name for name in names - OF_TRANSFORMERS if not name.startswith("train_")}
    assert [name for name in sorted(ours) if logged(name) is None] == []
    assert "eval_drift/kl_retained" in ours
    assert not [name for name in ours if name.startswith("drift")]  # top-k figures are no drift
    assert set(LOGGED) - {logged(name) for name in ours} <= {"text_nll/KIND"}  # needs examples of text
