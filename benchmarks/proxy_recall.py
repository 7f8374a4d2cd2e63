"""How well a person's corrections are recognised in the next request: on edits that were made up, and on real ones.

    python benchmarks/proxy_recall.py ../shared/data/coauthor-creative --proxy 6    # writes results/proxy_recall.json

Made up: chats and raw texts in which words are cut, replaced, put in or written on, in the text to be continued or in
an earlier answer, beside requests in which only a client did something. A correction is found when the right kind is
told, the edits made in the old text give the new one, and the first begins in the word where the texts part; nothing
else counts as found.

Real: CoAuthor (Lee, Liang and Yang, 2022), writers who kept, cut or deleted a model's suggestion. Each episode is a
conversation of its own, since its context is shortened: the context is sent, the suggestion is what the model wrote,
and the next request holds the context with what the writer made of it. A cut is found when `cut` or `changed` is told
and the first edit begins in the word that the log says was cut. Cuts of closing punctuation only, after which the
sentence was carried on, are no corrections (as in the importer), and neither are suggestions that were kept.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from midcourse.capture.importers.align import is_word, words
from midcourse.capture.proxy.exchange import Asked, End, Exchange, Turn
from midcourse.capture.proxy.recognise import Recognition, recognise

RESULTS = Path(__file__).parent / "results" / "proxy_recall.json"
STEERS = ("cut", "changed", "extended", "history_edit")
SYLLABLES = [c + v for c in "bdfgklmnprstvw" for v in "aeiou"]
QUESTIONS = ["How old is it?", "And who paid for that?", "Write a short story.", "Explain it to a child, please."]


@dataclass(frozen=True)
class Case:
    """A request, what was generated before it, and what it should show."""

    name: str
    asked: Asked
    earlier: tuple[Exchange, ...]
    steer: bool
    was: str = ""
    """The corrected text as it was, of the last exchange that is corrected."""
    now: str = ""
    of: str = ""


class Writer:
    """Makes up texts, edits and the requests that show them."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        known = random.Random(0)
        made = ["".join(known.choices(SYLLABLES, k=known.randint(1, 3))) for _ in range(600)]
        self.common = [*made[:12], "the", "a", "of", "and", "it", "was"]
        self.rare = made[12:]

    def words(self, n: int) -> list[str]:
        return [self.draw.choice(self.common if self.draw.random() < 0.4 else self.rare) for _ in range(n)]

    def text(self, low: int = 15, high: int = 160) -> str:
        parts = []
        for n, word in enumerate(self.words(self.draw.randint(low, high))):
            first = n == 0 or parts[-1][-1] in ".\n"
            end = self.draw.choices(["", ",", ".", ".\n\n", ":"], [84, 6, 8, 1.5, 0.5])[0]
            parts.append((" " if n and parts[-1][-1] != "\n" else "") + (word.capitalize() if first else word) + end)
        return "".join(parts).rstrip() + self.draw.choice(["", "", "."])

    def put(self) -> str:
        return "".join(" " + w for w in self.words(self.draw.randint(1, 6)))

    def edited(self, text: str) -> tuple[str, str]:
        """What a person makes of a text, and how."""
        ends = [i for i, c in enumerate(text) if c == " "]
        how = self.draw.choice(["cut", "rest", "words", "insert", "leave out", "on", "two places"])
        n = self.draw.randint(min(5, len(ends) - 5), len(ends) - 4)
        start, behind = ends[n], ends[n + self.draw.randint(1, 2)]
        put = self.put()
        while text[start:].startswith(put) or put.startswith(text[start:behind]):
            put = self.put()
        made = {
            "cut": text[:start],
            "rest": text[:start] + put,
            "words": text[:start] + put + text[behind:],
            "insert": text[:start] + put + text[start:],
            "leave out": text[:start] + text[behind:],
            "on": text + put,
        }
        if how != "two places":
            return how, made[how]
        early = ends[self.draw.randint(1, max(1, n - 4))]
        stop = next(e for e in [*ends, len(text)] if e > early)
        return how, text[:early] + self.put() + text[stop:start] + put + text[behind:]


def asked(turns: list[tuple[str, str]], prefill: str = "") -> Asked:
    return Asked("chat", tuple(Turn(r, t) for r, t in turns), prefill)


def raw(prompt: str) -> Asked:
    return Asked("completions", (Turn("prompt", prompt),))


def chatml(turns: list[tuple[str, str]]) -> str:
    return "".join(f"<|im_start|>{r}\n{t}<|im_end|>\n" for r, t in turns) + "<|im_start|>assistant\n"


def generated(seed: int, count: int) -> Iterator[Case]:
    """So many cases with a correction, and as many without."""
    writer = Writer(seed)
    for n in range(count):
        yield steered(writer, n)
        yield client(writer, n)


def steered(writer: Writer, n: int) -> Case:
    draw, text = writer.draw, writer.text()
    ask = [("user", draw.choice(QUESTIONS))]
    if draw.random() < 0.5:
        ask = [("user", draw.choice(QUESTIONS)), ("assistant", writer.text()), ("user", writer.text(4, 20))]
    end: End = draw.choice(["stop", "aborted", "length"])
    how, now = writer.edited(text)
    while how == "cut" and now.rstrip()[-1:] in ".:" and end != "stop":
        how, now = writer.edited(text)  # a client that trims unfinished sentences sends the very same
    where = n % 5
    prompt = writer.text(20, 120) + " "
    before = raw(prompt) if where == 2 else raw(chatml(ask)) if where == 4 else asked(ask)
    first = Exchange("e1", before, text, end, 0.0)
    more = ("user", writer.text(3, 12))
    system = [("system", f"It is {draw.randint(10, 23)}:{draw.randint(10, 59)}.")]
    sent = {
        0: asked(ask, now),
        1: asked([*system, *ask[-3:], ("assistant", now + "\n")]),
        2: raw(prompt + now),
        3: asked([*system, *ask, ("assistant", now), more]),
        4: raw(chatml([*ask, ("assistant", now), more])),
    }[where]
    name = ["prefill", "last message", "raw text", "history", "raw history"][where]
    return Case(f"{name}: {how}", sent, (first,), True, text, now, "e1")


def client(writer: Writer, n: int) -> Case:
    draw, text = writer.draw, writer.text()
    ask = [("user", draw.choice(QUESTIONS) + " " + writer.text(2, 5))]
    first = Exchange("e1", asked(ask), text, draw.choice(["stop", "aborted"]), 0.0)
    more = ("user", writer.text(3, 12))
    prompt = writer.text(20, 120) + " "
    story = Exchange("e1", raw(prompt), text, "aborted", 0.0)
    talk = Exchange("e1", raw(chatml(ask)), text, "stop", 0.0)
    title = f"### Task:\nGenerate a concise, 3-5 word title.\n<chat_history>\n{text}"
    fixed = "Sure! Here is " + writer.text(2, 5)
    half = Exchange("e1", asked(ask), text.rstrip(".") + ". And " + " ".join(writer.words(3)), "aborted", 0.0)
    began = Exchange("e1", asked(ask, fixed), text, "stop", 0.0)
    long = Exchange("e1", raw(prompt * 4), text, "stop", 0.0)
    cases: list[tuple[str, Asked, Exchange]] = [
        ("resumed", asked(ask, text), first),
        ("last word cut", asked(ask, text[: len(text) - draw.randint(1, 2)].rstrip()), stopped(first)),
        ("white space", asked(ask, text.replace("\n\n", "\n") + "  \n"), first),
        ("next turn", asked([*ask, ("assistant", text), more]), first),
        ("next turn, unfinished sentence left out", asked([*ask, ("assistant", text.rstrip(".") + "."), more]), half),
        ("asked again", asked([("system", "Clock."), *ask]), first),
        ("another chat", asked([("user", writer.text(5, 20))]), first),
        ("a fixed beginning", asked([("user", writer.text(5, 20))], fixed), began),
        ("a title", asked([("user", title)]), first),
        ("raw text resumed", raw(prompt + text), story),
        ("raw text again", raw(prompt), story),
        ("another raw text", raw(writer.text(20, 120)), story),
        ("another question under the same system prompt", raw(chatml([("user", writer.text(5, 20))])), talk),
        ("raw next turn", raw(chatml([*ask, ("assistant", text), more])), talk),
        ("raw text without its beginning", raw((prompt * 4)[60:] + text), long),
    ]
    name, sent, before = cases[n % len(cases)]
    return Case(name, sent, (before,), False)


def stopped(exchange: Exchange) -> Exchange:
    return Exchange(exchange.id, exchange.asked, exchange.text, "aborted", exchange.at)


def applied(text: str, found: Recognition, of: str) -> str:
    for edit in sorted(found.edits, key=lambda e: e.start, reverse=True):
        if edit.exchange != of or not text.startswith(edit.was, edit.start):
            return "\0"
        text = text[: edit.start] + edit.put + text[edit.start + len(edit.was) :]
    return text


def word_at(text: str, place: int) -> tuple[int, int]:
    """Where the word with a place begins, with the white space before it, and where it ends."""
    at = 0
    for unit in words(text):
        if at + len(unit) > place:
            return at, at + len(unit)
        at += len(unit)
    return at, at


def parting(was: str, now: str) -> int:
    both = zip(was, now, strict=False)
    return next((i for i, (a, b) in enumerate(both) if a != b), min(len(was), len(now)))


def right(case: Case, found: Recognition) -> bool:
    if not found.edits or applied(case.was, found, case.of).rstrip() != case.now.rstrip():
        return False
    low, high = word_at(case.was, parting(case.was, case.now))
    start = min(e.start for e in found.edits)
    if low <= start <= high:
        return True
    # words left out that stand there twice may be either of the two
    return "leave out" in case.name and abs(start - low) <= len(case.was) - len(case.now)


def on_generated(seed: int, count: int) -> dict[str, Any]:
    """Precision and recall on made-up requests."""
    hit = told = steers = certain = 0
    missed: Counter[str] = Counter()
    false: Counter[str] = Counter()
    began = time.perf_counter()
    for case in generated(seed, count):
        found = recognise(case.asked, case.earlier)
        steers += case.steer
        if found.kind in STEERS:
            told += 1
            certain += found.certain
            ok = case.steer and right(case, found)
            hit += ok
            if not ok:
                false[f"{case.name} -> {found.kind}"] += 1
        if case.steer and not (found.kind in STEERS and right(case, found)):
            missed[f"{case.name} -> {found.kind}"] += 1
    return {
        "requests": 2 * count,
        "corrections": steers,
        "precision": hit / told,
        "recall": hit / steers,
        "certain": certain / told,
        "seconds_a_request": (time.perf_counter() - began) / (2 * count),
        "missed": dict(missed.most_common()),
        "false": dict(false.most_common()),
    }


def episodes(folder: Path) -> list[dict[str, Any]]:
    """All episodes once: the cuts of all sessions, and everything of some."""
    found: dict[tuple[str, int], dict[str, Any]] = {}
    for name in ("cuts.jsonl", "sessions.jsonl"):
        for line in (folder / name).read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            found.setdefault((row["session"], row["n"]), row)
    return list(found.values())


def hidden(row: dict[str, Any]) -> str | None:
    """Why a request that follows cannot show what the log says; None: it can."""
    model, put = row["model_text"], row["human_text"] or ""
    if row["action"] == "deleted" and not put.strip():
        return "deleted, and nothing follows: as if asked again"
    if row["action"] == "cut" and (model[: row["cut"]] + put).startswith(model.rstrip()):
        return "the writer typed the cut words again"
    return None


@dataclass(frozen=True)
class Episode:
    """A suggestion, what was asked for it and what the next request holds in its place."""

    context: str
    model: str
    text: str
    action: str
    cut: int
    carried_on: bool
    """Only closing punctuation went."""

    @property
    def steer(self) -> bool:
        return self.action in ("cut", "deleted") and not self.carried_on

    @property
    def place(self) -> tuple[int, int]:
        """Where the first edit must begin: in the word that was cut."""
        low, high = word_at(self.model, min(self.cut, max(len(self.model.rstrip()) - 1, 0)))
        return low, max(high, self.cut)


def replayed(folder: Path, out: Counter[str]) -> Iterator[Episode]:
    """The episodes that a request can show; why others are left out is counted."""
    for row in episodes(folder):
        reason = "dismissed: which suggestion stood there is not known" if row["action"] == "dismissed" else hidden(row)
        if reason:
            out[reason] += 1
            continue
        model, cut, action = row["model_text"], row["cut"], row["action"]
        context = row["context"].removeprefix("…").lstrip() if row["context"].startswith("…") else row["context"]
        text = (model[:cut] if action != "kept" else model) + (row["human_text"] or "")
        carried_on = action == "cut" and (row["trailing_only"] or not is_word(model[cut:]))
        yield Episode(context, model, text, action, cut, carried_on)


def judged(found: list[tuple[Episode, str, int, bool]], out: Counter[str]) -> dict[str, Any]:
    """Precision and recall of what was told: kind, where the first edit begins, whether with certainty."""
    wrong: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    for one, kind, at, certain in found:
        told = kind in ("cut", "changed")
        low, high = one.place
        counts["corrections"] += one.steer
        counts["told"] += told
        if told and one.steer and low <= at <= high:
            counts["hit"] += 1
            counts["certain"] += certain
        elif one.steer:
            wrong["another place" if told else f"missed as {kind}"] += 1
        elif told:
            wrong[f"{'carried on' if one.carried_on else one.action} told as {kind}"] += 1
    return {
        "episodes": len(found) + sum(out.values()),
        "left_out": dict(out),
        "corrections": counts["corrections"],
        "precision": counts["hit"] / counts["told"],
        "recall": counts["hit"] / counts["corrections"],
        "recall_certain": counts["certain"] / counts["corrections"],
        "wrong": dict(wrong.most_common()),
    }


def on_coauthor(folder: Path, route: str) -> dict[str, Any]:
    """Precision and recall on the logs, each episode a conversation of its own."""
    out: Counter[str] = Counter()
    told = []
    for one in replayed(folder, out):
        before, sent = raw(one.context), raw(one.context + one.text)
        if route == "chat":
            before, sent = asked([("user", one.context)]), asked([("user", one.context)], one.text)
        found = recognise(sent, [Exchange("e1", before, one.model, "stop", 0.0)])
        told.append((one, found.kind, found.edits[0].start if found.edits else -1, found.certain))
    return judged(told, out)


def through_proxy(folder: Path, share: int) -> dict[str, Any]:
    """The same of every so-many-th episode over real sockets: a proxy before a scripted server, read from its inbox."""
    import httpx

    sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "capture" / "proxy"))
    from proxied import recording
    from upstreams import scripted

    from midcourse.store.reviews import Inbox

    out: Counter[str] = Counter()
    told = []
    with tempfile.TemporaryDirectory() as at, scripted() as script, httpx.Client(timeout=20) as client:
        with recording(script.url, Path(at) / "s.db") as (proxy, store):
            every = list(replayed(folder, out))[::share]
            for n, one in enumerate(every):
                who = {"X-Steer-User": f"w{n}", "X-Steer-Chat": str(n)}
                for prompt, reply in ((one.context, one.model), (one.context + one.text, " And so on.")):
                    script.replies[:] = [reply]
                    body = {"model": "tiny", "prompt": prompt, "stream": True}
                    client.post(f"{proxy.url}/v1/completions", json=body, headers=who).raise_for_status()
                if n % 50 == 49:
                    proxy.settle(2 * (n + 1))
            proxy.settle(2 * len(every))
            seen = {(r.proposal["prompt"], r.proposal["text"]): r for r in Inbox(store).list()}
        for one in every:
            review = seen.get((one.context, one.text + " And so on."))
            rows = review.proposal["rows"] if review else []
            told.append((one, review.kind if review else "nothing", len(rows[0]["prefix"]) if rows else -1, False))
    found = {"every": share, **judged(told, Counter())}
    del found["recall_certain"]  # all come at once, as no person does
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("../shared/data/coauthor-creative"))
    parser.add_argument("--count", type=int, default=5000, help="made-up corrections, and as many requests without one")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--proxy", type=int, default=0, metavar="N", help="also every Nth through a running proxy")
    given = parser.parse_args()
    found: dict[str, Any] = {
        "generated": on_generated(given.seed, given.count),
        "coauthor": {route: on_coauthor(given.folder, route) for route in ("completions", "chat")},
    }
    if given.proxy:
        found["coauthor"]["through a running proxy"] = through_proxy(given.folder, given.proxy)
    RESULTS.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
