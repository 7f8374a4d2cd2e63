"""The whole loop over a real socket: every command, what it writes, what a second tab and a reconnect see."""

import json
import time

import httpx
import pytest
from scripted import tokenizer
from served import WORDS, Babbler, opened, serve
from websockets.exceptions import ConnectionClosed, InvalidStatus

from midcourse.store.db import Store


@pytest.fixture
def served(tmp_path):
    with serve(tmp_path, Babbler(pause=0.002), max_new_tokens=40) as running:
        yield running


def stored(served, draft):
    return served.studio.office.store.trajectory(draft)


def kept_text(served, page):
    t = stored(served, page.draft["id"])
    prompt = len(t.nodes[0].token_ids)
    return tokenizer().decode([i for i in t.path(t.head)[prompt:] if i not in tokenizer().eos])


def begun(served, text="Hi"):
    page = served.page()
    assert page.do("new", text=text)["event"] == "ok"
    return page


def test_write_stop_steer_and_go_on(served):
    page = begun(served)
    while len(page.draft["tokens"]) < 6:
        page.take()
    assert page.do("stop", shown=4)["event"] == "ok"
    assert (page.draft["mode"], page.draft["shown"]) == ("paused", 4)
    received = len(page.draft["tokens"])
    cut, kept = page.draft["tokens"][1]["end"], page.text[: page.draft["tokens"][1]["end"]]
    answer = page.do("replace", cut=cut, text=" could rest", shown=4)
    assert answer["event"] == "ok"
    page.rest()
    steer = stored(served, page.draft["id"]).steers[0]
    assert steer.id == answer["steer"]
    assert (steer.kind, steer.shown - steer.fork.depth, steer.received - steer.fork.depth) == ("typed", 2, received - 2)
    assert page.text.startswith(kept + " could rest")
    assert [t["by"] for t in page.draft["tokens"]].count("person") > 0
    page.do("accept", shown=len(page.draft["tokens"]))
    assert kept_text(served, page) == page.text
    assert stored(served, page.draft["id"]).status == "accepted"
    assert served.studio.office.store.verify() == []


def test_the_steer_is_in_the_store_before_the_model_goes_on(served):
    page = begun(served)
    page.rest()
    seen = []
    stream = served.backend.stream

    def watched(ids, sampling):
        seen.append(len(stored(served, page.draft["id"]).steers))
        return stream(ids, sampling)

    served.backend.stream = watched
    page.do("replace", cut=3, text=" no")
    page.rest()
    assert seen == [1]


def test_text_and_offsets_agree_at_every_event(served):
    page = begun(served)
    while page.draft["mode"] == "streaming":
        page.take()
        tokens = page.draft["tokens"]
        text = tokenizer().decode([t["id"] for t in tokens])
        assert text.rstrip("\ufffd").startswith(page.text.rstrip("\ufffd")[: tokens[-1]["end"] if tokens else 0])
        for n, token in enumerate(tokens):
            whole = tokenizer().to_bytes([t["id"] for t in tokens[: n + 1]]).decode(errors="ignore")
            assert token["end"] == len(whole)
    assert all(len(t["alternatives"]) == 9 for t in page.draft["tokens"])


def test_undo_redo_and_the_tree(served):
    page = begun(served)
    page.rest()
    first = page.text
    page.do("replace", cut=4, text=" never")
    page.rest()
    second = page.text
    assert page.do("undo")["event"] == "ok"
    assert (page.text, page.draft["redo"]) == (first, 1)
    assert [s["state"] for s in page.draft["steers"].values()] == ["withdrawn"]
    page.do("redo")
    assert page.text == second
    page.do("undo")
    page.do("undo")
    assert page.do("redo")["event"] == "ok"
    tree_at = len(page.events)
    page.do("tree")
    tree = next(e for e in page.events[tree_at:] if e["event"] == "tree")
    other = next(b for b in tree["branches"] if not b["on_text"] and b["by"] == "model")
    page.do("jump", node=other["node"])
    assert (page.text == first) != (page.text == second)


def test_undo_while_it_streams(served):
    page = begun(served)
    page.rest()
    first = page.text
    page.do("replace", cut=4, text=" never", resume=True)
    page.take()
    assert page.draft["mode"] == "streaming"
    page.do("undo")
    assert page.text == first
    assert page.draft["mode"] != "streaming"


def test_local_keeps_the_tail_and_reads_it_again(served):
    page = begun(served)
    page.rest()
    before = page.text
    page.do("replace", cut=5, end=11, text="could", kind="local")
    assert page.text == before[:5] + "could" + before[11:]
    assert page.draft["mode"] == "paused"
    ids = [t["id"] for t in page.draft["tokens"]]
    until = time.monotonic() + 5
    while not served.backend.warmed and time.monotonic() < until:
        time.sleep(0.01)
    assert served.backend.warmed[0][-len(ids) :] == ids
    assert stored(served, page.draft["id"]).steers[0].kind == "local"


def test_pick_resample_end_and_rewind(served):
    page = begun(served)
    page.rest()
    other = page.draft["tokens"][2]["alternatives"][3]
    page.do("pick", token=2, pick=other["id"])
    page.rest()
    assert page.draft["tokens"][2]["id"] == other["id"]
    was = page.draft["tokens"][3]["id"]
    page.do("resample", cut=page.draft["tokens"][2]["end"])
    page.rest()
    assert page.draft["tokens"][3]["id"] != was
    page.do("end", cut=page.draft["tokens"][5]["end"])
    assert (page.draft["mode"], page.draft["tokens"][-1]["ends"]) == ("ended", True)
    page.do("undo")
    page.do("rewind", cut=4)
    assert len(page.text) <= 4
    page.do("continue")
    page.rest()
    kinds = [s.kind for s in stored(served, page.draft["id"]).steers]
    assert kinds == ["picked", "resampled", "ended", "resampled"]


def test_words_that_close_the_answer(served):
    page = begun(served)
    page.rest()
    before = page.text
    page.do("end", cut=4, text=" rest.")
    assert (page.text, page.draft["mode"]) == (before[:4] + " rest.", "ended")


def test_looking_ahead(served):
    page = begun(served)
    page.rest()
    page.do("alternatives", token=3, most=5)
    found = next(e for e in page.events if e["event"] == "found")
    assert [a["id"] for a in found["alternatives"]] == [a["id"] for a in page.draft["tokens"][3]["alternatives"][:5]]
    page.do("ghost", token=3, pick=found["alternatives"][1]["id"], most=4)
    ghost = next(e for e in page.events if e["event"] == "ghost")
    assert ghost["text"].startswith(found["alternatives"][1]["text"])
    assert page.do("ghost", token=3, pick=10**6)["code"] == "input"


def test_two_tabs_see_the_same_and_the_slower_is_told(served):
    one = begun(served)
    one.rest()
    two = served.page(draft=one.draft["id"])
    assert two.text == one.text
    rev = two.draft["rev"]
    one.do("replace", cut=4, text=" never")
    one.rest()
    assert two.do("replace", cut=4, text=" always", rev=rev)["code"] == "stale"
    two.rest()
    assert two.text == one.text
    assert list(two.draft["steers"]) == list(one.draft["steers"])


def test_a_reconnect_gets_exactly_what_it_missed(served):
    page = begun(served)
    page.rest()
    watcher = served.page(draft=page.draft["id"])
    page.close()
    id, epoch, seq = page.draft["id"], page.draft["epoch"], page.draft["seq"]
    watcher.do("replace", cut=4, text=" never")
    watcher.rest()
    socket = opened(served)
    socket.send(json.dumps({"cmd": "hello", "protocol": 1, "draft": id, "epoch": epoch, "seq": seq}))
    events = []
    while not events or events[-1]["event"] != "ok":
        events.append(json.loads(socket.recv(10)))
    assert "snapshot" not in [e["event"] for e in events]
    for event in events:
        page._apply(event)
    assert page.text == watcher.text
    socket.close()
    stranger = served.page(draft=id, epoch="0" * 12, seq=seq)
    assert any(e["event"] == "snapshot" for e in stranger.events)
    assert stranger.text == watcher.text


def test_turns(served):
    page = begun(served)
    page.rest()
    assert page.do("turn", text="And?")["code"] == "input"
    page.do("accept", shown=len(page.draft["tokens"]))
    said = page.text
    first = page.draft["id"]
    assert page.do("turn", text="And?")["event"] == "ok"
    assert page.draft["id"] != first
    assert [m["content"] for m in page.draft["prompt"]] == ["Hi", said, "And?"]


def test_amend_the_day_after(served):
    page = begun(served)
    page.rest()
    steer = page.do("replace", cut=4, text=" never")["steer"]
    page.rest()
    page.do("accept", shown=len(page.draft["tokens"]))
    assert page.do("replace", cut=4, text=" x")["code"] == "closed"
    assert page.do("withdraw", steer=steer)["event"] == "ok"
    assert page.draft["status"] == "accepted"
    assert page.do("reopen")["event"] == "ok"
    assert page.do("replace", cut=4, text=" ever")["event"] == "ok"
    states = [s.state for s in stored(served, page.draft["id"]).steers]
    assert states == ["withdrawn", "active"]


def test_tags_flags_and_typing_survive(served):
    page = begun(served)
    page.rest()
    steer = page.do("replace", cut=4, text=" never")["steer"]
    page.do("reason", steer=steer, tags=["tone"], note="too harsh")
    page.do("flag", note="look at this")
    page.do("typing", cut=4, text="half a wo")
    other = served.page(draft=page.draft["id"])
    view = other.draft
    assert view["steers"][steer]["tags"] == ["tone"]
    assert (view["flagged"], view["typing"]["text"]) == ("look at this", "half a wo")


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        ('{"cmd":"nonsense"}', "protocol"),
        ('{"cmd":"stop"}', "protocol"),
        ("no json", "protocol"),
        ('{"cmd":"open","draft":"../../etc/passwd"}', "protocol"),
        ('{"cmd":"open","draft":"abc"}', "not_found"),
        ('{"cmd":"undo"}', "not_found"),
        ('{"cmd":"next"}', "empty"),
        ('{"cmd":"new"}', "input"),
        ('{"cmd":"new","text":"' + "x" * 200_000 + '"}', "protocol"),
    ],
)
def test_what_cannot_be_done_is_said(served, sent, code):
    page = served.page()
    page._socket.send(sent)
    assert page.wait("error")["code"] == code
    assert page.do("new", text="still here")["event"] == "ok"


def test_cuts_beyond_the_text_are_refused_and_change_nothing(served):
    page = begun(served)
    page.rest()
    before = page.text
    assert page.do("replace", cut=10**6, text="x")["code"] == "input"
    assert page.do("pick", token=10**6, pick=3)["code"] == "input"
    assert page.text == before


def test_nothing_is_picked_behind_the_end(tmp_path):
    with serve(tmp_path, Babbler(ends_at=20), max_new_tokens=30) as served:
        page = begun(served)
        page.rest()
        assert page.draft["mode"] == "ended"
        before, length = page.text, len(page.draft["tokens"])
        refused = page.do("pick", token=length, pick=WORDS[0])
        assert (refused["code"], "behind its end" in refused["message"]) == ("input", True)
        assert (page.text, page.draft["mode"], page.draft["steers"]) == (before, "ended", {})
        page.do("pick", token=length - 1, pick=WORDS[0], resume=False)  # in its place one can
        assert page.text == before + tokenizer().decode(WORDS[:1])


def test_a_foreign_page_and_a_foreign_name_stay_out(served):
    for wrong in ({"origin": "http://evil.example"}, {"origin": None}):
        with pytest.raises(InvalidStatus) as no:
            opened(served, **wrong)
        assert no.value.response.status_code == 403
    assert httpx.get(served.url, headers={"Host": "evil.example"}).status_code == 403
    assert httpx.get(served.url).status_code == 200


def test_another_protocol_number_is_told_to_reload(served):
    socket = opened(served)
    socket.send('{"cmd":"hello","protocol":99}')
    with pytest.raises(ConnectionClosed) as closed:
        socket.recv(5)
    assert closed.value.rcvd.code == 4409


def test_a_model_that_breaks_is_said_and_the_text_stays(served):
    page = begun(served)
    page.rest()
    before = page.text
    served.backend.fails = OSError("connection reset")
    page.do("continue")
    page.wait("trouble", code="backend_gone")
    page.rest()
    assert (page.text, page.draft["ended_by"], page.draft["trouble"]) == (before, "trouble", "backend_gone")
    served.backend.fails = None
    page.do("continue")
    page.rest()
    assert (len(page.text) > len(before), page.draft["trouble"]) == (True, None)


def test_stopping_the_server_keeps_what_was_written(tmp_path):
    with serve(tmp_path, Babbler(pause=0.01), max_new_tokens=500) as served:
        page = begun(served)
        while len(page.draft["tokens"]) < 10:
            page.take()
        page.send("shown", shown=7)
        time.sleep(0.1)
    with Store(tmp_path / "store.db") as store:
        t = store.trajectory(page.draft["id"])
        assert len(t.path(t.head)) - len(t.nodes[0].token_ids) == 7
        assert sum(len(n.token_ids) for n in t.nodes[1:]) >= 10
