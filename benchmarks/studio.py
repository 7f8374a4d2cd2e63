"""The studio's model side: how long a correction waits, how fast it writes, what several drafts cost each other.

python benchmarks/studio.py [--model builtin] [--lengths 100,500,1000,2000,4000] [--json benchmarks/results/studio.json]

Run it on an idle machine. Each figure is a median of interleaved repetitions, with the spread beside it. How long the
page takes to freeze is measured in the page, by its own tests.
"""

import argparse
import json
import os
import platform
import statistics
import tempfile
import threading
import time
from pathlib import Path

import torch

from midcourse.backends import grouped
from midcourse.backends.local import LocalBackend, fast_dtype
from midcourse.backends.protocol import Sampling
from midcourse.backends.sharing import Shared
from midcourse.drafts.draft import Draft
from midcourse.model import LoadedModel, load_model
from midcourse.store.db import Store

FILLER = "The bridge carries two lanes of traffic across the river, and every morning somebody walks over it. "


def spread(values: list[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "low": min(values), "high": max(values)}


def text_ids(loaded: LoadedModel, length: int) -> list[int]:
    ids = loaded.tokenizer.encode(FILLER * (length // 15 + 2))
    return ids[:length]


def waits(loaded: LoadedModel, lengths: list[int], repetitions: int) -> list[dict]:
    """From commit (store included) to the next token, by tokens of text; `anew` is a backend without caches."""
    rows = []
    backend, cold = (LocalBackend(loaded.model, loaded.tokenizer.eos, halves=True) for _ in range(2))
    for length in lengths:
        kept, anew = [], []
        with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / "store.db") as store:
            for turn in range(repetitions):
                backend.forget()
                draft = Draft(backend, loaded.tokenizer, store).start("x", token_ids=text_ids(loaded, length))
                list(draft.stream(12))
                began = time.perf_counter()
                draft.replace(max(0, len(draft.text) - 12), f" and then {turn}")
                next(draft.stream(1))
                kept.append(time.perf_counter() - began)
                if turn < 2:
                    cold.forget()
                    began = time.perf_counter()
                    next(cold.stream(draft.token_ids, Sampling(max_new_tokens=1)))
                    anew.append(time.perf_counter() - began)
        rows.append({"tokens": length, "wait_ms": {k: 1e3 * v for k, v in spread(kept).items()},
                     "anew_ms": 1e3 * statistics.median(anew)})  # fmt: skip
        print(f"{length:>6} tokens   {rows[-1]['wait_ms']['median']:8.0f} ms   read anew {rows[-1]['anew_ms']:8.0f} ms")
    return rows


def plain_rate(loaded: LoadedModel, ids: list[int], count: int) -> float:
    """Tokens per second of `generate` behind the first token."""
    given = {"input_ids": torch.tensor([ids]), "attention_mask": torch.ones(1, len(ids), dtype=torch.long)}
    took = []
    for n in (1, count):
        began = time.perf_counter()
        loaded.model.generate(**given, min_new_tokens=n, max_new_tokens=n, do_sample=False, pad_token_id=0)
        took.append(time.perf_counter() - began)
    return (count - 1) / (took[1] - took[0])


def own_rate(backend: object, ids: list[int], count: int) -> float:
    stream = backend.stream(ids, Sampling(max_new_tokens=count, alternatives=9, end_ids=()))  # type: ignore[attr-defined]
    next(stream)
    began = time.perf_counter()
    return sum(1 for _ in stream) / (time.perf_counter() - began)


def rates(name: str, fast: str, count: int, repetitions: int) -> dict:
    """Plain `generate` in float32, this backend in float32 and as the studio has it, by turns."""
    slow_model, fast_model = load_model(name), load_model(name, dtype=fast, attn=grouped.NAME)
    backends = LocalBackend(slow_model.model, ()), LocalBackend(fast_model.model, (), halves=True)
    found: dict[str, list[float]] = {"generate float32": [], "local float32": [], "local auto": []}
    ids = text_ids(slow_model, 200)
    for turn in range(repetitions + 1):
        one = plain_rate(slow_model, ids, count)
        two, three = (own_rate(backend, ids, count) for backend in backends)
        if turn:  # the first warms up
            for key, value in zip(list(found), (one, two, three), strict=True):
                found[key].append(value)
    rows = {key: spread(values) for key, values in found.items()}
    for key, row in rows.items():
        print(f"{key:<20} {row['median']:6.1f} tokens/s   ({row['low']:.1f} to {row['high']:.1f})")
    return {"rates": rows, "ratio": rows["local auto"]["median"] / rows["generate float32"]["median"]}


def together(loaded: LoadedModel, drafts: int, count: int, repetitions: int) -> dict:
    """Tokens per second of one draft alone and of several at a time, and how even their shares are."""
    alone, all_together, even = [], [], []
    backend = LocalBackend(loaded.model, (), halves=True)
    for turn in range(repetitions):
        shared = Shared(backend)
        alone.append(own_rate(shared, text_ids(loaded, 150), count))
        done: list[float] = []

        def write(n: int, shared: Shared = shared, done: list[float] = done, turn: int = turn) -> None:
            ids = [*loaded.tokenizer.encode(f"Draft {n} of round {turn}. "), *text_ids(loaded, 150)]
            done.append(own_rate(shared, ids, count))

        threads = [threading.Thread(target=write, args=(n,)) for n in range(drafts)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        all_together.append(sum(done))
        even.append(min(done) / max(done))
    row = {"drafts": drafts, "alone": spread(alone), "together": spread(all_together), "evenness": min(even)}
    print(f"one draft {row['alone']['median']:.1f} tokens/s; {drafts} drafts together {row['together']['median']:.1f}, "
          f"slowest/fastest {row['evenness']:.2f}")  # fmt: skip
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="builtin")
    parser.add_argument("--lengths", default="100,500,1000,2000,4000")
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    fast = fast_dtype()
    found = {"model": given.model, "dtype": fast, "threads": torch.get_num_threads(), "cores": os.cpu_count()}
    found["machine"] = {"system": platform.system(), "python": platform.python_version()}
    found |= rates(given.model, fast, given.tokens, given.repetitions)
    loaded = load_model(given.model, dtype=fast, attn=grouped.NAME)
    found["drafts"] = together(loaded, 4, given.tokens, max(1, given.repetitions // 2))
    found["waits"] = waits(loaded, [int(n) for n in given.lengths.split(",")], given.repetitions)
    if given.json:
        given.json.parent.mkdir(parents=True, exist_ok=True)
        given.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
