"""How far `midcourse train --dry_run` is off: what it expects against what a run of a few steps then takes.

    python benchmarks/plan_error.py --steps 3 --json benchmarks/results/plan_error.json

    python benchmarks/plan_error.py --scale --json benchmarks/results/plan_scale.json

The first: on the demo's steers with the built-in model. Plan and run are processes of their own, so that neither finds
the other's memory. Time is the processor time of the process (one thread), which other programs on the machine change
little.

The second: how far `midcourse plan` is off, which knows a config and no model. One random model of one size says how
much arithmetic a second this machine does in each type of number, and what its activations take; then a step of two
larger ones is reckoned and run, one in bfloat16, one in float32 with checkpointing.
"""

import argparse
import dataclasses
import json
import os
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


SIZES: dict[str, dict[str, int]] = {
    "calibrated": {"hidden_size": 384, "intermediate_size": 1024, "num_hidden_layers": 8, "num_attention_heads": 6},
    "bfloat16": {"hidden_size": 512, "intermediate_size": 1408, "num_hidden_layers": 12, "num_attention_heads": 8},
    "checkpointed": {"hidden_size": 768, "intermediate_size": 2048, "num_hidden_layers": 10, "num_attention_heads": 12},
}
TREE = (512, 12, 24)
GIVEN_BACK = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
"""glibc: no freed block is kept for later."""


def scale_config(name: str) -> dict[str, object]:
    size = SIZES[name]
    more = {
        "vocab_size": 8192,
        "max_position_embeddings": 4096,
        "num_key_value_heads": size["num_attention_heads"] // 2,
    }
    return {"model_type": "llama", **size, **more, "tie_word_embeddings": False}


def scale_child(name: str, half: bool, checkpointed: bool, what: str) -> dict[str, float]:
    """Seconds or bytes of forward and backward over one tree, in this process; the first step warms up."""
    import numpy as np
    import tokenizers
    import torch
    import transformers
    from tree_cost import Size, tree_of

    from midcourse import SteerConfig, SteerTrainer
    from midcourse.tokens import TextTokenizer
    from midcourse.train.batch import totals
    from midcourse.tree.pack import Row

    torch.set_num_threads(1)
    config = transformers.AutoConfig.for_model(**scale_config(name))
    model = transformers.AutoModelForCausalLM.from_config(config).to(torch.bfloat16 if half else torch.float32)
    tree = tree_of(Size(*TREE), config.vocab_size)
    on_trunk = np.zeros(len(tree), dtype=bool)
    on_trunk[np.concatenate([[len(tree) - 1], tree.parent[tree.end == len(tree)][1:]])] = True
    tree = dataclasses.replace(tree, retain=on_trunk & (tree.parent >= 0))
    words = TextTokenizer(tokenizers.Tokenizer(tokenizers.models.WordLevel({"a": 0}, unk_token="a")))
    with tempfile.TemporaryDirectory() as out:
        settings = SteerConfig(output_dir=out, disable_tqdm=True, use_cpu=True)
        trainer = SteerTrainer(model, settings, [tree], processing_class=words)
        trainer.references.fill(trainer.model, [tree], trainer.forward_path, lambda: None)
        if checkpointed:
            trainer.model.activation_checkpointing_enable(activation_checkpointing_kwargs={"use_reentrant": False})
        trainer.model.train()
        took, peaks = [], []
        for _ in range(4 if what == "time" else 2):
            Path("/proc/self/clear_refs").write_text("5")
            before, begun = status("VmRSS"), time.process_time()
            trainer.compute_loss(trainer.model, {"row": Row.of([tree])}, num_items_in_batch=totals([tree])).backward()
            took.append(time.process_time() - begun)
            peaks.append(status("VmHWM") - before)
            trainer.model.zero_grad(set_to_none=True)
        return {"seconds": sorted(took[1:])[1]} if what == "time" else {"bytes": peaks[-1]}


def status(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(name))


def scale() -> dict[str, object]:
    """Calibrate on one size, reckon two others, run them, compare."""
    from midcourse.workflows.scale import Forked, Shape, Training, activation_bytes, step_flops

    def run(name: str, half: bool, checkpointed: bool) -> dict[str, float]:
        found: dict[str, float] = {}
        for what in ("time", "memory"):
            words = [sys.executable, __file__, "--scale-child", json.dumps([name, half, checkpointed, what])]
            env = {**os.environ, **(GIVEN_BACK if what == "memory" else {})}
            done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True, env=env)
            found |= json.loads(done.stdout.splitlines()[-1])
        return found

    def counted(name: str, how: Training) -> float:
        shape = Shape.of(scale_config(name))
        return activation_bytes(shape, how) * Forked(*TREE).tokens + 4 * shape.trained

    def work(name: str, how: Training) -> float:
        return step_flops(Shape.of(scale_config(name)), Forked(*TREE), how)

    speed, kept, found = {}, {}, {}
    for half in (False, True):
        how = Training(half=half, checkpointed=False)
        seen = run("calibrated", half, checkpointed=False)
        speed[half] = work("calibrated", how) / seen["seconds"]
        kept[half] = seen["bytes"] / counted("calibrated", how)
    table = Table("size", "parameters", "time", "expected", "off by", "memory", "expected", "off by")
    for name, how in {
        "bfloat16": Training(half=True, checkpointed=False),
        "checkpointed": Training(half=False, checkpointed=True),
    }.items():
        shape, seen = Shape.of(scale_config(name)), run(name, how.half, how.checkpointed)
        seconds = work(name, how) / speed[how.half]
        memory = counted(name, how) * kept[how.half]
        off = {"time_off": seconds / seen["seconds"] - 1, "memory_off": memory / seen["bytes"] - 1}
        found[name] = {
            "parameters": shape.parameters,
            "run": seen,
            "plan": {"seconds": seconds, "bytes": memory},
            **off,
        }
        table.add_row(
            *(name, f"{shape.parameters:,}", f"{seen['seconds']:.1f} s", f"{seconds:.1f} s", f"{off['time_off']:+.0%}"),
            *(f"{seen['bytes'] / 1e6:.0f} MB", f"{memory / 1e6:.0f} MB", f"{off['memory_off']:+.0%}"),
        )
    Console().print(table)
    return {
        "tree": TREE,
        "bytes_of_counted": {"float32": kept[False], "bfloat16": kept[True]},
        "flops_a_second": {"float32": speed[False], "bfloat16": speed[True]},
        "sizes": found,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--scale", action="store_true", help="measure `midcourse plan` instead")
    parser.add_argument("--scale-child", help=argparse.SUPPRESS)
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        print(json.dumps(child(args.child[0], json.loads(args.child[1]))))
        return
    if args.scale_child:
        print(json.dumps(scale_child(*json.loads(args.scale_child))))
        return
    if args.scale:
        found = scale()
        if args.json:
            args.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
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
