"""What somebody wrote alone is theirs when they sign in: their texts, prompts, time, export, deletion and purge."""

import json

import pytest
from served import Babbler, serve
from typer.testing import CliRunner
from websockets.exceptions import ConnectionClosed

from midcourse.capture.studio.deeds import deeds
from midcourse.cli import app
from midcourse.store import Store


@pytest.fixture
def users(tmp_path):
    def call(*words: str):
        return CliRunner().invoke(app, ["studio", "users", *words, "--store", str(tmp_path / "store.db")])

    return call


def write_alone(folder, **settings) -> str:
    """One prompt of the queue, with a steer, accepted; the draft's id."""
    queue = folder / "queue.txt"
    queue.write_text("Say something.\n")
    with serve(folder, Babbler(), max_new_tokens=20, prompts=queue, **settings) as served:
        page = served.page()
        page.do("next")
        page.rest()
        page.do("replace", cut=4, text=" never")
        page.rest()
        page.do("accept")
        return page.draft["id"]


def enter(served, done):
    """Signed in with the link that the command printed; the client and its cookie."""
    client = served.client()
    token = done.stdout.strip().rpartition("/")[2]
    cookie = client.post("enter", data={"token": token}).cookies["midcourse_session"]
    client.headers["Cookie"] = f"midcourse_session={cookie}"
    return client, cookie


def test_whoever_is_added_is_told_of_what_was_written_alone(tmp_path, users):
    write_alone(tmp_path)
    done = users("add", "ada", "--role", "admin")
    assert done.exit_code == 0
    assert "users add ada --adopt me --store" in done.stderr
    assert "1 text written here alone, as me, is nobody's yet" in done.stderr


def test_it_is_theirs_in_every_way(tmp_path, users):
    draft = write_alone(tmp_path)
    done = users("add", "ada", "--role", "admin", "--adopt", "me")
    assert done.exit_code == 0, done.output
    assert "nobody" not in done.stderr
    users("add", "eve", "--role", "admin")
    with serve(tmp_path, Babbler(), max_new_tokens=20, people=2) as served:
        ada, cookie = enter(served, users("add", "ada"))
        assert served.studio.office.desk.members["ada"].role == "admin"  # another link does not change what she is
        assert [d["id"] for d in ada.get("api/drafts").json()] == [draft]
        mine = ada.get("api/stats?mine=true").json()
        assert (mine["steers"], mine["drafts"], [p["name"] for p in mine["people"]]) == (1, 1, ["ada"])
        page = served.page(cookie)
        assert page.do("next")["code"] == "empty"  # she has written for this prompt already
        page.do("open", draft=draft)
        page.do("reopen")
        assert page.do("replace", cut=4, text=" again")["event"] == "ok"
        page.rest()
        page.do("accept")
        eve, other = enter(served, users("add", "eve"))
        foreign = served.page(other)
        foreign.do("open", draft=draft)
        assert foreign.do("replace", cut=4, text=" mine")["code"] == "not_allowed"
        assert len(eve.get("api/review?state=active").json()) == 2
        assert {line["annotator"] for line in eve.get("api/review?state=active").json()} == {"ada"}
        rows = [json.loads(line) for line in ada.get("api/export").text.splitlines()]
        assert len(rows) == 2
        foreign.close()
        assert ada.post("api/forget", json={"confirm": "ada", "erase": True}).json()["erased"] == 1
    with Store(tmp_path / "store.db") as store:
        assert list(store.trajectories()) == []
        assert "texts written alone given to" in {d.what for d in deeds(store)}


def test_steers_made_alone_can_be_withdrawn_by_whom_they_are(tmp_path, users):
    write_alone(tmp_path, name="Ada L.")
    done = users("add", "ada", "--adopt", "Ada L.")
    with serve(tmp_path, Babbler()) as served:
        ada, _ = enter(served, done)
        assert ada.post("api/forget", json={"confirm": "ada"}).json() == {"withdrawn": 1}


def test_a_purge_finds_them_under_the_new_name(tmp_path, users):
    write_alone(tmp_path)
    users("add", "ada", "--adopt", "me")
    done = CliRunner().invoke(
        app, ["store", "purge", "--author", "ada", "--yes", "--json", "--store", str(tmp_path / "store.db")]
    )
    assert json.loads(done.stdout)["trajectories"] == 1, done.output


def test_only_what_was_written_alone_and_is_nobodys(tmp_path, users):
    write_alone(tmp_path)
    no = users("add", "ada", "--adopt", "myself")
    assert no.exit_code == 2
    assert "there is: me (1)" in " ".join(no.stderr.split())
    assert users("add", "ada", "--adopt", "me").exit_code == 0
    for words, said in (
        (("add", "eve", "--adopt", "me"), "is ada's already"),
        (("add", "eve", "--adopt", "ada"), "ada signs in here"),
    ):
        no = users(*words)
        assert no.exit_code == 2
        assert said in " ".join(no.stderr.split())
    assert users("add", "ada", "--adopt", "me").exit_code == 0  # said twice, it is so
    assert "eve" not in users("list").stdout


@pytest.mark.long
def test_a_tab_that_was_open_alone_is_asked_for_a_link(tmp_path, users, monkeypatch):
    monkeypatch.setattr("midcourse.capture.studio.app._LOOK_EVERY", 0.1)
    with serve(tmp_path, Babbler(pause=0.01), max_new_tokens=500) as served:
        page = served.page()
        page.do("new", text="Hi")
        users("add", "ada", "--adopt", "me")
        with pytest.raises(ConnectionClosed):
            page.wait("never")
