"""The studio on each database: what one server wrote, another reads, and a kill in between loses nothing."""

from served import Babbler, serve

from midcourse.store.db import Store
from store.conftest import place, postgres, server

__all__ = ["place", "postgres", "server"]  # fixtures


def test_write_steer_restart_and_go_on(place, tmp_path):
    url = place()
    with serve(tmp_path, Babbler(pause=0.002), place=url, max_new_tokens=40) as served:
        c, page = served.client(), served.page()
        c.post("api/queue", json={"prompts": ["one", "two"]})
        assert page.do("next")["event"] == "ok"
        page.rest()
        made = page.do("replace", cut=page.draft["tokens"][2]["end"], text=" nie wieder – 日本")["steer"]
        page.rest()
        page.do("reason", steer=made, tags=["tone"], note="why")
        undone = page.do("pick", token=1, pick=page.draft["tokens"][4]["id"])["steer"]
        page.rest()
        page.do("undo")
        page.rest()
        page.do("typing", cut=3, text="unfin")
        page.do("stop", shown=len(page.draft["tokens"]))
        draft, text = page.draft["id"], page.text
        assert c.get("readyz").status_code == 200
    with serve(tmp_path, Babbler(), place=url, max_new_tokens=40) as again:
        c, back = again.client(), again.page(draft=draft)
        assert (back.text, back.draft["typing"]["text"]) == (text, "unfin")
        assert back.draft["steers"][made]["tags"] == ["tone"]
        assert back.draft["steers"][undone]["state"] == "withdrawn"
        back.do("continue")
        back.rest()
        assert back.do("accept", shown=len(back.draft["tokens"]))["event"] == "ok"
        queue = c.get("api/queue").json()
        assert (queue["done"], queue["waiting"]) == (1, 1)
        assert "日本" in c.get("api/export").text
        assert c.get("api/stats").json()["steers"] == 1
    with Store(url) as store:
        assert store.verify() == []
        [t] = store.trajectories()
        assert (t.status, [s.state for s in t.steers]) == ("accepted", ["active", "withdrawn"])
