"""The blocks behind the headline and its first ablations: other texts, steers in the prompt, 300 steers, real people.

All are exploratory and come last, so that nothing that ran before is moved. It reads a study and runs nothing.
"""

from collections.abc import Iterator, Sequence
from itertools import product
from typing import TYPE_CHECKING

from midcourse.workflows.study.cell import IN_PROMPT, Cell

if TYPE_CHECKING:
    from midcourse.workflows.study.cells import Study

__all__ = ["imported_cells", "in_prompt_cells", "later_cells", "methods_of", "variation_cells"]


def later_cells(study: "Study", steers: int) -> Iterator[Cell]:
    """All of them, in their order.

    Args:
        study: Names what is run.
        steers: Of the ablations, as in the headline.
    """
    yield from in_prompt_cells(study, steers)
    yield from variation_cells(study, steers)
    for more, task, method in product(study.further_steers, study.headline, study.wider):
        texts = {"further": study.further} if study.further else {}
        yield Cell("exploratory", task, method, more, 0, settings=study.settings(method), texts=texts)
    yield from imported_cells(study)


def in_prompt_cells(study: "Study", steers: int) -> Iterator[Cell]:
    """Steers in the prompt, on the headline tasks."""
    if study.in_prompt:
        for task in study.headline:
            yield Cell("exploratory", task, IN_PROMPT, steers, 0, texts={"shown": study.in_prompt})


def variation_cells(study: "Study", steers: int) -> Iterator[Cell]:
    """The ablated method on texts that were made in another way."""
    for label in study.variations:
        settings, texts = study.varied(label)
        yield Cell("ablation", study.headline[0], study.ablated, steers, 0, settings=settings, label=label, texts=texts)


def methods_of(study: "Study", corpus: str) -> Sequence[str]:
    """What is run on a corpus of people's corrections: its own list, or that of all corpora, or all methods."""
    given = study.imported
    named: Sequence[str] = given["corpora"][corpus].get("methods") or given.get("methods") or list(study.methods)
    return named


def imported_cells(study: "Study") -> Iterator[Cell]:
    """Corrections that people made; where there are folds, each in the place of a seed."""
    given, usual = study.imported, study.ablated
    steers = int(given.get("steers", 100))
    for name, corpus in given.get("corpora", {}).items():
        folds = range(corpus.get("folds") or 1)
        for fold, method in product(folds, methods_of(study, name)):
            settings = {**study.settings(method), **corpus.get("settings", {})}
            yield Cell("imported", name, method, steers, fold, settings=settings)
    for name, changes in given.get("ablations", {}).items():
        for label, changed in changes.items():
            settings = {**study.settings(usual), **given["corpora"][name].get("settings", {}), **changed}
            yield Cell("imported", name, usual, steers, 0, settings=settings, label=label)
