"""Short runs on the built-in model that differ in one setting each; their curves go to benchmarks/results/tuning.json.

    python benchmarks/tuning_runs.py                                       # one or two minutes an arm on one core
    python benchmarks/tuning_runs.py --texts 28 --dev 10 --epochs 6 --json benchmarks/results/tuning_full.json
    python benchmarks/tuning_plots.py

An arm that is in the file already is not run again. These runs show which way a setting pulls, not what it is worth:
few texts, one seed, a rule's steers.
"""

import argparse
import json
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from midcourse import SteerConfig, SteerTrainer
from midcourse.model import load_model

ROOT = Path(__file__).resolve().parents[1]
ARMS: dict[str, dict[str, float]] = {
    "defaults": {},
    "retain_weight 0": {"retain_weight": 0.0},
    "learning_rate 1e-5": {"learning_rate": 1e-5},
    "learning_rate 1e-3": {"learning_rate": 1e-3},
    "sft_weight 1": {"sft_weight": 1.0},
    "beta 0.1": {"beta": 0.1},
    "beta 2": {"beta": 2.0},
}
KEPT = (
    *("epoch", "step", "loss", "grad_norm", "retain_kl", "rewards/margins", "rewards/accuracies", "logps/chosen_delta"),
    *("eval_loss", "eval_rewards/margins", "eval_rewards/accuracies", "eval_logps/chosen_delta"),
    "eval_drift/kl_retained",
)


def shortest(rows: list[dict], part: str, count: int) -> list[dict]:
    """The rows of the `count` shortest texts of a part."""
    length: dict[str, int] = {}
    for row in rows:
        if row["split"] == part:
            whole = row["prefix"] + row["chosen"] + row["tail"]
            length[row["trajectory"]] = max(length.get(row["trajectory"], 0), len(whole))
    taken = sorted(length, key=lambda t: (length[t], t))[:count]
    return [row for row in rows if row["trajectory"] in taken]


def run(settings: dict[str, float], rows: list[dict], args: argparse.Namespace, cache: str) -> dict:
    loaded = load_model("builtin")
    with tempfile.TemporaryDirectory() as out:
        config = SteerConfig(
            output_dir=out,
            num_train_epochs=args.epochs,
            per_device_train_batch_size=4,
            eval_strategy="epoch",
            save_strategy="no",
            seed=args.seed,
            reference_cache=cache,
            disable_tqdm=True,
            **settings,
        )
        parts = [shortest(rows, part, count) for part, count in (("train", args.texts), ("dev", args.dev))]
        trainer = SteerTrainer(loaded.model, config, *parts, processing_class=loaded.tokenizer)
        trainer.train()
    log = [{k: h[k] for k in KEPT if k in h} for h in trainer.state.log_history]
    return {"settings": settings, "steers": trainer.examples.steers, "log": [h for h in log if len(h) > 2]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, default=8, help="shortest texts to train on")
    parser.add_argument("--dev", type=int, default=4, help="shortest texts of the dev part")
    parser.add_argument("--epochs", type=float, default=5)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--json", type=Path, default=ROOT / "benchmarks" / "results" / "tuning.json")
    args = parser.parse_args()
    rows = [json.loads(x) for x in (ROOT / "recipes" / "demo_steers.jsonl").read_text(encoding="utf-8").splitlines()]
    shape = {"model": "builtin", "texts": args.texts, "dev": args.dev, "epochs": args.epochs, "seed": args.seed}
    found = {**shape, "arms": {}}
    if args.json.is_file():
        found = json.loads(args.json.read_text(encoding="utf-8"))
        assert {k: found[k] for k in shape} == shape, f"{args.json} was made with other arguments; name another file"
    with tempfile.TemporaryDirectory() as cache:
        for name, settings in ARMS.items():
            if name not in found["arms"]:
                print(name, flush=True)
                found["arms"][name] = run(settings, rows, args, cache)
                args.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    Console().print(table(found))


def table(found: dict) -> Table:
    columns = ("eval_rewards/margins", "eval_logps/chosen_delta", "eval_drift/kl_retained")
    shown = Table("arm", *columns)
    for name, arm in found["arms"].items():
        last = [h for h in arm["log"] if "eval_loss" in h][-1]
        shown.add_row(name, *(f"{last[c]:.4f}" for c in columns))
    return shown


if __name__ == "__main__":
    main()
