"""The page of the study is made from the results that are committed, and from them alone."""

import contextlib
import re
import runpy
import sys
from pathlib import Path

import pytest
import yaml

from midcourse.workflows.effort import Efforts
from midcourse.workflows.study import Study, write_tables
from midcourse.workflows.study.queue import left, said_estimate

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "study"


def test_the_page_is_what_the_committed_results_say(tmp_path):
    study = Study.load(ROOT / "recipes" / "study" / "study.yaml", ROOT / "benchmarks" / "results" / "study")
    made = write_tables(study, tmp_path).read_text(encoding="utf-8")
    assert (PAGE / "study.md").read_text(encoding="utf-8") == made, "python recipes/study/run.py --tables"
    drawn = {path.name for path in PAGE.glob("*.svg")}
    assert drawn == {path.name for path in tmp_path.glob("*.svg")} == set(re.findall(r"\]\((\S+\.svg)\)", made))


def test_the_protocol_names_every_method_and_task_that_is_run():
    plan = yaml.safe_load((ROOT / "recipes" / "study" / "study.yaml").read_text(encoding="utf-8"))
    protocol = (ROOT / "recipes" / "study" / "PROTOCOL.md").read_text(encoding="utf-8")
    for name in (*plan["headline"], *plan["development"], *plan["exploratory"], *plan["methods"], *plan["contenders"]):
        assert f"`{name}`" in protocol


def test_the_loops_that_are_told_of_are_those_that_are_committed():
    kept = ROOT / "benchmarks" / "results" / "loop"
    told = " ".join((ROOT / "docs" / "results.md").read_text(encoding="utf-8").split())
    for folder in sorted(kept.iterdir()):
        assert f"benchmarks/results/loop/{folder.name})" in told
        for row in _rounds(folder):
            steers, ratio = row[3], row[4].replace("x fewer", " times fewer").replace(".0 ", " ")
            cells = [*row[:2], f"{steers}, {ratio}" if ratio else steers, *row[5:7], *(c or "–" for c in row[8:])]
            assert f"| {' | '.join(cells)} |" in told, folder.name
    for drawn in (ROOT / "docs" / "loop").glob("*.svg"):
        assert drawn.read_bytes() == (kept / drawn.stem / "loop.svg").read_bytes()
        assert f"(loop/{drawn.name})" in told


def _rounds(folder: Path) -> list[list[str]]:
    """The rows of a loop's table, each held to the tasks that were counted."""
    lines = [x for x in (folder / "loop.md").read_text(encoding="utf-8").splitlines() if x.startswith("| ")][2:]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
    assert len(rows) == 4
    for number, row in enumerate(rows):
        steers = Efforts.read(folder / f"round-{number}" / "effort.json").mean()
        assert row[3] == f"{steers.mean:.2f} [{steers.low:.2f}, {steers.high:.2f}]"
    return rows


@pytest.mark.long
def test_what_is_left_is_said_before_anything_runs(monkeypatch, capsys):
    run = str(ROOT / "recipes" / "study" / "run.py")
    monkeypatch.setattr(sys, "argv", [run, "--dry_run"])
    with contextlib.suppress(SystemExit):
        runpy.run_path(run, run_name="__main__")
    said = capsys.readouterr().out
    cells = re.findall(r"^  .+\.json$", said, re.MULTILINE)
    study = Study.load(ROOT / "recipes" / "study" / "study.yaml", ROOT / "benchmarks" / "results" / "study")
    assert len(cells) == len(left(study))
    assert said.startswith(said_estimate(study, left(study)))
