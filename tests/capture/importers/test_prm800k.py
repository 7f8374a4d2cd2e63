"""A labelled solution is one trajectory: the person's steps against the candidates rated −1 beside them."""

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from midcourse.capture.importers.prm800k import import_prm800k, solution_rows
from midcourse.errors import InputError
from midcourse.rows import Skipped
from midcourse.tokens import TextTokenizer
from midcourse.types import Trajectory

DATA = Path(os.environ.get("MIDCOURSE_DATA", Path(__file__).parents[4] / "shared" / "data")) / "prm800k-phase1"


def step(*completions: tuple[str, int], person: Any = None, chosen: int | None = None) -> dict[str, Any]:
    given = [{"text": text, "rating": rating} for text, rating in completions]
    return {"completions": given, "human_completion": person, "chosen_completion": chosen}


SOLUTION = {
    "problem": "What is 1 + 1?",
    "steps": [
        step(("Add them.", 1), ("Give up.", -1), chosen=0),
        step(("It is 3.", -1), ("It is 4.", -1), ("Hm.", 0), person="It is 2."),
        step(("Maybe.", 0), person="So 2."),
        step(("Done.", 1), chosen=0),
        step(("Never reached.", -1)),
    ],
}


def test_the_rules(tiny_tokenizer: TextTokenizer, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps(SOLUTION) + "\n" + json.dumps({"steps": []}) + "\n", encoding="utf-8")
    skipped, trajectory = import_prm800k([path], tiny_tokenizer)
    assert isinstance(skipped, Skipped)
    assert skipped.line == 2
    assert isinstance(trajectory, Trajectory)
    text = tiny_tokenizer.decode(trajectory.path(trajectory.head))
    assert text.endswith("assistant\nAdd them.\nIt is 2.\nSo 2.\nDone.")
    both, alone = trajectory.steers
    turned_down = [tiny_tokenizer.decode(trajectory.path(r.end)) for r in both.rejected]
    assert [t.rsplit("\n", 1)[1] for t in turned_down] == ["It is 3.", "It is 4."]
    assert {r.origin for r in both.rejected} == {"candidate"}
    assert alone.rejected == ()
    assert {s.kind for s in trajectory.steers} == {"typed"}
    assert trajectory.messages[0].content == SOLUTION["problem"]


def test_preferences_add_the_chosen_candidates() -> None:
    rows = solution_rows(SOLUTION, preferences=True, chat=False)
    assert [(r.kind, r.chosen, r.rejected) for r in rows] == [
        ("stepwise", "Add them.", ("Give up.",)),
        ("typed", "It is 2.", ("It is 3.", "It is 4.")),
        ("typed", "So 2.", ()),
    ]
    assert rows[0].prompt == "What is 1 + 1?\n"
    assert len({(r.trajectory, r.group) for r in rows}) == 1


def test_the_published_layout() -> None:
    steps = [{**s, "human_completion": {"text": s["human_completion"]}} for s in SOLUTION["steps"]]  # type: ignore[index, union-attr]
    published = {"question": {"problem": SOLUTION["problem"]}, "label": {"steps": steps}}
    mine = [(r.prefix, r.chosen, r.rejected, r.group) for r in solution_rows(SOLUTION)]
    assert [(r.prefix, r.chosen, r.rejected, r.group) for r in solution_rows(published)] == mine


@pytest.mark.parametrize(
    ("record", "says"),
    [
        ([], "must be an object"),
        ({"problem": "p"}, "not a PRM800K solution"),
        ({"problem": "p", "steps": [3]}, "step 0 must be an object"),
        ({"problem": "p", "steps": [{"completions": [{"rating": 1}]}]}, "needs a `text`"),
        ({"problem": "p", "steps": [step(("a", 1), chosen=4)]}, "none of 1 completions"),
        ({"problem": "p", "steps": [step(person=4)]}, "human_completion must be text"),
    ],
)
def test_other_layouts_are_refused(record: Any, says: str) -> None:
    with pytest.raises(InputError, match=says):
        solution_rows(record)


@pytest.mark.long
@pytest.mark.skipif(not DATA.is_dir(), reason="the PRM800K sample is not here: set MIDCOURSE_DATA to its parent folder")
def test_the_real_data(tiny_tokenizer: TextTokenizer) -> None:
    found = list(import_prm800k([DATA], tiny_tokenizer))
    trajectories = [f for f in found if isinstance(f, Trajectory)]
    assert len(trajectories) == len(found)
    assert len({t.id for t in trajectories}) == 417, "445 solutions, of which 28 stand there twice"
    steers = list({s.id: s for t in trajectories for s in t.steers}.values())
    assert Counter(bool(s.rejected) for s in steers) == {True: 962, False: 189}
    assert len({t.group for t in trajectories}) == 417
    assert not {s.id for s in steers if s.chosen is None}
    forks = 0
    for t in trajectories[::20]:
        for s in t.steers:
            kept = t.path(t.head)[s.fork.depth]
            firsts = [t.path(r.end)[s.fork.depth] for r in s.rejected]
            assert not firsts or set(firsts) != {kept}, "chosen and rejected part at the fork"
            forks += len(firsts)
    assert forks > 20
