"""A team at work: many people at one studio and programs behind two proxies, all writing into one PostgreSQL."""

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from served import Babbler, person, serve

from midcourse.capture.studio.access import digest
from midcourse.store.db import Store
from midcourse.store.reviews import Inbox
from store.conftest import postgres, server

sys.path.insert(0, str(Path(__file__).parents[1] / "proxy"))

from proxied import assistant, chat, recording, user
from upstreams import scripted

__all__ = ["postgres", "server"]  # fixtures

PEOPLE, PROCESSES, STEERS = 50, 5, 4
REPLY = "The cat sat on the hat and slept all day long in the sun."


def _use(url: str, who: str, put: str) -> None:
    """A program's user stops an answer and puts other words."""
    headers = {"X-Steer-User": who, "X-Steer-Chat": "1", "Authorization": f"Bearer sk-{who}"}
    ask = [user(f"Tell {who} of the cat that lives next door.")]
    chat(url, ask, stop_after=7, headers=headers)
    chat(url, [*ask, assistant(put)], headers=headers)


def _signed_in(studio, name: str) -> str:
    """As a link does it; the door lets fewer in at once from one address."""
    cookie, journal = f"cookie-of-{name}", studio.studio.office.journal
    journal.add("person", {"name": name, "role": "annotator"})
    link = {"hash": digest(cookie), "name": name, "expires": time.time() + 3600, "link": digest(name)}
    journal.add("session", link, name)
    return cookie


@pytest.mark.slow
@pytest.mark.alone
def test_fifty_people_and_two_proxies_lose_no_steer_and_double_none(server, tmp_path):
    url = server.database()
    with serve(tmp_path, Babbler(), place=url, max_new_tokens=40) as studio:
        cookies = [_signed_in(studio, f"p{n}") for n in range(PEOPLE)]
        admin, _, _ = person(studio, "boss", "admin")
        admin.post("api/queue", json={"prompts": [f"prompt {n}" for n in range(PEOPLE)]}).raise_for_status()
        script = str(Path(__file__).with_name("annotators.py"))
        runs = [
            subprocess.Popen(
                [sys.executable, script, str(studio.port), str(STEERS), *cookies[k::PROCESSES]],
                stdout=subprocess.PIPE,
                text=True,
            )
            for k in range(PROCESSES)
        ]
        with (
            scripted(replies=[REPLY]) as upstream,
            recording(upstream.url, url) as (one, _),
            recording(upstream.url, url) as (two, _),
        ):
            programs = [
                threading.Thread(target=_use, args=((one, two)[n % 2].url, f"u{n}", "The cat sat on the mat"))
                for n in range(12)
            ]
            for t in programs:
                t.start()
            for t in programs:
                t.join(60)
            one.settle(12)
            two.settle(12)
        said = [line.split() for run in runs for line in run.communicate(timeout=250)[0].splitlines()]
        assert all(run.returncode == 0 for run in runs)
    made = [words[0] for words in said]
    assert len(made) == len(set(made)) == PEOPLE * STEERS
    with Store(url) as store:
        assert store.verify() == []
        kept = [s for t in store.trajectories(source="studio") for s in t.steers]
        assert sorted(s.id for s in kept) == sorted(made)
        assert {s.annotator for s in kept} == {f"p{n}" for n in range(PEOPLE)}
        assert all(len(s.rejected) == 1 for s in kept)
        assert len({r.client for r in Inbox(store).list()}) == len(Inbox(store).list()) == 12


@pytest.mark.long
def test_what_one_proxy_heard_the_other_recognises(server, tmp_path):
    """The stopped answer went through one, its continuation through the other; the steer is found, and found once."""
    url = server.database()
    headers = {"X-Steer-User": "ada", "X-Steer-Chat": "1", "Authorization": "Bearer sk-the-key-of-ada"}
    ask = [user("Tell me of the cat that lives next door.")]
    with (
        scripted(replies=[REPLY]) as upstream,
        recording(upstream.url, url) as (one, store),
        recording(upstream.url, url) as (two, _),
    ):
        chat(one.url, [user("Good morning, what is the time?")], headers=headers)  # both know the chat from now on
        one.settle(1)
        chat(two.url, [user("Good evening, what is the time?")], headers=headers)
        two.settle(1)
        chat(one.url, ask, stop_after=7, headers=headers)
        one.settle(2)
        for proxy in (two, one):  # whoever sends it again, through whichever
            chat(proxy.url, [*ask, assistant("The cat sat on the mat")], headers=headers)
            two.settle(2)
        one.settle(3)
        [seen] = Inbox(store).list()
        assert seen.proposal["rows"][0]["chosen"].endswith("mat")
