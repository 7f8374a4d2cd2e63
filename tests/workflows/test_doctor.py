"""The doctor finds what is wrong, says how to mend it, and never falls ill itself."""

import errno
import platform
import tempfile
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path

import pytest

from midcourse import model
from midcourse.workflows import doctor
from midcourse.workflows.doctor import Finding, examine


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MIDCOURSE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("MIDCOURSE_STORE", raising=False)


def one(findings: Iterator[Finding] | list[Finding], check: str) -> Finding:
    (found,) = [f for f in findings if f.check == check]
    return found


def test_a_sound_installation_has_nothing_broken() -> None:
    findings = examine()
    assert [f for f in findings if f.verdict == "broken"] == []
    assert {"python", "torch", "torch build", "peft", "built-in model", "store", "memory"} <= {
        f.check for f in findings
    }
    assert all(f.mend for f in findings if f.verdict != "ok")


def test_another_system_is_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    assert one(doctor.check_python(), "python").verdict == "note"


def test_a_package_out_of_bounds_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "version", lambda name: "0.0.1" if name == "peft" else "99")
    found = one(doctor.check_packages(), "peft")
    assert found.verdict == "broken"
    assert "peft>=" in str(found.mend)


@pytest.mark.parametrize(("package", "verdict"), [("torch", "note"), ("numpy", "broken")])
def test_a_missing_package(package: str, verdict: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = metadata.version

    def version(name: str) -> str:
        if name == package:
            raise metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(metadata, "version", version)
    assert one(doctor.check_packages(), package).verdict == verdict


def test_a_damaged_model_is_broken(tmp_path: Path) -> None:
    folder = model.builtin_path()
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"\x02\0\0\0\0\0\0\0{}")
    found = one(doctor.check_model(), "built-in model")
    assert found.verdict == "broken"
    assert str(folder) in str(found.mend)
    (folder / "model.safetensors").unlink()
    assert one(doctor.check_model(), "built-in model").verdict == "broken"


def test_an_absent_model_is_a_note() -> None:
    assert one(doctor.check_model(), "built-in model").verdict == "note"


def _refuse(code: int) -> Callable[..., None]:
    def refuse(*args: object, **kwargs: object) -> None:
        raise OSError(code, "Permission denied")

    return refuse


def test_a_folder_without_permission_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "TemporaryFile", _refuse(errno.EACCES))
    for check, name in ((doctor.check_store, "store"), (doctor.check_cache, "model cache")):
        found = one(check(), name)
        assert found.verdict == "broken"
        assert "cannot be written: Permission denied" in found.found


def test_a_password_in_a_store_url_is_not_shown() -> None:
    found = one(doctor.check_store("postgresql://me:secret@box/steers"), "store")
    assert "secret" not in found.found


def test_a_full_disk_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "DISK_NEEDED", 1 << 60)
    assert {f.verdict for f in doctor.check_disk()} == {"broken"}


def test_a_check_that_fails_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def check_nothing() -> Iterator[Finding]:
        raise RuntimeError("boom")
        yield

    monkeypatch.setattr(doctor, "CHECKS", (check_nothing,))
    found = one(examine(), "nothing")
    assert found.verdict == "broken"
    assert "boom" in found.found
