"""`--processes N`: the same command once for each process, started and watched by torchrun's own agent.

Process 0 has the terminal. Whatever any of them has to say at its end is said once, by the one who launched them. It
knows nothing of training.
"""

import logging
import os
import signal
import sys
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import typer

from midcourse.errors import InputError, MidcourseError

__all__ = ["SAID", "WORDS", "launch", "quiet_rank", "without"]

SAID = "MIDCOURSE_SAID"
"""Environment variable: the folder where a launched process leaves its last sentence instead of printing it."""

WORDS = "midcourse.words"
"""Where a command's context keeps the words it was given."""


def quiet_rank() -> bool:
    """Whether this process is one of several, and another one speaks."""
    return os.environ.get("RANK", "0") != "0"


def without(words: Sequence[str], option: str) -> list[str]:
    """Command-line words without an option and its value."""
    kept: list[str] = []
    skip = False
    for word in words:
        if not skip and not word.startswith(f"{option}=") and word != option:
            kept.append(word)
        skip = word == option
    return kept


def launch(processes: int, words: Sequence[str]) -> None:
    """Run `midcourse WORDS` in so many processes of one machine, until all have ended.

    Raises:
        InputError: There cannot be so many.
        MidcourseError: One of them failed; what it said.
        KeyboardInterrupt: They were interrupted, and have ended.
    """
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException, Std
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    _check(processes)
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)  # its reports are for whoever mends it
    with (
        tempfile.TemporaryDirectory(prefix="midcourse-ranks-") as name,
        _signals_kept(),
        _surroundings(name, processes),
    ):
        config = LaunchConfig(
            min_nodes=1,
            max_nodes=1,
            nproc_per_node=processes,
            run_id=uuid.uuid4().hex,
            rdzv_backend="c10d",
            rdzv_endpoint="localhost:0",
            local_addr="127.0.0.1",
            max_restarts=0,
            logs_specs=DefaultLogsSpecs(log_dir=name, redirects=dict.fromkeys(range(1, processes), Std.ALL)),
        )
        try:
            elastic_launch(config, sys.executable)("-m", "midcourse", *words)
        except SignalException:
            raise KeyboardInterrupt from None
        except ChildFailedError as error:
            rank, failure = error.get_first_failure()
            raise _last_words(Path(name), rank, failure.exitcode) from None


def _check(processes: int) -> None:
    import torch

    if "RANK" in os.environ:
        raise InputError("a launcher has started this process already: leave out --processes")
    if torch.cuda.is_available() and processes > torch.cuda.device_count():
        raise InputError(
            f"--processes is {processes}, but this machine has {torch.cuda.device_count()} GPUs; expected one process "
            "a GPU at most"
        )


@contextmanager
def _signals_kept() -> Iterator[None]:
    """The agent takes signals over while it watches; afterwards they are what they were."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _surroundings(folder: str, processes: int) -> Iterator[None]:
    """What the processes inherit: where their last words go, and their part of the cores."""
    before = dict(os.environ)
    os.environ[SAID] = folder
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // processes)))
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _last_words(folder: Path, rank: int, code: int) -> BaseException:
    """What to raise for a process that failed."""
    said = sorted(folder.glob("said-*"), key=lambda p: p.stat().st_mtime_ns)
    sentences = [text for p in said if (text := p.read_text(encoding="utf-8")) != "Interrupted."]
    if sentences:
        return MidcourseError(sentences[0])
    if code < 0:
        return MidcourseError(
            f"process {rank} was killed by {signal.Signals(-code).name}, often for want of memory, and the others were "
            "ended with it. The same command with --resume goes on from the newest complete checkpoint"
        )
    for report in sorted(folder.rglob(f"{rank}/stderr.log")):  # that of process 0 is on the terminal already
        sys.stderr.write(report.read_text(encoding="utf-8", errors="replace"))
    return typer.Exit(code)
