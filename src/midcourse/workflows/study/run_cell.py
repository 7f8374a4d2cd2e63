"""One cell from its lesson to its figures: train, put before held-out forks, let write, count the steers still needed.

What comes out is plain values for a JSON file, per fork and per task, so that tables can be made anew without a model.
"""

import dataclasses
import json
import shutil
import time
from pathlib import Path
from typing import Any

from midcourse import __version__
from midcourse.drafts.simulate import CAREFUL
from midcourse.evaluate import Options, Results
from midcourse.evaluate.collapse import distinct
from midcourse.evaluate.kept import Kept
from midcourse.evaluate.prompted import Prompted, PromptedVariants
from midcourse.evaluate.run import load, measure
from midcourse.model import load_model
from midcourse.workflows.effort import measure_effort
from midcourse.workflows.loop import train_adapter
from midcourse.workflows.notes import write_note
from midcourse.workflows.prompts import Asked
from midcourse.workflows.simulating import Finished, Writer
from midcourse.workflows.study.cell import IN_PROMPT, PAIRS, WHOLE, Cell
from midcourse.workflows.study.cells import Study
from midcourse.workflows.study.corpus import Corpus
from midcourse.workflows.study.material import Lesson, Material, plain_writer
from midcourse.workflows.study.retrieval import prompted
from midcourse.workflows.tasks import Task

__all__ = ["lesson_of", "run_cell"]

_SHOWN = 3
_OWN_TOKENS = 384
"""Of own samples: the texts of the tasks are cut at their cap, so whether answers end is seen here alone."""
_ROWS = 40
"""Texts written at a time: a step costs little more for all test prompts than for a few."""


def lesson_of(cell: Cell, material: Material) -> Lesson | None:
    """What a cell is trained on; None for the base."""
    if cell.method == "base":
        return None
    pairs = cell.method in PAIRS
    if cell.arm == "own" and cell.method in WHOLE:
        return material.own(cell.method, cell.steers, cell.seed, pairs=pairs)
    lesson = material.same(cell.method, cell.steers, cell.seed, whole=pairs)
    return lesson if cell.settings.get("max_drift") is None else material.watched(lesson, cell.seed)


def run_cell(
    study: Study, cell: Cell, task: Task | Corpus, material: Material, work: Path, kept: Kept
) -> dict[str, Any]:
    """Train and measure one cell.

    A trial on a development task is measured by what it is ranked by and by its drift; what is exploratory, and fewer
    steers than the headline's, by that and by what it writes when nobody steers. Corrections that people made are
    measured by likelihoods and drift alone: nobody could judge a sample.

    Args:
        study: How much is measured.
        cell: What to run.
        task: Its task, or the corpus it learns from.
        material: The task's texts.
        work: Folder for checkpoints, so that a training that was stopped goes on; emptied at the end.
        kept: What the base wrote, which all cells share.
    """
    lesson = lesson_of(cell, material)
    adapter, told = None, dict[str, Any]()
    if lesson is not None and cell.method != IN_PROMPT:
        adapter = work / "adapter"
        told = _trained(study, cell, lesson, adapter)
    trained, busy_trained = time.monotonic(), time.process_time()

    loaded, variants = load(study.model, [adapter] if adapter else [], dtype=study.dtype, merge=True, kept=kept)
    shown: Prompted | None = None
    if lesson is not None and cell.method == IN_PROMPT:
        shown = prompted(lesson.texts, material.held_out, loaded.tokenizer, int(cell.texts["shown"]))
        variants = PromptedVariants(loaded.model, shown, kept=kept.of(loaded.ref.weights))
    results = measure(variants, loaded, material.held_out, options=_options(study, cell), checker=task.checker)
    found = {
        "cell": dataclasses.asdict(cell),
        "version": __version__,
        "model": {"name": loaded.ref.name, "weights": loaded.ref.weights},
        "rules": task.by,
        "lesson": _facts(lesson),
        "trained": {k: v for k, v in told.get("last", {}).items() if isinstance(v, int | float)},
        **_figures(results),
    }
    if isinstance(task, Task) and cell.method == "base":
        broken = sum(task.broken(text).total() for text in results.answers)
        tokens = sum(len(loaded.tokenizer.encode(text)) for text in results.answers)
        found["answers"] = {"broken_per_100_tokens": 100 * broken / max(1, tokens)}
    if isinstance(task, Task) and cell.stage != "development":
        found |= _writing(study, cell, task, material, adapter, shown)
    found["seconds"] = {"train": told.get("seconds", 0.0), "evaluate": time.monotonic() - trained}
    # A sitting that is put to sleep lengthens the seconds of the clock and not these.
    found["cpu_seconds"] = {"train": told.get("cpu_seconds", 0.0), "evaluate": time.process_time() - busy_trained}
    shutil.rmtree(work, ignore_errors=True)
    return found


def _trained(study: Study, cell: Cell, lesson: Lesson, adapter: Path) -> dict[str, Any]:
    """Train the adapter, or go on; what was last logged and the seconds it took, kept beside it for whoever is stopped
    while he measures. Of a training in several sittings, the seconds are the last one's."""
    kept = adapter.parent / "trained.json"
    if not ((adapter / "midcourse.json").is_file() and kept.is_file()):
        begun, busy = time.monotonic(), time.process_time()
        settings = {"save_strategy": "epoch", **cell.settings}
        last = train_adapter(study.model, study.dtype, list(lesson.texts), adapter, settings, seed=cell.seed)
        told = {"last": last, "seconds": time.monotonic() - begun, "cpu_seconds": time.process_time() - busy}
        write_note(kept, told)
    found: dict[str, Any] = json.loads(kept.read_text(encoding="utf-8"))
    return found


def _wholly(study: Study, cell: Cell) -> bool:
    """Whether it is measured in all ways: own answers and steers to finish are more than half of a cell's price. What
    the others write can be read in their unsteered texts."""
    most = cell.stage == "own" and cell.steers == study.steers[0]
    return cell.stage == "headline" or most or cell.method == IN_PROMPT


def _options(study: Study, cell: Cell) -> Options:
    """How much is measured of a cell."""
    return Options(
        samples=0 if cell.stage == "imported" else study.samples,
        max_forks=study.forks,
        shown=_SHOWN if _wholly(study, cell) else 0,
        own_prompts=32 if _wholly(study, cell) else 0,
        own_tokens=_OWN_TOKENS,
    )


def _facts(lesson: Lesson | None) -> dict[str, Any] | None:
    if lesson is None:
        return None
    return {
        "texts": len(lesson.texts),
        "steers": lesson.steers,
        "seconds": round(lesson.seconds, 1),
        "budget": round(lesson.budget, 1),
        "words_typed": lesson.words_typed,
    }


def _figures(results: Results) -> dict[str, Any]:
    """The report's figures, with `steered` for the one adapter, and each fork's own."""
    name = next(iter(results.adapters), None)
    called = {"base": "base", name: "steered"}

    def plain(values: dict[str, Any]) -> dict[str, Any]:
        return {called[k]: None if v is None else dataclasses.asdict(v) for k, v in values.items()}

    keep = ("recurrence", "adoption", "valid", "flawed", "margin", "first_token_log_odds", "logp_chosen", "p_rejected")
    forks = [
        {
            "steer": f.steer,
            "prompt": f.prompt,
            **{called[v]: {m: x for m, x in values.items() if m in keep} for v, values in f.measures.items()},
        }
        for f in results.forks
    ]
    return {
        "metrics": {m.name: {**plain(m.values), "change": plain(m.change).get("steered")} for m in results.metrics},
        "forks": forks,
        "collapse": {called[k]: dataclasses.asdict(v) for k, v in results.collapse.items()},
        "signs": results.signs.get(name or "", []),
        "shown": [{"prompt": w.prompt, "text": w.texts[name or "base"]} for w in results.written],
    }


def _writing(
    study: Study, cell: Cell, task: Task, material: Material, adapter: Path | None, shown: Prompted | None
) -> dict[str, Any]:
    """What the model writes on the test prompts when nobody interferes, and how many steers it needs."""
    loaded = load_model(study.model, dtype=study.dtype, adapter=adapter, merge=True)
    test = task.part("test")
    texts: list[Finished] = []
    alone = plain_writer(loaded, task, f"unsteered {cell.path}")
    dataclasses.replace(alone, prompted=shown, rows=_ROWS).write(test, texts.append)
    each = [_text_facts(task, f) for f in texts]
    tokens, broken = (sum(e[what] for e in each) for what in ("tokens", "broken"))
    found: dict[str, Any] = {
        "unsteered": {
            "broken_per_100_tokens": 100 * broken / max(1, tokens),
            "tokens": tokens / max(1, len(texts)),
            "distinct_3": sum(e["distinct_3"] for e in each) / max(1, len(each)),
            "texts": each,
        }
    }
    if shown is not None:
        found["prompt"] = loaded.tokenizer.decode(_example(shown, material))
    if _wholly(study, cell):
        writer = Writer(
            loaded.model, loaded.tokenizer, task.rules, loaded.ref, task.by, CAREFUL, checker=task.checker,
            prompted=shown, rows=_ROWS,
        )  # fmt: skip
        some = test[: study.effort_tasks]
        # As the protocol has it; tables charge repetitive texts in a column beside it.
        efforts, _ = measure_effort(writer, task, some, _base_lengths(material), distinct_floor=0.0)
        found["effort"] = efforts.to_dict()
    return found


def _text_facts(task: Task, finished: Finished) -> dict[str, Any]:
    """What intervals over prompts are made from later."""
    text, tokens = finished.trajectory, finished.run.tokens
    ids = text.path(text.head)[-tokens:] if tokens else []
    return {
        "prompt": text.messages[-1].content if text.messages else "",
        "text": finished.run.text,
        "tokens": tokens,
        "broken": task.broken(finished.run.text).total(),
        "distinct_3": distinct(ids),
    }


def _example(shown: Prompted, material: Material) -> tuple[int, ...]:
    """One prompt as the model was shown it, for reading."""
    return shown.shown[material.held_out[0].nodes[0].token_ids]


def _base_lengths(material: Material) -> dict[str, int]:
    """Tokens of the base's own steered text, by the key of its prompt."""
    lengths = {}
    for text in material.held_out:
        prompt = text.nodes[0].token_ids
        asked = Asked(text.messages or material.tokenizer.decode(prompt))
        lengths[asked.key] = text.head.depth - len(prompt)
    return lengths
