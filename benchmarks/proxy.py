"""What the proxy adds to a token: against no proxy, against a plain pass-through, at one and at two hundred streams.

python benchmarks/proxy.py [--streams 1,50,200] [--tokens 100] [--pace 20] [--json benchmarks/results/proxy.json]

A scripted server sends each token with the time at which it was sent; the client takes the time at which it arrives.
Both use the machine's one monotonic clock. Server, proxy and client are processes of their own; on a machine with fewer
free cores than three they wait for each other, and the figures say more about the machine than about the proxy. The
processor time that the proxy takes for a token is printed beside: where many pieces are read at once it is less.
"""

import argparse
import asyncio
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

VARIANTS = ("none", "plain", "text", "ids")
"""No proxy; a proxy that listens to nothing; `--capture text`; `--capture ids`."""
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunk(raw: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(raw), raw)


async def upstream(tokens: int, pace: float) -> None:
    """Writes so many tokens at so many a second to whoever asks."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except (asyncio.IncompleteReadError, ConnectionError):
                writer.close()
                return
            length = next(
                (int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")), 0
            )
            await reader.readexactly(length)
            writer.write(HEAD)
            for n in range(tokens):
                await asyncio.sleep(1 / pace)
                choice = {"index": 0, "delta": {"content": f" {time.monotonic_ns()}"}, "token_ids": [n]}
                writer.write(chunk(f"data: {json.dumps({'choices': [choice]})}\n\n".encode()))
                await writer.drain()
            end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
            writer.write(chunk(f"data: {json.dumps(end)}\n\ndata: [DONE]\n\n".encode()) + b"0\r\n\r\n")
            await writer.drain()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def proxy(url: str, variant: str, store: str) -> None:
    from midcourse.capture.proxy import serving
    from midcourse.capture.proxy.fields import FIELDS
    from midcourse.capture.proxy.keeping import Keeper
    from midcourse.capture.proxy.listening import Listening
    from midcourse.capture.proxy.passing import Passing
    from midcourse.capture.proxy.upstream import Upstream
    from midcourse.store import Store, consents

    kept = Store(store)
    with kept.transaction() as connection:
        secret = consents.secret(connection)
        if variant != "plain":
            consents.allow(connection, "model", "m")
    listening = Listening(Keeper(kept, secret), fields=FIELDS["vllm"] if variant == "ids" else None)
    port = serving.bind("127.0.0.1", 0)
    print(port.getsockname()[1], flush=True)
    serving.serve(Passing(Upstream(url), listening, listening.start, listening.stop), port)


async def stream(port: int, number: int, delays: list[float]) -> int:
    """One stream; returns how many tokens came."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    asked = {"model": "m", "stream": True, "messages": [{"role": "user", "content": f"Question {number}"}]}
    body = json.dumps(asked).encode()
    writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    got = 0
    while b"[DONE]" not in (line := await reader.readline()):
        if not line:
            break
        now = time.monotonic_ns()
        if line.startswith(b'data: {"choices"') and b'"content": "' in line.replace(b'":"', b'": "'):
            sent = int(line.replace(b'":"', b'": "').split(b'"content": "')[1].split(b'"')[0])
            delays.append((now - sent) / 1e6)
            got += 1
    writer.close()
    return got


async def measure(port: int, streams: int, ramp: float) -> dict[str, float]:
    delays: list[float] = []

    async def later(n: int) -> int:
        await asyncio.sleep(ramp * n / streams)
        return await stream(port, n, delays)

    got = await asyncio.gather(*(later(n) for n in range(streams)), return_exceptions=True)
    whole = [g for g in got if isinstance(g, int)]
    ordered = sorted(delays)
    return {
        "median_ms": statistics.median(ordered),
        "p95_ms": ordered[int(0.95 * len(ordered))],
        "p99_ms": ordered[int(0.99 * len(ordered))],
        "held": len(whole),
        "tokens": sum(whole),
    }


def memory(pid: int) -> float:
    """Peak memory of a process, in MB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return float("nan")


def busy(pid: int) -> float:
    """Processor time that a process has used, in seconds: it says the same on a machine that does other things too."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def started(*arguments: str) -> tuple[subprocess.Popen[str], int]:
    process = subprocess.Popen([sys.executable, __file__, *arguments], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, int(process.stdout.readline())


def one(variant: str, streams: int, arguments: argparse.Namespace, ramp: float) -> dict[str, float | str]:
    server, port = started("--role", "upstream", "--tokens", str(arguments.tokens), "--pace", str(arguments.pace))
    between, row = None, dict[str, float | str]()
    try:
        with tempfile.TemporaryDirectory() as folder:
            at = port
            if variant != "none":
                store = f"{folder}/a.db"
                between, at = started(
                    "--role", "proxy", "--url", f"http://127.0.0.1:{port}", "--variant", variant, "--store", store
                )
                time.sleep(1.0)
            asyncio.run(measure(at, 1, 0))  # warm
            before = 0.0 if between is None else busy(between.pid)
            row = {"variant": variant, "streams": streams, **asyncio.run(measure(at, streams, ramp))}
            if between is not None:
                row["cpu_us"] = (busy(between.pid) - before) / max(float(row["tokens"]), 1) * 1e6
                row["peak_mb"] = memory(between.pid)
                between.terminate()
                between.wait(20)
    finally:
        for process in (server, between):
            if process is not None and process.poll() is None:
                process.kill()
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", default="1,50,200")
    parser.add_argument("--tokens", type=int, default=100)
    parser.add_argument("--pace", type=float, default=20, help="tokens a second")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--role", choices=("upstream", "proxy"), help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    parser.add_argument("--variant", help=argparse.SUPPRESS)
    parser.add_argument("--store", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.role == "upstream":
        asyncio.run(upstream(arguments.tokens, arguments.pace))
        return
    if arguments.role == "proxy":
        proxy(arguments.url, arguments.variant, arguments.store)
        return
    rows = []
    for streams in map(int, arguments.streams.split(",")):
        for turn in range(arguments.repetitions):  # interleaved, so that a busy moment hits all alike
            for variant in VARIANTS:
                rows.append({"turn": turn, **one(variant, streams, arguments, ramp=1 / arguments.pace)})
        mine = {v: [r for r in rows if r["variant"] == v and r["streams"] == streams] for v in VARIANTS}
        base = statistics.median(float(r["median_ms"]) for r in mine["none"])
        for variant, found in mine.items():
            middle = statistics.median(float(r["median_ms"]) for r in found)
            late = statistics.median(float(r["p99_ms"]) for r in found)
            held = min(int(r["held"]) for r in found)
            peak = max((float(r["peak_mb"]) for r in found if "peak_mb" in r), default=float("nan"))
            cost = min((float(r["cpu_us"]) for r in found if "cpu_us" in r), default=float("nan"))
            print(
                f"{streams:4} streams  {variant:5}  median {middle:7.2f} ms  added {middle - base:+7.2f} ms  "
                f"p99 {late:7.2f} ms  held {held}  processor {cost:4.0f} us a token  peak {peak:5.0f} MB",
                flush=True,
            )
    if arguments.json:
        facts = {"cpus": os.cpu_count(), "usable": len(os.sched_getaffinity(0)), "python": platform.python_version()}
        said = {"machine": facts, "tokens": arguments.tokens, "pace": arguments.pace, "rows": rows}
        arguments.json.write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
