"""What a node costs as a store grows: import, numbers, reading, trees, verify, a purge; and the memory that each takes.

python benchmarks/store_scale.py --json benchmarks/results/store_scale.json
python benchmarks/store_scale.py --sizes 10000000     # once: hours, and some 5 GB of disk

Trajectories are those of benchmarks/import.py, as token ids. Each step is a process of its own, so that its peak is its
own. The time a node takes should be the same in every column; `grows` is the last size against the first. Of a purge,
which deletes every hundredth text, it is the time by the nodes there were.
"""

import argparse
import importlib.util
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

SIZES = (10_000, 100_000, 1_000_000)
NODES = 9
"""Of a trajectory."""


def made(count: int) -> Any:
    spec = importlib.util.spec_from_file_location("imports", Path(__file__).with_name("import.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.pretokenized(count)


def read(store: Any, build: bool) -> None:
    from midcourse.tree import build_tree

    for trajectory in store.trajectories():
        if build:
            build_tree(trajectory)


STEPS: dict[str, Callable[[Any, int], object]] = {
    "import": lambda store, nodes: store.add_many(made(nodes // NODES)),
    "stats": lambda store, nodes: store.stats(),
    "read": lambda store, nodes: read(store, build=False),
    "trees": lambda store, nodes: read(store, build=True),
    "verify": lambda store, nodes: store.verify(),
    "purge": lambda store, nodes: store.purge(store.ids()[::100]),
}


def child(step: str, url: str, nodes: int) -> dict[str, float]:
    from midcourse.store import Store

    with Store(url) as store:
        before, busy = time.perf_counter(), time.process_time()
        STEPS[step](store, nodes)
        seconds, busy = time.perf_counter() - before, time.process_time() - busy
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"us_a_node": 1e6 * seconds / nodes, "cpu_us_a_node": 1e6 * busy / nodes, "peak_mb": peak}


def table(results: dict[str, list[dict[str, float]]]) -> str:
    lines = [f"{'':<8} µs a node, by size; grows; peak MB"]
    for step, runs in results.items():
        times = " ".join(f"{r['us_a_node']:8.1f}" for r in runs)
        peaks = " ".join(f"{r['peak_mb']:6.0f}" for r in runs)
        lines.append(f"{step:<8} {times}  x{runs[-1]['us_a_node'] / runs[0]['us_a_node']:.2f}  {peaks}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", type=int, default=list(SIZES), help="nodes")
    parser.add_argument("--steps", nargs="+", choices=list(STEPS), default=list(STEPS))
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--child", nargs=3, metavar=("STEP", "STORE", "NODES"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        step, url, nodes = given.child
        print(json.dumps(child(step, url, int(nodes))))
        return
    results: dict[str, list[dict[str, float]]] = {step: [] for step in given.steps}
    for nodes in given.sizes:
        with tempfile.TemporaryDirectory(prefix="midcourse-scale-") as folder:
            for step in given.steps:
                command = [sys.executable, __file__, "--child", step, f"{folder}/store.db", str(nodes)]
                done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
                results[step].append({"nodes": nodes, **json.loads(done.stdout)})
                print(f"{step} at {nodes:,}: {results[step][-1]['us_a_node']:.1f} µs a node", file=sys.stderr)
    print(table(results))
    if given.json:
        given.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
