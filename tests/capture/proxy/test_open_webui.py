"""What Open WebUI 0.12.4 really sent when an answer was stopped in Chromium, edited and continued, sent once more.

The fixture holds its three requests of one chat in the order in which they were sent, the ids of person and chat
replaced, one of 36 tools left, the last answer shortened: a title it asks for by itself, the question whose answer was
stopped, and the continuation of the edited answer.
"""

import json
import time
from pathlib import Path

import httpx
from proxied import chat, recording
from upstreams import pieces, scripted

from midcourse.capture.proxy.asking import read_request
from midcourse.capture.proxy.tasks import side_task
from midcourse.store import exchanges
from midcourse.store.reviews import Inbox

SENT = json.loads((Path(__file__).parent / "open_webui_0_12_4.json").read_text(encoding="utf-8"))
WAS = "Sleep better actually means we can delve deeper into a wonderful aspect of human life. Sleep is different from"
NOW = "Sleep better actually means we can delve quiet"


def test_stopped_edited_and_continued(tmp_path):
    title, asked, continued = SENT
    assert side_task(read_request("chat", json.dumps(title["body"]).encode()).asked)
    assert (asked["end"], asked["answer"]) == ("aborted", WAS)
    assert continued["body"]["messages"][-1] == {"role": "assistant", "content": NOW}
    replies = ['{"title": "Sleep"}', WAS + " one night to", continued["answer"]]
    with (
        scripted(replies=replies) as script,
        recording(script.url, tmp_path / "a.db", allow_model="smollm2") as (
            proxy,
            store,
        ),
    ):
        httpx.post(proxy.url + title["path"], json=title["body"], headers=dict(title["headers"]), timeout=20)
        script.delay = 0.01
        chat(proxy.url, stop_after=len(pieces(WAS)), headers=dict(asked["headers"]), **asked["body"] | {"stream": True})
        proxy.settle(1)
        time.sleep(1.1)  # nobody corrects sooner
        chat(proxy.url, headers=dict(continued["headers"]), **continued["body"])
        proxy.settle(2)
        [review] = Inbox(store).list()
        assert review.kind == "changed"
        assert "tools were on offer" in review.why
        [row] = review.proposal["rows"]
        assert row["prefix"] == "Sleep better actually means we can delve"
        assert row["chosen"] == " quiet"
        assert row["rejected"][0].startswith(" deeper into a wonderful")
        with store.snapshot() as connection:
            assert exchanges.count(connection) == 2  # the title is not kept
