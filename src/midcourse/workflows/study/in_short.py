"""The headline in few columns, for a page that says what it means: a row a method, both arms.

Made from results alone, like the study's own page, which has all columns.
"""

from midcourse.workflows.study.cell import OURS, Cell
from midcourse.workflows.study.cells import Study
from midcourse.workflows.study.claims import arms, of_seeds
from midcourse.workflows.study.shown import Found, by_fork, measures, table
from midcourse.workflows.study.statistics import over_seeds

__all__ = ["in_short"]

_WORDS = {
    "sft_full": "fine-tuning on the corrected texts",
    "dpo_whole": "DPO on whole answers",
    "dpo_prefix": "DPO, prefix as prompt",
    "masked_nll": "masked contrast + NLL",
    "fork": "**localized contrast, the default**",
    OURS: "**transfer**",
}
_OWN = {"sft_full": "fine-tuning on rewritten answers", "dpo_whole": "DPO on rewritten answers"}
_HEADS = ("error again", "or unsound", "steers a task", "broken per 100 tokens", "distinct 3-grams", "drift")
_COLUMNS = (0, 1, 3, 4, 8, 6)
"""Of what `measures` gives."""


def in_short(study: Study, task: str, steers: int) -> str:
    """A table of one task; steers a task are those with repetitive texts charged, where they were counted."""
    base = study.result(Cell("headline", task, "base", 0, 0))
    rows = [["base", "", *_short([base], "base")]] if base is not None else []
    for arm, method in arms(study):
        found = of_seeds(study, task, method, steers, arm)
        if found:
            words = (_WORDS if arm == "same" else _OWN).get(method)
            name = f"`{method}`{', own session' if arm == 'own' else ''}"
            rows.append([f"{words} ({name})" if words else name, str(len(found)), *_short(found, "steered")])
    return table([f"{task}, {steers} steers", "seeds", *_HEADS], rows)


def _short(found: Found, who: str) -> list[str]:
    """The columns, without intervals but for the first."""
    every = measures(found, who, over_seeds(by_fork(found, who)))
    first, *others = (every[n] for n in _COLUMNS)
    return [first, *(value.split(" [")[0] for value in others)]
