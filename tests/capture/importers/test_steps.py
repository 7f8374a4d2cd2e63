"""A Step-DPO row is one steer behind the steps that were right, with what follows the better step as kept text."""

import json
from pathlib import Path

from midcourse.capture.importers.steps import import_steps
from midcourse.tokens import TextTokenizer

from .real import all_can_be_learnt, apart, sides, text

ROWS = [
    {
        "prompt": "What is 2 + 3?",
        "initial_reason_steps": "Let's think step by step.\nStep 1: Take 2.\nStep 2:",
        "chosen": " Add 3 to get 5.",
        "rejected": " Add 3 to get 6.",
        "full_chosen": " Add 3 to get 5.\nStep 3: So 5.",
        "full_rejected": " Add 3 to get 6.\nStep 3: So 6.",
        "answer": "5",
        "dataset": "made",
    },
    {"prompt": "Q", "initial_reason_steps": "", "chosen": "Yes.", "rejected": "No."},
    {"prompt": "Q", "initial_reason_steps": "", "chosen": "Yes.", "rejected": " "},
    {"prompt": "Q", "chosen": "Yes."},
]


def test_step_dpo(tiny_tokenizer: TextTokenizer, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps(r) + "\n" for r in ROWS), encoding="utf-8")
    (first, second), skipped = apart(import_steps([path], tiny_tokenizer))
    assert text(first, tiny_tokenizer).endswith("Step 2: Add 3 to get 5.\nStep 3: So 5.")
    ((kind, rejected, chosen),) = sides(first, tiny_tokenizer)
    assert (kind, rejected[-2:], chosen[-2:]) == ("stepwise", "6.", "5.")
    assert first.messages[0].content == "What is 2 + 3?"
    assert second.teaches == "steers"
    assert [s.line for s in skipped] == [3, 4]
    assert all_can_be_learnt([first, second]) == 2
    renamed = [{"q": r["prompt"], **{k: v for k, v in r.items() if k != "prompt"}} for r in ROWS[:1]]
    path.write_text(json.dumps(renamed[0]), encoding="utf-8")
    (same,), _ = apart(import_steps([path], tiny_tokenizer, columns={"prompt": "q"}))
    assert same.steers[0].id == first.steers[0].id
