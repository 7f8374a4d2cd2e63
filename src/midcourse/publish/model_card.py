"""The card of published weights: base, data, method, what was gained, what it cost, licence and consent.

Figures come from the run's own record and from an `eval.json`; what was not measured is said to be unmeasured. Nothing
of the machine it was made on is told. Where it is written is not known here.
"""

import json
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from midcourse.errors import InputError
from midcourse.publish.card import rights
from midcourse.publish.steered import Steered

__all__ = ["Evaluation", "model_card", "public_record", "read_evaluation"]

Evaluation = Mapping[str, Any]
"""What `midcourse eval` wrote, with the adapter's label under `label`."""
_LIBRARY = {"adapter": "peft", "lora-gguf": "gguf", "gguf": "gguf"}
_RELATION = {"adapter": "adapter", "lora-gguf": "adapter"}


def read_evaluation(path: Path, steered: Steered) -> Evaluation:
    """Read an `eval.json` and find the adapter in it.

    Raises:
        InputError: It is no evaluation, is of another base, or names several adapters and none of them is this one.
    """
    path = path / "eval.json" if path.is_dir() else path
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        adapters, weights = dict(found["adapters"]), found["weights"]
        [found[name] for name in ("metrics", "prompts", "steers", "part", "enough", "signs")]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is no eval.json as `midcourse eval` writes it ({type(error).__name__})") from error
    if weights not in (None, steered.base.weights):
        raise InputError(
            f"{path} evaluated adapters of {found['model']} (weights {weights}), not of {steered.base.name} "
            f"(weights {steered.base.weights})"
        )
    here = steered.folder.resolve()
    labels = [n for n, where in adapters.items() if n == here.name or Path(where).resolve() == here]
    labels = labels or (list(adapters) if len(adapters) == 1 else [])
    if not labels:
        raise InputError(f"{path} knows the adapters {', '.join(adapters) or 'none'}, and none of them is {here.name}")
    return {**found, "label": labels[0]}


def public_record(steered: Steered) -> dict[str, Any]:
    """What of the run's record is for others: no paths and no settings of its machine."""
    kept = ("midcourse", "settings", "data", "metrics", "retain_weight_at_end")
    record = {key: steered.record[key] for key in kept if key in steered.record}
    return record | {"base": {"name": steered.base_name, "weights": steered.base.weights}}


def model_card(
    steered: Steered,
    form: str,
    *,
    evaluation: Evaluation | None = None,
    checked: Sequence[str] = (),
    licence: str | None = None,
    consent: str | None = None,
) -> str:
    """The card as Markdown with the YAML head that hubs read.

    Args:
        steered: The adapter.
        form: `adapter`, `merged`, `gguf`, `lora-gguf` or `ollama`.
        evaluation: See `read_evaluation`.
        checked: Sentences on how this form was compared with the adapter.
        licence: The Hub's name of a licence.
        consent: How the people whose corrections these are agreed.
    """
    made_by = steered.record.get("midcourse") or version("midcourse")
    head = ["---", f"library_name: {_LIBRARY.get(form, 'transformers')}"]
    if steered.hub_id:
        head += [f"base_model: {steered.hub_id}", f"base_model_relation: {_RELATION.get(form, 'finetune')}"]
    head += [f"license: {licence or 'unknown'}", "tags: [midcourse, preference-optimization, lora]", "---"]
    lines = [
        *head,
        f"# A steered {steered.base_name}",
        "",
        f"Trained with [Midcourse](https://pypi.org/project/midcourse/) {made_by} on corrections that were made while "
        "the model wrote.",
        "",
        "## Base",
        "",
        *_base(steered, form),
    ]
    lines += ["", "## Data", "", *_list(steered.record.get("data"), "The adapter's folder does not say.")]
    lines += ["", "## Method", "", *_list(steered.record.get("settings"), "The adapter's folder does not say.")]
    lines += ["", "## Gain and drift", "", *_measured(evaluation)]
    if checked:
        lines += ["", "## How this form was checked", "", *(f"- {line}" for line in checked)]
    return "\n".join([*lines, *rights(licence, consent, command="Publish"), ""])


def _base(steered: Steered, form: str) -> list[str]:
    said = [f"`{steered.base_name}`, weights `{steered.base.weights}` (Midcourse's hash of all tensors)."]
    if steered.base.name == "builtin":
        said.append(
            f"These are the weights of {steered.hub_id} as read from its Q4_1 file: `midcourse model pull` gets them. "
            "The Hub's full-precision weights are others."
        )
    if form in ("adapter", "lora-gguf"):
        said.append("The adapter needs this base.")
    return said


def _list(facts: Any, otherwise: str) -> list[str]:
    if not isinstance(facts, Mapping) or not facts:
        return [otherwise]
    return [f"- {name}: {value}" for name, value in facts.items() if value is not None]


def _measured(evaluation: Evaluation | None) -> list[str]:
    if evaluation is None:
        return ["Not evaluated: `midcourse eval` measures both, and --eval puts them here."]
    label = evaluation["label"]
    said = f"On {evaluation['prompts']} prompts with {evaluation['steers']} steers ({evaluation['part']} part)."
    said += "" if evaluation["enough"] else " **Too few prompts for a claim.**"
    rows = [said, "", "| | base | steered | change | |", "|---|---:|---:|---:|---|"]
    for metric in evaluation["metrics"]:
        base, own = metric["values"].get("base"), metric["values"].get(label)
        if own is None:
            continue
        cells = [
            metric["title"],
            _shown(base, metric),
            _shown(own, metric),
            _shown(metric["change"].get(label), metric),
        ]
        rows.append(f"| {' | '.join(cells)} | {(metric.get('verdict') or {}).get(label, '')} |")
    broken = (evaluation["signs"] or {}).get(label) or []
    return rows + (["", "Looks broken: " + "; ".join(broken) + "."] if broken else [])


def _shown(value: Any, metric: Mapping[str, Any]) -> str:
    if value is None:
        return "–"
    scale, digits, end = (100.0, 0, "%") if metric["unit"] == "share" else (1.0, 4, "")
    shown = [f"{value[key] * scale:.{digits}f}" for key in ("mean", "low", "high")]
    return f"{shown[0]}{end}" + (f" [{shown[1]}, {shown[2]}]" if value.get("prompts", 0) > 1 else "")
