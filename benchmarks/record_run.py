"""Keep an evaluated run: its figures, settings and text as JSON in benchmarks/results, its table for docs/results.md.

python benchmarks/record_run.py NAME REPORT/eval.json ADAPTER/midcourse.json [MORE/midcourse.json …]
"""

import json
import platform
import sys
from pathlib import Path

RESULTS = Path(__file__).parent / "results"
KEPT = ("model", "weights", "part", "prompts", "steers", "settings", "tiers", "metrics", "collapse", "signs", "written")


def cell(value: dict | None, unit: str) -> str:
    if value is None:
        return ""
    share = unit == "share"
    numbers = [value[k] for k in ("mean", "low", "high") if value.get(k) is not None]
    mean, *ends = [f"{100 * n:.0f}%" if share else f"{n:.4f}" if abs(n) < 0.1 else f"{n:.2f}" for n in numbers]
    return f"{mean} [{', '.join(ends)}]" if ends else mean


def table(record: dict) -> str:
    names = list(record["metrics"][0]["values"])
    changed = names[1:]
    head = ["measure", *names, *(f"{n} − base" for n in changed)]
    lines = [" | ".join(head), " | ".join("---" for _ in head)]
    for metric in record["metrics"]:
        unit = metric["unit"]
        row = [f"{metric['title']} (`{metric['name']}`)", *(cell(metric["values"].get(n), unit) for n in names)]
        change = metric.get("change") or {}
        lines.append(" | ".join([*row, *(cell(change.get(n), unit) for n in changed)]))
    return "\n".join(f"| {line} |" for line in lines)


def main() -> None:
    name, evaluated, *runs = sys.argv[1:]
    found = json.loads(Path(evaluated).read_text(encoding="utf-8"))
    record = {key: found[key] for key in KEPT if key in found}
    record["runs"] = {}
    for run in runs:
        kept = json.loads(Path(run).read_text(encoding="utf-8"))
        record["runs"][Path(run).parent.name] = {k: v for k, v in kept.items() if k != "arguments"}
    record["machine"] = {"system": platform.system(), "python": platform.python_version(), "gpu": None}
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(table(record))


if __name__ == "__main__":
    main()
