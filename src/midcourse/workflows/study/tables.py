"""Tables and plots of a study, made from the committed results alone: nothing is run and no model is needed.

What was not run is listed as such. A figure without its drift and its text is not shown.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from midcourse.workflows.study.ablations import ablations
from midcourse.workflows.study.cell import OURS, Cell
from midcourse.workflows.study.cells import Study
from midcourse.workflows.study.claims import against, arms, claims, of_seeds
from midcourse.workflows.study.held import held
from midcourse.workflows.study.later_tables import imported, more_methods, steer_counts
from midcourse.workflows.study.queue import left
from midcourse.workflows.study.shown import COSTS, NAMES, by_fork, costs, dot, dots, measures, percent, table
from midcourse.workflows.study.statistics import over_seeds

__all__ = ["write_tables"]

_ENOUGH = 30
_LEGEND = """How to read them:

- *recurrence*: share of samples at held-out forks that make the corrected error again; *again or unsound*: or are no
  sound text.
- *steers to finish*: steers that an unseen task still needs until nothing is broken; a text shorter than half the
  base's is charged the cap, and in the column beside it one that repeats itself as well (fewer than half of its 3-grams
  differ).
- *broken per 100 tokens*, *distinct 3-grams* and *tokens* are of unseen tasks that nobody steers.
- *Δ log π(chosen)*: how much likelier the correction became, in nats. *drift*: KL from the base, in nats per token.
- *minutes*: what the lesson would have cost a person. Intervals are 95%, prompts drawn as clusters and seeds inside
  them; differences are paired by fork."""


def write_tables(study: Study, folder: Path) -> Path:
    """`study.md` and a drawing for each headline task; returns the page."""
    folder.mkdir(parents=True, exist_ok=True)
    parts = ["# The study: tables and plots", "Made by `midcourse study --tables` from results alone.", _LEGEND]
    parts += claims(study)
    for task in study.headline:
        for steers in study.steers:
            parts += _block(study, task, steers, folder)
    parts += ablations(study, folder)
    for task in study.headline:
        parts += held(study, task, folder)
    parts += more_methods(study)
    parts += steer_counts(study, folder)
    parts += imported(study)
    parts += _development(study)
    missing = left(study)
    parts.append(f"## Not run\n\n{len(missing)} cells." if missing else "## Not run\n\nNothing: all cells ran.")
    parts.append(_by_folder(missing))
    page = folder / "study.md"
    page.write_text("\n\n".join(p for p in parts if p) + "\n", encoding="utf-8")
    return page


def _by_folder(cells: Sequence[Cell]) -> str:
    """Where each cell's result would stand, a line a folder."""
    names: dict[Path, list[str]] = {}
    for cell in cells:
        names.setdefault(cell.path.parent, []).append(cell.path.stem)
    return "\n".join(f"- `{folder}`: {', '.join(found)}" for folder, found in names.items())


def _block(study: Study, task: str, steers: int, folder: Path) -> list[str]:
    """One task at one number of steers: every method, both arms, with the paired difference to ours."""
    base = study.result(Cell("headline", task, "base", 0, 0))
    ours = of_seeds(study, task, OURS, steers)
    rows, harm, places = [], [], []
    if base is not None:
        harm.append(["base", *costs([base], "base")])
        rows.append(["base", "", "0", *measures([base], "base", over_seeds(by_fork([base], "base"))), "", ""])
        places.append({"method": "base", **dot([base], "base")})
    for arm, method in arms(study):
        found = of_seeds(study, task, method, steers, arm)
        if found:
            name = method if arm == "same" else f"{method}, own session"
            minutes = f"{np.mean([f['lesson']['seconds'] for f in found]) / 60:.0f}"
            own = measures(found, "steered", over_seeds(by_fork(found)))
            both = [""] * 2 if method == OURS else [percent(d, sign="+") for d in against(ours, found)]
            rows.append([name, str(len(found)), minutes, *own, *both])
            harm.append([name, *costs(found, "steered")])
            places.append({"method": name, **dot(found)})
    if not any(row[1] for row in rows):  # nothing but the base ran
        return []
    head = ["method", "seeds", "minutes", *NAMES, "ours − it, recurrence", "ours − it, again or unsound"]
    plot = dots(folder, f"{task}-{steers}", places)
    said = [f"## {task}, {steers} steers", table(head, rows), plot]
    said += ["What it cost, of all seeds:", table(["method", *COSTS], harm)]
    prompts = len({f["prompt"] for f in (base or (ours or [{"forks": []}])[0])["forks"]})
    if prompts < _ENOUGH:
        said.append(f"{prompts} test prompts: too few for a claim, which needs {_ENOUGH}.")
    return [*said, *_signs(study, task, steers)]


def _signs(study: Study, task: str, steers: int) -> list[str]:
    """What looks broken, and a text of each method: a count alone proves nothing."""
    said = []
    for method in (*study.methods, *study.contenders):
        found = of_seeds(study, task, method, steers)
        if found and found[0]["shown"]:
            text = " ".join(found[0]["shown"][0]["text"].split())
            signs = f" **{'; '.join(found[0]['signs'])}.**" if found[0]["signs"] else ""
            said.append(f"- {method}:{signs} {text[:240]}…")
    return ["What they write (seed 0, first test prompt):", "\n".join(said)] if said else []


def _development(study: Study) -> list[str]:
    lines = []
    for method in study.methods:
        found = [c for c in study.development_cells() if c.method == method and study.result(c) is not None]
        if found:
            lines.append(f"- {method}: {study.chosen(method) or 'nothing to choose'} (of {len(found)} trainings)")
    return ["## Settings chosen on the development tasks", "\n".join(lines)] if lines else []
