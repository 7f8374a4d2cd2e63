"""From a correction in a chat to a server that writes so: a server, the proxy, two clients, training, a server again.

    python recipes/chat_to_server.py --llama_server ~/.cache/midcourse/llama-server/llama-server --output_dir runs/chat

llama-server runs the built-in GGUF, and `midcourse proxy --capture ids` stands before it. curl and the `openai` client
each ask, stop the answer in the middle, put a few words right and go on. What the proxy recognised is accepted,
`midcourse train` learns from it, `midcourse publish` writes a GGUF of it, and llama-server runs that one. With
`--upstream URL` any server that runs already takes the first one's place; without llama-server it ends at the adapter.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

ASKED = {"curl": "How do I sleep better?", "openai": "Why is the sky blue?"}
STOP_AFTER, KEPT, PUT = 14, 6, " (in plain words)"
"""Pieces after which the person stops; words that stay; what is put behind them."""
NAME = "smollm2"
MIDCOURSE = [sys.executable, "-m", "midcourse"]


def run(*words: str, **more: str) -> str:
    """A command, shown before it runs; returns what it printed."""
    print("$ midcourse", *words, flush=True)
    done = subprocess.run([*MIDCOURSE, *words], env={**os.environ, **more}, stdout=subprocess.PIPE, text=True, check=True)
    print(done.stdout, end="", flush=True)
    return done.stdout


@contextmanager
def serving(command: list[str], port: int, path: str, log: Path) -> Iterator[str]:
    """A server in a process of its own, once `path` answers."""
    print("$", *(Path(word).name if n == 0 else word for n, word in enumerate(command)), flush=True)
    with log.open("w") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out)
    url, deadline = f"http://127.0.0.1:{port}", time.monotonic() + 300
    try:
        while True:
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"{command[0]} did not start:\n{log.read_text()[-2000:]}")
            try:
                urllib.request.urlopen(url + path, timeout=5).close()
                break
            except OSError:
                time.sleep(0.2)
        yield url
    finally:
        process.terminate()
        process.wait(30)


def free() -> int:
    """A port that nobody has."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def by_curl(url: str, messages: list[dict[str, str]], stop_after: int | None) -> str:
    """Ask with curl; stopping it is Ctrl-C."""
    said = {"model": NAME, "messages": messages, "stream": True, "temperature": 0, "max_tokens": 40}
    command = ["curl", "-sN", f"{url}/v1/chat/completions", "-H", "Content-Type: application/json"]
    command += ["-H", "X-Steer-Chat: curl", "-d", json.dumps(said)]
    text, pieces = "", 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if not line.startswith("data: {"):
                continue
            piece = json.loads(line[6:])["choices"][0]["delta"].get("content")
            text, pieces = text + (piece or ""), pieces + bool(piece)
            if pieces == stop_after:
                process.terminate()
                break
    return text


def by_openai(url: str, messages: list[dict[str, str]], stop_after: int | None) -> str:
    """Ask with the `openai` client; leaving its stream stops the answer."""
    import openai

    text, pieces = "", 0
    with openai.OpenAI(base_url=f"{url}/v1", api_key="sk-local", max_retries=0) as client:
        asked = client.chat.completions.create(  # type: ignore[call-overload]
            model=NAME, messages=messages, stream=True, temperature=0, max_tokens=40
        )
        with asked as stream:
            for chunk in stream:
                piece = chunk.choices[0].delta.content if chunk.choices else None
                text, pieces = text + (piece or ""), pieces + bool(piece)
                if pieces == stop_after:
                    break
    return text


def correct(url: str, question: str, ask: Callable[[str, list[dict[str, str]], int | None], str]) -> None:
    """Ask, stop in the middle, put words right, go on."""
    asked = [{"role": "user", "content": question}]
    shown = ask(url, asked, STOP_AFTER)
    time.sleep(2)  # nobody reads and corrects faster
    kept = " ".join(shown.split()[:KEPT]) + PUT
    rest = ask(url, [*asked, {"role": "assistant", "content": kept}], None).removeprefix(kept)
    print(f"  {question}\n  stopped:  {shown!r}\n  put:      {kept!r}\n  went on:  {rest!r}", flush=True)


def answers(url: str) -> list[str]:
    """What a server answers to both questions."""
    return [by_curl(url, [{"role": "user", "content": question}], None) for question in ASKED.values()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--llama_server", help="The server's program.")
    parser.add_argument("--upstream", help="A server that runs already, in place of the first llama-server.")
    parser.add_argument("--output_dir", type=Path, default=Path("runs/chat"))
    parser.add_argument("--steps", type=int, default=8, help="Steps of training.")
    arguments = parser.parse_args()
    if not arguments.llama_server and not arguments.upstream:
        parser.error("give --llama_server PROGRAM, or --upstream URL of a server that runs")
    out: Path = arguments.output_dir
    out.mkdir(parents=True, exist_ok=True)
    store, said = str(out / "chat.db"), dict[str, list[str]]()

    def llama(name: str, *words: str) -> list[str]:
        port = free()
        command = [arguments.llama_server, *words, "--host", "127.0.0.1", "--port", str(port), "-c", "2048", "-np", "1"]
        with serving(command, port, "/health", out / f"{name}.log") as url:
            return answers(url)

    with ExitStack() as stack:
        if arguments.upstream:
            upstream = arguments.upstream
        else:
            base, port = run("model", "path", "--gguf").strip(), free()
            command = [arguments.llama_server, "-m", base, "--host", "127.0.0.1", "--port", str(port)]
            command += ["-c", "2048", "-np", "1"]
            upstream = stack.enter_context(serving(command, port, "/health", out / "base.log"))
        run("proxy", "allow", "--model", NAME, "--store", store)
        port = free()
        command = [*MIDCOURSE, "proxy", "--upstream", upstream, "--store", store, "--port", str(port)]
        command += ["--capture", "ids", "--model", "builtin"]
        proxy = stack.enter_context(serving(command, port, "/v1/models", out / "proxy.log"))
        correct(proxy, ASKED["curl"], by_curl)
        correct(proxy, ASKED["openai"], by_openai)
        said["base"] = answers(upstream)
    waiting = json.loads(run("proxy", "inbox", "list", "--json", "--store", store))
    run("proxy", "inbox", "accept", *(r["id"] for r in waiting), "--model", "builtin", "--store", store)
    train = ["--max_steps", str(arguments.steps), "--learning_rate", "1e-3"]
    run("train", store, "--model", "builtin", "--output_dir", str(out / "adapter"), *train)
    if arguments.llama_server:
        run("publish", str(out / "adapter"), "--output_dir", str(out / "gguf"), "--as", "gguf")
        run("publish", str(out / "adapter"), "--output_dir", str(out / "lora"), "--as", "lora-gguf")
        [merged], [lora] = (out / "gguf").glob("*.gguf"), (out / "lora").glob("*.gguf")
        base = run("model", "path", "--gguf").strip()
        said["gguf"] = llama("gguf", "-m", str(merged))
        said["lora-gguf"] = llama("lora", "-m", base, "--lora", str(lora))
    (out / "answers.json").write_text(json.dumps(said, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    for name, texts in said.items():
        print(f"{name}:", *(f"  {text!r}" for text in texts), sep="\n")


if __name__ == "__main__":
    main()
