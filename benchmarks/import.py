"""How fast each format comes into a SQLite store, in how much memory, and whether that stays so up to a million nodes.

python benchmarks/import.py --json benchmarks/results/import.json

Rows are made up, each one different; every figure comes from a process of its own that reads the file, tokenizes (all
but `pretokenized`, whose trajectories are made as they are stored) and writes into a new store with full syncs.
"""

import argparse
import itertools
import json
import os
import platform
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

SIZES = (10_000, 100_000, 1_000_000)
FEW = 200
"""Rows by which it is told how many nodes a row makes."""
Row = dict[str, Any]


class Words:
    """Texts that no two rows share."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        parts = random.Random(0)
        sounds = [c + v for c in "bdfgklmnprstvw" for v in "aeiou"]
        self.known = ["".join(parts.choices(sounds, k=parts.randint(1, 4))) for _ in range(3000)]

    def __call__(self, n: int) -> str:
        return " ".join(self.draw.choices(self.known, k=n))


def steers(words: Words, n: int) -> Row:
    return {"prompt": words(12), "prefix": words(20), "rejected": " " + words(6), "chosen": " " + words(6)}


def prm800k(words: Words, n: int) -> Row:
    made = [
        {
            "completions": [{"text": words(12), "rating": -1}, {"text": words(12), "rating": 1}],
            "human_completion": words(12) if k % 2 else None,
            "chosen_completion": None if k % 2 else 1,
        }
        for k in range(4)
    ]
    return {"problem": words(20), "steps": made}


def coauthor(words: Words, n: int) -> Row:
    said = {"session": f"s{n}", "writer": f"w{n % 50}", "context": words(60), "action": "cut"}
    return {**said, "model_text": words(20), "cut": 40, "human_text": words(15)}


def edits(words: Words, n: int) -> Row:
    kept = [words(12) for _ in range(3)]
    was, put = (words(3), words(3)), (words(3), words(3))
    original, corrected = (f"{kept[0]} {a} {kept[1]} {b} {kept[2]}" for a, b in (was, put))
    return {"prompt": words(12), "original": original, "corrected": corrected}


def trl(words: Words, n: int) -> Row:
    return {"prompt": words(12), "chosen": words(40), "rejected": words(40)}


def step_dpo(words: Words, n: int) -> Row:
    row = {
        "prompt": words(20),
        "initial_reason_steps": words(40),
        "chosen": " " + words(12),
        "rejected": " " + words(12),
    }
    return {**row, "full_chosen": row["chosen"] + " " + words(20)}


def pivotal(words: Words, n: int) -> Row:
    return {"prompt": words(50), "chosen": " " + words(1) + "x", "rejected": " " + words(1) + "y"}


def instructions(words: Words, n: int) -> Row:
    said = [("user", 12), ("assistant", 40)]
    return {"messages": [{"role": role, "content": words(size)} for role, size in said]}


def text(words: Words, n: int) -> Row:
    return {"text": words(60)}


ROWS: dict[str, Callable[[Words, int], Row]] = {
    "steers": steers,
    "prm800k": prm800k,
    "coauthor": coauthor,
    "edits": edits,
    "trl": trl,
    "step-dpo": step_dpo,
    "pivotal": pivotal,
    "instructions": instructions,
    "text": text,
}
FORMATS = ("pretokenized", *ROWS)


def pretokenized(count: int) -> Iterator[Any]:
    """Trajectories as a server or a studio hands them over: ids, no text; four corrections each."""
    from midcourse.types import Node, Place, Rejected, Steer, Trajectory

    draw = random.Random(0)
    made_by = "benchmark"

    def ids(n: int) -> list[int]:
        return [draw.randrange(49_000) for _ in range(n)]

    for k in range(count):
        nodes = [Node.below(None, ids(40), "prompt", made_by)]
        made, depth = [], 40
        for j in range(4):
            wrote = Node.below(nodes[-1], ids(30), "model", made_by)
            put = Node.below(wrote, ids(6), "person", made_by, offset=20)
            nodes += [wrote, put]
            side = Rejected(Place(wrote.id, depth + 30))
            fork, depth = depth + 20, depth + 26
            made.append(Steer(f"{k}-{j}", str(k), "typed", Place(wrote.id, fork), (side,), Place(put.id, depth)))
        head = Place(nodes[-1].id, depth)
        yield Trajectory(str(k), tuple(nodes), head, made_by, tuple(made), source="benchmark", status="imported")


def found(name: str, path: Path, count: int) -> Iterator[Any]:
    """What the import of a format gives the store."""
    if name == "pretokenized":
        yield from pretokenized(count)
        return
    from midcourse.capture.importers import coauthor, edits, instructions, pivotal, prm800k, steers, steps, text, trl
    from midcourse.model import resolve
    from midcourse.tokens import TextTokenizer
    from midcourse.types import Trajectory

    read: dict[str, Any] = {
        "steers": steers.import_steers,
        "prm800k": prm800k.import_prm800k,
        "coauthor": coauthor.import_coauthor,
        "edits": edits.import_edits,
        "trl": trl.import_trl,
        "step-dpo": steps.import_steps,
        "pivotal": pivotal.import_pivotal,
        "instructions": instructions.import_instructions,
        "text": text.import_text,
    }
    tokenizer = TextTokenizer.load(resolve("builtin"))
    yield from (t for t in read[name]([path], tokenizer) if isinstance(t, Trajectory))


def write(name: str, path: Path, count: int) -> None:
    words = Words(len(name))
    with path.open("w", encoding="utf-8") as file:
        for n in range(count if name in ROWS else 0):
            file.write(json.dumps(ROWS[name](words, n)) + "\n")


def child(name: str, folder: Path, count: int) -> dict[str, Any]:
    """One import, timed from the first record read to the last transaction committed."""
    from midcourse.store import Store

    tally = {"trajectories": 0, "steers": 0, "nodes": 0}

    def counted() -> Iterator[Any]:
        for t in found(name, folder / "rows.jsonl", count):
            tally["trajectories"] += 1
            tally["steers"] += len(t.steers)
            tally["nodes"] += len(t.nodes)
            yield t

    with Store(folder / "store.db") as store:
        trajectories = counted()
        first = next(trajectories)  # the tokenizer is loaded by then
        before, busy = time.perf_counter(), time.process_time()
        store.add_many(itertools.chain([first], trajectories))
        seconds, busy = time.perf_counter() - before, time.process_time() - busy
    size = sum(p.stat().st_size for p in folder.glob("store.db*"))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"rows": count, **tally, "seconds": seconds, "cpu_seconds": busy, "peak_mb": peak, "store_mb": size / 2**20}


def run(name: str, count: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="midcourse-import-") as folder:
        write(name, Path(folder) / "rows.jsonl", count)
        command = [sys.executable, __file__, "--child", name, folder, str(count)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env={**os.environ})
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


def table(results: dict[str, list[dict[str, Any]]], sizes: list[int]) -> str:
    head = ["format", "rows/s", "steers/s", *(f"s at {n:,} nodes" for n in sizes), "µs/node, last/first", "peak MB"]
    lines = [head, ["---"] * len(head)]
    for name, runs in results.items():
        last = runs[-1]
        per_node = [1e6 * r["seconds"] / r["nodes"] for r in runs]
        speed = [f"{last[what] / last['seconds']:,.0f}" if last[what] else "–" for what in ("rows", "steers")]
        times = [f"{1e-6 * us * n:,.1f}" for us, n in zip(per_node, sizes, strict=True)]
        ratio = f"{per_node[-1]:.0f} / {per_node[0]:.0f}"
        lines.append([name, *speed, *times, ratio, " ".join(f"{r['peak_mb']:.0f}" for r in runs)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--formats", nargs="+", choices=FORMATS, default=list(FORMATS))
    parser.add_argument("--sizes", nargs="+", type=int, default=list(SIZES), help="nodes")
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--child", nargs=3, metavar=("FORMAT", "FOLDER", "ROWS"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        name, folder, count = given.child
        print(json.dumps(child(name, Path(folder), int(count))))
        return
    results: dict[str, list[dict[str, Any]]] = {}
    for name in given.formats:
        few = run(name, FEW)
        for nodes in given.sizes:
            figures = run(name, max(1, round(nodes * FEW / few["nodes"])))
            results.setdefault(name, []).append(figures)
            said = f"{name}: {figures['nodes']:,} nodes in {figures['seconds']:.1f} s, {figures['peak_mb']:.0f} MB"
            print(said, file=sys.stderr, flush=True)
        if given.json:
            machine = {"system": platform.platform(), "python": platform.python_version(), "cpus": os.cpu_count()}
            given.json.parent.mkdir(parents=True, exist_ok=True)
            record = {"machine": machine, "sizes": given.sizes, "formats": results}
            given.json.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(table(results, given.sizes))


if __name__ == "__main__":
    main()
