"""How far `midcourse train --dry_run` is off: what it expects against what a run of a few steps then takes.

    python benchmarks/plan_error.py --steps 3 --json benchmarks/results/plan_error.json

On the demo's steers with the built-in model. Plan and run are processes of their own, so that neither finds the other's
memory. Time is the processor time of the process (one thread), which other programs on the machine change little.
"""

import argparse
import dataclasses
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
VARIANTS: dict[str, dict[str, object]] = {
    "defaults": {},
    "activation_checkpointing": {"activation_checkpointing": True},
}


def child(what: str, settings: dict[str, object]) -> dict[str, float]:
    """Plan or run, in this process."""
    import torch

    from midcourse import SteerConfig, SteerTrainer
    from midcourse.model import load_model
    from midcourse.workflows.calibrate import measure
    from midcourse.workflows.plan import make_plan

    torch.set_num_threads(1)
    rows = [json.loads(x) for x in (ROOT / "recipes" / "demo_steers.jsonl").read_text(encoding="utf-8").splitlines()]
    loaded = load_model("builtin")
    with tempfile.TemporaryDirectory() as out:
        config = SteerConfig(output_dir=out, disable_tqdm=True, save_strategy="no", use_cpu=True, **settings)
        train = [row for row in rows if row["split"] == "train"]
        trainer = SteerTrainer(loaded.model, config, train, processing_class=loaded.tokenizer)
        if what == "plan":
            plan = make_plan(trainer, measure(trainer, time.process_time))
            return {"seconds": dataclasses.asdict(plan)["seconds"], "memory": plan.memory, "row": plan.largest_row}
        Path("/proc/self/clear_refs").write_text("5")
        begun = time.process_time()
        trainer.train()
        took = time.process_time() - begun
        status = Path("/proc/self/status").read_text().splitlines()
        peak = next(1024 * int(line.split()[1]) for line in status if line.startswith("VmHWM"))
        return {"seconds": took, "memory": peak}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        print(json.dumps(child(args.child[0], json.loads(args.child[1]))))
        return
    table = Table("variant", "longest row", "time", "expected", "off by", "peak memory", "expected", "off by")
    found = {"steps": args.steps, "variants": {}}
    for name, more in VARIANTS.items():
        settings = json.dumps({**more, "max_steps": args.steps})
        answers = {}
        for what in ("plan", "run"):
            words = [sys.executable, __file__, "--child", what, settings]
            done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True)
            answers[what] = json.loads(done.stdout.splitlines()[-1])
        plan, run = answers["plan"], answers["run"]
        expected = sum(plan["seconds"].values())
        off = {"time_off": expected / run["seconds"] - 1, "memory_off": plan["memory"] / run["memory"] - 1}
        found["variants"][name] = {**answers, **off}
        memory = [f"{n / 1e9:.2f} GB" for n in (run["memory"], plan["memory"])]
        table.add_row(
            *(name, str(plan["row"]), f"{run['seconds']:.0f} s", f"{expected:.0f} s", f"{off['time_off']:+.0%}"),
            *(*memory, f"{off['memory_off']:+.0%}"),
        )
    Console().print(table)
    if args.json:
        args.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
