"""The demo as a newcomer runs it, from end to end."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
@pytest.mark.model
@pytest.mark.timeout(2700)
def test_the_demo_runs_and_leaves_a_report(tmp_path: Path) -> None:
    environment = {**os.environ, "MIDCOURSE_DEMO": str(tmp_path / "demo")}
    done = subprocess.run(
        [str(ROOT / "scripts" / "demo")], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    report = tmp_path / "demo" / "report" / "report.html"
    assert str(report.resolve()) in done.stdout
    assert "<script" not in report.read_text(encoding="utf-8")
    assert (tmp_path / "demo" / "adapter" / "adapter_model.safetensors").is_file()
