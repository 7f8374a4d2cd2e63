"""What a mixed-in file costs by its number of rows: trees on disk against trees in memory.

python benchmarks/stream_mix.py --rows 1000,10000,100000 --json benchmarks/results/stream_mix.json

A run trains on ten steered texts and mixes in a file of plain texts by half, as large as it likes. Measured are the
peak memory of a process (ru_maxrss, beside it what the same process takes without any row), what it holds at the end
that is no page of a file (the peak counts such pages too, which the system may take back at any time; Linux alone says
it), the seconds until the first step could begin, and those of a draw: the order asked which tree comes next, and the
tree read. Memory means the same on a busy machine; seconds do not.
"""

import argparse
import itertools
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

TOKENS = 256
"""Of a text."""
STEERED = 10
DRAWS = 2000


def texts(rows: int) -> Any:
    """Trajectories of random ids, made as they are asked for."""
    from midcourse.types import Node, Place, Trajectory

    for n in range(rows):
        draw = random.Random(n)
        ids = [draw.randrange(3, 30_000) for _ in range(TOKENS)]
        start = Node.below(None, ids[:1], "prompt", "made-in-code")
        rest = Node.below(start, ids[1:], "person", "made-in-code")
        yield Trajectory(f"text{n}", (start, rest), Place(rest.id, TOKENS), "made-in-code", teaches="text")


class Tokenizer:
    hash = "made-in-code"


def child(way: str, rows: int, folder: str) -> dict[str, float]:
    from midcourse.train.config import SteerConfig
    from midcourse.train.examples import to_trees
    from midcourse.train.shelf import Shelf
    from midcourse.train.sources import gather

    held = 0 if way == "disk" else 1 << 60
    # So long a run that every row is drawn; nothing is trained.
    epochs = -(-max(rows, 1) // STEERED) + 1
    config = SteerConfig(output_dir=folder, use_cpu=True, mix={"rows": 0.5} if rows else None, num_train_epochs=epochs)
    options, shelf = config.tree_options(), Shelf(Path(folder) / "trees", held)
    tokenizer: Any = Tokenizer()
    begun = time.perf_counter()
    main = to_trees(texts(STEERED), tokenizer, options, shelf)
    data = gather(main, {"rows": texts(rows)} if rows else {}, config, tokenizer, options, shelf)
    order = data.order(config)
    data.compared(config, 1)
    ready = time.perf_counter()
    drawn = 0
    if order is not None:
        every = itertools.chain.from_iterable(order.order(epoch) for epoch in itertools.count())
        for index in itertools.islice(every, DRAWS):
            drawn += len(data.trees[index])
    assert drawn == (TOKENS * DRAWS if order is not None else 0)
    ended = time.perf_counter()
    size = sum(path.stat().st_size for path in Path(folder).rglob("*.arrow"))
    return {
        "own_mb": own_mb(),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "file_mb": size / 2**20,
        "prepare_seconds": ready - begun,
        "draw_ms": 1000 * (ended - ready) / DRAWS,
    }


def own_mb() -> float:
    """Memory of this process that is no page of a file."""
    status = Path("/proc/self/status")
    lines = status.read_text(encoding="utf-8").splitlines() if status.is_file() else []
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("RssAnon:")), float("nan"))


def measured(way: str, rows: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="midcourse-stream-") as folder:
        command = [sys.executable, __file__, "--child", way, str(rows), folder]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return {"way": way, "rows": rows, **json.loads(done.stdout.splitlines()[-1])}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", default="1000,10000,100000", help="rows of the mixed-in file, by commas")
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--child", nargs=3, metavar=("WAY", "ROWS", "FOLDER"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        way, rows, folder = given.child
        print(json.dumps(child(way, int(rows), folder)))
        return
    empty = measured("memory", 0)
    print(f"without any row: {empty['peak_mb']:.0f} MB")
    print(
        f"{'rows':>9} {'way':<7} {'peak MB':>8} {'for rows':>9} {'own MB':>7} {'file MB':>8} "
        f"{'prepare s':>10} {'draw ms':>8}"
    )
    runs = []
    for rows in (int(part) for part in given.rows.split(",")):
        for way in ("disk", "memory"):
            found = measured(way, rows)
            found["peak_mb_for_rows"] = found["peak_mb"] - empty["peak_mb"]
            runs.append(found)
            peaks = f"{found['peak_mb']:>8.0f} {found['peak_mb_for_rows']:>9.0f} {found['own_mb']:>7.0f}"
            seconds = f"{found['file_mb']:>8.1f} {found['prepare_seconds']:>10.1f} {found['draw_ms']:>8.3f}"
            print(f"{rows:>9} {way:<7} {peaks} {seconds}", flush=True)
    if given.json:
        given.json.write_text(
            json.dumps({"empty": empty, "tokens": TOKENS, "runs": runs}, indent=1) + "\n", encoding="utf-8"
        )


if __name__ == "__main__":
    main()
