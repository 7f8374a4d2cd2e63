"""The study as a queue that can be stopped at any time: says what is left and what it will take, then runs it.

A cell is done when its result file is there; it appears whole or not at all. It decides nothing about methods.
"""

import platform
import traceback
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from midcourse.errors import InputError, MidcourseError, ModelError, ran_out_of
from midcourse.evaluate.kept import Kept
from midcourse.workflows.notes import write_note
from midcourse.workflows.study.cells import Cell, Study
from midcourse.workflows.study.corpus import Corpus
from midcourse.workflows.study.run_cell import run_cell
from midcourse.workflows.study.supply import Supply
from midcourse.workflows.tasks import Task

__all__ = ["left", "run_study", "said_estimate"]

GUESS = {"base": 120.0, "other": 240.0}
"""Seconds of a cell before any was run: two cores, the built-in model."""


def left(study: Study, only: Iterable[str] = ()) -> list[Cell]:
    """Cells without a result, in order; `only` keeps those whose path holds one of these texts.

    Raises:
        InputError: A text in `only` stands in no cell's path and is no stage.
    """
    wanted, every = list(only), list(study.cells())
    for name in wanted:
        if not any(name in str(c.path) or name == c.stage for c in every):
            stages, last = ", ".join(dict.fromkeys(c.stage for c in every)), every[-1].path
            raise InputError(f"--only {name}: no cell is called so. The stages are {stages}; a path is such as {last}")
    cells = {c.path: c for c in every if not wanted or any(w in str(c.path) or w == c.stage for w in wanted)}
    for cell in cells.values():
        study.check(cell)
    return [c for path, c in cells.items() if not (study.results / path).is_file()]


def said_estimate(study: Study, cells: list[Cell]) -> str:
    """What is left and how long it will take, from the cells that ran."""
    ran: dict[str, list[float]] = defaultdict(list)
    for cell in study.cells():
        if (found := study.result(cell)) is not None:
            ran[cell.method].append(sum(found["seconds"].values()))
    usual = {m: float(np.median(v)) for m, v in ran.items()}
    other = float(np.median([x for v in ran.values() for x in v])) if ran else GUESS["other"]
    seconds = sum(usual.get(c.method, GUESS["base"] if c.method == "base" else other) for c in cells)
    stages: dict[str, int] = defaultdict(int)
    for cell in cells:
        stages[cell.stage] += 1
    parts = ", ".join(f"{n} {stage}" for stage, n in stages.items()) or "nothing"
    basis = f"from {sum(map(len, ran.values()))} that ran" if ran else "a guess, none ran yet"
    return f"{len(cells)} cells left ({parts}): about {seconds / 3600:.1f} hours ({basis})"


def run_study(
    study: Study,
    tasks: Callable[[str], Task | Corpus],
    work: Path,
    say: Callable[[str], None],
    *,
    texts: Path | None = None,
    only: Iterable[str] = (),
    most: int | None = None,
) -> int:
    """Run cells until none is left, or `most` were tried; returns how many ran.

    A cell that fails is told and passed over, so that the queue of a night does not end at its first hour.

    Args:
        study: What to run.
        tasks: A task, or a corpus of real corrections, by its name.
        work: Folder for checkpoints.
        say: Told what happens.
        texts: Folder of what all cells share: the texts and what the base wrote; None: `work`. Two processors
            round differently, and a model that writes without chance then writes other texts: whoever goes on
            elsewhere takes this folder along.
        only: Parts of paths, or stages.
        most: Cells in this sitting.

    Raises:
        InputError: Some cells failed; said at the end, when all others ran.
        ModelError: The study's model cannot be used.
    """
    shared = texts or work
    supply, kept = Supply(study, tasks, shared, say), Kept(shared / "base")
    ran, failed = 0, dict[Path, Exception]()
    # What is left is asked anew each time: what is next may depend on what was found.
    while (most is None or ran + len(failed) < most) and (
        cells := [c for c in left(study, only) if c.path not in failed]
    ):
        cell = cells[0]
        say(f"{cell.path} ({len(cells)} left)")
        try:
            if cell.stage != "development" and (waits := study.trials_left(cell.method)):
                raise InputError(
                    f"the settings of {cell.method} are chosen by trials that have not run ({waits} left); run them "
                    "first: --only development"
                )
            task, material = supply.task(cell.task), supply.material(cell)
            found = run_cell(study, cell, task, material, work / "cells" / cell.path.with_suffix(""), kept)
        except Exception as error:
            if ran_out_of(error) or isinstance(error, ModelError):
                raise  # the next cell would fare no better
            failed[cell.path] = error
            say(f"  failed: {error}" if isinstance(error, MidcourseError) else traceback.format_exc())
            continue
        found["machine"] = {"system": platform.system(), "python": platform.python_version(), "gpu": None}
        write_note(study.results / cell.path, found)
        say(_line(found))
        ran += 1
    if failed:
        first, why = next(iter(failed.items()))
        raise InputError(f"cells that failed: {len(failed)}, and {ran} ran; the first is {first}: {why}") from why
    return ran


def _line(found: dict[str, Any]) -> str:
    metrics = found["metrics"]
    who = "steered" if "steered" in metrics["recurrence"] else "base"
    drift = metrics["drift/kl_answers"].get(who) or {"mean": 0.0}
    first = "recurrence" if metrics["recurrence"]["base"] else "margin"  # what people corrected is not sampled again
    said = [
        f"{first} {metrics[first][who]['mean']:.2f} (base {metrics[first]['base']['mean']:.2f})",
        f"drift {drift['mean']:.4f}",
    ]
    if "unsteered" in found:
        said.append(f"{found['unsteered']['broken_per_100_tokens']:.2f} broken per 100 tokens")
    if "effort" in found:
        said.append(f"{found['effort']['steers_per_task']['mean']:.1f} steers a task")
    return f"  {', '.join(said)}, {sum(found['seconds'].values()):.0f} s"
