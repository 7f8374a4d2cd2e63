"""What a proxy recognised becomes a steer when somebody says so: as it was put, with better words, or not at all."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted import tokenizer
from served import Babbler, person, serve

from midcourse.capture.proxy.proposal import Proposal
from midcourse.capture.studio.inbox import edited
from midcourse.errors import InputError
from midcourse.rows.row import SteerRow
from midcourse.store import reviews
from midcourse.types import Message

ASKED = (Message("user", "What now?"),)


def row(prefix: str, rejected: str, chosen: str, **more) -> SteerRow:
    return SteerRow(prompt=ASKED, prefix=prefix, rejected=(rejected,), chosen=chosen, trajectory="x", **more)


def proposal(text: str = "You should rest, and stop the day.", *rows: SteerRow) -> Proposal:
    return Proposal("x", ASKED, text, rows or (row("You should", " go home.", " rest"),))


def put(store, made: Proposal, certain: bool = False, at: float = 1.0) -> str:
    seen = reviews.Review(made.id, "ada", "tiny", at, "changed", certain, "the words are alike", made.to_dict())
    with store.transaction() as connection:
        assert reviews.put(connection, seen)
    return made.id


@pytest.fixture
def served(tmp_path):
    with serve(tmp_path, Babbler()) as running:
        yield running


# -- other words -------------------------------------------------------------------------------------------------------


def test_what_follows_edited_words_stays_and_what_lies_behind_moves():
    text = "You should rest, and stop the day."
    second = row("You should rest, and", " go on.", " stop")
    made = Proposal("x", ASKED, text, (row("You should", " go home.", " rest"), second), person=((0, 3), (26, 34)))
    found = edited(made, [" sleep well", " stop"])
    assert found.text == "You should sleep well, and stop the day."
    assert [(r.prefix, r.chosen) for r in found.rows] == [
        ("You should", " sleep well"),
        ("You should sleep well, and", " stop"),
    ]
    assert [found.text[a:b] for a, b in found.person] == ["You", text[26:34]]
    assert edited(made, [" rest", " stop"]) is made


def test_a_kept_tail_holds_what_was_put_in_it_later():
    first = row("You", " could", " should", kind="local", tail=" rest, and stop.")
    later = row("You should rest, and", " go.", " stop")
    made = Proposal("x", ASKED, "You should rest, and stop.", (first, later))
    found = edited(made, [" should", " sleep"])
    assert found.rows[0].tail == " rest, and sleep."
    assert found.text == "You should rest, and sleep."


def test_too_few_texts_and_words_that_are_gone_are_refused():
    with pytest.raises(InputError, match="2 texts were given for 1"):
        edited(proposal(), ["a", "b"])
    with pytest.raises(InputError, match="later words stand"):
        edited(proposal("You must rest."), [" sleep"])


@given(st.lists(st.text(alphabet="ab ", max_size=4), min_size=3, max_size=3), st.data())
def test_every_correction_that_stood_in_the_text_still_does(words, data):
    text, rows = "", []
    for n, word in enumerate(words):
        text += f"<{n}"
        rows.append(row(text, "x", word))
        text += word
    made = Proposal("x", ASKED, text + ">", tuple(rows))
    new = [data.draw(st.text(alphabet="cd ", max_size=5)) for _ in words]
    found = edited(made, new)
    assert found.text == "".join(f"<{n}{w}" for n, w in enumerate(new)) + ">"
    assert all(found.text.startswith(r.prefix + r.chosen) for r in found.rows)
    assert [r.chosen for r in found.rows] == new


# -- the routes --------------------------------------------------------------------------------------------------------


def test_the_list_shows_what_was_what_was_put_and_why(served):
    c, store = served.client(), served.studio.office.store
    assert c.get("api/inbox").json() == {"waiting": 0, "lines": []}
    put(store, proposal())
    [line] = c.get("api/inbox").json()["lines"]
    assert line["passages"] == [
        {"before": "You should", "rejected": [" go home."], "chosen": " rest", "after": ", and stop the day.",
         "ended": False}
    ]  # fmt: skip
    told = ("prompt", "client", "model", "kind", "certain", "why")
    assert [line[k] for k in told] == ["What now?", "ada", "tiny", "changed", False, "the words are alike"]


def test_accepted_it_is_a_steer_with_the_words_that_were_put(served):
    c, store = served.client(), served.studio.office.store
    plain = put(store, proposal())
    other = put(store, Proposal("y", ASKED, "You must go.", (row("You must", " rest.", " go", ended=False),)))
    assert c.post(f"api/inbox/{plain}/accept", json={}).json() == {"accepted": True}
    assert c.post(f"api/inbox/{other}/accept", json={"chosen": [" stop"]}).status_code == 200
    found = {t.source: t for t in store.trajectories()}
    assert set(found) == {"proxy"}
    texts = []
    for t in store.trajectories():
        [steer] = t.steers
        assert (steer.state, steer.counts, steer.annotator) == ("approved", True, "ada")
        start = len(t.nodes[0].token_ids)
        texts.append(tokenizer().decode(t.path(t.head)[start:]))
    assert sorted(texts) == ["You must stop.", "You should rest, and stop the day."]
    assert c.get("api/inbox").json()["waiting"] == 0
    again = c.post(f"api/inbox/{plain}/accept", json={})
    assert (again.status_code, "accepted already" in again.json()["error"]["message"]) == (400, True)
    assert store.verify() == []


def test_edited_words_are_not_brought_back_by_the_next_steer_of_the_text(served):
    c, store = served.client(), served.studio.office.store
    text = "You should rest, and stop the day."
    first = put(store, proposal(text))
    assert c.post(f"api/inbox/{first}/accept", json={"chosen": [" sleep"]}).status_code == 200
    assert reviews.Inbox(store).get(first).state == "rejected"
    second = put(store, proposal(text, row("You should rest, and", " go on.", " stop")), at=2.0)
    assert c.post(f"api/inbox/{second}/accept", json={}).status_code == 200
    put_words = []
    for t in store.trajectories():
        for s in t.steers:
            ids = t.path(t.end_of(s.chosen.node))
            put_words.append(tokenizer().decode(ids[s.fork.depth : s.chosen.depth]))
    assert sorted(put_words) == [" sleep", " stop"]
    assert store.verify() == []


def test_rejected_it_trains_nothing_and_is_gone(served):
    c, store = served.client(), served.studio.office.store
    id = put(store, proposal())
    assert c.post(f"api/inbox/{id}/reject").json() == {"rejected": True}
    assert c.get("api/inbox").json() == {"waiting": 0, "lines": []}
    assert list(store.trajectories()) == []
    assert reviews.Inbox(store).get(id).state == "rejected"


def test_what_cannot_be_learnt_from_is_refused_and_stays(served):
    c, store = served.client(), served.studio.office.store
    id = put(store, proposal())
    for words in ([" go home."], ["a", "b"]):
        assert c.post(f"api/inbox/{id}/accept", json={"chosen": words}).status_code == 400
    assert c.post("api/inbox/nothing/accept", json={}).status_code == 400
    assert c.get("api/inbox").json()["waiting"] == 1


@pytest.mark.long
def test_only_who_reviews_sees_it_and_is_told_of_more(served):
    annotator, _, _ = person(served, "grace")
    boss, cookie, _ = person(served, "eve", "admin")
    id = put(served.studio.office.store, proposal())
    assert annotator.get("api/inbox").status_code == 403
    assert annotator.post(f"api/inbox/{id}/reject").status_code == 403
    page = served.page(cookie)
    assert boss.get("api/inbox").json()["waiting"] == 1
    page.wait("notice", about="inbox", timeout=15)  # a proxy is a process of its own: the studio looks now and then
    began = time.monotonic()
    assert boss.post(f"api/inbox/{id}/reject").status_code == 200
    page.wait("notice", about="inbox", timeout=5)
    assert time.monotonic() - began < 3
