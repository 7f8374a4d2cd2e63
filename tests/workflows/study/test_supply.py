"""Other texts are made as a cell asks, once, and what a cell is measured at stays the task's own."""

import json
from dataclasses import replace

import pytest

from growing import random_trajectory
from midcourse.tree.sides import read_sides
from midcourse.tree.token_tree import build_tree
from midcourse.workflows.study.cell import Cell
from midcourse.workflows.study.cells import Study
from midcourse.workflows.study.corpus import Corpus
from midcourse.workflows.study.supply import Supply
from midcourse.workflows.tasks import Task
from model_folder import save_model

RULES = "[{name: again, pattern: '[^a-fA-F]', replacement: 'a'}]"


@pytest.fixture(scope="module")
def supply(tmp_path_factory):
    folder = tmp_path_factory.mktemp("supply")
    save_model(folder / "model", positions=512)
    rows = [{"prompt": f"Say {i}", "split": s} for i, s in enumerate(["train"] * 5 + ["test"] * 2)]
    (folder / "p.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (folder / "more.jsonl").write_text("\n".join(json.dumps({"prompt": f"Tell {i}"}) for i in range(3)))
    text = f"name: t\nrules: {RULES}\nprompts: p.jsonl\nstretch: 3\nmax_tokens: 8\nmax_steers: 2\n"
    (folder / "task.yaml").write_text(text)
    study = Study(folder, folder / "results", ("task",), model=str(folder / "model"))
    said: list[str] = []
    made = Supply(study, lambda name: Task.load(folder / f"{name}.yaml"), folder / "work", said.append)
    made.said = said
    return made


def cell(**texts):
    return Cell("ablation", "task", "ours", 4, 0, texts=texts)


def lesson(supply, **texts):
    return supply.material(cell(**texts)).same("ours", 4, 0, whole=False)


def steers(texts):
    return [s for t in texts for s in t.steers if s.counts]


def test_the_usual_texts_are_made_once(supply):
    plain = supply.material(cell())
    assert supply.material(replace(cell(), seed=3)).steered is plain.steered
    assert sum("steering 5 texts" in s for s in supply.said) == 1
    assert lesson(supply).texts == plain.same("ours", 4, 0, whole=False).texts


def test_habits_and_words_make_other_texts_and_leave_the_forks(supply):
    plain = supply.material(cell())
    late = supply.material(cell(habits="late=3"))
    picked = supply.material(cell(chosen="picked"))
    assert late.held_out == picked.held_out == plain.held_out
    assert len({frozenset(t.id for t in m.steered) for m in (plain, late, picked)}) == 3
    assert longest_rejected(late) > longest_rejected(plain)
    assert {s.kind for s in steers(picked.steered)} <= {"picked", "typed"}
    assert {s.kind for s in steers(plain.steered)} == {"typed"}


def longest_rejected(material):
    return max(r.end.depth - s.fork.depth for s in steers(material.steered) for r in s.rejected)


def test_no_rejected_side_or_one_of_the_bases_own(supply):
    usual = lesson(supply)
    none, sampled = lesson(supply, rejected="none"), lesson(supply, rejected="sampled")
    assert all(s.rejected for s in steers(usual.texts))
    assert not any(s.rejected for s in steers(none.texts))
    origins = {r.origin for s in steers(sampled.texts) for r in s.rejected}
    assert origins == {"sampled"}
    for text in sampled.texts:
        for steer in steers([text]):
            for side in read_sides(text, steer, 64)[0]:
                assert side.rejected != side.chosen
    assert usual.seconds == none.seconds == sampled.seconds


def test_one_long_text_and_one_for_each(supply):
    usual, long, short = lesson(supply), lesson(supply, texts="long"), lesson(supply, texts="short")
    assert (len(long.texts), len(short.texts)) == (1, 4)
    assert long.steers == short.steers == usual.steers == 4
    for made in (usual, long, short):
        built = [build_tree(t) for t in made.texts]
        assert not [why for b in built for why in b.skipped]
        assert sum(len(b.tree.pairs) for b in built) == 4


def test_answers_to_other_prompts_stand_beside(supply):
    beside = lesson(supply, beside="more.jsonl")
    others = [t for t in beside.texts if t.teaches == "instructions"]
    assert 1 <= len(others) <= 3
    assert beside.steers == 4
    assert [t for t in beside.texts if t.teaches == "steers"] == list(lesson(supply).texts)


def test_further_texts_come_behind_the_usual_ones(supply):
    usual, more = supply.material(cell()), supply.material(cell(further="more.jsonl"))
    most = len(steers(usual.steered))
    few, many = more.same("ours", 4, 0, whole=False), more.same("ours", most + 2, 0, whole=False)
    assert few.texts == usual.same("ours", 4, 0, whole=False).texts
    assert {t.id for t in many.texts} > {t.id for t in usual.steered if any(s.counts for s in t.steers)}
    assert more.same("dpo_whole", most + 1, 0, whole=True).texts
    assert more.held_out == usual.held_out


def test_a_corpus_is_folded_by_seed(supply, tmp_path):
    texts = [random_trajectory(n, steers=2).with_(group=f"w{n % 3}") for n in range(9)]
    made = Supply(supply.study, lambda name: Corpus(name, lambda _: texts, folds=3), tmp_path, lambda _: None)
    held = [{t.id for t in made.material(Cell("imported", "c", "ours", 2, fold)).held_out} for fold in range(3)]
    assert set.union(*held) == {t.id for t in texts}
    assert not held[0] & held[1]
