"""The report: one page without scripts that holds everything, for a person who was not there.

Jinja with autoescape puts the results into `report.html.jinja`; no text of the data reaches the page as markup. It
measures nothing.
"""

from importlib import resources
from pathlib import Path

import jinja2
from markupsafe import Markup

from midcourse.evaluate.plots import curve_svg, drift_svg, margins_svg, tree_svg
from midcourse.evaluate.results import Metric, Results

__all__ = ["render", "write_report"]

HEADLINE = ("recurrence", "adoption", "accuracy", "p_rejected", "valid", "drift/kl_answers")
"""What a person reads first; all other figures are one click below."""


def write_report(results: Results, folder: str | Path) -> Path:
    """Write `report.html` and `eval.json` into a folder, each put in place whole; returns the report's path."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in (("eval.json", results.to_json()), ("report.html", render(results))):
        beside = folder / f".{name}.part"
        beside.write_text(text + "\n", encoding="utf-8")
        beside.replace(folder / name)
    return folder / "report.html"


def render(results: Results) -> str:
    """The page as text."""
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    source = resources.files("midcourse.evaluate").joinpath("report.html.jinja").read_text(encoding="utf-8")
    page: str = environment.from_string(source).render(
        r=results,
        headline=[results.metric(n) for n in HEADLINE],
        summary=[_sentence(results, a) for a in results.adapters],
        margins=Markup(margins_svg(results)),
        drift=Markup(drift_svg(results)),
        tree=Markup(tree_svg(results.drawn)) if results.drawn else None,
        curves={a: Markup(curve_svg(log, f"Learning curves of {a}")) for a, log in results.curves.items() if log},
    )
    return page


def _sentence(results: Results, adapter: str) -> str:
    """The outcome in one sentence, no stronger than the figures."""
    again, drift = results.metric("recurrence"), results.metric("drift/kl_answers").values.get(adapter)
    if again.values.get("base") is None:
        return f"{adapter}: none of the held-out steers has a rejected side, so nothing says whether errors come again."
    said = (
        f"On held-out prompts the base makes the corrected errors again in {again.show('base', interval=False)} of its "
        f"samples, {adapter} in {again.show(adapter, interval=False)}"
    )
    if drift is not None:
        said += f", at a drift of {drift.mean:.4f} nats a token on unrelated prompts"
    return said + {
        "too few": f". With {_prompts(again)} prompts this is too few for a claim.",
        "better": ".",
        "worse": ": it got worse.",
    }.get(again.verdict(adapter), "; the interval of the difference includes none.")


def _prompts(metric: Metric) -> int:
    value = metric.values.get("base")
    return value.prompts if value else 0
