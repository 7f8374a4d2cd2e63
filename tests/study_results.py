"""Results of a study's cells with figures that are given, kept where the cells' own would be."""

import json
from typing import Any

from midcourse.workflows.study.cell import Cell
from midcourse.workflows.study.cells import Study

DRIFTS = ("retained", "answers", "text")


def interval(mean: float) -> dict[str, float]:
    return {"mean": mean, "low": mean, "high": mean, "n": 1, "prompts": 1}


def found(
    forks: list[dict[str, Any]], *, recurrence: float = 0.4, drift: float = 0.005, likely: bool = False
) -> dict[str, Any]:
    """A result with these forks; `likely`: of corrections that people made, measured by likelihoods alone."""
    both = {"base": interval(0.5), "steered": interval(recurrence), "change": interval(recurrence - 0.5)}
    value: dict[str, Any] = {
        "metrics": {
            "recurrence": {"base": None, "steered": None, "change": None} if likely else both,
            "valid": both,
            "flawed": both,
            "logp_chosen": both,
            **{f"drift/kl_{k}": {"base": interval(0), "steered": interval(drift)} for k in DRIFTS},
        },
        "forks": forks,
        "lesson": {"seconds": 60.0},
        "signs": [],
        "shown": [],
        "seconds": {"train": 1.0},
    }
    if not likely:
        prompts = sorted({f["prompt"] for f in forks})
        tasks = [{"prompt": p, "charged": 2 + n, "distinct_3": 0.4 + 0.1 * n} for n, p in enumerate(prompts)]
        value["effort"] = {"cap": 14, "tasks": tasks}
        texts = [{"prompt": p, "distinct_3": 0.9, "tokens": 50.0 + n} for n, p in enumerate(prompts)]
        value["unsteered"] = {"broken_per_100_tokens": 1.0, "distinct_3": 0.9, "tokens": 50.0, "texts": texts}
        own = {"ended": 0.75, "distinct_3": 0.8, "tokens": 90.0}
        value["collapse"] = {"base": own, "steered": own}
    return value


def fork(n: int, writer: int, before: float, after: float) -> dict[str, Any]:
    """A fork whose margin was `before` and is `after`; above nought the error is made again."""

    def side(margin: float) -> dict[str, float]:
        again = {"recurrence": margin > 0, "flawed": margin > 0}
        return {"margin": margin, "first_token_log_odds": margin, "logp_chosen": margin - 5, **again}

    return {"steer": f"s{n}", "prompt": f"w{writer}", "base": side(before), "steered": side(after)}


def keep(study: Study, cell: Cell, value: dict[str, Any]) -> None:
    """Where the cell's result would be."""
    path = study.results / cell.path
    path.parent.mkdir(parents=True, exist_ok=True)
    own = next(c for c in study.cells() if c.path == cell.path)
    path.write_text(json.dumps({"cell": {"settings": dict(own.settings)}, **value}))
