"""Tools that a chat program offers with every question: a correction is seen, and is never certain."""

import time

import pytest
from proxied import assistant, chat, recording, user
from upstreams import scripted

from midcourse.store.reviews import Inbox

WHO = {"X-Steer-User": "ada", "X-Steer-Chat": "1"}
REPLY = "The cat sat on the hat and slept all day long in the sun."
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
ASK = [user("Tell me of the cat that lives next door.")]


@pytest.mark.parametrize(("first", "then"), [([TOOL], [TOOL]), ([TOOL], []), ([], [TOOL]), ([], [])])
def test_a_correction_under_offered_tools_waits_for_a_person(tmp_path, first, then):
    with (
        scripted(replies=[REPLY, " and purred."], fault="stalls") as script,
        recording(script.url, tmp_path / "a.db") as (proxy, store),
    ):
        chat(proxy.url, ASK, stop_after=8, headers=WHO, **({"tools": first} if first else {}))
        proxy.settle(1)
        proxy.listening.keeper.conversations.forget()  # what was on offer is known from the store too
        time.sleep(1.1)  # nobody corrects sooner
        chat(proxy.url, [*ASK, assistant("The cat sat on the mat")], headers=WHO, **({"tools": then} if then else {}))
        proxy.settle(2)
        [review] = Inbox(store).list()
        assert review.kind == "changed"
        assert review.certain == (not first and not then), review.why
        assert ("tools were on offer" in review.why) == bool(first or then)
