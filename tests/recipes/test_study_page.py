"""The page of the study is made from the results that are committed, and from them alone."""

import contextlib
import re
import runpy
import sys
from pathlib import Path

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


def test_the_loop_that_is_told_of_is_the_one_that_is_committed():
    kept = ROOT / "benchmarks" / "results" / "loop" / "house_style"
    assert (ROOT / "docs" / "loop" / "house_style.svg").read_bytes() == (kept / "loop.svg").read_bytes()
    told = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    rows = [line.split(" | ") for line in (kept / "loop.md").read_text(encoding="utf-8").splitlines() if " | " in line]
    assert len(rows) == 6
    for number, row in enumerate(rows[2:]):
        effort = Efforts.read(kept / f"round-{number}" / "effort.json").mean()
        assert row[3] == f"{effort.mean:.2f} [{effort.low:.2f}, {effort.high:.2f}]"
        (line,) = (x for x in told.splitlines() if x.startswith(f"{row[0]} | {row[1]} | {row[2]} | {row[3]}"))
        assert all(cell.strip(" |") in line for cell in row[5:] if cell != row[6])


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
