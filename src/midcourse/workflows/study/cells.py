"""What is run, in which order: a cell is one method on one task with so many steers and one seed.

The order is fixed before anything is run. What depends on results (the settings chosen on the development tasks, which
baseline is best) is worked out from the results by a rule that is fixed too. It reads results and runs nothing.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from midcourse.errors import InputError
from midcourse.workflows.study.cell import METHODS, OURS, WHOLE, Cell
from midcourse.workflows.study.later import later_cells
from midcourse.workflows.study.ways import check_ways

__all__ = ["METHODS", "OURS", "WHOLE", "Cell", "Study", "score"]

DRIFT_BOUND = 0.02
"""Mean nats per token on answers to unrelated prompts that a trial may cost: twice what the study sets out to keep."""
_KNOWN = {"model", "dtype", "headline", "development", "exploratory", "methods", "trials", "common", "steers", "seeds"}
_KNOWN |= {"more_seeds", "dev_steers", "ablations", "extra_methods", "extra_steers", "forks", "samples", "effort_tasks"}
_KNOWN |= {"variations", "in_prompt", "further_steers", "further", "imported", "ablated", "contenders", "asked_again"}
_KNOWN |= {"wider_methods"}


@dataclass(frozen=True)
class Study:
    """All settings of a study; see recipes/study/study.yaml."""

    folder: Path
    """Of the file: tasks are in `tasks/NAME.yaml` below it."""
    results: Path
    headline: tuple[str, ...]
    development: tuple[str, ...] = ()
    exploratory: tuple[str, ...] = ()
    model: str = "builtin"
    dtype: str = "float32"
    methods: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: dict(METHODS))
    trials: Mapping[str, Mapping[str, list[Any]]] = field(default_factory=dict)
    """Method -> setting -> values: all combinations are tried on the development tasks, as many for every method."""
    common: Mapping[str, Any] = field(default_factory=dict)
    """Settings of every training."""
    steers: tuple[int, ...] = (100, 30)
    seeds: tuple[int, ...] = (0, 1, 2)
    more_seeds: tuple[int, ...] = (3, 4)
    """For ours and the best baseline."""
    dev_steers: int = 60
    contenders: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Methods found after the headline had begun, measured like it and with its seeds."""
    ablated: str = OURS
    """The method that ablations and variations begin with."""
    ablations: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Label -> settings changed from it, or from an ablation that it is `like`; on the first headline task."""
    asked_again: Mapping[str, int] = field(default_factory=dict)
    """Label of an ablation -> seeds with which it runs on the other headline tasks: no default is changed without."""
    extra_methods: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    extra_steers: tuple[int, ...] = ()
    wider_methods: tuple[str, ...] = ()
    """Methods on other tasks and with other numbers of steers; none named: all."""
    forks: int = 40
    samples: int = 8
    effort_tasks: int = 20
    variations: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Label -> `texts` (see `ways.WAYS`) and `settings` changed from it, on the first headline task."""
    in_prompt: int | None = None
    """So many steers in the prompt, on the headline tasks; None: not run."""
    further_steers: tuple[int, ...] = ()
    further: str | None = None
    """File of prompts whose texts these need."""
    imported: Mapping[str, Any] = field(default_factory=dict)
    """Corrections that people made: `steers`, `methods`, and `corpora`, name -> format, files, folds, settings, methods
    where they are others; by corpus `ablations`."""

    @classmethod
    def load(cls, path: str | Path, results: str | Path) -> "Study":
        """Read a YAML file.

        Raises:
            InputError: It cannot be read, names an unknown field, has no `ours`, or gives methods unequal numbers of
                trials.
        """
        try:
            value = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        except (OSError, yaml.YAMLError) as error:
            raise InputError(f"the study {path} cannot be read: {' '.join(str(error).split())}") from error
        if not isinstance(value, dict) or not value.get("headline"):
            raise InputError(f"{path} must name the tasks of its `headline`")
        if unknown := set(value) - _KNOWN:
            raise InputError(f"{path}: unknown field {min(unknown, key=str)!r}; known are {', '.join(sorted(_KNOWN))}")
        lists = {k: tuple(v) for k, v in value.items() if isinstance(v, list)}
        _check_later(value, Path(path))
        study = cls(Path(path).parent, Path(results), **{**value, **lists})
        if OURS not in study.methods:
            raise InputError(f"{path}: `methods` must have {OURS!r}, which all are compared with")
        if study.ablated not in study.methods:
            raise InputError(f"{path}: `ablated` is {study.ablated!r}; expected one of {', '.join(study.methods)}")
        if not isinstance(study.asked_again, Mapping) or not all(
            isinstance(n, int) for n in study.asked_again.values()
        ):
            raise InputError(f"{path}: `asked_again` takes labels with numbers of seeds, got {study.asked_again!r}")
        if unknown := set(study.asked_again) - set(study.ablations):
            raise InputError(f"{path}: `asked_again` names {min(unknown)!r}, which is none of the `ablations`")
        for method in study._every_method():
            _chain(study._every_method(), method)
        for changes in (study.ablations, study.variations):
            for label in changes:
                _chain(changes, label)
        if unknown := set(study.wider_methods) - set(study.methods):
            raise InputError(f"{path}: `wider_methods` names {min(unknown)!r}; known are {', '.join(study.methods)}")
        counts = {m: len(list(study.grid(m))) for m in study.trials}
        if len(set(counts.values())) > 1:
            raise InputError(f"{path}: every method must have as many trials as the others, got {counts}")
        return study

    def grid(self, method: str) -> Iterator[dict[str, Any]]:
        """The settings tried for a method."""
        given = self.trials.get(method, {})
        for values in product(*given.values()):
            yield dict(zip(given, values, strict=True))

    def result(self, cell: Cell) -> dict[str, Any] | None:
        """What a cell found, None where it was not run."""
        path = self.results / cell.path
        return _read(path, path.stat().st_mtime_ns) if path.is_file() else None

    def check(self, cell: Cell) -> None:
        """Refuse a result that stands where a cell's would and was made with other settings or by another model.

        Raises:
            InputError: So it is.
        """
        found = self.result(cell)
        made_by = found.get("model", {}).get("name", self.model) if found is not None else self.model
        if made_by != self.model:
            raise InputError(
                f"{self.results / cell.path} is of the model {made_by}, and this study is of {self.model}: choose "
                "another folder of results"
            )
        if found is not None and cell.settings and found["cell"]["settings"] != json.loads(json.dumps(cell.settings)):
            raise InputError(
                f"{self.results / cell.path} was made with {found['cell']['settings']}, and this study has "
                f"{dict(cell.settings)}: choose another folder of results, or remove that file to run it again"
            )

    def cells(self) -> Iterator[Cell]:
        """All cells in order; asks for the results of earlier ones as it goes."""
        yield from self.development_cells()
        first, *later = self.steers
        yield from self._block("headline", first)
        for seed, task, method in product(self.seeds, self.headline, self.contenders):
            yield Cell("headline", task, method, first, seed, settings=self.settings(method))
        yield from self._whole("own", first)
        for steers in later:
            yield from self._block("budget", steers)
            yield from self._whole("own", steers)
        yield from self._ablation_cells(first)
        yield from self._exploratory_cells(first)
        yield from later_cells(self, first)

    def development_cells(self) -> Iterator[Cell]:
        """Trials: every method alike, one seed."""
        for task, method in product(self.development, self.methods):
            for n, trial in enumerate(self.grid(method)):
                settings = {**self.common, **self.methods[method], **trial}
                yield Cell("development", task, method, self.dev_steers, 0, settings=settings, label=f"trial{n}")

    def trials_left(self, method: str) -> int:
        """Trials that choose the method's settings and have not run."""
        of = _chain(self._every_method(), method)[-1]
        return sum(self.result(c) is None for c in self.development_cells() if c.method == of)

    def chosen(self, method: str) -> dict[str, Any]:
        """The trial that ranks first over the development tasks; without results, the first."""
        trials = list(self.grid(method)) or [{}]
        ranks = []
        for n in range(len(trials)):
            cells = [c for c in self.development_cells() if c.method == method and c.label == f"trial{n}"]
            found = [self.result(c) for c in cells]
            done = [f for f in found if f is not None]
            ranks.append(rank(done) if found and len(done) == len(found) else (True, np.inf))
        return trials[min(range(len(trials)), key=ranks.__getitem__)]

    def settings(self, method: str) -> dict[str, Any]:
        """What a method is trained with in the headline; one that is `like` another begins with all that one has."""
        own = dict(self._every_method()[method])
        like = own.pop("like", None)
        return {**(self.settings(like) if like else self.common), **own, **self.chosen(method)}

    def _every_method(self) -> dict[str, Mapping[str, Any]]:
        return {**self.methods, **self.extra_methods, **self.contenders}

    @property
    def wider(self) -> tuple[str, ...]:
        """Methods that are run beside the headline's tasks and numbers of steers."""
        return self.wider_methods or tuple(self.methods)

    def best_baseline(self, task: str, steers: int) -> str | None:
        """The method beside ours with the lowest score over the first seeds; None before all of them ran."""
        means: dict[str, float] = {}
        for method in self.methods:
            found = [self.result(Cell("headline", task, method, steers, s)) for s in self.seeds]
            if any(f is None for f in found):
                return None
            means[method] = float(np.mean([score(f) for f in found if f is not None]))
        means.pop(OURS, None)
        return min(means, key=lambda m: means[m]) if means else None

    def _block(self, stage: str, steers: int) -> Iterator[Cell]:
        """Every method in the same session, seed by seed; then more seeds for ours and the best baseline. The base is
        the same for all numbers of steers."""
        for task in self.headline:
            yield Cell("headline", task, "base", 0, 0)
        for seed, task, method in product(self.seeds, self.headline, self.methods):
            yield Cell(stage, task, method, steers, seed, settings=self.settings(method))
        for task in self.headline:
            best = self.best_baseline(task, steers)
            for seed, method in product(self.more_seeds, [OURS, *([best] if best else [])]):
                yield Cell(stage, task, method, steers, seed, settings=self.settings(method))

    def _whole(self, stage: str, steers: int) -> Iterator[Cell]:
        """Methods of whole answers, with the answers that the same seconds would have bought."""
        whole = [m for m in WHOLE if m in self.methods]
        for seed, task, method in product(self.seeds, self.headline, whole):
            yield Cell(stage, task, method, steers, seed, "own", self.settings(method))

    def changed(self, ablation: str) -> dict[str, Any]:
        """What an ablation is trained with."""
        settings = self.settings(self.ablated)
        for label in reversed(_chain(self.ablations, ablation)):
            settings |= {name: value for name, value in self.ablations[label].items() if name != "like"}
        return settings

    def varied(self, variation: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """What a variation is trained with, and how its texts are made."""
        settings = self.settings(self.ablated)
        texts: dict[str, Any] = {}
        for label in reversed(_chain(self.variations, variation)):
            settings |= self.variations[label].get("settings", {})
            texts |= self.variations[label].get("texts", {})
        return settings, texts

    def _ablation_cells(self, steers: int) -> Iterator[Cell]:
        for label in self.ablations:
            settings = self.changed(label)
            yield Cell("ablation", self.headline[0], self.ablated, steers, 0, settings=settings, label=label)
        for (label, seeds), task in product(self.asked_again.items(), self.headline[1:]):
            settings = self.changed(label)
            for seed in self.seeds[:seeds]:
                yield Cell("ablation", task, self.ablated, steers, seed, settings=settings, label=label)

    def _exploratory_cells(self, steers: int) -> Iterator[Cell]:
        for task, method in product(self.headline, self.extra_methods):
            yield Cell("exploratory", task, method, steers, 0, settings=self.settings(method))
        for task in self.exploratory:
            yield Cell("exploratory", task, "base", 0, 0)
            for method in self.wider:
                yield Cell("exploratory", task, method, steers, 0, settings=self.settings(method))
        for task, method, more in product(self.headline, self.wider, self.extra_steers):
            yield Cell("exploratory", task, method, more, 0, settings=self.settings(method))


def _chain(every: Mapping[str, Mapping[str, Any]], name: str) -> list[str]:
    """A method, an ablation or a variation, what it is like, what that one is like …

    Raises:
        InputError: That is none of them, or comes back to one before it.
    """
    chain = [name]
    while like := every.get(chain[-1], {}).get("like"):
        if like not in every or like in chain:
            raise InputError(f"{chain[-1]!r} is `like` {like!r}; expected another of {', '.join(every)}")
        chain.append(like)
    return chain


@lru_cache(maxsize=64)  # more than all trials, which every cell's settings ask for
def _read(path: Path, changed: int) -> dict[str, Any]:
    """A result as it was written at that time."""
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def rank(trial: Sequence[Mapping[str, Any]]) -> tuple[bool, float]:
    """Where a trial stands, lower first: by its mean score, those within the drift bound before all others.

    Beyond the bound by the score too: by its drift, a method that cannot keep it would be shown by the trial that
    learnt least.
    """
    drift = float(np.mean([f["metrics"]["drift/kl_answers"]["steered"]["mean"] for f in trial]))
    return drift > DRIFT_BOUND, float(np.mean([score(f) for f in trial]))


def score(found: Mapping[str, Any]) -> float:
    """What baselines, and trials within the drift bound, are ranked by: recurrence, plus what sound samples lost."""
    metrics = found["metrics"]
    lost = metrics["valid"]["base"]["mean"] - metrics["valid"]["steered"]["mean"]
    return float(metrics["recurrence"]["steered"]["mean"] + max(0.0, lost))


def _check_later(value: Mapping[str, Any], path: Path) -> None:
    """Refuse variations, further prompts and corpora that cannot be used."""
    for label, changed in (value.get("variations") or {}).items():
        where = f"{path}: variation {label!r}"
        if not isinstance(changed, dict) or set(changed) - {"like", "texts", "settings"}:
            raise InputError(f"{where} takes `like`, `texts` and `settings`, got {changed!r}")
        check_ways(changed.get("texts", {}), where, path.parent)
    if value.get("further") is not None:
        check_ways({"further": value["further"]}, str(path), path.parent)
    imported = value.get("imported") or {}
    if not isinstance(imported, dict) or set(imported) - {"steers", "methods", "corpora", "ablations"}:
        raise InputError(f"{path}: `imported` takes steers, methods, corpora and ablations, got {imported!r}")
    if unknown := set(imported.get("ablations", ())) - set(imported.get("corpora", ())):
        raise InputError(f"{path}: `imported` has ablations on {min(unknown, key=str)!r}, which is none of its corpora")
    known = dict(value.get("methods") or METHODS)
    for more in ("extra_methods", "contenders"):
        known |= value.get(more) or {}
    corpora = imported.get("corpora") or {}
    if (bare := next((n for n, c in corpora.items() if not isinstance(c, dict)), None)) is not None:
        raise InputError(f"{path}: the corpus {bare!r} takes format, files, folds, settings and methods")
    named = [*imported.get("methods", ()), *(m for c in corpora.values() for m in c.get("methods", ()))]
    if unknown := set(named) - set(known):
        raise InputError(f"{path}: `imported` names the method {min(unknown, key=str)!r}; known are {', '.join(known)}")
