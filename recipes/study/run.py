"""Runs the study of PROTOCOL.md, as many sittings as it takes: prints what is left and the time it will need, goes on.

    python recipes/study/run.py --dry_run              # what is left
    python recipes/study/run.py --only development     # in the order of the protocol
    python recipes/study/run.py --most 4               # four cells of whatever is next
    python recipes/study/run.py --tables               # tables and plots from what was run

Tables and plots are the page docs/study/study.md. Every cell is one JSON file below benchmarks/results/study; commit
them as they come, and with them what they learn from and are compared with (benchmarks/results/study_texts): another
processor would write other texts.
"""

import sys
from pathlib import Path

from midcourse.cli import main

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]

if __name__ == "__main__":
    results, work = ROOT / "benchmarks" / "results", ROOT / "runs" / "study"
    given = {
        "config": HERE / "study.yaml",
        "results": results / "study",
        "texts": results / "study_texts",
        "work": work,
        "page": ROOT / "docs" / "study",
    }
    sys.argv[1:1] = ["study", *(str(x) for name, path in given.items() for x in (f"--{name}", path))]
    main()
