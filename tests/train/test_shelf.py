"""Trees in memory and in a file are the same; a half-written file does not count, a whole one is taken again."""

import json
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from growing import random_trajectory, text
from midcourse.errors import InputError
from midcourse.train.examples import Examples, to_trees
from midcourse.train.shelf import Shelf
from midcourse.train.tree_file import ROWS, TreeFile
from midcourse.train.trees import FACTS, Facts, HeldTrees, Joined, Part, Parts
from midcourse.tree.token_tree import TokenTree, TreeOptions, split_tree
from training_run import tokenizer

DATA = [*(random_trajectory(i, steers=1 + i % 6) for i in range(2 * ROWS - 5)), *(text(i) for i in range(9))]


class Said(list):
    """Data that say what they are."""

    signature = "these"

    def __iter__(self):
        self.read = getattr(self, "read", 0) + 1
        return super().__iter__()


def put(folder: Path, held: int = 100, data: list = DATA) -> Examples:
    return to_trees(data, tokenizer(), TreeOptions(), Shelf(folder, held))


def assert_equal(a: TokenTree, b: TokenTree) -> None:
    for one, two in zip((a, *a.pairs), (b, *b.pairs), strict=True):
        for field in fields(one):
            x, y = getattr(one, field.name), getattr(two, field.name)
            if isinstance(x, np.ndarray):
                assert x.dtype == y.dtype, field.name
                np.testing.assert_array_equal(x, y)
            elif field.name != "pairs":
                assert (x, type(x)) == (y, type(y)), field.name


def test_from_the_file_come_the_trees_that_were_built(tmp_path: Path):
    held, filed = put(tmp_path, 10**9), put(tmp_path)
    assert (type(held.trees), type(filed.trees)) == (HeldTrees, TreeFile)
    assert len(held.trees) == len(filed.trees) == len(DATA)
    for n in reversed(range(len(DATA))):
        assert_equal(held.trees[n], filed.trees[n])
        assert held.trees.facts(n) == filed.trees.facts(n) == Facts.of(held.trees[n])
    for name in FACTS.names:
        np.testing.assert_array_equal(held.trees.column(name), filed.trees.column(name))
        assert held.trees.column(name).dtype == filed.trees.column(name).dtype
    assert list(held.trees.ids()) == list(filed.trees.ids())
    assert held.seal == filed.seal
    assert (held.steers, held.unpaired, held.tokens) == (filed.steers, filed.unpaired, filed.tokens)


def test_the_file_is_taken_again_while_the_data_are_the_same(tmp_path: Path):
    data = Said(DATA)
    one, two = put(tmp_path, data=data), put(tmp_path, data=data)
    assert data.read == 1
    assert (one.seal, one.skipped, len(one.trees)) == (two.seal, two.skipped, len(two.trees))
    data.signature = "others"
    put(tmp_path, data=data)
    assert data.read == 2
    put(tmp_path, data=DATA)
    put(tmp_path, data=data)
    assert data.read == 3  # what came between had no signature, and another file


@pytest.mark.parametrize("harm", ["cut", "no note", "half a note", "never renamed"])
def test_a_half_written_file_is_written_again(tmp_path: Path, harm: str):
    data = Said(DATA)
    put(tmp_path, data=data)
    file, note = tmp_path / "train.arrow", tmp_path / "train.json"
    if harm == "cut":
        file.write_bytes(file.read_bytes()[:-1000])
    elif harm == "no note":
        note.unlink()
    elif harm == "half a note":
        note.write_text(note.read_text()[:-9])
    else:
        note.unlink()
        file.rename(tmp_path / ".train.arrow")
    again = put(tmp_path, data=data)
    assert data.read == 2
    assert_equal(again.trees[-1], put(tmp_path / "new").trees[-1])
    assert json.loads(note.read_text())["file"] == file.stat().st_size
    assert not (tmp_path / ".train.arrow").exists()


def test_another_content_has_another_seal(tmp_path: Path):
    assert put(tmp_path / "a").seal != put(tmp_path / "b", data=[*DATA[:-1], text(99)]).seal


def test_one_kind_of_data_at_a_time(tmp_path: Path):
    with pytest.raises(InputError, match=r"begin with a Trajectory, and number 2 of them is a dict"):
        put(tmp_path, data=[DATA[0], {"prompt": "x"}])


def test_parts_of_sequences_are_one(tmp_path: Path):
    trees = put(tmp_path).trees
    joined = Joined([Part(trees, range(4)), Part(trees, np.array([7, 2, 7]), "replay")])
    assert len(joined) == 7
    assert [t.id for t in joined] == [trees[n].id for n in (0, 1, 2, 3, 7, 2, 7)]
    assert [t.source for t in joined] == [None] * 4 + ["replay"] * 3
    assert joined.column("tokens").tolist() == [len(t) for t in joined] == [joined.facts(n).tokens for n in range(7)]
    assert joined[-1].id == trees[7].id
    with pytest.raises(IndexError):
        joined[7]


def test_large_trees_come_in_parts(tmp_path: Path):
    trees = put(tmp_path).trees
    at = np.array([9, 4, 130, 5, 11])
    parts = Parts(trees, 24, at)
    wanted = [part for n in at for part in split_tree(trees[int(n)], 24)]
    assert len(wanted) > len(at)
    assert len(parts) == len(wanted)
    assert parts.tokens.tolist() == [len(t) for t in wanted]
    for one, two in zip(parts, wanted, strict=True):
        assert_equal(one, two)
    assert parts.smallest == min(range(len(wanted)), key=lambda n: len(wanted[n]))
    assert len(Parts(trees, 24, np.array([], dtype=np.int64))) == 0


def test_the_shortest_are_found(tmp_path: Path):
    trees = put(tmp_path).trees
    every = sorted(trees, key=len)
    assert [t.id for t in trees.shortest(3)] == [t.id for t in every[:3]]
    branching = [t for t in every if any(len(p.rejected) for p in t.pairs)]
    assert [t.id for t in trees.shortest(1, trees.branching)] == [branching[0].id]
    assert trees.compared.tolist() == [bool(t.pairs) or bool(t.retain.any()) for t in trees]
