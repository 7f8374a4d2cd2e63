"""What passes the proxy is what would have passed without it, and nobody waits for anybody else."""

import contextlib
import gzip
import http.client
import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from proxied import chat, recording, serving, user
from upstreams import scripted

ASK = {"model": "tiny", "messages": [{"role": "user", "content": "Hi"}]}
_OWN = {"date", "server"}


def asked(url: str, method: str, path: str, body: bytes | None = None, headers=None):
    host = url.removeprefix("http://")
    connection = http.client.HTTPConnection(host, timeout=10)
    connection.request(method, path, body, {"Accept-Encoding": "gzip", **(headers or {})})
    answer = connection.getresponse()
    raw = answer.read()
    connection.close()
    given = sorted((k.lower(), v) for k, v in answer.getheaders() if k.lower() not in _OWN)
    return answer.status, given, raw


REQUESTS = [
    ("GET", "/v1/models", None),
    ("GET", "/v1/nothing?a=b%20c&d=", None),
    ("HEAD", "/v1/models", None),
    ("GET", "/empty", None),
    ("DELETE", "/v1/stream/abc", None),
    ("OPTIONS", "/v1/models", None),
    ("PUT", "/echo", b"\x00\xff" * 1000),
    ("POST", "/echo", b"x" * 3_000_000),
    ("POST", "/v1/chat/completions", json.dumps(ASK).encode()),
    ("POST", "/v1/chat/completions", json.dumps({**ASK, "stream": True}).encode()),
    ("POST", "/v1/completions", json.dumps({"model": "tiny", "prompt": "A", "stream": True}).encode()),
    ("POST", "/v1/embeddings", b"{not json"),
    ("POST", "/v1/chat/completions", json.dumps({**ASK, "tools": [{"type": "function"}], "odd": 1}).encode()),
]


@pytest.mark.parametrize("packed", [False, True])
def test_no_byte_is_changed_either_way(tmp_path, packed):
    with scripted(replies=["One two three."], packed=packed) as script, recording(script.url, tmp_path / "a.db") as at:
        proxy, _ = at
        for method, path, body in REQUESTS:
            direct = asked(script.url, method, path, body)
            through = asked(proxy.url, method, path, body)
            assert through == direct, (method, path)
            (m1, p1, h1, b1), (m2, p2, h2, b2) = script.seen[-2:]
            assert (m1, p1, b1) == (m2, p2, b2)
            assert {k.lower(): v for k, v in h1.items()} == {k.lower(): v for k, v in h2.items()}, (method, path)


def test_a_body_without_a_length_goes_on_as_it_comes():
    def parts():
        for n in range(5):
            yield f"part {n} ".encode()

    with scripted() as script, serving(script.url) as proxy:
        answer = httpx.post(f"{proxy.url}/echo", content=parts())
        assert answer.content == b"part 0 part 1 part 2 part 3 part 4 "


def test_a_packed_answer_stays_packed():
    with scripted(packed=True) as script, serving(script.url) as proxy:
        status, given, raw = asked(proxy.url, "POST", "/v1/chat/completions", json.dumps(ASK).encode())
    assert status == 200
    assert ("content-encoding", "gzip") in given
    assert json.loads(gzip.decompress(raw))["choices"][0]["message"]["content"] == "Hello there."


def test_a_token_is_there_before_the_next_is_written(tmp_path):
    with scripted(replies=["one two three four"], fault="stalls") as script:
        script.go.clear()
        with recording(script.url, tmp_path / "a.db") as (proxy, _):
            with httpx.stream(
                "POST", f"{proxy.url}/v1/chat/completions", json={**ASK, "stream": True}, timeout=10
            ) as answer:
                got = ""
                for raw in answer.iter_raw():
                    got += raw.decode()
                    if '" two"' in got:
                        break
            assert "three" not in got
            assert script.written == 2


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_leaves_stops_the_server(tmp_path, stream):
    with scripted(replies=["one two three four"], fault="stalls") as script:
        script.go.clear()
        with recording(script.url, tmp_path / "a.db") as (proxy, _):
            host, port = proxy.url.removeprefix("http://").split(":")
            with socket.create_connection((host, int(port))) as line:
                body = json.dumps({**ASK, "stream": stream}).encode()
                line.sendall(
                    b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body
                )
                if stream:
                    while b"two" not in line.recv(65536):
                        pass
                else:
                    time.sleep(0.2)
            assert script.gone.wait(3)


def test_nobody_there_is_told_and_a_server_that_comes_back_is_used():
    with socket.create_server(("127.0.0.1", 0)) as port:
        url = f"http://127.0.0.1:{port.getsockname()[1]}"
    with serving(url) as proxy:
        answer = httpx.post(f"{proxy.url}/v1/chat/completions", json=ASK)
        assert answer.status_code == 502
        assert "cannot be reached; is it running?" in answer.json()["error"]["message"]
        assert httpx.get(f"{proxy.url}/v1/models").status_code == 502


def test_a_server_that_breaks_off_breaks_off_here_too():
    with scripted(replies=["one two three four"], fault="cut") as script, serving(script.url) as proxy:
        got = bytearray()
        with pytest.raises(httpx.RemoteProtocolError):
            _until_the_end(proxy.url, got)
        assert b"two" in got
        assert b"[DONE]" not in got
        script.fault = ""
        assert chat(proxy.url, [user("Again")]) == "one two three four"


def test_garbage_passes_as_garbage():
    with scripted(replies=["one two three four"], fault="garbage") as script, serving(script.url) as proxy:
        through = httpx.post(f"{proxy.url}/v1/chat/completions", json={**ASK, "stream": True}).content
        direct = httpx.post(f"{script.url}/v1/chat/completions", json={**ASK, "stream": True}).content
    assert through == direct
    assert b"data: {]" in through


@pytest.mark.long
def test_a_slow_client_holds_up_nobody(tmp_path):
    words = 60_000  # 120 MB: more than four sockets hold anywhere, a kernel may give each of them 32
    long = " ".join(["word" * 500] * words)
    with scripted(replies=[long]) as script, recording(script.url, tmp_path / "a.db") as (proxy, _):
        host, port = proxy.url.removeprefix("http://").split(":")
        with socket.socket() as slow:
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            slow.connect((host, int(port)))
            body = json.dumps({**ASK, "stream": True}).encode()
            head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body)
            slow.sendall(head + body)
            reached = 0
            while script.written != reached or not reached:  # until it stands still, having begun
                reached = script.written
                time.sleep(0.5)
            assert 0 < reached < words, "the server waits, nothing piles up here"
            script.replies = ["quick answer"]
            assert chat(proxy.url, [user("Quick")]) == "quick answer"


@pytest.mark.long
def test_many_streams_at_once(tmp_path):
    with scripted(replies=["a b c d e f g h"], delay=0.02) as script, recording(script.url, tmp_path / "a.db") as at:
        proxy, _ = at
        with ThreadPoolExecutor(60) as pool:
            got = list(pool.map(lambda n: chat(proxy.url, [user(f"{n}")]), range(60)))
        assert got == ["a b c d e f g h"] * 60
        proxy.settle(60)


@pytest.mark.long
def test_shutting_down_ends_what_runs(tmp_path):
    with scripted(replies=["one two three four"], fault="stalls") as script:
        script.go.clear()
        done = threading.Event()
        with serving(script.url) as proxy:
            threading.Thread(target=lambda: (_quietly(proxy.url), done.set()), daemon=True).start()
            time.sleep(0.3)
        assert done.wait(10)
        assert script.gone.wait(3)


def _until_the_end(url, got):
    with httpx.stream("POST", f"{url}/v1/chat/completions", json={**ASK, "stream": True}) as answer:
        for raw in answer.iter_raw():
            got += raw


def _quietly(url):
    with contextlib.suppress(httpx.HTTPError):
        chat(url, [user("Hi")])
