"""Steers needed per task: how often a person still has to step in, on tasks nobody trained on.

Only a finished task counts with its own number: nothing left that an independent check finds, at least half as long as
the base's own text, so that a model cannot save steers by falling silent, and not the same words again and again. Any
other is charged the cap. It knows a writer and a task; how the writer came about is its caller's.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from midcourse.drafts.simulate import Keystrokes
from midcourse.evaluate.collapse import distinct
from midcourse.evaluate.intervals import Interval, interval
from midcourse.workflows.prompts import Asked
from midcourse.workflows.simulating import Finished, Writer
from midcourse.workflows.tasks import Task

__all__ = ["Effort", "Efforts", "measure_effort"]

FLOOR = 0.5
"""Share of the base's own length that a finished text must have."""
DISTINCT = 0.5
"""Share of a text's 3-grams that differ, below which it repeats itself; of people's prose nearly all do."""


@dataclass(frozen=True, slots=True)
class Effort:
    """One task."""

    prompt: str
    """Its key."""
    steers: int
    """Really made."""
    charged: int
    """The same where the task was finished, else the cap."""
    tokens: int
    distinct_3: float
    seconds: float
    """What the person would have paid."""
    why: str | None = None
    """Why the cap was charged."""


@dataclass(frozen=True)
class Efforts:
    """All tasks of one model."""

    tasks: tuple[Effort, ...]
    cap: int

    def mean(self) -> Interval:
        """Steers charged per task, with its 95% interval over prompts."""
        found = interval([float(t.charged) for t in self.tasks], [t.prompt for t in self.tasks])
        assert found is not None
        return found

    def to_dict(self) -> dict[str, Any]:
        """For records and tables."""
        done = [t for t in self.tasks if t.why is None]
        return {
            "steers_per_task": asdict(self.mean()),
            "finished": len(done) / len(self.tasks),
            "cap": self.cap,
            "tokens": float(np.mean([t.tokens for t in self.tasks])),
            "distinct_3": float(np.mean([t.distinct_3 for t in self.tasks])),
            "seconds_per_task": float(np.mean([t.seconds for t in self.tasks])),
            "tasks": [asdict(t) for t in self.tasks],
        }

    @classmethod
    def read(cls, path: Path) -> "Efforts":
        """What `to_dict` wrote."""
        value = json.loads(path.read_text(encoding="utf-8"))
        return cls(tuple(Effort(**t) for t in value["tasks"]), value["cap"])


def measure_effort(
    writer: Writer,
    task: Task,
    asked: Sequence[Asked],
    base: Mapping[str, int] | None = None,
    *,
    distinct_floor: float = DISTINCT,
) -> tuple[Efforts, list[Finished]]:
    """Let `writer` write each task under a careful person who never errs.

    Args:
        writer: The model with its judge; its habits should be careful ones, so that only the model differs.
        task: Says what is broken, by other means than the judge.
        asked: Unseen prompts.
        base: Tokens of the base's own text for each prompt; None: this is the base.
        distinct_floor: Share of different 3-grams that a finished text must have.

    Returns:
        The efforts in the order of `asked`, and the texts.
    """
    found: dict[str, Finished] = {}
    writer.write(asked, lambda finished: found.update({finished.trajectory.id: finished}))
    efforts = [_effort(a, found[writer.id_of(a)], writer, task, base or {}, distinct_floor) for a in asked]
    return Efforts(tuple(efforts), writer.judge.max_steers), list(found.values())


def _effort(
    asked: Asked, finished: Finished, writer: Writer, task: Task, base: Mapping[str, int], distinct_floor: float
) -> Effort:
    run, cap = finished.run, writer.judge.max_steers
    broken = task.broken(run.text)
    different = distinct(run.trajectory.path(run.trajectory.head)[-run.tokens :] if run.tokens else [])
    why = None
    if broken.total():
        why = f"still broken: {', '.join(broken)}"
    elif not finished.passed:
        why = "refused by the checker"
    elif run.tokens < FLOOR * base.get(asked.key, 0):
        why = f"{run.tokens} tokens, the base wrote {base[asked.key]}"
    elif different < distinct_floor:
        why = f"repeats itself (distinct 3-grams {different:.2f})"
    steers = run.steers.total()
    seconds = Keystrokes().seconds(run.paid)
    return Effort(asked.key, steers, steers if why is None else cap, run.tokens, different, seconds, why)
