"""How writers really treat a model's text, measured on the CoAuthor logs: what `MEASURED` habits are set from.

CoAuthor (Lee, Liang and Yang, 2022) logged people who wrote with a model's suggestions of some 30 tokens: kept them,
cut them part-way and went on in their own words, deleted them, or dismissed all five. The logs are no steers: the whole
suggestion was there at once, so a stop is seen as a cut with text standing behind it. What each figure stands for is
said beside it; where the logs cannot say, the figure is a bound or a stand-in, and its name says so.

    python benchmarks/coauthor_habits.py ../shared/data/coauthor-creative    # writes results/coauthor_habits.json
"""

import json
import re
import sys
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np

RESULTS = Path(__file__).parent / "results" / "coauthor_habits.json"
TOKENS_A_WORD = 4 / 3
"""The usual rule of thumb for English; only used to turn words into tokens."""
SLIPS = {
    "doubled word": re.compile(r"\b(the|a|an|of|to|in|and|is|was|it|I|he|she)\s+\1\b", re.IGNORECASE),
    "a before a vowel": re.compile(
        r"\ba\s+(?:apple|old|open|empty|angry|idea|evil|ugly|alien|eye|arm|hour|honest)\b", re.I
    ),
    "small i": re.compile(r"(?<![\w.'-])i(?![\w.'-])"),
    "space before a mark": re.compile(r"\w +[,.;!?](?=\s|\Z)"),
    "small letter after a full stop": re.compile(r"\w{3}[.!?] +[a-z]{2}"),
    "no space after a comma": re.compile(r"[a-z],[a-z]{2}"),
    "repeated phrase": re.compile(r"(\b\w+ \w+ \w+\b)[,.]? \1\b", re.IGNORECASE),
}
"""Slips of form that a program can see, so that it can be counted what is let stand."""


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def words(text: str) -> list[str]:
    return re.findall(r"\S+", text)


def interval(values: list[float], writers: list[str], seed: int = 0) -> dict[str, float]:
    """Mean with its 95% bootstrap interval, writers as clusters."""
    x, (names, of) = np.array(values, float), np.unique(writers, return_inverse=True)
    sums, counts = np.bincount(of, x), np.bincount(of)
    drawn = np.random.default_rng(seed).integers(0, len(names), (2000, len(names)))
    means = sums[drawn].sum(1) / counts[drawn].sum(1)
    low, high = np.quantile(means, [0.025, 0.975])
    return {"mean": float(x.mean()), "low": float(low), "high": float(high), "n": len(x), "writers": len(names)}


def plain(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def keeps_tail(row: dict[str, Any]) -> bool:
    """Whether what the writer has after the cut ends with at least three of the last words of the model's text."""
    own, left = plain(row["human_text"] or ""), plain(row["model_text"][row["cut"] :])
    return len(left) >= 3 and len(own) >= 3 and (own[-3:] == left[-3:] or " ".join(left[-3:]) in " ".join(own))


def put_words(row: dict[str, Any]) -> int:
    """Words of the correction itself: up to where three words of the model's tail stand again, else all."""
    own, left = plain(row["human_text"] or ""), plain(row["model_text"][row["cut"] :])
    threes = {tuple(left[i : i + 3]) for i in range(len(left) - 2)}
    return next((i for i in range(len(own) - 2) if tuple(own[i : i + 3]) in threes), len(own))


def spread(values: list[float]) -> dict[str, float]:
    low, median, high = np.quantile(values, [0.25, 0.5, 0.75])
    return {"quarter": float(low), "median": float(median), "three_quarters": float(high), "n": len(values)}


def slips(text: str) -> Counter[str]:
    return Counter({name: n for name, p in SLIPS.items() if (n := len(p.findall(text)))})


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "../shared/data/coauthor-creative")
    cuts = [r for r in rows(folder / "cuts.jsonl") if r["action"] == "cut" and not r["trailing_only"]]
    sessions = rows(folder / "sessions.jsonl")
    writer = [r["writer"] for r in cuts]
    behind = [len(words(r["model_text"][r["cut"] :])) for r in cuts]
    tail = [float(keeps_tail(r)) for r in cuts]
    put = [float(put_words(r)) for r in cuts]
    seen: dict[str, list[float]] = defaultdict(list)
    for r in sessions:
        if r["model_text"]:
            kept = r["model_text"] if r["action"] == "kept" else r["model_text"][: r["cut"] or 0]
            before = slips(r["model_text"])
            after = slips(kept) if r["action"] in ("kept", "cut") else Counter()
            seen["slips"].append(before.total())
            seen["left"].append(min(after.total(), before.total()))
            seen["who"].append(r["writer"])
    total, left = sum(seen["slips"]), sum(seen["left"])
    with_slip = [i for i, n in enumerate(seen["slips"]) if n]
    shares = [seen["left"][i] / seen["slips"][i] for i in with_slip]
    overlooked = interval(shares, [seen["who"][i] for i in with_slip]) if with_slip else None
    own_slips = [float(slips(r["human_text"] or "").total() > 0) for r in cuts]
    actions = Counter(r["action"] for r in sessions)
    found: dict[str, Any] = {
        "source": "CoAuthor creative sessions, crowd writers with GPT-3 (Lee, Liang, Yang 2022), CC BY-SA 4.0",
        "corrections": len(cuts),
        "writers": len(set(writer)),
        "words_behind_the_cut": interval([float(b) for b in behind], writer),
        "tokens_behind_the_cut": float(np.mean(behind) * TOKENS_A_WORD),
        "keeps_tail": interval(tail, writer),
        "words_put_where_the_tail_is_kept": spread([p for p, t in zip(put, tail, strict=True) if t]),
        "words_put_where_it_is_dropped": spread([p for p, t in zip(put, tail, strict=True) if not t]),
        "actions": {k: n / len(sessions) for k, n in actions.items()},
        "slips_shown": total,
        "slips_left_standing": left,
        "overlooks": overlooked,
        "own_slips": interval(own_slips, writer),
        "meaning": {
            "words_behind_the_cut": "text that stood behind the place that was corrected: an upper bound on how late "
            "a writer stops, since the whole suggestion was shown at once",
            "keeps_tail": "share of corrections after which the model's own last words still stand",
            "words_put_…": "words the writer put in place, without a tail of the model's that was kept; where it is "
            "dropped they run on into the writer's own story",
            "overlooks": "share of visible slips of form that were let stand. Too few to mean anything: the logs do "
            "not say what a writer overlooks, so the habit is an assumption",
            "own_slips": "share of corrections that have such a slip of their own: a stand-in for being wrong",
        },
    }
    RESULTS.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(json.dumps({k: v for k, v in found.items() if k != "meaning"}, indent=1))


if __name__ == "__main__":
    main()
