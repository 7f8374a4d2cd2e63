"""The proxy before a real llama-server: what passes is what it says, and a steer holds its own ids."""

import json

import httpx
import pytest
from proxied import assistant, chat, recording, user

import llama_server
from midcourse.builtin import GGUF, builtin_gguf, cache_folder
from midcourse.capture.proxy.fields import find_fields
from midcourse.capture.proxy.proposal import accept
from midcourse.model import builtin_path
from midcourse.store.reviews import Inbox
from midcourse.tokens import TextTokenizer

pytestmark = [pytest.mark.model, pytest.mark.llama_server]
ASK = [user("How do I sleep better?")]
WHO = {"X-Steer-User": "ada", "X-Steer-Chat": "1"}
_VARIES = ("id", "created", "timings")


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    server = llama_server.find()
    if server is None:
        pytest.skip(llama_server.WANTED)
    if not builtin_path().is_dir() or not (cache_folder() / "models" / GGUF).is_file():
        pytest.skip("the built-in model is not here: run `midcourse model pull` and `midcourse model path --gguf`")
    with llama_server.running(server, builtin_gguf(), log=tmp_path_factory.mktemp("log") / "log") as address:
        yield address


@pytest.fixture(scope="module")
def tokenizer():
    return TextTokenizer.load(builtin_path())


def events(url: str, path: str, body: dict) -> list:
    raw = httpx.post(url + path, json=body, timeout=60).text
    lines = [line[5:].strip() for line in raw.splitlines() if line.startswith("data:")] or [raw]
    said = [line if line == "[DONE]" else json.loads(line) for line in lines]
    return [s if isinstance(s, str) else {k: v for k, v in s.items() if k not in _VARIES} for s in said]


@pytest.mark.parametrize("capture", ["text", "ids"])
@pytest.mark.parametrize("stream", [True, False])
def test_the_same_events(url, tmp_path, capture, stream):
    dialect, known = find_fields(url)
    assert (dialect, set(known)) == ("llama.cpp", {"chat", "completions", "native"})
    asked = [
        ("/v1/chat/completions", {"messages": ASK, "max_tokens": 12}),
        ("/v1/completions", {"prompt": "The bridge was", "max_tokens": 12}),
        ("/completion", {"prompt": "The bridge was", "n_predict": 12}),
    ]
    with recording(url, tmp_path / "a.db", fields=known if capture == "ids" else None) as (proxy, _):
        for path, body in asked:
            said = {"model": "tiny", "stream": stream, "temperature": 0, "seed": 1, "cache_prompt": False, **body}
            direct = events(url, path, said)
            through = events(proxy.url, path, said)
            if path == "/completion" and not stream:  # it repeats the settings it was given
                for told in (*direct, *through):
                    told.pop("generation_settings", None)
            assert through == direct, path
        proxy.settle(3)


def test_stop_correct_and_go_on_with_its_own_ids(url, tmp_path, tokenizer):
    _, known = find_fields(url)
    with recording(url, tmp_path / "a.db", fields=known) as (proxy, store):
        said = {"temperature": 0, "max_tokens": 40}
        shown = chat(proxy.url, ASK, stop_after=12, headers=WHO, **said)
        proxy.settle(1)
        words = shown.split()
        kept = " ".join(words[:5]) + " quiet"
        answer = chat(proxy.url, [*ASK, assistant(kept)], headers=WHO, **said)
        assert answer.startswith(kept), "this server says a prefill again before it goes on"
        rest = answer.removeprefix(kept)
        proxy.settle(2)
        [review] = Inbox(store).list()
        steps = review.proposal["steps"]
        assert len(steps) == 2
        assert tokenizer.decode(steps[0]["ids"]).startswith(shown)
        assert steps[1]["text"] == rest
        accept(store, review, tokenizer)
        [trajectory] = store.trajectories()
        assert trajectory.source_text is None, "by the server's ids, not by its text"
        text = tokenizer.decode(trajectory.path(trajectory.head))
        assert f"{kept}{rest}" in text
        [steer] = trajectory.steers
        [rejected] = steer.rejected
        prompt = len(trajectory.nodes[0].token_ids)
        written = trajectory.path(rejected.end)[prompt:]
        assert written == steps[0]["ids"][: len(written)]
        assert store.verify() == []
