"""An audit says what it knows, and never that all is well when nobody was asked."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "audit.py"
spec = importlib.util.spec_from_file_location("audit", SCRIPT)
assert spec is not None
assert spec.loader is not None
audit = importlib.util.module_from_spec(spec)
spec.loader.exec_module(audit)

ANSWER = {
    "dependencies": [
        {"name": "fine", "version": "1.0", "vulns": []},
        {
            "name": "jinja2",
            "version": "2.4.1",
            "vulns": [{"id": "PYSEC-2014-8", "fix_versions": ["2.7.2"], "aliases": ["CVE-2014-1402"]}],
        },
        {"name": "mine", "skip_reason": "Dependency not found"},
    ],
    "fixes": [],
}


def test_what_is_known_is_told() -> None:
    assert audit.known(ANSWER) == ["jinja2 2.4.1: PYSEC-2014-8 CVE-2014-1402; mended in 2.7.2"]
    assert audit.unasked(ANSWER) == ["mine"]


@pytest.mark.long
@pytest.mark.parametrize(("options", "code"), [((), 0), (("--required",), 2)])
def test_offline_nothing_was_audited_and_that_is_said(options: tuple[str, ...], code: int) -> None:
    pytest.importorskip("pip_audit", reason="pip-audit is not installed: scripts/setup")
    nowhere = {"HTTPS_PROXY": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *options],
        env={**os.environ, **nowhere},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code
    assert done.stderr.startswith("NOT AUDITED")
    assert "0 known" not in done.stdout


def test_another_failure_is_not_taken_for_that(tmp_path: Path) -> None:
    pytest.importorskip("pip_audit", reason="pip-audit is not installed: scripts/setup")
    (tmp_path / "constraints.txt").write_text("not a requirement at all ==\n")
    with pytest.raises(RuntimeError, match="pip-audit ended with"):
        audit.report(tmp_path / "constraints.txt")
