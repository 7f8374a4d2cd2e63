"""The real `openai` client, and Midcourse's own remote backend, against a server on a port."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time

import httpx
import pytest
from typer.testing import CliRunner

import model_served
from midcourse.backends.local import LocalBackend
from midcourse.backends.protocol import Sampling
from midcourse.backends.remote import RemoteBackend
from midcourse.cli import app
from midcourse.errors import ServerError
from midcourse.model import load_model

openai = pytest.importorskip("openai", reason="the openai client is not installed: scripts/setup")


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    with model_served.serve(tmp_path_factory.mktemp("served")) as made:
        yield made


@pytest.fixture(scope="module")
def client(served):
    with openai.OpenAI(base_url=f"{served.url}/v1", api_key="none", max_retries=0) as made:
        yield made


def test_chat_whole_and_streamed(client):
    asked = {"model": "steered", "messages": [{"role": "user", "content": "Hi"}], "temperature": 0, "max_tokens": 9}
    whole = client.chat.completions.create(**asked)
    pieces = client.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True})
    text, used = "", None
    for piece in pieces:
        text += "".join(c.delta.content or "" for c in piece.choices)
        used = piece.usage or used
    assert text == whole.choices[0].message.content
    assert used.completion_tokens == whole.usage.completion_tokens <= 9


def test_logprobs_stop_and_continuing(client):
    turns = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "It is"}]
    whole = client.chat.completions.create(
        model="tiny", messages=turns, temperature=0, max_tokens=9, logprobs=True, top_logprobs=2,
        extra_body={"continue_final_message": True, "add_generation_prompt": False, "stop_token_ids": []},
    )  # fmt: skip
    assert len(whole.choices[0].logprobs.content[0].top_logprobs) == 2
    done = client.completions.create(model="tiny", prompt="hel", max_tokens=5, logprobs=2, temperature=0)
    assert len(done.choices[0].logprobs.token_logprobs) <= 5


def test_errors_become_the_clients_own(client):
    with pytest.raises(openai.NotFoundError, match="there is no model"):
        client.chat.completions.create(model="gpt", messages=[{"role": "user", "content": "Hi"}])
    with pytest.raises(openai.BadRequestError, match="n cannot be done"):
        client.chat.completions.create(model="tiny", messages=[{"role": "user", "content": "Hi"}], n=3)
    assert {m.id for m in client.models.list()} == {"tiny", "steered"}
    assert client.models.retrieve("steered").id == "steered"


@pytest.mark.parametrize("dialect", ["midcourse", "vllm", "openai"])
def test_the_remote_backend_gets_what_the_local_one_gives(served, dialect):
    loaded = load_model(served.base, adapter=served.adapter)
    local = LocalBackend(loaded.model, loaded.tokenizer.eos)
    with contextlib.closing(RemoteBackend(served.url, loaded.tokenizer, dialect=dialect, model="steered")) as remote:
        same_as(local, remote, loaded.tokenizer, dialect)


def same_as(local, remote, tokenizer, dialect):
    ids = tokenizer.encode("Once upon")
    sampling = Sampling(max_new_tokens=10, alternatives=3)
    want, got = list(local.stream(ids, sampling)), list(remote.stream(ids, sampling))
    assert [t.id for t in got] == [t.id for t in want]
    told = [t for t in got if t.logprob == t.logprob]
    assert len(told) >= len(got) - 1
    for a, b in zip(want, got, strict=True):
        if b.logprob == b.logprob:
            assert b.logprob == pytest.approx(a.logprob, abs=1e-4)
            if dialect != "openai":
                assert [i for i, _ in b.alternatives] == [i for i, _ in a.alternatives]
    first = want[0].id
    banned = Sampling(max_new_tokens=4, banned_first=(first,))
    assert [t.id for t in remote.stream(ids, banned)] == [t.id for t in local.stream(ids, banned)]
    warm = Sampling(max_new_tokens=8, temperature=1.0, top_p=0.9, seed=11)
    assert [t.id for t in remote.stream(ids, warm)] == [t.id for t in local.stream(ids, warm)]


def test_the_remote_backend_knows_it_and_finds_nothing_missing(served):
    done = CliRunner().invoke(app, ["backends", "check", served.url, "--model", str(served.base)])
    assert done.exit_code == 0, done.output
    assert "speaks midcourse (verified" in done.output
    assert "cannot" not in done.output


def test_a_model_that_is_not_served_is_one_sentence(served):
    tokenizer = load_model(served.base).tokenizer
    remote = RemoteBackend(served.url, tokenizer, model="gpt")
    with contextlib.closing(remote), pytest.raises(ServerError, match="there is no model"):
        list(remote.stream([5, 6], Sampling()))


@pytest.mark.long
def test_the_command_serves_until_it_is_told_to_stop(tmp_path):
    base, adapter = model_served.folders(tmp_path)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "midcourse", "serve", str(base), "--adapter", f"a={adapter}", "--port", str(port)]
    environment = os.environ | {"COLUMNS": "200"}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        try:
            listed = waited_for(process, f"http://127.0.0.1:{port}/v1/models")
            assert [m["id"] for m in listed["data"]] == ["tiny", "a"]
            process.send_signal(signal.SIGINT)
            assert process.wait(20) in (0, 130, -2)
            assert "Traceback" not in process.stderr.read()
        finally:
            process.kill()


def waited_for(process, address):
    deadline = time.monotonic() + 90
    while True:
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(address).json()
        time.sleep(0.2)
