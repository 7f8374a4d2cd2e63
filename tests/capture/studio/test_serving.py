"""Who is let in from elsewhere, and what the log says: never a word that somebody typed."""

import io
import json
import logging

import pytest
from served import Babbler, serve

from midcourse.capture.studio.guard import JsonLines
from midcourse.capture.studio.serving import check_host
from midcourse.errors import InputError


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::", "studio.example.org"])
def test_the_network_is_let_in_with_people_only(host):
    with pytest.raises(InputError, match="users add NAME"):
        check_host(host, people=False)
    check_host(host, people=True)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_ones_own_machine_needs_nobody(host):
    check_host(host, people=False)


def test_the_log_is_json_without_a_word_of_any_text(tmp_path, monkeypatch):
    said = io.StringIO()
    handler = logging.StreamHandler(said)
    handler.setFormatter(JsonLines())
    log = logging.getLogger("midcourse.studio")
    monkeypatch.setattr(log, "handlers", [handler])
    monkeypatch.setattr(log, "propagate", False)
    monkeypatch.setattr(log, "level", logging.INFO)
    with serve(tmp_path, Babbler(), max_new_tokens=20) as served:
        c, page = served.client(), served.page()
        c.post("api/queue", json={"prompts": ["sesame prompt"]})
        c.post("api/queue", json={"text": '{"sesame": 1}'})  # refused
        page.do("next")
        page.rest()
        page.do("typing", cut=4, text=" sesame typing")
        steer = page.do("replace", cut=page.draft["tokens"][2]["end"], text=" sesame", reason="sesame")["steer"]
        page.rest()
        page.do("reason", steer=steer, tags=[], note="sesame")

        def breaks(*_: object, **__: object) -> None:
            raise RuntimeError("sesame in an error")

        monkeypatch.setattr(served.studio.rooms.open_now[page.draft["id"]].draft, "replace", breaks)
        assert page.do("replace", cut=4, text=" sesame")["code"] == "bug"
        assert "sesame" in page.text
    lines = [json.loads(line) for line in said.getvalue().splitlines()]
    assert len(lines) > 3
    assert any("RuntimeError" in json.dumps(line) for line in lines)
    assert "sesame" not in said.getvalue()
