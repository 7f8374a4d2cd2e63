"""How long a steer takes until it is kept, and how many a second are, while many people write into one store.

python benchmarks/team.py --store postgresql://team@localhost/empty --people 50 --json benchmarks/results/team.json

Each process stands for some people: every one of them writes into a text of their own, one steer after the other as the
studio writes it (the nodes, the steer, the head, in one transaction), through the process's one pool. At the end the
store is checked: every steer that was acknowledged is there once, and every hash is right.
"""

import argparse
import json
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any


def begun(k: int) -> Any:
    from midcourse.types import Node, Place, Trajectory

    root = Node.below(None, [k, *range(200)], "prompt", "benchmark")
    return Trajectory(f"person-{k}", (root,), Place(root.id, 201), "benchmark", source="benchmark")


def person(store: Any, k: int, steers: int, pause: float, took: list[float]) -> None:
    from midcourse.types import Node, Place, Rejected, Steer

    text = begun(k)
    store.add(text)
    last, depth = text.nodes[0], 201
    for n in range(steers):
        wrote = Node.below(last, [n, *range(39)], "model", "benchmark", logprobs=[-1.0] * 40)
        put = Node.below(wrote, [n, *range(5)], "person", "benchmark", offset=30)
        side, end = Rejected(Place(wrote.id, depth + 40)), Place(put.id, depth + 36)
        steer = Steer(f"{k}-{n}", text.id, "typed", Place(wrote.id, depth + 30), (side,), end, annotator=str(k))
        before = time.perf_counter()
        store.append_steer(steer, [wrote, put], end)
        took.append(time.perf_counter() - before)
        last, depth = put, depth + 36
        time.sleep(pause)


def child(url: str, first: int, people: int, steers: int, pause: float) -> None:
    from midcourse.store import Store

    took: list[float] = []
    with Store(url, patience=60) as store:
        threads = [
            threading.Thread(target=person, args=(store, k, steers, pause, took)) for k in range(first, first + people)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        connections = getattr(store._engine.pool, "checkedin", lambda: 1)()
    print(json.dumps({"took": took, "connections": connections}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", required=True, help="path or URL of an empty store")
    parser.add_argument("--people", type=int, default=50)
    parser.add_argument("--processes", type=int, default=5)
    parser.add_argument("--steers", type=int, default=100, help="by each person")
    parser.add_argument("--pause", type=float, default=0.0, help="seconds between two steers of a person")
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--child", nargs=2, type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        child(given.store, *given.child, given.steers, given.pause)
        return
    from midcourse.store import Store

    with Store(given.store) as store:
        if store.stats()["trajectories"]:
            parser.error(f"{store.name} holds something already: name an empty store")
    each = given.people // given.processes
    same = [
        sys.executable,
        __file__,
        "--store",
        given.store,
        "--steers",
        str(given.steers),
        "--pause",
        str(given.pause),
    ]
    before = time.perf_counter()
    runs = [
        subprocess.Popen([*same, "--child", str(k * each), str(each)], stdout=subprocess.PIPE, text=True)
        for k in range(given.processes)
    ]
    said = [json.loads(run.communicate()[0]) for run in runs]
    seconds = time.perf_counter() - before
    took = sorted(t for one in said for t in one["took"])
    with Store(given.store) as store:
        kept, wrong = store.stats()["steers"], store.verify()
    figures = {
        "people": each * given.processes,
        "processes": given.processes,
        "steers": len(took),
        "kept": kept,
        "damaged": len(wrong),
        "p50_ms": 1000 * took[len(took) // 2],
        "p95_ms": 1000 * took[int(0.95 * len(took))],
        "steers_per_second": len(took) / seconds,
        "connections": sum(one["connections"] for one in said),
    }
    print(
        "\n".join(
            f"{name:<18} {value:,.1f}" if isinstance(value, float) else f"{name:<18} {value}"
            for name, value in figures.items()
        )
    )
    if given.json:
        given.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    if kept != each * given.processes * given.steers or wrong:
        sys.exit("steers were lost or doubled, or the store is damaged")


if __name__ == "__main__":
    main()
