"""The page of a loop: every gain with its price, and what was not measured left open."""

import json

import pytest

from midcourse.workflows.effort import Effort, Efforts
from midcourse.workflows.rounds import Round, write_rounds
from midcourse.workflows.tasks import Task


@pytest.fixture
def task(tmp_path):
    (tmp_path / "p.jsonl").write_text('{"prompt": "Say it"}\n')
    text = "name: t\nrules: [{name: again, pattern: x, replacement: y}]\nprompts: p.jsonl\nchecker: zzz\n"
    (tmp_path / "task.yaml").write_text(text)
    return Task.load(tmp_path / "task.yaml")


def efforts(*charged: int) -> Efforts:
    tasks = [
        Effort(f"p{n}", c if c < 14 else 3, c, 40 + n, 0.9, 10.0, None if c < 14 else "cut off")
        for n, c in enumerate(charged)
    ]
    return Efforts(tuple(tasks), 14)


def figure(base: float, steered: float) -> dict:
    return {n: {"mean": v, "low": v - 0.01, "high": v + 0.01} for n, v in (("base", base), ("round-1", steered))}


@pytest.fixture
def evaluated(tmp_path):
    folder = tmp_path / "report"
    folder.mkdir()
    metrics = [
        {"name": "recurrence", "values": figure(0.6, 0.2)},
        {"name": "drift/kl_answers", "values": figure(0.0, 0.03)},
    ]
    written = [{"prompt": "Say\nit", "texts": {"base": "Utilize it.\n\nNow.", "round-1": "Use it."}}]
    (folder / "eval.json").write_text(json.dumps({"metrics": metrics, "written": written}))
    return folder


def rows(page: str) -> list[list[str]]:
    return [[c.strip() for c in line.split("|")[1:-1]] for line in page.splitlines() if line.startswith("| ")][2:]


def test_a_gain_stands_beside_its_drift_and_its_text(task, tmp_path, evaluated):
    found = [Round(0, 7, efforts(4, 4), 300.0), Round(1, 7, efforts(1, 0), 300.0, evaluated)]
    page = write_rounds(task, found, tmp_path).read_text()
    base, first = rows(page)
    assert base == ["base", "0", "0", "4.00 [4.00, 4.00]", "", "4.00", "100%", "40", "0.90", "0", "60% [59, 61]"]
    assert first[:3] == ["1", "7", "5"]
    assert first[3].startswith("0.50 [")
    assert first[4:] == ["8.0x fewer", "0.50", "100%", "40", "0.90", "0.0300", "20% [19, 21]"]
    assert "- base: Utilize it. Now.…\n- round 1: Use it.…" in page
    assert "Too few for a claim" in page
    drawn = (tmp_path / "loop.svg").read_text()
    assert "steers per unseen task" in drawn
    assert "drift on answers" in drawn


def test_what_was_not_evaluated_is_left_open(task, tmp_path):
    found = [Round(0, 0, efforts(4, 14), 0.0), Round(1, 7, efforts(0, 0), 60.0)]
    page = write_rounds(task, found, tmp_path).read_text()
    base, first = rows(page)
    assert base[5:7] == ["3.50", "50%"]  # the other was charged the cap
    assert first[4:] == ["none needed", "0.00", "100%", "40", "0.90", "", ""]
    assert "when nobody steers" not in page
    assert "drift on answers" not in (tmp_path / "loop.svg").read_text()


def test_before_the_first_round_there_is_no_picture(task, tmp_path):
    page = write_rounds(task, [Round(0, 0, efforts(3), 0.0)], tmp_path).read_text()
    assert len(rows(page)) == 1
    assert "svg" not in page
    assert not (tmp_path / "loop.svg").exists()
