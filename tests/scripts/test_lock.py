"""The lock fits pyproject.toml, and a lock that does not is told."""

import importlib.util
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
spec = importlib.util.spec_from_file_location("lock", ROOT / "scripts" / "lock.py")
assert spec is not None
assert spec.loader is not None
lock = importlib.util.module_from_spec(spec)
spec.loader.exec_module(lock)


def wanted(*lines: str) -> list[Requirement]:
    return [Requirement(line) for line in lines]


def test_the_committed_lock_fits() -> None:
    locked = lock.read(ROOT / "constraints.txt")
    assert {"torch", "pydantic-core", "psycopg-binary"} <= set(locked), "what is needed in turn is locked too"
    assert lock.faults(lock.declared(ROOT / "pyproject.toml"), locked) == []


def test_what_does_not_fit_is_told() -> None:
    locked = {"numpy": "2.0.0", "psycopg": "3.3.9"}
    assert lock.faults(wanted("NumPy>=2", "psycopg[binary]>=3.2"), locked) == []
    assert lock.faults(wanted("numpy>=2.1", "rich>=14"), locked) == [
        "numpy==2.0.0 is locked, but pyproject.toml asks for >=2.1",
        "rich is asked for and not locked",
    ]


def test_what_is_installed_is_followed_through_its_extras() -> None:
    plain, extra = (lock.installed(wanted(name)) for name in ("coverage-nothing; python_version < '3'", "httpx"))
    assert plain == {}
    assert {"httpx", "httpcore", "anyio", "h11"} <= set(extra)
    assert "psycopg-binary" not in lock.installed(wanted("psycopg"))
    assert "psycopg-binary" in lock.installed(wanted("psycopg[binary]"))


def test_a_project_does_not_lock_itself(tmp_path: Path) -> None:
    project = tmp_path / "pyproject.toml"
    project.write_text(
        '[project]\nname = "mine"\ndependencies = ["rich>=14"]\n'
        '[project.optional-dependencies]\nall = ["mine[more]"]\nmore = ["numpy>=2"]\n'
    )
    assert [r.name for r in lock.declared(project)] == ["rich", "numpy"]


@pytest.mark.parametrize("line", ["torch==2.13.0 # a remark", "torch==2.13.0"])
def test_a_lock_is_read(tmp_path: Path, line: str) -> None:
    (tmp_path / "constraints.txt").write_text(f"# head\n{line}\n\n")
    assert lock.read(tmp_path / "constraints.txt") == {"torch": "2.13.0"}
