"""How quickly the page answers, measured in the page: a stop until nothing moves, an arrow key.

The freeze goes from the time stamp of the key event to the first frame after it (`performance.measure("freeze")`): it
holds everything the person waits for. Opens the studio with the built-in model and drives Debian's Chromium.

    python benchmarks/studio_page.py            # prints a table, writes results/studio_page.json
"""

import json
import os
import platform
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

RESULTS = Path(__file__).parent / "results" / "studio_page.json"
STOPS = 60
PROMPT = "Write a long story about a village by a river, with many details."

MOVES = """async (n) => { const cost = [];
  for (let i = 0; i < n; i += 1) {
    const at = performance.now();
    document.activeElement.dispatchEvent(
      new KeyboardEvent('keydown', { key: 'ArrowLeft', code: 'ArrowLeft', bubbles: true, cancelable: true }));
    document.body.offsetHeight;
    cost.push(performance.now() - at);
    await new Promise(requestAnimationFrame);
  }
  return cost; }"""


def p(values: list[float], part: float) -> float:
    return sorted(values)[min(len(values) - 1, int(part * len(values)))]


def until(page: Any, what: str, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not page.evaluate(f"(() => {{ const s = midcourse.state; return Boolean({what}); }})()"):
        if time.monotonic() > end:
            raise SystemExit(f"not within {seconds} s: {what}")
        page.wait_for_timeout(20)


def opened(folder: str, port: int) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "midcourse", "studio", "--store", f"{folder}/s.db", "--port", str(port)]
    command += ["--runs", f"{folder}/runs", "--temperature", "0.8"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(600):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2)
            return process
        except OSError:
            time.sleep(0.2)
    raise SystemExit("the studio did not start")


def measure(page: Any, stops: int) -> dict[str, Any]:
    page.fill("[data-testid=own-prompt]", PROMPT)
    page.keyboard.press("Enter")
    texts = 1
    while page.evaluate("performance.getEntriesByName('freeze').length") < stops:
        until(page, "s.draft && (s.view.phase === 'stream' || s.draft.mode === 'ended')")
        if page.evaluate("midcourse.state.draft.mode === 'ended' && midcourse.state.view.phase === 'pause'"):
            page.goto(page.url.split("#")[0] + "#/")
            page.wait_for_selector("[data-page='']:not([hidden]) [data-testid=own-prompt]")
            page.fill("[data-testid=own-prompt]", f"{PROMPT} Number {texts}.")
            page.keyboard.press("Enter")
            texts += 1
            continue
        shown = page.evaluate("midcourse.state.view.shown")
        until(page, f"s.view.shown > {shown + 2} || s.view.phase === 'pause'")
        page.keyboard.press("Space")
        page.wait_for_timeout(350)
        page.keyboard.press("Enter")
    freeze = page.evaluate("performance.getEntriesByName('freeze').map((e) => e.duration)")
    until(page, "s.draft.doc.groups.length > 5")
    if page.evaluate("midcourse.state.view.phase") == "stream":
        page.keyboard.press("Space")
    moves = page.evaluate(MOVES, 40)
    return {
        "stops": len(freeze),
        "freeze_ms": {"median": statistics.median(freeze), "p95": p(freeze, 0.95), "most": max(freeze)},
        "tokens_in_the_text": page.evaluate("midcourse.state.draft.doc.tokens.length"),
        "arrow_ms": {"median": statistics.median(moves), "p95": p(moves, 0.95)},
    }


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        process = opened(folder, port)
        try:
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
                page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
                page.goto(f"http://127.0.0.1:{port}/")
                page.wait_for_selector("body[data-link=live]")
                page.wait_for_selector("[data-testid=own-prompt]")
                found = measure(page, int(sys.argv[1]) if len(sys.argv) > 1 else STOPS)
                found["browser"] = browser.version
                browser.close()
        finally:
            process.kill()
            process.wait()
    found |= {"cores": os.cpu_count(), "load": os.getloadavg()[0], "machine": platform.machine()}
    f = found["freeze_ms"]
    times = f"median {f['median']:.0f} ms, p95 {f['p95']:.0f} ms, most {f['most']:.0f} ms"
    print(f"{found['stops']} stops: {times} (< 50 ms p95 wanted)")
    print(f"an arrow key: median {found['arrow_ms']['median']:.1f} ms, p95 {found['arrow_ms']['p95']:.1f} ms")
    RESULTS.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
