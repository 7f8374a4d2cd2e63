"""Makes `demo_steers.jsonl`: the built-in model writes advice, and a rule steers it into a house style.

No person took part: `house_style.yaml` stands in the person's place, so that the demo can be made again and its
result can be counted. Everything else is as it would be with a person: the model is stopped while it writes, a few
words are put right, it goes on from there. The finished texts must pass `house_style_check.py`, which shares nothing
with the rule. One row a steer, as anybody could write it by hand:

    prompt      what was asked, as chat messages
    prefix      what stood before the correction
    rejected    what the model was saying, as far as it had come when it was stopped
    chosen      what was put there
    tail        what the model went on to write and what was let stand, up to the next correction
    kind, reason, trajectory, split

    python recipes/demo_steers.py        # about ten minutes on two cores, the same file every time
"""

import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from house_style_check import breaks

from midcourse.backends.local import LocalBackend
from midcourse.backends.protocol import Sampling
from midcourse.drafts.draft import Draft
from midcourse.drafts.simulate import RuleSet, simulate
from midcourse.model import load_model
from midcourse.tokens import TextTokenizer
from midcourse.types import Message, Trajectory

HERE = Path(__file__).parent


def rows(trajectory: Trajectory, tokenizer: TextTokenizer) -> Iterator[dict[str, Any]]:
    """One row for each steer, in the order in which they stand in the text."""
    prompt = len(trajectory.nodes[0].token_ids)
    steers = [s for s in trajectory.steers if s.chosen is not None]
    ends = [*(s.fork.depth for s in steers[1:]), trajectory.head.depth]
    trunk = trajectory.path(trajectory.head)

    def text(ids: list[int]) -> str:
        return tokenizer.to_bytes([i for i in ids if i not in tokenizer.eos]).decode("utf-8")  # refuses half characters

    for steer, end in zip(steers, ends, strict=True):
        fork, chosen = steer.fork.depth, steer.chosen
        assert chosen is not None
        assert trunk[: chosen.depth] == trajectory.path(chosen), "a correction was itself corrected"
        yield {
            "trajectory": trajectory.id,
            "split": trajectory.split,
            "kind": steer.kind,
            "reason": steer.reason,
            "prompt": [m.to_dict() for m in trajectory.messages],
            "prefix": text(trunk[prompt:fork]),
            "rejected": text(trajectory.path(steer.rejected[0].end)[fork:]),
            "chosen": text(trunk[fork : chosen.depth]),
            "tail": text(trunk[chosen.depth : end]),
        }


def main() -> None:
    loaded = load_model("builtin")
    backend = LocalBackend(loaded.model, loaded.tokenizer.eos)
    rules = RuleSet.load(HERE / "house_style.yaml")
    prompts = [json.loads(line) for line in (HERE / "demo_prompts.jsonl").read_text("utf-8").splitlines()]
    out: list[dict[str, Any]] = []
    made: Counter[str] = Counter()
    tokens, steered, began = 0, Counter(), time.time()
    for n, entry in enumerate(prompts, 1):
        split = entry["split"]
        draft = Draft(backend, loaded.tokenizer, sampling=Sampling(), model=loaded.ref, source="simulated")
        draft.start([Message("user", entry["prompt"])], id=f"{split}-{n:02}", split=split)
        run = simulate(draft, rules)
        assert not breaks(run.text), f"{entry['prompt']}: {dict(breaks(run.text))} left in {run.text!r}"
        new = list(rows(run.trajectory, loaded.tokenizer))
        out += new
        made += run.steers
        tokens += run.tokens
        steered[split] += bool(new)
        print(f"{n}/{len(prompts)} {entry['prompt']} {len(new)} steers", file=sys.stderr, flush=True)
    train = sum(row["split"] == "train" for row in out)
    print(f"{len(out)} steers ({train} to train on), {dict(made)}, {tokens} tokens, {time.time() - began:.0f} s")
    print(f"prompts with a steer: {dict(steered)}")
    with (HERE / "demo_steers.jsonl").open("w", encoding="utf-8") as file:
        for row in out:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    assert train >= 60, train
    assert steered["train"] >= 24, steered
    assert steered["test"] == sum(p["split"] == "test" for p in prompts), "every test prompt needs a steer"


if __name__ == "__main__":
    main()
