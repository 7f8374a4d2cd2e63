"""The work around the writing, over real HTTP: queue, people, review, agreement, export, training."""

import asyncio
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from scripted import tokenizer
from served import Babbler, person, serve
from websockets.exceptions import ConnectionClosed

from midcourse.capture.studio.access import new_link
from midcourse.errors import InputError


@pytest.fixture
def served(tmp_path):
    with serve(tmp_path, Babbler(), max_new_tokens=30) as running:
        yield running


def finish(served, cookie, text):
    page = served.page(cookie)
    assert page.do("next")["event"] == "ok"
    page.rest()
    if text is not None:
        page.do("replace", cut=page.draft["tokens"][text[0]]["end"], text=text[1])
        page.rest()
    page.do("accept", shown=len(page.draft["tokens"]))
    return page.draft["id"]


def test_the_queue_from_every_kind_of_text(served):
    c = served.client()
    assert c.post(
        "api/queue", json={"text": '{"prompt": "one"}\n{"messages": [{"role": "user", "content": "two"}]}'}
    ).json() == {"added": 2}
    assert c.post("api/queue", json={"text": "three\nfour\n"}).json() == {"added": 2}
    assert c.post("api/queue", json={"text": "a\nlong one\n\nanother"}).json() == {"added": 2}
    assert c.post("api/queue", json={"prompts": ["one", "five"], "practice": False}).json() == {"added": 1}
    assert c.post("api/queue", json={"prompts": ["warm up"], "practice": True}).json() == {"added": 1}
    wrong = c.post("api/queue", json={"text": '{"prompt": "x"}\n{"promt": "y"}'})
    assert (wrong.status_code, "line 2" in wrong.json()["error"]["message"]) == (400, True)
    queue = c.get("api/queue").json()
    assert (queue["waiting"], queue["practice_left"]) == (7, 1)
    five = next(p for p in queue["prompts"] if p["text"] == "five")
    c.patch(f"api/queue/{five['id']}", json={"first": True})
    page = served.page()
    page.do("next")
    assert (page.draft["prompt"][0]["content"], page.draft["practice"]) == ("warm up", True)
    page.rest()
    page.do("accept", shown=3)
    page.do("next")
    assert page.draft["prompt"][0]["content"] == "five"
    assert page.do("skip", reason="too vague")["event"] == "ok"
    queue = c.get("api/queue").json()
    assert (queue["skipped"], queue["practice_left"]) == (1, 0)
    assert next(p for p in queue["prompts"] if p["id"] == five["id"])["skipped_for"] == "too vague"


def test_practice_leaves_nothing_in_the_store(served):
    c = served.client()
    c.post("api/queue", json={"prompts": ["warm up"], "practice": True})
    page = served.page()
    page.do("next")
    page.rest()
    page.do("replace", cut=4, text=" never")
    page.rest()
    page.do("accept", shown=3)
    assert served.studio.office.store.stats()["trajectories"] == 0


def test_several_people_get_the_same_prompt_and_do_not_see_each_other(served):
    boss, boss_cookie, _ = person(served, "boss", "admin")
    boss.post("api/queue", json={"prompts": ["one", "two"], "people": 2})
    ada, ada_cookie, _ = person(served, "ada")
    bob, bob_cookie, _ = person(served, "bob")
    first = finish(served, ada_cookie, (3, " never"))
    finish(served, bob_cookie, (5, " never ever"))
    finish(served, ada_cookie, None)
    finish(served, bob_cookie, None)
    stranger = served.page(bob_cookie)
    assert stranger.do("open", draft=first)["code"] == "not_found"
    assert [d["id"] for d in ada.get("api/drafts").json()].count(first) == 1
    assert first not in [d["id"] for d in bob.get("api/drafts").json()]
    assert "ada" not in bob.get("api/queue").text
    assert [p["name"] for p in bob.get("api/stats").json()["people"]] == ["bob"]
    for path in ("api/review", "api/agreement", "api/differences", "api/people", "api/train"):
        assert bob.get(path).status_code == 403
    agreed = boss.get("api/agreement").json()
    assert (agreed["prompts"], agreed["pairs"], agreed["fork_distance"], agreed["both_untouched"]) == (2, 2, 2.0, 1)
    assert 0 < agreed["similarity"] < 1
    split = next(d for d in boss.get("api/differences").json() if d["distance"] is not None)
    assert {f["annotator"] for f in split["forks"]} == {"ada", "bob"}
    assert boss.post(f"api/differences/{split['item']}", json={"draft": first}).json() == {"refused": 1}
    states = {s.annotator: s.state for t in served.studio.office.store.trajectories() for s in t.steers}
    assert states == {"ada": "approved", "bob": "refused"}
    assert served.page(boss_cookie).do("open", draft=first)["event"] == "ok"
    assert next(p for p in boss.get("api/people").json() if p["name"] == "ada")["last_seen"] is not None


@pytest.mark.long
def test_a_link_works_once_and_revoking_shows_out(served):
    ada, cookie, token = person(served, "ada", "admin")
    assert ada.get("api/me").json() == {"name": "ada", "role": "admin", "open_drafts": 0, "alone": False}
    assert served.client().post("enter", data={"token": token}).status_code == 403
    assert served.client().post("enter", data={"token": "x" * 32}).status_code == 403
    assert served.client().get("api/me").status_code == 401
    page = served.page(cookie)
    served.studio.office.journal.add("revoke", {"name": "ada"})
    with pytest.raises(ConnectionClosed):
        page.wait("never", timeout=12)
    assert ada.get("api/me").status_code == 401


def test_the_door_shows_a_button_and_only_its_own_token(served):
    text = served.client().get("enter/abc-123_X").text
    assert 'value="abc-123_X"' in text
    assert "<script>" not in served.client().get('enter/"><script>').text


def test_review_tags_guidelines_stats_and_export(served):
    c = served.client()
    c.put("api/guidelines", json={"text": "# Be plain"})
    c.put("api/tags", json={"tags": ["tone", "fact"]})
    assert (c.get("api/guidelines").json()["text"], c.get("api/tags").json()["tags"]) == (
        "# Be plain",
        ["tone", "fact"],
    )
    page = served.page()
    assert page.welcome["tags"] == ["tone", "fact"]
    page.do("new", text="Hi")
    page.rest()
    steer = page.do("replace", cut=page.draft["tokens"][2]["end"], text=" never", reason="r")["steer"]
    page.rest()
    page.do("reason", steer=steer, tags=["tone"])
    page.do("flag", note="odd")
    [line] = c.get("api/review", params={"state": "flagged"}).json()
    assert (line["steer"], line["tags"], line["flagged"], line["chosen"]) == (steer, ["tone"], "odd", " never")
    assert c.get("api/review").json() == []
    c.post("api/review", json={"steers": [steer], "state": "approved"})
    assert c.get("api/review", params={"state": "approved"}).json()[0]["steer"] == steer
    stats = c.get("api/stats").json()
    assert (stats["steers"], stats["kinds"], stats["tags"]) == (1, {"typed": 1}, {"tone": 1})
    assert stats["rounds"][0]["per_hundred"] == pytest.approx(100 / stats["rounds"][0]["tokens"], rel=1e-3)
    [row] = [json.loads(x) for x in c.get("api/export").text.splitlines()]
    assert " never" in json.dumps(row)
    assert c.get("api/export", params={"format": "trl"}).status_code == 200
    assert c.get("api/export", params={"format": "exe"}).status_code == 400
    assert c.post("api/forget", json={"confirm": "somebody"}).status_code == 400
    assert c.post("api/forget", json={"confirm": "me"}).json() == {"withdrawn": 1}


def test_own_texts_are_deleted_for_good_and_the_studio_goes_on(served):
    boss, boss_cookie, _ = person(served, "boss", "admin")
    boss.post("api/queue", json={"prompts": ["one", "two"]})
    ada, ada_cookie, _ = person(served, "ada")
    mine = finish(served, ada_cookie, (3, " never"))
    theirs = finish(served, boss_cookie, (3, " ever"))
    looking = served.page(ada_cookie, draft=mine)
    assert ada.post("api/forget", json={"confirm": "boss", "erase": True}).status_code == 400
    assert ada.post("api/forget", json={"confirm": "ada", "erase": True}).json() == {"erased": 1, "made_of": 0}
    with pytest.raises(ConnectionClosed):
        looking.wait("never")
    assert [t.id for t in served.studio.office.store.trajectories()] == [theirs]
    assert ada.get("api/drafts").json() == []
    assert served.page(ada_cookie).do("open", draft=mine)["code"] == "not_found"
    again = served.page(ada_cookie)
    assert again.do("next")["event"] == "ok"  # the prompt waits for somebody once more
    assert again.draft["prompt"][0]["content"] == "one"
    assert ada.post("api/forget", json={"confirm": "ada"}).json() == {"withdrawn": 0}


def test_a_reviewer_reads_and_flags_a_text_and_writes_nothing_into_it(served):
    _, boss_cookie, _ = person(served, "boss", "admin")
    boss = served.client(Cookie=f"midcourse_session={boss_cookie}")
    boss.post("api/queue", json={"prompts": ["one"]})
    _, ada_cookie, _ = person(served, "ada")
    hers = finish(served, ada_cookie, (3, " never"))
    page = served.page(boss_cookie)
    page.do("open", draft=hers)
    assert page.draft["owner"] == "ada"
    for cmd, more in (("reopen", {}), ("replace", {"cut": 4, "text": " x"}), ("undo", {}), ("shown", {"shown": 9})):
        refused = page.do(cmd, **more)
        assert (refused["event"], refused["code"]) == ("error", "not_allowed")
        assert "ada's text" in refused["message"]
    assert page.do("flag", note="odd")["event"] == "ok"
    assert page.do("alternatives", token=2)["event"] == "ok"
    [kept] = served.studio.office.store.trajectories()
    assert (kept.status, [s.annotator for s in kept.steers]) == ("accepted", ["ada"])


def test_the_text_looked_at_longest_ago_makes_room(served, monkeypatch):
    monkeypatch.setattr("midcourse.capture.studio.rooms.MOST", 2)
    page = served.page()
    drafts = []
    for text in ("one", "two", "three"):
        assert page.do("new", text=text)["event"] == "ok"
        page.rest()
        page.do("stop", shown=len(page.draft["tokens"]))
        drafts.append(page.draft["id"])
    assert list(served.studio.rooms.open_now) == drafts[1:]
    said = page.text
    page.do("open", draft=drafts[0])
    assert (page.draft["id"], len(page.text) > 0, page.text != said) == (drafts[0], True, True)


def test_new_tags_are_told_to_who_writes(served):
    page = served.page()
    served.client().put("api/tags", json={"tags": ["tone"]})
    assert page.wait("notice")["about"] == "tags"


def test_the_end_token_is_in_no_text_that_a_person_reads(tmp_path):
    with serve(tmp_path, Babbler(ends_at=40), max_new_tokens=60) as served:
        c, page = served.client(), served.page()
        page.do("new", text="Hi")
        page.rest()
        page.do("replace", cut=page.draft["tokens"][2]["end"], text=" never")
        page.rest()
        page.do("flag", note="ends")
        page.do("stop", shown=len(page.draft["tokens"]))
        assert page.draft["mode"] == "ended"
        [line] = c.get("api/review", params={"state": "flagged"}).json()
        assert page.text == line["before"] + line["chosen"] + line["after"]
        page.do("replace", cut=len(page.text), text=" day")  # the end was wrong
        page.rest()
        page.do("end", cut=page.draft["tokens"][5]["end"])
        lines = c.get("api/review", params={"state": "flagged"}).json()
        assert sorted(x["kind"] for x in lines) == ["continued", "ended", "typed"]
        rows = c.get("api/export").text
        assert len(rows.splitlines()) == 3
        for said in (json.dumps(lines), rows, c.get("api/drafts").text):
            assert "<end>" not in said


def test_what_must_not_come_in_does_not(served):
    c = served.client()
    del c.headers["Origin"]
    assert c.post("api/queue", json={"prompts": ["x"]}).status_code == 403  # no origin
    assert c.post("api/queue", json={"prompts": ["x"]}, headers={"Origin": "http://evil.example"}).status_code == 403
    own = {"Origin": served.origin}
    assert c.put("api/guidelines", json={"text": "x" * 1_100_000}, headers=own).status_code == 413
    long = iter([b'{"text": "', *[b"x" * 100_000] * 15, b'"}'])
    assert c.put("api/guidelines", content=long, headers=own).status_code >= 400
    for path in ("../pyproject.toml", "%2e%2e/app.py", "..%2f..%2fapp.py", "js/../../app.py", ".hidden"):
        assert c.get(path).status_code == 404
    page = c.get("")
    assert "script-src 'self'" in page.headers["content-security-policy"]
    assert "unsafe" not in page.headers["content-security-policy"]
    assert page.headers["x-content-type-options"] == "nosniff"


def test_for_machines(served):
    c = served.client()
    assert c.get("healthz").json() == {"status": "ok"}
    assert c.get("readyz").status_code == 200
    page = served.page()
    page.do("new", text="Hi")
    assert "midcourse_studio_tabs 1" in c.get("metrics").text
    assert c.get("api/schema").json()["protocol"] == 1


def test_a_stream_nobody_looks_at_is_stopped_and_later_let_go(tmp_path, monkeypatch):
    with serve(tmp_path, Babbler(pause=0.01), max_new_tokens=10_000) as served:
        page = served.page()
        page.do("new", text="Hi")
        rooms = served.studio.rooms
        room = rooms.open_now[page.draft["id"]]
        loop = room.pump._loop
        sweep = lambda: asyncio.run_coroutine_threadsafe(rooms.sweep(), loop).result(20)  # noqa: E731
        sweep()
        assert room.pump is not None
        page.close()
        monkeypatch.setattr("midcourse.capture.studio.rooms._STOP_AFTER", 0.0)
        until = time.monotonic() + 10
        while room.audience.tabs and time.monotonic() < until:
            time.sleep(0.02)
        sweep()
        assert room.pump is None
        assert room.id in rooms.open_now
        monkeypatch.setattr("midcourse.capture.studio.rooms._KEPT", 0.0)
        sweep()
        assert rooms.open_now == {}


def test_behind_a_proxy_with_a_prefix(tmp_path):
    with serve(tmp_path, root_path="/studio") as served:  # the proxy has stripped the prefix
        ada, cookie, _ = person(served, "ada", "admin")
        assert ada.get("api/me").json()["name"] == "ada"
        assert ada.get("").status_code == 200
        token, link = new_link("ada")
        served.studio.office.journal.add("link", link)
        entered = served.client().post("enter", data={"token": token}, headers={"X-Forwarded-Proto": "https"})
        assert entered.headers["location"] == "/studio/"
        assert "path=/studio/" in entered.headers["set-cookie"].lower()
        assert "; secure" in entered.headers["set-cookie"].lower()
        page = served.page(cookie)
        assert page.do("new", text="Hi")["event"] == "ok"


def test_too_many_requests_are_slowed_down(served):
    c = served.client()

    def ask(_: int) -> int:
        return c.get("healthz").status_code

    codes: set[int] = set()
    with ThreadPoolExecutor(8) as at_once:  # one after another, a slow machine would never meet the limit
        for _ in range(20):
            codes |= set(at_once.map(ask, range(100)))
            if 429 in codes:
                break
    assert codes == {200, 429}


FAKE = """
import json, pathlib, sys, time
args = sys.argv[1:]
out = pathlib.Path(args[args.index("--output_dir") + 1])
out.mkdir(parents=True, exist_ok=True)
if args[0] == "eval":
    (out / "report.html").write_text("<p>report</p>")
    sys.exit(0)
if "9.0" in args:
    print("the store holds no steers", file=sys.stderr)
    sys.exit(2)
with open(args[args.index("--progress") + 1], "a") as f:
    for step in range(1, 4):
        f.write(json.dumps({"step": step, "steps": 3, "loss": 1 / step}) + "\\n")
        f.flush()
        time.sleep(0.3)
(out / "adapter_config.json").write_text("{}")
"""


@pytest.mark.long
def test_train_from_the_page_and_switch(tmp_path):
    script = tmp_path / "fake.py"
    script.write_text(FAKE)
    with serve(tmp_path, command=(sys.executable, str(script))) as served:
        c = served.client()
        page = served.page()
        assert c.get("api/train").json() is None
        assert c.post("api/train", json={"name": "../x"}).status_code == 422
        assert c.post("api/train", json={}).json()["name"] == "round-1"
        assert c.post("api/train", json={}).status_code == 409
        seen = []
        while not seen or seen[-1]["state"] != "done":
            seen.append(page.wait("training")["run"])
        assert {r["state"] for r in seen} >= {"training", "evaluating", "done"}
        assert [p["step"] for p in seen[-1]["curve"]] == [1, 2, 3]
        assert seen[-1]["report"]
        report = c.get("api/train/report/round-1")
        assert (report.text, "sandbox" in report.headers["content-security-policy"]) == ("<p>report</p>", True)
        assert c.get("api/train/report/nope").status_code == 404
        assert c.get("api/adapters").json()["names"] == ["round-1"]
        assert c.post("api/adapters", json={"name": "round-1"}).json()["active"] == "round-1"
        assert c.post("api/adapters", json={"name": "nope"}).status_code == 400
        page.do("new", text="Hi")
        assert page.draft["model"]["adapter"] == "round-1"
        assert c.post("api/adapters", json={"name": None}).json()["active"] is None
        assert [r["adapter"] for r in c.get("api/stats").json()["rounds"]][-1] is None
        c.post("api/train", json={"epochs": 9.0})
        until = time.monotonic() + 20
        while c.get("api/train").json()["state"] not in ("failed", "done") and time.monotonic() < until:
            time.sleep(0.1)
        failed = c.get("api/train").json()
        assert (failed["state"], failed["message"]) == ("failed", "the store holds no steers")


def test_prompts_are_named_by_line():
    from midcourse.capture.studio.prompts import read_prompts

    with pytest.raises(InputError, match="line 1"):
        read_prompts('{"messages": [{"role": "assistant", "content": "x"}]}')
    with pytest.raises(InputError, match="no prompt"):
        read_prompts("  \n\n")
    assert read_prompts('"plain"\n{"prompt": [{"role": "user", "content": "a"}]}') == [
        "plain",
        ({"role": "user", "content": "a"},),
    ]
    assert tokenizer() is not None
