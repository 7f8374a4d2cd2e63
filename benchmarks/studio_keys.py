"""Keys that ten real corrections need in the studio: CoAuthor cuts drawn by seed, each carried out in the page.

A writer of CoAuthor (Lee, Liang and Yang, 2022) kept a part of a model's text and went on in their own words. Here the
built-in model's probabilities stand in for the model that wrote: it "writes" the logged text, the page is stopped when
all of it is there, and the shortest way by keys from where the stop puts the cursor to the writer's cut is taken. Where
the writer's words end with the model's own, the rest is kept (Alt Enter). What comes out must be the writer's text.

    python benchmarks/studio_keys.py ../shared/data/coauthor-creative --seed 0    # writes results/studio_keys.json
"""

import argparse
import json
import random
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
import uvicorn
from playwright.sync_api import sync_playwright

from midcourse.backends.protocol import Sampling, Token
from midcourse.capture.studio.opening import Opening, open_studio
from midcourse.capture.studio.writer import Loaded
from midcourse.model import load_model
from midcourse.store.db import Store

RESULTS = Path(__file__).parent / "results" / "studio_keys.json"
KEPT = 2
"""Words at the end that the writer shares with the model, from which on the rest counts as kept."""

WAY = """async ([at, typed]) => {
  const { move, behindBlank } = await import(new URL('js/places.js', document.baseURI));
  const { draft: { doc }, view: { cursor, shown } } = midcourse.state;
  const moves = [['ArrowLeft', 'token', -1], ['ArrowRight', 'token', 1], ['Control+ArrowLeft', 'word', -1],
    ['Control+ArrowRight', 'word', 1], ['ArrowUp', 'sentence', -1], ['ArrowDown', 'sentence', 1],
    ['Home', 'text', -1], ['End', 'text', 1]];
  const way = new Map([[cursor, []]]);
  for (let edge = [cursor]; edge.length;) {
    const next = [];
    for (const place of edge) for (const [key, unit, by] of moves) {
      const to = move(doc, place, unit, by, shown);
      if (!way.has(to)) { way.set(to, [...way.get(place), key]); next.push(to); }
    }
    edge = next;
  }
  const cuts = [...way].map(([place, keys]) => [place >= shown ? doc.length : behindBlank(doc, place, typed), keys]);
  const before = cuts.filter(([cut]) => cut <= at).sort((a, b) => b[0] - a[0] || a[1].length - b[1].length);
  return before[0];
}"""
UNITS = """async ([cut, end]) => {
  const { behindWords } = await import(new URL('js/places.js', document.baseURI));
  const { doc } = midcourse.state.draft;
  for (let n = 0; n < 60; n += 1) if (behindWords(doc, cut, n, doc.length) === end) return n;
  return null;
}"""


class Retold:
    """Writes logged texts, with the probabilities and alternatives a model gives them; a correction ends the text."""

    def __init__(self, loaded: Any) -> None:
        self.model, self.tokenizer = loaded.model, loaded.tokenizer
        self.texts: dict[str, list[int]] = {}

    def stream(self, token_ids: Sequence[int], sampling: Sampling) -> Iterator[Token]:
        given = list(token_ids)
        whole = next((ids for ids in self.texts.values() if ids[: len(given)] == given and len(ids) > len(given)), None)
        if whole is None:
            yield Token(self.tokenizer.eos[0], 0.0)
            return
        with torch.no_grad():
            logps = torch.log_softmax(self.model(torch.tensor([whole])).logits[0].float(), -1)
        for at in range(len(given), len(whole)):
            best = logps[at - 1].topk(9)
            yield Token(
                whole[at],
                float(logps[at - 1, whole[at]]),
                tuple(zip(best.indices.tolist(), best.values.tolist(), strict=True)),
            )
        time.sleep(2.0)  # the person stops it here


def tail_kept(human: str, rest: str) -> int:
    """Characters at the end of the writer's words that are the model's own, whole words only."""
    a, b = human.split(" "), rest.split(" ")
    n = 0
    while n < min(len(a), len(b)) and a[-1 - n] == b[-1 - n]:
        n += 1
    return len(" ".join(a[len(a) - n :])) if KEPT <= n < len(b) else 0


def until(page: Any, what: str, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not page.evaluate(f"(() => {{ const s = midcourse.state; return Boolean({what}); }})()"):
        if time.monotonic() > end:
            raise SystemExit(f"not within {seconds} s: {what}")
        page.wait_for_timeout(20)


def correct(page: Any, retold: Retold, row: dict[str, Any]) -> dict[str, Any]:
    """Carry one correction out; the keys it took."""
    prompt = row["context"].rstrip()
    text = row["context"][len(prompt) :] + row["model_text"].rstrip()
    cut = row["cut"] + len(row["context"]) - len(prompt)
    retold.texts[prompt] = retold.tokenizer.encode(prompt + text)
    page.goto(page.url.split("#")[0] + "#/")
    page.wait_for_selector("[data-page='']:not([hidden]) [data-testid=own-prompt]")
    page.fill("[data-testid=own-prompt]", prompt)
    page.get_by_label("Raw text").check()
    page.get_by_role("button", name="Let it write").click()
    there = f"s.draft.doc.length >= {len(text) - 1} && s.view.shown >= s.draft.doc.groups.length"
    until(page, f"s.draft?.mode === 'streaming' && {there}")
    keys = ["Space"]
    page.keyboard.press("Space")
    until(page, "s.view.phase === 'pause' && s.draft.mode !== 'streaming'")
    written = page.evaluate("document.getElementById('text').textContent")
    human = row["human_text"].rstrip()
    kept = tail_kept(human, written[cut:])
    words = human[: len(human) - kept].rstrip() if kept else human
    place, way = page.evaluate(WAY, [cut, words.lstrip()[:1]])
    words = (written[place:cut] + words).strip()
    keys += way
    for key in way:
        page.keyboard.press(key)
    if not words:
        finish = ["Backspace", "Enter"]
    else:
        page.keyboard.insert_text(words)
        at = page.evaluate("midcourse.state.view.typed.cut")
        end = len(written) - kept
        units = page.evaluate(UNITS, [at, end - (written[end - 1] == " " if kept else 0)]) if kept else None
        more = [] if units is None else ["Alt+ArrowDown"] * (units - 1) + ["Alt+ArrowUp"] * (1 - units)
        finish = [*more, "Alt+Enter" if units is not None else "Enter"]
        if kept and units is None:  # these words lie across tokens' ends: the rest is typed too
            page.keyboard.insert_text(human[len(human) - kept :])
            words += human[len(human) - kept :]
    for key in finish:
        page.keyboard.press(key)
    until(page, "s.draft.steers.length > 0 && !s.view.pending")
    now = page.evaluate("document.getElementById('text').textContent")
    wanted = written[:cut] + human
    same = " ".join(now.split()) == " ".join(wanted.split()) or not words
    if not same:
        print(f"wanted {wanted!r}\n   got {now!r}")
    commands = len(keys) + len(finish)
    return {
        "session": row["session"], "n": row["n"], "kind": page.evaluate("midcourse.state.draft.steers[0].kind"),
        "commands": [*keys, *finish], "letters": len(words), "keys": commands + len(words), "as_written": same,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--most", type=int, default=10)
    given = parser.parse_args()
    rows = [json.loads(line) for line in (given.data / "cuts.jsonl").read_text(encoding="utf-8").splitlines()]
    drawn = random.Random(given.seed).sample(rows, given.most)
    loaded = load_model("builtin")
    retold = Retold(loaded)
    with tempfile.TemporaryDirectory() as folder, Store(f"{folder}/s.db") as store, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        writer = Loaded(retold, loaded.tokenizer, loaded.ref)
        app = open_studio(store, Opening(runs=Path(folder) / "runs"), lambda: lambda _: writer)
        server = uvicorn.Server(uvicorn.Config(app, port=port, log_config=None, access_log=False))
        threading.Thread(target=server.run, daemon=True).start()
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            page = browser.new_page()
            while not server.started:
                time.sleep(0.05)
            page.goto(f"http://127.0.0.1:{port}/")
            page.evaluate("localStorage.setItem('midcourse.settings', JSON.stringify({ pace: 2000 }))")
            page.reload()
            page.wait_for_selector("body[data-link=live]")
            found = [correct(page, retold, row) for row in drawn]
            browser.close()
        server.should_exit = True
    for one in found:
        took = f"{len(one['commands']):>3} commands + {one['letters']:>4} letters   {' '.join(one['commands'])}"
        differs = "" if one["as_written"] else "   (text differs)"
        print(f"{one['session']}/{one['n']:<4} {one['kind']:<10} {took}{differs}")
    middle = sorted(len(one["commands"]) for one in found)[len(found) // 2]
    print(f"median {middle} keys beside the writer's own letters")
    RESULTS.write_text(json.dumps({"seed": given.seed, "corrections": found}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
