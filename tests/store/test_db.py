from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from midcourse.errors import InputError, StoreError, TokenizerMismatch
from midcourse.store import Store, schema
from midcourse.types import Node, Place, Rejected, Steer, Trajectory

from .trees import TOKENIZER, small, trajectories

quick = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.mark.long
@quick
@given(data=st.data())
def test_any_trees_come_back_exactly(place: Callable[[], str], data: st.DataObject) -> None:
    given_ = [data.draw(trajectories("a")), data.draw(trajectories("b"))]
    with Store(place()) as store:
        assert store.add_many(given_) == 2
        back = list(store.trajectories())
        assert back == given_
        assert [t.path(t.head) for t in back] == [t.path(t.head) for t in given_]
        assert store.verify() == []
        assert store.add_many(given_) == 0


def test_all_are_read_page_by_page_as_they_were_when_it_began(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("midcourse.store.reading.PAGE", 3)
    store.add_many([small(f"t{n}", prompt=n, split="dev" if n % 4 else "train") for n in range(10)])
    read = []
    for n, trajectory in enumerate(store.trajectories()):
        read.append(trajectory.id)
        store.add(small(f"later{n}", prompt=100 + n))
    assert read == [f"t{n}" for n in range(10)]
    assert [t.id for t in store.trajectories(split="dev")] == [f"t{n}" for n in range(10) if n % 4]
    assert [t.id for t in store.trajectories(split="none")] == []


def test_nodes_are_stored_once_across_trajectories(store: Store) -> None:
    store.add_many([small("a"), small("b"), small("c", prompt=9)])
    assert store.stats()["nodes"] == 2 * len(small().nodes)
    assert [t.id for t in store.trajectories()] == ["a", "b", "c"]


def test_adding_again_changes_nothing_and_new_steers_are_added(store: Store) -> None:
    whole = small("a", steers=3)
    less = small("a", steers=2)
    assert store.add(less)
    assert not store.add(less)
    assert store.add(whole)
    assert store.trajectory("a") == whole
    assert not store.add(less), "an older state brings nothing"
    assert store.trajectory("a").head == whole.head


@pytest.mark.parametrize("together", [True, False])
def test_a_known_steer_gains_what_else_was_turned_down_there(store: Store, together: bool) -> None:
    first = small("a")
    (steer, *others) = first.steers
    fork = next(n for n in first.nodes if n.id == steer.fork.node)
    other = Node.below(fork, [77, 78], "model", TOKENIZER, offset=2)
    grown = first.with_(nodes=(*first.nodes, other))
    side = Rejected(grown.end_of(other.id))
    more = grown.with_(steers=(replace(steer, rejected=(side,)), *others))
    if together:
        assert store.add_many([first, more, more]) == 2
    else:
        assert store.add(first)
        assert store.add(more)
        assert not store.add(more)
    assert store.trajectory("a").steers[0].rejected == (*steer.rejected, side)
    assert store.trajectory("a").steers[1:] == first.steers[1:]
    assert store.verify() == []


def test_a_steer_known_elsewhere_is_not_stored_twice(store: Store) -> None:
    first = small("a")
    again = small("b").with_(steers=tuple(replace(s, trajectory="b") for s in first.steers))
    assert store.add(first)
    assert not store.add(again)
    assert store.stats()["steers"] == 3


def test_a_text_grows_steer_by_steer(store: Store) -> None:
    whole = small("a", steers=2, status="accepted")
    root, rest = whole.nodes[0], whole.nodes[1:]
    store.add(whole.with_(nodes=(root,), head=Place(root.id, 3), steers=(), status="open"))
    for k, steer in enumerate(whole.steers):
        store.append_nodes("a", [rest[2 * k]])
        store.append_steer(steer, [rest[2 * k + 1]])
    store.append_nodes("a", rest)  # nothing new
    store.set_head("a", whole.head, "accepted")
    assert store.trajectory("a") == whole
    assert store.verify() == []


def test_undo_and_review_are_new_records(store: Store) -> None:
    store.add(small("a"))
    store.set_state("a-1", "withdrawn", by="ann")
    assert [s.state for s in store.trajectory("a").steers] == ["active", "withdrawn", "active"]
    assert store.stats()["steers"] == 2
    assert store.stats()["state"] == {"active": 2, "withdrawn": 1}
    store.set_state("a-1", "approved")
    assert store.stats()["steers"] == 3


def test_rejected_sides_can_be_filled_in_later(store: Store) -> None:
    bare = small("a", steers=1)
    bare = bare.with_(steers=(replace(bare.steers[0], rejected=()),))
    store.add(bare)
    assert store.stats()["without_rejected"] == 1
    sample = Node.below(bare.by_id[bare.steers[0].fork.node], [77, 78], "model", TOKENIZER, offset=2)
    side = Rejected(Place(sample.id, bare.steers[0].fork.depth + 2), "sampled")
    store.append_rejected("a-0", [side], [sample])
    store.append_rejected("a-0", [side], [sample])
    trajectory, steer = store.find_steer("a-0")
    assert steer.rejected == (side,)
    assert trajectory.path(side.end)[-2:] == [77, 78]
    assert store.stats()["without_rejected"] == 0
    assert store.stats()["with_rejected"] == 1


def test_filters_and_prefixes(store: Store) -> None:
    store.add_many([small("abc", source="x", split="dev"), small("abd", source="x"), small("Q", source="y")])
    assert [t.id for t in store.trajectories(source="x")] == ["abc", "abd"]
    assert [t.id for t in store.trajectories(source="x", split="dev")] == ["abc"]
    assert store.ids() == ["abc", "abd", "Q"]
    assert store.ids(source="x") == ["abc", "abd"]
    assert [t.id for t in store.trajectories(ids=["Q", "abc"])] == ["abc", "Q"]
    assert store.trajectory("abd").id == store.trajectory("abd").id == "abd"
    assert store.find_steer("Q-2")[1].id == "Q-2"
    for wrong, says in (
        ("ab", "2 trajectory ids begin"),
        ("zz", "no trajectory 'zz'"),
        ("q", "no"),
        ("", "no"),
        ("%", "no"),
    ):
        with pytest.raises(InputError, match=says):
            store.trajectory(wrong)
    with pytest.raises(InputError, match="no trajectory 'nope'"):
        list(store.trajectories(ids=["nope"]))


def test_stats_count_what_trains(store: Store) -> None:
    store.add_many([small("a", source="x", split="dev"), small("b", steers=1, annotator="other")])
    stats = store.stats()
    assert (stats["trajectories"], stats["steers"], stats["rejected"], stats["with_rejected"]) == (2, 4, 4, 4)
    assert stats["source"] == {"x": 3, "unknown": 1}
    assert stats["split"] == {"dev": 3, "-": 1}
    assert stats["annotator"] == {"ann": 4}
    assert stats["tokens"] == 3 + 3 * 6


def _wrong() -> Iterator[tuple[str, Trajectory, type[Exception]]]:
    good = small("a")
    steer, node = good.steers[0], good.nodes[1]
    yield "no nodes", good.with_(nodes=(), steers=()), InputError
    yield "child first", good.with_(nodes=good.nodes[::-1]), InputError
    yield "twice", good.with_(nodes=(*good.nodes, node)), InputError
    yield (
        "wrong hash",
        good.with_(nodes=(good.nodes[0], replace(node, token_ids=(1,), logprobs=None))),
        TokenizerMismatch,
    )
    yield "tokenizer", good.with_(tokenizer="other"), TokenizerMismatch
    yield "logprobs", good.with_(nodes=(good.nodes[0], replace(node, logprobs=(0.0,)))), InputError
    yield "head", good.with_(head=Place(node.id, 99)), InputError
    yield "fork", good.with_(steers=(replace(steer, fork=Place("gone", 1)),)), InputError
    yield "chosen", good.with_(steers=(replace(steer, chosen=Place(node.id, 1)),)), InputError
    yield "other trajectory", good.with_(steers=(replace(steer, trajectory="b"),)), InputError
    yield "same id", good.with_(steers=(steer, steer)), InputError
    yield "kind", good.with_(steers=(replace(steer, kind="guess"),)), InputError  # type: ignore[arg-type]


@pytest.mark.parametrize(("name", "trajectory", "error"), list(_wrong()), ids=lambda v: v if isinstance(v, str) else "")
def test_what_contradicts_itself_is_refused_whole(
    store: Store, name: str, trajectory: Trajectory, error: type[Exception]
) -> None:
    with pytest.raises(error):
        store.add_many([small("ok"), trajectory])
    assert list(store.trajectories()) == []


def test_appending_what_hangs_nowhere_is_refused(store: Store) -> None:
    whole = small("a", steers=2)
    store.add(small("a", steers=1))
    with pytest.raises(InputError, match="no trajectory z"):
        store.append_nodes("z", whole.nodes[:1])
    with pytest.raises(InputError, match="no earlier node"):
        store.append_nodes("a", whole.nodes[4:])
    with pytest.raises(InputError, match="has no node"):
        store.append_steer(whole.steers[1])
    with pytest.raises(InputError, match="already"):
        store.append_steer(whole.steers[0])
    with pytest.raises(InputError, match="no steer"):
        store.append_rejected("z", [])
    with pytest.raises(InputError, match="no steer"):
        store.set_state("z", "withdrawn")
    with pytest.raises(InputError, match="depth 99"):
        store.set_head("a", Place(whole.nodes[0].id, 99), "open")
    with pytest.raises(InputError, match="outside 0 to"):
        store.append_nodes("a", [Node("x", None, 0, (2**32,), "model")])
    assert store.trajectory("a") == small("a", steers=1)


def test_a_known_trajectory_under_another_tokenizer_is_refused(store: Store) -> None:
    store.add(small("a"))
    node = Node.below(None, [1], "prompt", "other")
    with pytest.raises(TokenizerMismatch, match=r"tok.*other"):
        store.add(Trajectory("a", (node,), Place(node.id, 1), "other"))


@pytest.mark.parametrize(
    ("table", "change", "says"),
    [
        (schema.node, {"token_ids": (1, 2, 3, 4)}, "does not have the hash"),
        (schema.trajectory, {"tokenizer": "other"}, "under another tokenizer"),
        (schema.trajectory_state, {"head_depth": 999}, "head of trajectory a"),
        (schema.steer, {"fork_depth": 999}, "fork of steer a-0"),
        (schema.rejected, {"end_depth": 999}, "rejected side of steer a-0"),
        (schema.steer, {"chosen_depth": 999}, "chosen side of steer a-0"),
        (schema.use, {"logprobs": (1.0,)}, "logprobs"),
        (schema.trajectory, {"messages": [{"role": 3}]}, "cannot be read"),
    ],
)
def test_verify_finds_what_was_changed_behind_its_back(
    store: Store, table: sa.Table, change: dict[str, object], says: str
) -> None:
    store.add(small("a"))
    assert store.verify() == []
    with store._write() as connection:
        connection.execute(table.update().values(**change))
    assert any(says in line for line in store.verify())


def test_a_side_that_leaves_its_prefix_is_found(store: Store) -> None:
    whole = small("a", steers=2)
    store.add(whole)
    fork = Place(whole.nodes[4].id, whole.steers[1].fork.depth)
    with store._write() as connection:  # the first side ends before the second fork, on another path
        connection.execute(schema.steer.update().values(fork_node=fork.node, fork_depth=4))
        connection.execute(schema.rejected.update().values(end_node=whole.nodes[1].id, end_depth=7))
        connection.execute(schema.steer.update().values(fork_depth=6))
    assert any("does not begin with the prefix" in line for line in store.verify())


def test_two_writers_do_not_lose_each_other(place: Callable[[], str]) -> None:
    url = place()
    with Store(url) as one, Store(url) as two:
        one.add(small("a"))
        two.add(small("b"))
        one.append_nodes("b", [Node.below(small().nodes[0], [5], "model", TOKENIZER)])
        assert [t.id for t in two.trajectories()] == ["a", "b"]
        assert len(two.trajectory("b").nodes) == len(small().nodes) + 1
        assert two.verify() == []


def test_a_stream_is_stored_in_batches(store: Store) -> None:
    def rows() -> Iterator[Trajectory]:
        yield from (small(f"t{i}", prompt=i) for i in range(7))
        raise RuntimeError("the file ends here")

    with pytest.raises(RuntimeError):
        store.add_many(rows(), batch=3)
    assert [t.id for t in store.trajectories()] == [f"t{i}" for i in range(7)], "what was complete is stored"


def test_a_batch_that_fails_leaves_those_before_it(store: Store) -> None:
    bad = small("bad", prompt=99).with_(head=Place("nowhere", 1))
    with pytest.raises(InputError, match="nowhere"):
        store.add_many([*(small(f"t{i}", prompt=i) for i in range(4)), bad, small("later")], batch=3)
    assert [t.id for t in store.trajectories()] == ["t0", "t1", "t2"]


def test_the_default_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MIDCOURSE_STORE", raising=False)
    with Store() as store:
        assert store.name == "midcourse.db"
    monkeypatch.setenv("MIDCOURSE_STORE", str(tmp_path / "other.db"))
    with Store() as store:
        store.add(small("a"))
    assert (tmp_path / "midcourse.db").is_file()
    with Store(tmp_path / "other.db", create=False) as store:
        assert store.trajectory("a") == small("a")


def test_a_missing_store_is_not_made_when_it_should_be_there(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there is no store at"):
        Store(tmp_path / "gone.db", create=False)
    assert not (tmp_path / "gone.db").exists()


def test_a_steer_must_be_a_value() -> None:
    """`Steer` compares by value: the round-trip tests above mean something."""
    assert small().steers[0] == small().steers[0]
    assert isinstance(small().steers[0], Steer)
