"""What is wrong with an installation, and how to mend it.

Each check looks at one thing and gives findings; none changes anything, none goes to the network, and none may raise:
a doctor that falls ill helps nobody. It knows nothing of steers or training.
"""

import os
import platform
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from packaging.requirements import Requirement

__all__ = ["CHECKS", "Finding", "examine"]

Verdict = Literal["ok", "note", "broken"]
DISK_NEEDED = 2_000_000_000
"""Bytes that the built-in model and a few runs of it take."""
LITTLE_MEMORY = 4_000_000_000
"""Bytes below which a user should know what to lower; how much a run takes depends on --max_tokens."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one look found."""

    check: str
    verdict: Verdict
    """`broken`: something will fail. `note`: works, but you should know."""
    found: str
    mend: str | None = None
    """What to do, for whatever is not ok."""

    def to_dict(self) -> dict[str, Any]:
        """The finding as JSON wants it."""
        return asdict(self)


def examine(store: str | None = None) -> list[Finding]:
    """All findings, in the order in which a person should mend them.

    Args:
        store: Store path or URL; default MIDCOURSE_STORE or ./midcourse.db.
    """
    return [finding for check in CHECKS for finding in _safely(check)] + list(check_store(store))


def _safely(check: Callable[[], Iterator[Finding]]) -> list[Finding]:
    try:
        return list(check())
    except Exception as error:  # whatever it is, it is itself a finding
        name = check.__name__.removeprefix("check_")
        return [
            Finding(name, "broken", f"the check failed: {type(error).__name__}: {error}", "run scripts/setup again")
        ]


def check_python() -> Iterator[Finding]:
    """Version and platform; a Python below the package's own bound cannot have imported this."""
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    if platform.system() != "Linux":
        yield Finding("python", "note", found, "Midcourse is tested on Linux only; please report what you see here")
    else:
        yield Finding("python", "ok", found)


def check_packages() -> Iterator[Finding]:
    """Installed versions against the bounds that the package itself declares."""
    for line in metadata.requires("midcourse") or []:
        requirement = Requirement(line)
        extra = _extra(requirement)
        if extra not in (None, "train"):
            continue
        wanted = f"{requirement.name}{requirement.specifier}"
        try:
            version = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            if extra is None:
                yield Finding(requirement.name, "broken", "not installed", f"pip install '{wanted}'")
            else:
                mend = "pip install 'midcourse[train]'; without it steers can be kept, but nothing trained"
                yield Finding(requirement.name, "note", "not installed", mend)
            continue
        good = requirement.specifier.contains(version, prereleases=True)
        yield Finding(requirement.name, *(("ok", version) if good else ("broken", version, f"pip install '{wanted}'")))


def _extra(requirement: Requirement) -> str | None:
    """The extra a requirement belongs to, None for the base install."""
    marker = requirement.marker
    if marker is None or marker.evaluate({"extra": ""}):
        return None
    return next((e for e in ("train", "dev", "studio", "postgres", "all") if marker.evaluate({"extra": e})), "?")


def check_torch() -> Iterator[Finding]:
    """Whether torch loads and computes, its build and threads."""
    try:
        import torch
    except ModuleNotFoundError:
        return  # named by check_packages
    except ImportError as error:
        yield Finding("torch build", "broken", f"installed, but does not load: {error}", "reinstall it: scripts/setup")
        return
    total = float((torch.ones(8, 8) @ torch.ones(8, 8)).sum())
    if total != 512.0:
        yield Finding("torch build", "broken", f"8·8·8 ones sum to {total}", "reinstall it: scripts/setup")
        return
    device = f"CUDA {torch.version.cuda}" if torch.cuda.is_available() else "CPU"
    threads, cores = torch.get_num_threads(), os.cpu_count() or 1
    found = f"{torch.__version__}, {device}, {threads} threads on {cores} cores"
    if threads > cores:
        yield Finding("torch build", "note", found, f"more threads than cores are slow: export OMP_NUM_THREADS={cores}")
    else:
        yield Finding("torch build", "ok", found)


def check_model() -> Iterator[Finding]:
    """Whether the built-in model is here and is the one expected."""
    from midcourse.errors import ModelError
    from midcourse.model import BUILTIN_WEIGHTS, builtin_path, weights_hash

    folder = builtin_path()
    if not (folder / "config.json").is_file():
        yield Finding("built-in model", "note", f"not at {folder}", "midcourse model pull (93 MB, once)")
        return
    again = f"remove {folder}, then run: midcourse model pull"
    try:
        weights = weights_hash(folder)
    except ModelError as error:
        yield Finding("built-in model", "broken", str(error), again)
        return
    if weights != BUILTIN_WEIGHTS:
        yield Finding("built-in model", "broken", f"weights {weights}, expected {BUILTIN_WEIGHTS}", again)
    else:
        yield Finding("built-in model", "ok", f"{folder}, weights {weights}")


def check_cache() -> Iterator[Finding]:
    """Whether models can be put into the cache."""
    from midcourse.model import cache_folder

    trouble = _cannot_write(cache_folder())
    if trouble:
        yield Finding("model cache", "broken", trouble, "set MIDCOURSE_CACHE to a folder of yours")
    else:
        yield Finding("model cache", "ok", str(cache_folder()))


def check_disk() -> Iterator[Finding]:
    """Free space here and in the cache."""
    from midcourse.model import cache_folder

    for name, path in {"disk here": Path.cwd(), "disk of the cache": _existing(cache_folder())}.items():
        free = shutil.disk_usage(path).free
        found = f"{free / 1e9:.1f} GB free at {path}"
        if free < DISK_NEEDED:
            yield Finding(name, "broken", found, f"free some space: {DISK_NEEDED / 1e9:.0f} GB are needed")
        else:
            yield Finding(name, "ok", found)


def check_memory() -> Iterator[Finding]:
    """Memory that programs can still get."""
    free = _available_memory()
    if free is None:
        yield Finding("memory", "note", "unknown on this system", "if training runs out of it, lower --max_tokens")
    elif free < LITTLE_MEMORY:
        mend = "close other programs, or train with a smaller --max_tokens and --activation_checkpointing true"
        yield Finding("memory", "note", f"{free / 1e9:.1f} GB available", mend)
    else:
        yield Finding("memory", "ok", f"{free / 1e9:.1f} GB available")


def check_network_flags() -> Iterator[Finding]:
    """Settings that keep the hub away; being offline is normal and no fault."""
    flags = [name for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE") if os.environ.get(name)]
    if flags:
        mend = "models that are here already work; unset it to fetch others from the hub"
        yield Finding("offline", "note", f"{' and '.join(flags)} set", mend)
    else:
        yield Finding("offline", "ok", "not set: models may be fetched from the hub when named")


def check_store(store: str | None = None) -> Iterator[Finding]:
    """Whether steers can be written where they would go."""
    where = store or os.environ.get("MIDCOURSE_STORE") or "midcourse.db"
    if "://" in where and not where.startswith("sqlite"):
        yield Finding("store", "note", f"a server at {where.rpartition('@')[2]}", "midcourse steers stats tries it")
        return
    path = Path(where.partition(":///")[2] or where).absolute()
    mend = "set MIDCOURSE_STORE, or give --store, to a path you may write"
    trouble = _cannot_write(path.parent)
    if trouble is None and path.exists() and not os.access(path, os.W_OK):
        trouble = f"{path} is read-only"
    if trouble:
        yield Finding("store", "broken", trouble, mend)
    else:
        yield Finding("store", "ok", f"{path}{'' if path.exists() else ' (not made yet)'}")


CHECKS: tuple[Callable[[], Iterator[Finding]], ...] = (
    check_python,
    check_packages,
    check_torch,
    check_model,
    check_cache,
    check_disk,
    check_memory,
    check_network_flags,
)


def _existing(path: Path) -> Path:
    """The path itself or the nearest folder above it that exists."""
    return next((p for p in (path, *path.parents) if p.is_dir()), Path.cwd())


def _cannot_write(folder: Path) -> str | None:
    """Why nothing can be written into a folder (or the one it would be made in), None if it can."""
    folder = _existing(folder)
    try:
        with tempfile.TemporaryFile(dir=folder):
            return None
    except OSError as error:
        return f"{folder} cannot be written: {error.strerror or error}"


def _available_memory() -> int | None:
    """Bytes available, from the kernel and the control group's limit where there is one."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration, ValueError, IndexError):
        return None
    try:
        group = Path("/sys/fs/cgroup")
        limit, used = (int((group / name).read_text()) for name in ("memory.max", "memory.current"))
    except (OSError, ValueError):  # no control group, or no limit ("max")
        return free
    return min(free, max(0, limit - used))
