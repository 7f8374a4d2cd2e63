"""How much faster a tree of corrections trains than rows, and whether it is the same gradient. One size after another:

    python benchmarks/tree_training.py --size 1536,64,16 --size 2048,20,64        # trunk, forks, branch, in tokens
    python benchmarks/tree_training.py --size 4096,50,64 --dtype bfloat16

A step is one reference pass, forward and backward of the contrast (retain weight 0) on one trajectory, LoRA on all
linear layers. Beside the tree: independent pair rows (chosen and rejected in a batch of two plain rows), pairwise
prefix sharing (both behind one prefix) and TRL's `DPOTrainer` step on the same ids. From a trunk of 4,096 on all of
them recompute activations. Every side warms up three steps, then they take turns; medians with their spread.

Pair rows are run for all forks below 4,096, else for 8 forks at least, as the two others always are: a quadratic in the
length, summed over all forks, and marked ~. Peak memory is that of a process of its own. Exactness is always float32:
against all pair rows, or on a tree of 5 forks at full length where there would be more than 150,000 tokens.

Results go to one JSON per size as they come; run again, what is there is not measured again.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from tree_cost import Size, costs, fitted

RESULTS = Path(__file__).parent / "results"
WARM_UP = 3
SAMPLED = 8
EXACT_TOKENS = 150_000
HEAP_OFF = "tree, heap as it comes"
NAMES = {
    "pairs": "independent pair rows",
    "shared": "pairwise prefix sharing",
    "trl": "TRL DPOTrainer",
    "tree": "one tree",
}


# -- in a process of its own -------------------------------------------------------------------------------------------


def work(job: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Measure one part; yields what is found as it is found."""
    import torch
    from tree_variants import CHECKPOINT_FROM, Ours, Trl, load

    from midcourse.train.heap import keep_heap

    torch.set_num_threads(job["threads"])
    size = Size.read(job["size"])
    if job["heap"]:
        job["heap"] = keep_heap()
    checkpointed = size.trunk >= CHECKPOINT_FROM
    exact = job["part"] == "exact"

    def ours() -> Any:
        dtype = "float32" if exact else job["dtype"]
        return Ours(load(job["model"], dtype, moved=exact, checkpointed=checkpointed), size)

    def trl() -> Any:
        folder = Path(tempfile.mkdtemp())
        return Trl(job["model"], job["dtype"], size, folder, checkpointed=checkpointed)

    if exact:
        yield _exact(ours(), size)
    elif job["part"] == "memory":
        yield _memory(job, size, ours if job["variant"] != "trl" else trl)
    elif job["part"] == "shape":
        yield _shape(ours(), size)
    elif job["part"] == "heap":
        yield from _tree_alone(job, ours())
    else:
        yield from _times(job, size, ours(), trl())


def _shape(ours: Any, size: Size) -> dict[str, Any]:
    import torch
    from tree_cost import Shape

    shape, counted = Shape.of(ours.base), costs(size)
    return {
        "tokens": {name: c.tokens for name, c in counted.items()},
        "flops": {name: shape.flops(c.tokens, c.pairs, c.labels) for name, c in counted.items()},
        "torch": torch.__version__,
        "parameters": shape.body,
    }


def _exact(ours: Any, size: Size) -> dict[str, Any]:
    import torch
    from tree_variants import gradient

    everything = costs(size)["pairs"].tokens <= EXACT_TOKENS
    forks = list(range(size.forks)) if everything else size.spread(5)
    packed = torch.stack(ours.tree(forks))
    mine = gradient(ours.model)
    ours.model.zero_grad(set_to_none=True)
    rows = []
    for fork in forks:
        rows.append(torch.stack(ours.pair(fork, len(forks))))
        _say(f"exact: {len(rows)} of {len(forks)} forks")
    plain = torch.cat(rows, dim=1)
    theirs = gradient(ours.model)
    return {
        "forks": len(forks),
        "logps": float((packed - plain).abs().max()),
        "gradient": float((mine - theirs).norm() / theirs.norm()),
    }


def _memory(job: dict[str, Any], size: Size, make: Any) -> dict[str, Any]:
    import resource

    made = make()
    run = {"tree": "tree", "shared": "shared"}.get(job["variant"], "pair")
    for _ in range(2):  # the second step finds what the first one left
        getattr(made, run)(*(() if run == "tree" else (size.forks - 1,)))
    return {"bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}


def _tree_alone(job: dict[str, Any], ours: Any) -> Iterator[dict[str, Any]]:
    from tree_variants import timed

    for n in range(WARM_UP + job["repetitions"]):
        seconds = timed(ours.model, ours.tree)
        _say(f"heap {'kept' if job['heap'] else 'as it comes'}: {n + 1}, {seconds:.1f} s")
        if n >= WARM_UP:
            yield {"seconds": seconds}


def _times(job: dict[str, Any], size: Size, ours: Any, trl: Any) -> Iterator[dict[str, Any]]:
    from tree_variants import timed

    model, last = ours.model, size.forks - 1
    for n in range(WARM_UP):
        _say(f"warm-up {n + 1} of {WARM_UP}")
        for run in (ours.tree, lambda: ours.pair(last), lambda: ours.shared(last)):
            timed(model, run)
        timed(trl.trainer.model, lambda: trl.pair(last))
    some = size.spread(max(SAMPLED, job["sampled"]))
    every = list(range(size.forks)) if job["all_pairs"] else some
    for n in range(job["done"], job["repetitions"]):
        found: dict[str, Any] = {"repetition": n, "tree": timed(model, ours.tree)}
        _say(f"repetition {n + 1}: the tree took {found['tree']:.1f} s")
        for name, forks, one, held in (
            ("pairs", every, ours.pair, model),
            ("shared", some, ours.shared, model),
            ("trl", some, trl.pair, trl.trainer.model),
        ):
            seconds = [timed(held, lambda fork=fork, one=one: one(fork)) for fork in forks]
            found[name] = {"forks": forks, "seconds": seconds}
            _say(f"repetition {n + 1}: {NAMES[name]}, {len(forks)} forks in {sum(seconds):.1f} s")
        yield found


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


# -- the whole ---------------------------------------------------------------------------------------------------------


def measure(size: Size, args: argparse.Namespace, path: Path) -> dict[str, Any]:
    """Run what is not in the file yet, each part in a process of its own; the file grows with every result."""
    asked = {"model": args.model, "dtype": args.dtype, "threads": args.threads, "size": str(size)}
    known = json.loads(path.read_text()) if path.is_file() else {}
    if known and known["asked"] != asked:
        raise SystemExit(f"{path} holds another measurement ({known['asked']}); give another --json, or remove it")
    known = known or {"asked": asked, "machine": _machine(), "times": [], "memory": {}, "heap_off": []}
    all_pairs = size.trunk < 4096 and not args.fit

    def run(part: str, *, heap: bool = True, **more: Any) -> Iterator[dict[str, Any]]:
        for line in _child({**asked, "part": part, "heap": heap, "repetitions": args.repetitions, **more}):
            yield line
            path.parent.mkdir(parents=True, exist_ok=True)
            beside = path.with_suffix(".part")
            beside.write_text(json.dumps(known, indent=2) + "\n")
            beside.replace(path)

    if "shape" not in known:
        for known["shape"] in run("shape"):
            pass
    if "exact" not in known:
        for known["exact"] in run("exact"):
            pass
    for variant in NAMES:
        if variant not in known["memory"]:
            for found in run("memory", variant=variant):
                known["memory"][variant] = found["bytes"]
    if len(known["times"]) < args.repetitions:
        done = len(known["times"])
        for found in run("times", done=done, all_pairs=all_pairs, sampled=args.sampled):
            known["times"].append(found)
    if len(known["heap_off"]) < args.repetitions:
        known["heap_off"] = []
        for found in run("heap", heap=False):
            known["heap_off"].append(found["seconds"])
    if HEAP_OFF not in known["memory"]:
        for found in run("memory", heap=False, variant="tree"):
            known["memory"][HEAP_OFF] = found["bytes"]
    known["result"] = summary(size, known)
    path.write_text(json.dumps(known, indent=2) + "\n")
    return known


def _child(job: dict[str, Any]) -> Iterator[dict[str, Any]]:
    command = [sys.executable, __file__, "--work", json.dumps(job)]
    quiet = {"PYTHONWARNINGS": "ignore::FutureWarning", "HF_HUB_OFFLINE": "1"}  # libraries about their own calls
    environment = {**os.environ, **quiet, "OMP_NUM_THREADS": str(job["threads"])}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as child:
        assert child.stdout is not None
        for line in child.stdout:
            if line.startswith("{"):
                yield json.loads(line)
    if child.returncode:
        raise SystemExit(f"{job['part']} of {job['size']} ended with {child.returncode}; what was measured is kept")


def _machine() -> dict[str, Any]:
    names = [x.split(":")[1].strip() for x in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in x]
    return {"cpu": names[0] if names else platform.processor(), "cores": os.cpu_count(), "system": platform.system()}


def summary(size: Size, known: dict[str, Any]) -> dict[str, Any]:
    """Medians, ratios to the tree and the share of the FLOP ratio they reach."""
    tokens, flops = known["shape"]["tokens"], known["shape"]["flops"]
    tree = [t["tree"] for t in known["times"]]
    rows = {"tree": _row(tree, known["memory"]["tree"], False)}
    for name in ("pairs", "shared", "trl"):
        prefixes = size.prefixes
        whole = len(known["times"][0][name]["forks"]) == size.forks
        seconds = [
            sum(t[name]["seconds"])
            if whole
            else fitted([prefixes[f] for f in t[name]["forks"]], t[name]["seconds"], prefixes)
            for t in known["times"]
        ]
        counted = "shared" if name == "shared" else "pairs"
        ratio = statistics.median(seconds) / statistics.median(tree)
        rows[name] = _row(seconds, known["memory"][name], not whole) | {
            "token_ratio": tokens[counted] / tokens["tree"],
            "flop_ratio": flops[counted] / flops["tree"],
            "time_ratio": ratio,
            "share_of_flop_ratio": ratio / (flops[counted] / flops["tree"]),
        }
    kept, loose = statistics.median(tree), statistics.median(known["heap_off"])
    heap = {"kept": kept, "as it comes": loose, "time_ratio": loose / kept}
    return {"rows": rows, "exact": known["exact"], "heap": heap}


def _row(seconds: list[float], memory: int, extrapolated: bool) -> dict[str, Any]:
    return {
        "seconds": statistics.median(seconds),
        "least": min(seconds),
        "most": max(seconds),
        "extrapolated": extrapolated,
        "bytes": memory,
    }


def show(size: Size, known: dict[str, Any], console: Console) -> None:
    result, asked = known["result"], known["asked"]
    title = f"trunk {size.trunk}, {size.forks} forks, branches of {size.branch}; {asked['model']}, {asked['dtype']}"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for name in ("one step as", "seconds", "spread", "tokens", "FLOPs", "time", "of the FLOP ratio", "peak GB"):
        table.add_column(name, justify="left" if name == "one step as" else "right", no_wrap=True)
    for key, label in NAMES.items():
        row = result["rows"][key]
        about = "~" if row["extrapolated"] else ""
        ratios = ("1x", "1x", "1x", "")
        if key != "tree":
            values = (f"{row[n]:.1f}x" for n in ("token_ratio", "flop_ratio"))
            ratios = (*values, f"{about}{row['time_ratio']:.1f}x", f"{100 * row['share_of_flop_ratio']:.0f}%")
        spread = f"{row['least']:.1f} to {row['most']:.1f}"
        table.add_row(label, f"{about}{row['seconds']:.1f}", spread, *ratios, f"{row['bytes'] / 1e9:.1f}")
    console.print(table)
    exact, heap, memory = result["exact"], result["heap"], known["memory"]
    console.print(
        f"exact ({exact['forks']} forks, float32): largest difference of a log-probability {exact['logps']:.1e}, "
        f"relative error of the gradient {exact['gradient']:.1e}\n"
        f"without the kept heap the tree takes {heap['as it comes']:.1f} s ({heap['time_ratio']:.2f}x) and "
        f"{memory[HEAP_OFF] / 1e9:.1f} GB; ~ is extrapolated from sampled forks; "
        "TRL's trainer would add an end token to each side of a text, here it does not\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", nargs="+", action="extend", metavar="L,N,B", help="trunk, forks, branch in tokens")
    parser.add_argument("--json", type=Path, default=RESULTS, help="folder for one file a size (default: %(default)s)")
    parser.add_argument("--model", default="builtin", help="`builtin`, a folder or a hub id")
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--fit", action="store_true", help="extrapolate pair rows below 4,096 as well")
    parser.add_argument("--sampled", type=int, default=SAMPLED, help="forks that are extrapolated from, at least 8")
    parser.add_argument("--work", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.work:
        for found in work(json.loads(args.work)):
            print(json.dumps(found), flush=True)
        return
    console = Console(width=max(110, Console().width))
    for size in [Size.read(text) for text in args.size or ["1536,64,16"]]:
        kind = "" if args.dtype == "float32" else f"-{args.dtype}"
        name = f"tree_training-{str(size).replace(',', '-')}{kind}.json"
        show(size, measure(size, args, args.json if args.json.suffix == ".json" else args.json / name), console)


if __name__ == "__main__":
    main()
