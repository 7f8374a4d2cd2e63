"""From a chat to a served model, nothing but real parts: clients, proxy, llama-server, inbox, training, GGUF.

The `openai` client and curl each stop an answer of the real llama-server in the middle, put a word right and go on.
Their corrections are accepted, trained on, and the adapter goes back into llama-server, which then says them.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

import llama_server
from midcourse.builtin import GGUF, builtin_gguf, cache_folder
from midcourse.model import builtin_path
from midcourse.publish.gguf import LORA
from midcourse.store import Store
from midcourse.tokens import TextTokenizer
from midcourse.types import Message

openai = pytest.importorskip("openai", reason="the openai client is not installed: pip install openai")
pytestmark = [pytest.mark.model, pytest.mark.llama_server, pytest.mark.slow]
MODEL = "smollm2"
ASKED = ("How do I sleep better?", "How can I learn a language?")
WORD = " patiently"
"""What both people put: no model says it there by itself."""
TRAINED = ("--max_steps", "12", "--learning_rate", "5e-4", "--save_strategy", "no", "--eval_strategy", "no")


@pytest.fixture(scope="module")
def server() -> Path:
    found = llama_server.find()
    if found is None:
        pytest.skip(llama_server.WANTED)
    if not builtin_path().is_dir() or not (cache_folder() / "models" / GGUF).is_file():
        pytest.skip("the built-in model is not here: run `midcourse model pull` and `midcourse model path --gguf`")
    if not (cache_folder() / "llama.cpp" / LORA).is_file():
        pytest.skip("llama.cpp's converters are not here: run scripts/llama_server")
    if shutil.which("curl") is None:
        pytest.skip("there is no curl")
    return found


def midcourse(folder: Path, *words: str) -> str:
    environment = os.environ | {
        "MIDCOURSE_STORE": str(folder / "steers.db"),
        "LLAMA_CPP_DIR": str(cache_folder() / "llama.cpp"),
    }
    done = subprocess.run(
        [sys.executable, "-m", "midcourse", *words], env=environment, cwd=folder, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{' '.join(words)}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return done.stdout


@contextmanager
def proxy(folder: Path, upstream: str):
    """`midcourse proxy` as its own process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "midcourse", "proxy", "--upstream", upstream, "--port", str(port)]
    command += ["--capture", "ids", "--model", "builtin", "--store", str(folder / "steers.db")]
    with (folder / "proxy.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline:
            try:
                httpx.get(f"{url}/v1/models", timeout=2)
                break
            except httpx.TransportError:
                time.sleep(0.1)
        yield url
        process.send_signal(signal.SIGTERM)  # what it heard is written before it goes
        assert process.wait(30) in (0, -signal.SIGTERM), (folder / "proxy.log").read_text()
    finally:
        process.kill()


def by_openai(url: str) -> str:
    """Stop after twelve pieces, put another word after the fifth, go on; what was kept."""
    client = openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0, timeout=60)
    ask = [{"role": "user", "content": ASKED[0]}]
    head = {"X-Steer-User": "one", "X-Steer-Chat": "1"}
    got, pieces = "", 0
    with client.chat.completions.create(
        model=MODEL, messages=ask, stream=True, temperature=0, max_tokens=40, extra_headers=head
    ) as stream:
        for chunk in stream:
            got += chunk.choices[0].delta.content or ""
            pieces += 1
            if pieces == 13:
                break
    kept = " ".join(got.split()[:5]) + WORD
    rest = client.chat.completions.create(
        model=MODEL, messages=[*ask, {"role": "assistant", "content": kept}], temperature=0, max_tokens=24,
        extra_headers=head,
    )  # fmt: skip
    client.close()
    assert rest.choices[0].message.content
    return kept


def by_curl(url: str) -> str:
    """The same from a shell: curl is killed in the middle of the answer."""
    ask = [{"role": "user", "content": ASKED[1]}]
    said = {"model": MODEL, "messages": ask, "stream": True, "temperature": 0, "max_tokens": 60}
    line = ["curl", "-sN", f"{url}/v1/chat/completions", "-H", "X-Steer-User: two", "-H", "X-Steer-Chat: 2"]
    line += ["-H", "Content-Type: application/json", "-d"]
    got = ""
    with subprocess.Popen([*line, json.dumps(said)], stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        for event in running.stdout:
            if event.startswith("data: {"):
                got += json.loads(event[6:])["choices"][0]["delta"].get("content") or ""
            if len(got.split()) > 8:
                break
        running.kill()
    kept = " ".join(got.split()[:5]) + WORD
    more = said | {"messages": [*ask, {"role": "assistant", "content": kept}], "stream": False, "max_tokens": 24}
    done = subprocess.run([*line, json.dumps(more)], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["choices"][0]["message"]["content"]
    return kept


def chance(url: str, ids: list[int], token: int) -> float:
    """log π of a token behind these ids, as llama-server tells it."""
    asked = {"prompt": ids, "n_predict": 1, "n_probs": 40000, "temperature": 0, "cache_prompt": False}
    told = httpx.post(f"{url}/completion", json=asked, timeout=120).json()
    return next(t["logprob"] for t in told["completion_probabilities"][0]["top_logprobs"] if t["id"] == token)


@pytest.mark.timeout(900)
def test_corrections_made_in_a_chat_are_said_by_the_server_afterwards(server: Path, tmp_path: Path) -> None:
    midcourse(tmp_path, "proxy", "allow", "--model", MODEL)
    with llama_server.running(server, builtin_gguf(), log=tmp_path / "log") as upstream:
        with proxy(tmp_path, upstream) as url:
            kept = [by_openai(url), by_curl(url)]
        waiting = json.loads(midcourse(tmp_path, "proxy", "inbox", "list", "--json"))
        assert sorted(r["proposal"]["rows"][0]["chosen"] for r in waiting) == [WORD, WORD]
        midcourse(tmp_path, "proxy", "inbox", "accept", *(r["id"] for r in waiting), "--model", "builtin")
        tokenizer = TextTokenizer.load(builtin_path())
        forks = []
        with Store(tmp_path / "steers.db") as store:
            assert store.verify() == []
            for trajectory in store.trajectories():
                assert trajectory.source_text is None, "by the server's ids, not by its text"
                [steer] = trajectory.steers
                path = trajectory.path(trajectory.head)
                whole = tokenizer.decode(path)
                words = next(k for k in kept if k in whole)
                fork = steer.fork.depth
                assert tokenizer.decode(path[fork:]).startswith(WORD)
                question = next(q for q in ASKED if q in whole)
                assert tuple(path[:fork]) == (*tokenizer.prompt_ids([Message("user", question)]), *tokenizer.encode(
                    words.removesuffix(WORD)))  # fmt: skip
                forks.append((list(path[:fork]), path[fork]))
        assert len(forks) == 2
        before = [chance(upstream, *fork) for fork in forks]
    midcourse(tmp_path, "train", "steers.db", "--model", "builtin", "--output_dir", "steered", *TRAINED)
    midcourse(tmp_path, "publish", "steered", "--output_dir", "out", "--as", "lora-gguf")
    [lora] = (tmp_path / "out").glob("*.gguf")
    with llama_server.running(server, builtin_gguf(), "--lora", str(lora), log=tmp_path / "steered.log") as upstream:
        after = [chance(upstream, *fork) for fork in forks]
    assert all(now > then + 1 for now, then in zip(after, before, strict=True)), (before, after)
