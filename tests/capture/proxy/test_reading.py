"""What is read of requests and answers, and what is told of who sent them."""

import gzip
import json
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midcourse.capture.proxy.answer import Reader
from midcourse.capture.proxy.asking import read_request, route_of
from midcourse.capture.proxy.client import asker, client_of_key
from midcourse.capture.proxy.exchange import Turn
from midcourse.capture.proxy.redact import marked, redact

SECRET = b"s" * 32


def event(**choice) -> bytes:
    return b"data: " + json.dumps({"choices": [{"index": 0, **choice}]}).encode() + b"\r\n\r\n"


STREAM = (
    b": ping\n\n"
    + event(delta={"role": "assistant", "content": ""})
    + event(delta={"content": "Grüß"})
    + b"event: message\n"
    + event(delta={"content": " 東京 🙂"})
    + event(delta={}, finish_reason="length")
    + b"data: [DONE]\n\n"
)


@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_a_stream_reads_the_same_however_it_is_torn(cuts):
    reader, at = Reader("text/event-stream; charset=utf-8"), 0
    for cut in [*sorted(cuts), len(STREAM)]:
        reader.feed(STREAM[at:cut])
        at = cut
    [choice] = reader.done().values()
    assert (choice.text, choice.end) == ("Grüß 東京 🙂", "length")
    assert reader.size < 200


def test_a_stream_that_was_cut_off_keeps_what_came():
    reader = Reader("text/event-stream")
    reader.feed(STREAM[: STREAM.index(b"length") - 2])
    [choice] = reader.done().values()
    assert (choice.text, choice.end) == ("Grüß 東京 🙂", None)


def test_one_piece_packed_and_several_choices():
    said = {"choices": [{"index": n, "message": {"content": f"text {n}"}, "finish_reason": "stop"} for n in (0, 1)]}
    raw = gzip.compress(json.dumps(said).encode())
    reader = Reader("application/json", "gzip")
    for n in range(0, len(raw), 7):
        reader.feed(raw[n : n + 7])
    assert {n: c.text for n, c in reader.done().items()} == {0: "text 0", 1: "text 1"}


def test_llama_cpps_own_route_and_ids():
    reader = Reader("text/event-stream")
    reader.feed(b'data: {"content": "a b", "tokens": [7], "stop": false}\n\n')
    reader.feed(b'data: {"content": "", "tokens": [], "stop": true, "stop_type": "limit"}\n\n')
    [choice] = reader.done().values()
    assert (choice.text, choice.end, choice.ids, choice.whole) == ("a b", "length", [7], True)


def test_ids_of_vllm_and_what_is_hidden():
    reader = Reader("text/event-stream")
    reader.feed(b'data: {"prompt_token_ids": [1, 2], "choices": [{"index": 0, "delta": {"content": ""}}]}\n\n')
    reader.feed(event(delta={"content": "a"}, token_ids=[5]))
    reader.feed(event(delta={"reasoning_content": "hm"}, token_ids=[6]))
    [choice] = reader.done().values()
    assert (reader.prompt_ids, choice.ids, choice.hidden) == ([1, 2], [5, 6], "thinking")


def test_a_prefill_that_is_said_again_has_no_ids_and_what_follows_has():
    reader = Reader("text/event-stream")
    for piece, ids in (("The cat", None), (" sat", [4, 5]), (" on", [6])):
        reader.feed(event(delta={"content": piece}, **({} if ids is None else {"token_ids": ids})))
    [choice] = reader.done().values()
    assert (choice.text, choice.bare, choice.ids, choice.whole) == ("The cat sat on", "The cat", [4, 5, 6], True)
    reader.feed(event(delta={"content": " it"}))
    [choice] = reader.done().values()
    assert (choice.text, choice.bare, choice.whole) == ("The cat sat on it", "The cat", False)


@pytest.mark.parametrize("raw", [b"data: {]\n\n", b"data: 3\n\ndata: [1]\n\n", b'data: {"choices": 3}\n\n', b"\xff\n"])
def test_garbage_is_given_up_without_a_word(raw):
    reader = Reader("text/event-stream")
    reader.feed(raw)
    reader.feed(STREAM)
    assert all(c.text == "Grüß 東京 🙂" for c in reader.done().values())


def test_what_cannot_be_read_is_named_and_takes_no_room():
    reader = Reader("text/event-stream", "br")
    reader.feed(b"x" * 1000)
    assert reader.unread == "an answer packed with br"
    assert reader.size == 0
    huge = Reader("application/json")
    for _ in range(50):
        huge.feed(b"x" * 100_000)
    assert huge.unread
    assert huge.size == 0
    assert Reader("text/html").unread


@given(st.binary(max_size=200))
def test_any_bytes_are_some_answer_or_none(raw):
    for kind in ("text/event-stream", "application/json"):
        reader = Reader(kind)
        reader.feed(raw)
        reader.done()


def test_routes():
    assert route_of("POST", "/v1/chat/completions") == "chat"
    assert route_of("POST", "/openai/v1/completions") == "completions"
    assert route_of("POST", "/completion") == "completions"
    assert route_of("GET", "/v1/chat/completions") is None
    assert route_of("POST", "/v1/embeddings") is None


def test_a_request_with_a_prefill_and_an_image():
    parts = [{"type": "text", "text": "Look: "}, {"type": "image_url", "image_url": {"url": "data:x"}}]
    body = {
        "model": "m",
        "user": "u",
        "temperature": 0.5,
        "messages": [{"role": "user", "content": parts}, {"role": "assistant", "content": "I see"}],
    }
    request = read_request("chat", json.dumps(body).encode())
    assert request.asked.prefill == "I see"
    [turn] = request.asked.turns
    assert turn.content.startswith("Look: [image_url ")
    assert (request.model, request.user, request.opaque, request.sampler) == (
        "m",
        "u",
        "image_url",
        {"temperature": 0.5},
    )
    text = read_request("completions", b'{"prompt": ["A"]}')
    assert text.asked.turns == (Turn("prompt", "A"),)


@pytest.mark.parametrize("body", [b"", b"[]", b"3", b'{"messages": 3}', b'{"messages": [3]}', b'{"messages": []}'])
def test_no_request_is_none(body):
    assert read_request("chat", body) is None
    assert read_request("completions", body) is None


def test_keys_people_and_chats_are_told_apart_and_cannot_be_read_back():
    def of(*headers, peer="1.2.3.4", secret=SECRET):
        return asker([(k, v) for k, v in headers], peer, secret)

    key = (b"authorization", b"Bearer sk-very-secret")
    one = of(key, (b"x-openwebui-user-id", b"ada"), (b"X-OpenWebUI-Chat-Id", b"c1"))
    assert one.client == client_of_key("sk-very-secret", SECRET) == client_of_key("Bearer sk-very-secret\n", SECRET)
    assert one.client != of(key, secret=b"t" * 32).client
    assert one.name.startswith(f"{one.client}/")
    assert one.same_person
    assert not of(key).same_person
    assert of().client != of(peer="1.2.3.5").client
    assert of((b"X-Steer-Capture", b" OFF ")).off
    assert of(key).with_user("bob", SECRET).name != one.name == one.with_user("bob", SECRET).name
    for word in ("secret", "ada", "c1", "1.2.3"):
        assert word not in repr((one, of()))


SECRETS = [
    "sk-proj-abcdefghijklmnopqrstuvwx",
    "ghp_" + "a1B2" * 9,
    "AKIAIOSFODNN7EXAMPLE",
    "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----",
    "postgres://me:hunter2pass@host/db",
    'password = "correct-horse-7"',
    "Authorization: Bearer abcdefghijklmnopqrstuvwxyz012345",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abcdefghijkl",
]


@pytest.mark.parametrize("words", SECRETS)
def test_secrets_are_taken_out_once_and_for_all(words):
    text = f"Use {words} for it."
    clean = redact(text)
    hidden = words.split("//")[-1].split(":")[-1].split("@")[0].split()[-1].strip('"')
    assert hidden not in clean
    assert marked(clean)
    assert redact(clean) == clean
    assert not marked(text)


@pytest.mark.parametrize("text", ["The password: please choose.", "My secret: patience and rest.", "task-force", ""])
def test_plain_words_stay(text):
    assert redact(text) == text


@pytest.mark.long
@pytest.mark.parametrize("kind", ["application/json", "text/event-stream"])
def test_a_bomb_is_given_up_before_it_is_unpacked(kind):
    packer = zlib.compressobj(9, wbits=31)
    bomb = packer.compress(b'{"a": "' + b"x" * 200_000_000) + packer.flush()
    assert len(bomb) < 250_000
    reader = Reader(kind, "gzip")
    tracemalloc.start()
    reader.feed(bomb)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert reader.unread
    assert peak < 30_000_000
