import pytest

from midcourse.errors import InputError
from midcourse.store import Store, consents, exchanges, reviews
from midcourse.store.exchanges import KeptExchange
from midcourse.store.reviews import Inbox, Review

from .trees import small


def review(id: str, **more) -> Review:
    fixed = {"client": "c1", "model": "m", "at": 5.0, "kind": "changed", "certain": True, "why": "because"}
    return Review(id, **{**fixed, "proposal": {"rows": [], "text": f"text of {id}"}, **more})


def add(store: Store, *seen: Review) -> list[bool]:
    with store.transaction() as connection:
        return [reviews.put(connection, r) for r in seen]


def test_a_review_is_decided_once_and_does_not_come_back(store: Store) -> None:
    inbox = Inbox(store)
    assert add(store, review("ab"), review("cd", client="c1/u"), review("ab")) == [True, True, False]
    assert inbox.count() == 2
    assert inbox.get("a") == review("ab")
    assert inbox.reject("ab", by="me").state == "rejected"
    accepted = inbox.accept("cd", small("t"), by="me")
    assert (accepted.state, accepted.trajectory) == ("accepted", "t")
    assert store.trajectory("t") == small("t")
    assert (inbox.count(), inbox.list(), len(inbox.list(None))) == (0, [], 2)
    assert add(store, review("ab")) == [False]
    with pytest.raises(InputError, match="accepted already"):
        inbox.reject("cd")
    with pytest.raises(InputError, match="proxy inbox list"):
        inbox.get("x")


def test_a_trajectory_that_cannot_be_stored_leaves_the_review_open(store: Store) -> None:
    add(store, review("ab"))
    with pytest.raises(InputError):
        Inbox(store).accept("ab", small("t").with_(nodes=()))
    assert Inbox(store).count() == 1


def test_reviews_are_found_by_whom_when_and_what(store: Store) -> None:
    add(store, review("a"), review("b", client="c1/u"), review("c", client="c2", at=9.0), review("d", client="c11"))
    Inbox(store).accept("d", small("t"))
    with store.transaction() as connection:
        assert reviews.find(connection, client="c1") == ["a", "b"]
        assert reviews.find(connection, since=6.0) == ["c"]
        assert reviews.find(connection, client="c1", text="of b") == ["b"]
        assert reviews.find(connection, trajectories=["t"]) == ["d"]
        assert reviews.find(connection) == []
        assert reviews.undecided(connection, 6.0) == ["a", "b"]
        assert reviews.delete(connection, ["a", "d"]) == 2
    assert [r.id for r in Inbox(store).list(None)] == ["b", "c"]


def test_accepted_reviews_of_one_text_are_found(store: Store) -> None:
    made = [review(id, proposal={"name": name, "text": 'a "name": "n1"'}) for id, name in (("a", "n1"), ("b", "n2"))]
    add(store, *made, review("c", proposal={"name": "n1"}), review("d", proposal={"name": "n_"}))
    for id in "abd":
        Inbox(store).accept(id, small(id, prompt=ord(id)))
    with store.snapshot() as connection:
        assert [r.id for r in reviews.accepted_of(connection, "n1")] == ["a"]
        assert [r.id for r in reviews.accepted_of(connection, "n_")] == ["d"]
    assert [r.id for r in Inbox(store).list("accepted")] == ["a", "b", "d"]


def test_exchanges_come_back_by_person_and_chat(store: Store) -> None:
    made = [
        KeptExchange("1", "c1/u", None, "m", 1.0, {"text": "one \x00"}),
        KeptExchange("2", "c1/u", "k", "m", 2.0, {"text": "two"}),
        KeptExchange("3", "c1/u", None, "m", 3.0, {"deep": [{"text": "three"}]}),
        KeptExchange("4", "c1", None, None, 4.0, {}),
    ]
    with store.transaction() as connection:
        for kept in made:
            exchanges.put(connection, kept)
        assert exchanges.recent(connection, "c1/u", None, 9) == [made[0], made[2]]
        assert exchanges.recent(connection, "c1/u", None, 1) == [made[2]]
        assert exchanges.recent(connection, "c1/u", "k", 9) == [made[1]]
        assert exchanges.find(connection, client="c1") == ["1", "2", "3", "4"]
        assert exchanges.find(connection, client="c1/u", since=2.0, until=3.0) == ["2"]
        assert exchanges.find(connection, text="thre") == ["3"]
        assert exchanges.bury(connection, ["1", "2"], "asked for") == 2
        assert exchanges.count(connection) == 2


def test_consent_is_no_until_it_is_given(store: Store) -> None:
    with store.transaction() as connection:
        assert not consents.read(connection)
        consents.allow(connection, "model", "m")
        consents.allow(connection, "client", "c1")
        now = consents.read(connection)
        assert now.cover("c9", "m")
        assert now.cover("c1", None)
        assert not now.cover("m", "c1")
        consents.allow(connection, "model", "m", allowed=False)
        assert not consents.read(connection).cover("c9", "m")


def test_each_store_has_a_secret_of_its_own(place) -> None:
    made = []
    for _ in range(2):
        with Store(place()) as store:
            with store.transaction() as connection:
                first, again = consents.secret(connection), consents.secret(connection)
            assert first == again
            made.append(first)
    assert len(made[0]) == 32
    assert made[0] != made[1]
