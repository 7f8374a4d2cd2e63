"""Ids are asked for and taken out again: a client that did not ask sees the events it would have seen."""

import json

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from proxied import assistant, chat, recording, user
from upstreams import pieces, scripted

from midcourse.capture.proxy.fields import FIELDS, Stripper, find_fields

ASK = {"model": "tiny", "messages": [user("Hi")], "temperature": 0}
REPLY = "The cat sat on the hat and slept."


def events(raw: bytes) -> list:
    lines = [line[5:].strip() for line in raw.split(b"\n") if line.startswith(b"data:")]
    return [said if said == b"[DONE]" else json.loads(said) for said in lines]


@pytest.mark.parametrize("dialect", ["vllm", "llama.cpp"])
def test_same_events_in_the_same_order_and_none_before_its_time(dialect, tiny_tokenizer, tmp_path):
    with scripted(dialect, [REPLY], tokenizer=tiny_tokenizer) as script:
        told, fields = find_fields(script.url)
        assert (told, set(fields)) == (dialect, set(FIELDS[dialect]) - {"native"})
        with recording(script.url, tmp_path / "a.db", fields=fields) as (proxy, _):
            for path, body in (("/v1/chat/completions", ASK), ("/v1/completions", {"model": "tiny", "prompt": "A"})):
                for stream in (True, False):
                    said = {**body, "stream": stream}
                    direct, through = (httpx.post(url + path, json=said) for url in (script.url, proxy.url))
                    framing = {"date", "server", "content-length", "transfer-encoding"}
                    assert set(through.headers) - framing == set(direct.headers) - framing
                    if stream:
                        assert events(through.content) == events(direct.content)
                        assert through.content.count(b"\n") == direct.content.count(b"\n")
                    else:
                        assert through.json() == direct.json()
                    added = set(script.asked[-1]) - set(script.asked[-2])
                    assert added == set(fields["chat" if "chat" in path else "completions"].add)


@pytest.mark.parametrize("dialect", ["vllm", "llama.cpp"])
def test_tokens_come_one_by_one_also_when_stripped(dialect, tiny_tokenizer, tmp_path):
    with scripted(dialect, ["one two three four"], fault="stalls", tokenizer=tiny_tokenizer) as script:
        _, fields = find_fields(script.url)
        script.go.clear()
        with recording(script.url, tmp_path / "a.db", fields=fields) as (proxy, _):
            before = script.written
            assert chat(proxy.url, [user("Hi")], stop_after=2) == "one two"
            assert script.written == before + 2


def test_who_asks_for_ids_gets_them(tiny_tokenizer, tmp_path):
    with scripted("vllm", [REPLY], tokenizer=tiny_tokenizer) as script:
        _, fields = find_fields(script.url)
        with recording(script.url, tmp_path / "a.db", fields=fields) as (proxy, _):
            said = httpx.post(f"{proxy.url}/v1/chat/completions", json={**ASK, "return_token_ids": True}).json()
    assert said["choices"][0]["token_ids"] == tiny_tokenizer.encode(REPLY)
    assert said["prompt_token_ids"] == [1, 2, 3]


def test_a_refusal_passes_as_it_is(tiny_tokenizer, tmp_path):
    with scripted("vllm", [REPLY], tokenizer=tiny_tokenizer) as script:
        _, fields = find_fields(script.url)
        with recording(script.url, tmp_path / "a.db", fields=fields) as (proxy, _):
            for body in ({**ASK, "odd": 1}, ASK):
                script.fault = "" if "odd" in body else "500"
                direct, through = (
                    httpx.post(f"{url}/v1/chat/completions", json=body) for url in (script.url, proxy.url)
                )
                assert (through.status_code, through.json()) == (direct.status_code, direct.json())


def test_a_server_that_tells_no_ids_is_left_alone():
    with scripted("openai", [REPLY]) as script:
        assert find_fields(script.url) == ("openai", {})
        assert script.asked == []
    with scripted("vllm", [REPLY], fault="500") as script:
        assert find_fields(script.url) == ("vllm", {})


@given(st.lists(st.integers(0, 400), max_size=8))
def test_stripping_does_not_care_how_bytes_are_torn(cuts):
    event = {"choices": [{"delta": {"content": "ü"}, "token_ids": [1], "index": 0}], "prompt_token_ids": [2]}
    raw = (f": ping\r\n\r\ndata: {json.dumps(event)}\r\n\r\n" * 2 + "data: [DONE]\n\n").encode()
    stripper, out, at = Stripper(FIELDS["vllm"]["chat"]), b"", 0
    stripper.began("text/event-stream")
    for cut in [*sorted(min(c, len(raw)) for c in cuts), len(raw)]:
        out += stripper.shown(raw[at:cut])
        at = cut
    out += stripper.rest()
    plain = {"choices": [{"delta": {"content": "ü"}, "index": 0}]}
    assert events(out) == [plain, plain, b"[DONE]"]
    assert out.count(b": ping\r\n\r\n") == 2


@given(st.binary(max_size=80))
def test_garbage_passes_the_stripper(raw):
    assert FIELDS["llama.cpp"]["native"].added(b'{"stream": true}') == (b'{"stream": true}', None)
    assert FIELDS["vllm"]["chat"].added(b"\xff" + raw) == (b"\xff" + raw, None)
    stripper = Stripper(FIELDS["llama.cpp"]["chat"])
    stripper.began("text/event-stream")
    assert stripper.shown(raw) + stripper.rest() == raw


@pytest.mark.parametrize("dialect", ["vllm", "llama.cpp"])
def test_a_steer_has_the_servers_ids(dialect, tiny_tokenizer, tmp_path):
    with scripted(dialect, [REPLY, " and purred."], tokenizer=tiny_tokenizer) as script:
        fields = FIELDS[dialect]
        keep = {"tokenizer": tiny_tokenizer, "accept_certain": True}
        with recording(script.url, tmp_path / "a.db", fields=fields, **keep) as (proxy, store):
            who = {"X-Steer-User": "ada", "X-Steer-Chat": "1"}
            chat(proxy.url, [user("Hi")], stop_after=6, headers=who)
            proxy.settle(1)
            given = "The cat sat on the mat"
            chat(proxy.url, [user("Hi"), assistant(given)], headers=who)
            proxy.settle(2)
            [review] = _reviews(store)
            steps = review.proposal["steps"]
            for step in steps:
                assert step["ids"] == [i for p in pieces(step["text"]) for i in script.tokens(p)]
            assert steps[0]["text"].startswith("The cat sat on the hat")
            assert steps[1]["given"] + steps[1]["text"] == "The cat sat on the mat and purred."


def _reviews(store):
    from midcourse.store.reviews import Inbox

    return Inbox(store).list(None)
