from dataclasses import replace
from pathlib import Path

import sqlalchemy as sa

from midcourse.store import Store, schema
from midcourse.types import Message

from .trees import small

SECRET = "a very private sentence"


def test_a_purge_takes_all_of_it_and_nothing_else(store: Store) -> None:
    theirs = small("mine", prompt=7, annotator="other", messages=(Message("user", SECRET),))
    # `shared` writes the same tokens as `mine`: the nodes stay for the one that is kept
    store.add_many([theirs, small("shared", prompt=7), small("apart", prompt=9)])
    before = store.trajectory("shared")
    store.record_handed_out("export", "a.jsonl", ["mine", "apart"])
    store.record_handed_out("adapter", "runs/a", ["shared"])
    done = store.purge(["mine"], why="asked for")
    assert (done.trajectories, done.steers, done.nodes) == (1, 3, 0)
    assert [(h.kind, h.where) for h in done.handed_out] == [("export", "a.jsonl")]
    assert store.trajectory("shared") == before
    assert [t.id for t in store.trajectories()] == ["shared", "apart"]
    done = store.purge(["apart"])
    assert done.nodes == len(small("apart", prompt=9).nodes)
    assert store.verify() == []


def test_what_was_purged_does_not_come_back(store: Store) -> None:
    store.add(small("a"))
    store.purge(["a"])
    assert not store.add(small("a"))
    renamed = small("a")
    steers = tuple(replace(s, trajectory="b") for s in renamed.steers)
    assert not store.add(renamed.with_(id="b", steers=steers))  # nor under another name, with the same steers
    assert store.stats()["trajectories"] == 0
    with store._read() as connection:
        kinds = connection.execute(sa.select(schema.tombstone.c.kind)).scalars().all()
    assert sorted(kinds) == ["steer"] * 3 + ["trajectory"]


def test_found_by_hand_and_by_time(store: Store) -> None:
    by_hand = small("t")
    store.add(by_hand.with_(created=100.0))
    store.add(small("u", prompt=2, created=200.0, annotator="ann", steers=0))
    store.add(small("v", prompt=3, steers=0))
    assert store.find(authors=["ann"]) == ["t", "u"]  # `ann` made the steers of `t`
    assert store.find(authors=["nobody"]) == []
    assert store.find(since=150, until=250) == ["u"]
    assert store.find(authors=["ann"], until=150) == ["t"]
    assert store.find(since=1000) == ["v"]  # no time of its own: when it was stored


def test_a_reviewer_is_forgotten(store: Store) -> None:
    store.add(small("t"))
    store.set_state("t-0", "approved", "reviewer")
    store.purge([], authors=["reviewer"])
    with store._read() as connection:
        assert connection.execute(sa.select(schema.steer_state.c.by)).scalars().all() == [None]
    assert store.trajectory("t").steers[0].state == "approved"


def test_no_byte_of_it_stays_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with Store(path) as store:
        store.add_many(small(f"t{i}", prompt=i, messages=(Message("user", SECRET),)) for i in range(20))
        store.purge([t.id for t in store.trajectories()])
        assert not [p.name for p in tmp_path.iterdir() if SECRET.encode() in p.read_bytes()]
        assert store.verify() == []
