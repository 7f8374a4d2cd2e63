"""Only with consent, never a secret: what is in the store after people used the proxy, and what is not."""

import sqlite3
import time

import httpx
import pytest
from proxied import assistant, chat, complete, recording, user
from upstreams import scripted

from midcourse.capture.proxy.client import client_of_key
from midcourse.capture.proxy.proposal import accept
from midcourse.errors import InputError
from midcourse.store import consents, exchanges
from midcourse.store.reviews import Inbox

REPLY = "The cat sat on the hat and slept all day long in the sun."
# A name that no digest in hexadecimal can hold by chance, as it can "ada".
ADA = {"X-Steer-User": "lovelace", "X-Steer-Chat": "1", "Authorization": "Bearer sk-the-key-of-lovelace"}
ASK = [user("Tell me of the cat that lives next door.")]


def everything(path) -> str:
    with sqlite3.connect(path) as raw:
        return "\n".join(raw.iterdump())


def number(store) -> int:
    with store.snapshot() as connection:
        return exchanges.count(connection)


def steer(proxy, headers=ADA, put="The cat sat on the mat"):
    chat(proxy.url, ASK, stop_after=7, headers=headers)
    proxy.settle(1)
    time.sleep(0.05)
    chat(proxy.url, [*ASK, assistant(put)], headers=headers)
    proxy.settle(2)


def test_nothing_is_kept_before_it_is_allowed_and_nothing_after_it_is_taken_back(tmp_path):
    with scripted(replies=[REPLY]) as script, recording(script.url, tmp_path / "a.db", allow_model="") as at:
        proxy, store = at
        chat(proxy.url, ASK, headers=ADA)
        time.sleep(0.2)
        assert number(store) == 0
        assert "cat" not in everything(tmp_path / "a.db")
        client = client_of_key("sk-the-key-of-lovelace", proxy.listening.keeper.secret)
        with store.transaction() as connection:
            consents.allow(connection, "client", client)
        proxy.listening.keeper.refresh()
        chat(proxy.url, ASK, headers=ADA)
        proxy.settle(1)
        chat(proxy.url, ASK, headers={**ADA, "Authorization": "Bearer another"})
        chat(proxy.url, ASK, headers={**ADA, "X-Steer-Capture": "off"})
        with store.transaction() as connection:
            consents.allow(connection, "client", client, allowed=False)
        chat(proxy.url, ASK, headers=ADA)
        time.sleep(0.2)
        proxy.settle()
        assert number(store) == 1


def test_a_model_that_is_allowed_covers_it_alone(tmp_path):
    with scripted(replies=[REPLY]) as script, recording(script.url, tmp_path / "a.db") as (proxy, store):
        chat(proxy.url, ASK, model="other")
        chat(proxy.url, ASK)
        proxy.settle(1)
        time.sleep(0.1)
        assert number(store) == 1


def test_no_key_no_name_no_secret_is_in_the_store(tmp_path):
    words = "My password: hunter2-hunter2 and the key sk-abcdefghijklmnopqrstuvwx"
    with scripted(replies=["Keep AKIAIOSFODNN7EXAMPLE well."]) as script:
        with recording(script.url, tmp_path / "a.db") as (proxy, _):
            chat(proxy.url, [user(words)], headers=ADA)
            proxy.settle(1)
        stored = everything(tmp_path / "a.db")
    for secret in ("hunter2", "sk-abc", "AKIA", "sk-the-key", "lovelace", "127.0.0.1"):
        assert secret not in stored
    assert "[OpenAI or Anthropic key]" in stored


def test_a_steer_waits_in_the_inbox_and_trains_when_it_is_accepted(tmp_path, tiny_tokenizer):
    with scripted(replies=[REPLY, " and purred."]) as script, recording(script.url, tmp_path / "a.db") as at:
        proxy, store = at
        steer(proxy)
        [review] = Inbox(store).list()
        [row] = review.proposal["rows"]
        assert (row["prefix"].strip(), row["chosen"].strip()) == ("The cat sat on the", "mat")
        assert row["rejected"][0].strip().startswith("hat")
        assert list(store.trajectories()) == []
        done = accept(store, review, tiny_tokenizer, by="me")
        assert (done.state, done.by) == ("accepted", "me")
        [trajectory] = store.trajectories()
        [made] = trajectory.steers
        assert (made.kind, made.state, made.annotator) == ("typed", "approved", review.client)
        assert trajectory.source == "proxy"
        assert tiny_tokenizer.decode(trajectory.path(trajectory.head)).endswith("The cat sat on the mat and purred.")
        assert store.verify() == []
        with pytest.raises(InputError, match="accepted already"):
            accept(store, review, tiny_tokenizer)


def test_the_same_steer_asked_for_again_is_one(tmp_path):
    with (
        scripted(replies=[REPLY, " and purred.", " and sang."]) as script,
        recording(script.url, tmp_path / "a.db") as (proxy, store),
    ):
        steer(proxy)
        [review] = Inbox(store).list()
        Inbox(store).reject(review.id)
        chat(proxy.url, [*ASK, assistant("The cat sat on the mat")], headers=ADA)
        proxy.settle(3)
        assert Inbox(store).list() == []
        assert Inbox(store).list("rejected")[0].id == review.id


def test_certain_steers_train_at_once_only_if_the_user_says_so(tmp_path, tiny_tokenizer):
    with scripted(replies=[REPLY, " and purred."]) as script:
        said = {"tokenizer": tiny_tokenizer, "accept_certain": True}
        with recording(script.url, tmp_path / "a.db", **said) as (proxy, store):
            steer(proxy)
            [review] = Inbox(store).list(None)
            assert (review.state == "accepted") == review.certain == bool(list(store.trajectories()))


def test_what_was_said_before_a_restart_is_known_after_it(tmp_path):
    with scripted(replies=[REPLY, " and purred."]) as script:
        with recording(script.url, tmp_path / "a.db") as (proxy, store):
            chat(proxy.url, ASK, stop_after=7, headers=ADA)
            proxy.settle(1)
        with recording(script.url, tmp_path / "a.db") as (proxy, store):
            chat(proxy.url, [*ASK, assistant("The cat sat on the mat")], headers=ADA)
            proxy.settle(1)
            assert len(Inbox(store).list()) == 1


def test_two_people_do_not_correct_each_other(tmp_path):
    with (
        scripted(replies=[REPLY, " and purred."]) as script,
        recording(script.url, tmp_path / "a.db") as (proxy, store),
    ):
        chat(proxy.url, ASK, stop_after=7, headers=ADA)
        proxy.settle(1)
        chat(proxy.url, [*ASK, assistant("The cat sat on the mat")], headers={**ADA, "X-Steer-User": "bob"})
        proxy.settle(2)
        assert Inbox(store).list() == []


def test_a_text_prompt_is_steered_too(tmp_path):
    with (
        scripted(replies=[" the mat all day and", " in peace"]) as script,
        recording(script.url, tmp_path / "a.db") as (proxy, store),
    ):
        complete(proxy.url, "Once the cat sat on", stop_after=5, headers=ADA)
        proxy.settle(1)
        complete(proxy.url, "Once the cat sat on the mat all night", headers=ADA)
        proxy.settle(2)
        [review] = Inbox(store).list()
        assert review.proposal["prompt"] == "Once the cat sat on"


def test_time_takes_exchanges_and_open_reviews_and_leaves_steers(tmp_path, tiny_tokenizer):
    with scripted(replies=[REPLY, " and purred."]) as script, recording(script.url, tmp_path / "a.db") as at:
        proxy, store = at
        steer(proxy)
        [review] = Inbox(store).list()
        accept(store, review, tiny_tokenizer)
        keeper = proxy.listening.keeper
        assert keeper.let_go(3600) == 0
        assert keeper.let_go(-1) == 2
        assert number(store) == 0
        assert len(list(store.trajectories())) == 1


def test_what_is_purged_is_forgotten_at_once(tmp_path):
    with scripted(replies=[REPLY, " and purred."]) as script, recording(script.url, tmp_path / "a.db") as at:
        proxy, store = at
        chat(proxy.url, ASK, stop_after=7, headers=ADA)
        proxy.settle(1)
        with store.transaction() as connection:
            ids = exchanges.find(connection, text="the cat")
            assert exchanges.bury(connection, ids) == 1
        chat(proxy.url, [*ASK, assistant("The cat sat on the mat")], headers=ADA)
        proxy.settle(2)
        assert Inbox(store).list() == []


def test_failed_requests_leave_nothing(tmp_path):
    with scripted(replies=[REPLY], fault="500") as script, recording(script.url, tmp_path / "a.db") as (proxy, store):
        httpx.post(f"{proxy.url}/v1/chat/completions", json={"model": "tiny", "messages": ASK, "stream": True})
        time.sleep(0.1)
        proxy.settle()
        assert number(store) == 0


def test_steers_of_one_text_are_one_trajectory(tmp_path, tiny_tokenizer):
    with (
        scripted(replies=[REPLY, " and purred for hours until the night came.", " softly."]) as script,
        recording(script.url, tmp_path / "a.db") as (proxy, store),
    ):
        steer(proxy)
        chat(proxy.url, [*ASK, assistant("The cat sat on the mat and purred for days")], headers=ADA)
        proxy.settle(3)
        first, second = Inbox(store).list()
        accept(store, first, tiny_tokenizer)
        accept(store, second, tiny_tokenizer)
        [trajectory] = store.trajectories()
        assert len(trajectory.steers) == 2
        text = tiny_tokenizer.decode(trajectory.path(trajectory.head))
        assert text.endswith("The cat sat on the mat and purred for days softly.")
        assert store.verify() == []


def test_a_steer_that_was_rejected_is_not_in_the_next_one(tmp_path, tiny_tokenizer):
    with (
        scripted(replies=[REPLY, " and purred for hours until the night came.", " softly."]) as script,
        recording(script.url, tmp_path / "a.db") as (proxy, store),
    ):
        steer(proxy)
        chat(proxy.url, [*ASK, assistant("The cat sat on the mat and purred for days")], headers=ADA)
        proxy.settle(3)
        first, second = Inbox(store).list()
        Inbox(store).reject(first.id)
        accept(store, second, tiny_tokenizer)
        [trajectory] = store.trajectories()
        [made] = trajectory.steers
        assert tiny_tokenizer.decode(trajectory.path(made.fork)).rstrip().endswith("and purred for")
        authors = trajectory.authors(made.fork)
        assert "person" in authors, "what the person had put before is not taken for the model's"
