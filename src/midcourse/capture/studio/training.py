"""Training from the page: `midcourse train` and `eval` as processes of their own, watched through a file.

The studio never imports a trainer. A run is a folder; its name is made here, never taken as a path. When it is done the
adapter joins those to write with. It knows no route.
"""

import asyncio
import contextlib
import json
import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from midcourse.capture.studio.office import Office
from midcourse.capture.studio.rest import TrainingRun, TrainRequest
from midcourse.capture.studio.writer import Writer
from midcourse.errors import InputError

__all__ = ["Plan", "Trainings"]

_LOOK = 0.5
_CURVE = 2_000
_LAST = 400
"""Characters of a failure's last line that are kept."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How this studio trains."""

    store: str
    """Path or URL, as `midcourse train` takes it."""
    model: str
    runs: Path
    command: tuple[str, ...]
    """How `midcourse` is called."""


class Trainings:
    """At most one at a time."""

    def __init__(self, plan: Plan, office: Office, writer: Writer, tell: Callable[[TrainingRun], None]) -> None:
        self._plan, self._office, self._writer, self._tell = plan, office, writer, tell
        self._process: asyncio.subprocess.Process | None = None
        self._task: asyncio.Task[None] | None = None
        self._stopping = False
        self.run: TrainingRun | None = None
        """The one that runs, or the last."""
        if office.desk.trainings:
            self.run = TrainingRun(**dict(office.desk.trainings[-1]))

    @property
    def busy(self) -> bool:
        """Whether one runs."""
        return self._task is not None and not self._task.done()

    def start(self, asked: TrainRequest) -> TrainingRun:
        """Begin.

        Raises:
            InputError: One runs already, or the name is taken.
        """
        if self.busy:
            raise InputError("a training is running: wait until it is done, or stop it")
        name = asked.name or self._free_name()
        if (self._plan.runs / name).exists():
            raise InputError(f"there is a run {name!r} already: give another name")
        self._stopping = False
        self.run = TrainingRun(name=name, state="starting", step=0, steps=0, started=time.time())
        self._task = asyncio.get_running_loop().create_task(self._train(asked, self._plan.runs / name))
        return self.run

    async def stop(self) -> None:
        """Stop it, as Ctrl-C would."""
        self._stopping = True
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(signal.SIGINT)
        if self._task is not None:
            with contextlib.suppress(Exception):
                await asyncio.wait_for(asyncio.shield(self._task), 20)
        if self._process is not None and self._process.returncode is None:
            self._process.kill()

    def report(self, name: str) -> Path | None:
        """The report of a run by its name; None where there is none."""
        known = {p.parent.parent.name: p for p in self._plan.runs.glob("*/report/report.html")}
        return known.get(name)

    # -- inside ----------------------------------------------------------------------------------------------------

    async def _train(self, asked: TrainRequest, folder: Path) -> None:
        try:
            said = await self._call(self._train_command(asked, folder), folder / "progress.jsonl", "training")
            if said is not None:
                self._end("stopped" if self._stopping else "failed", said)
                return
            self._writer.adapters[folder.name] = folder
            if asked.evaluate:
                await self._evaluate(folder)
            self._end("done")
        except Exception as error:
            self._end("failed", f"{type(error).__name__} while watching the training")
        finally:
            assert self.run is not None
            kept = self.run.model_copy(update={"curve": self.run.curve[-200:]})
            await self._office.record("training", kept.model_dump())

    async def _evaluate(self, folder: Path) -> None:
        self._change(state="evaluating")
        report = folder / "report"
        command = [
            *("eval", self._plan.store, "--model", self._plan.model, "--adapter", str(folder)),
            *("--output_dir", str(report)),
        ]
        said = await self._call(command, None, "evaluating")
        self._change(report=(report / "report.html").is_file(), message=said)

    def _train_command(self, asked: TrainRequest, folder: Path) -> list[str]:
        command = ["train", self._plan.store, "--model", self._plan.model, "--output_dir", str(folder)]
        command += ["--progress", str(folder / "progress.jsonl"), "--logging_steps", "1", "--disable_tqdm", "true"]
        given: dict[str, Any] = {
            "num_train_epochs": asked.epochs,
            "beta": asked.beta,
            "learning_rate": asked.learning_rate,
            "max_drift": asked.max_drift,
        }
        # What an adapter wrote here is held to that adapter, whether or not it is the one that is on.
        whole = [f for f in self._writer.adapters.values() if (f / "adapter_model.safetensors").is_file()]
        given["writers"] = json.dumps([str(f) for f in whole]) if whole else None
        return command + [word for k, v in given.items() if v is not None for word in (f"--{k}", str(v))]

    async def _call(self, command: Sequence[str], progress: Path | None, state: Any) -> str | None:
        """Run it to its end; None where it went well, else its last words."""
        self._process = await asyncio.create_subprocess_exec(
            *self._plan.command,
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "NO_COLOR": "1", "COLUMNS": "400"},
            start_new_session=True,
        )
        self._change(state=state)
        tail = asyncio.create_task(_tail(self._process.stderr))
        ended = asyncio.create_task(self._process.wait())
        while not ended.done():
            await asyncio.wait([ended], timeout=_LOOK)
            if progress is not None:
                self._read(progress)
        words = await tail
        return None if ended.result() == 0 else words or f"it ended with code {ended.result()}"

    def _read(self, progress: Path) -> None:
        try:
            lines = [json.loads(line) for line in progress.read_text(encoding="utf-8").splitlines() if line]
        except (OSError, ValueError):  # not there yet, or a line half written
            return
        curve = tuple({k: v for k, v in line.items() if k != "steps"} for line in lines[-_CURVE:] if len(line) > 2)
        if lines and self.run is not None and (lines[-1]["step"], curve) != (self.run.step, self.run.curve):
            self._change(step=int(lines[-1]["step"]), steps=int(lines[-1]["steps"]), curve=curve)

    def _change(self, **fields: Any) -> None:
        assert self.run is not None
        self.run = self.run.model_copy(update=fields)
        self._tell(self.run)

    def _end(self, state: str, message: str | None = None) -> None:
        fields: dict[str, Any] = {"state": state, "ended": time.time()}
        self._change(**fields, **({"message": message} if message else {}))

    def _free_name(self) -> str:
        taken = {p.name for p in self._plan.runs.glob("*")} if self._plan.runs.is_dir() else set()
        number = 1
        while f"round-{number}" in taken:
            number += 1
        return f"round-{number}"


async def _tail(stream: asyncio.StreamReader | None) -> str:
    """The last line that says something."""
    last = ""
    while stream is not None and (line := await stream.readline()):
        text = line.decode("utf-8", "replace").strip()
        last = text or last
    return last[-_LAST:]
