"""Train on steers in plain PyTorch: no trainer, no trees, no packing, nothing of Midcourse. Read it to check us.

    python recipes/loop.py steers.jsonl runs/plain --model "$(midcourse model path builtin)"

Every line of the file is {"prompt", "prefix", "rejected", "chosen"}, optionally with "tail" (what the model wrote after
the correction and was let stand); `prompt` is text or a list of chat messages. A row whose prefix goes on from the text
of the row before it belongs to the same text. One row per branch is run: the kept text, and each rejected side on its
own. That is slow and simple; `SteerTrainer` runs it in one pass and has the same loss and the same gradient:

    SteerTrainer("builtin", SteerConfig(output_dir="runs/same", train_sampling_strategy="sequential"), rows)

`train_sampling_strategy="sequential"` makes it take the texts in the order of the file, as this loop does; by default
it shuffles them by `seed`. tests/recipes/test_loop.py trains both and compares losses and weights at every step.
Left out here: `local` steers, several rejected in one row, tokenizers other than byte-level BPE.
"""

import argparse
import json
import math
from itertools import accumulate

import torch
import torch.nn.functional as F
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer, get_linear_schedule_with_warmup

BETA, DECAY, WINDOW, SFT_WEIGHT, RETAIN_WEIGHT, MARGIN, TOP_K = 0.4, 0.95, 64, 0.0, 5.0, 4, 64
LR, EPOCHS, BATCH, WARMUP, SEED = 1e-4, 4, 1, 0.1, 42


def read_texts(rows, tokenizer):
    """Kept texts in the order of the rows: of each its token ids, its pairs, which tokens must stay as they were."""
    texts = []  # prompt, text up to the last correction, the same with what was let stand behind it, rows
    for row in rows:
        prompt, put = (row.get("trajectory"), row["prompt"]), row["prefix"] + row["chosen"]
        if not (texts and texts[-1][0] == prompt and row["prefix"].startswith(texts[-1][1])):
            texts.append([prompt, "", "", []])
        texts[-1][1:3] = put, put + row.get("tail", "")
        texts[-1][3].append(row)
    return [as_tokens(prompt, whole, rows, tokenizer) for (_, prompt), _, whole, rows in texts]


def as_tokens(prompt, whole, rows, tokenizer):
    """Prompt and answer are tokenized as one; a pair begins where its two paths of tokens part."""

    def path(answer):  # the ids, and for each the byte of the answer at which it ends: at most 0 in the prompt
        if isinstance(prompt, str):
            ids = tokenizer(prompt + answer)["input_ids"]
        else:
            ids = tokenizer.apply_chat_template(prompt, add_generation_prompt=True, return_dict=False)
            ids = ids + tokenizer(answer, add_special_tokens=False, split_special_tokens=True)["input_ids"]
        ends = list(accumulate(map(len, tokenizer.convert_ids_to_tokens(ids))))  # one character stands for one byte
        return ids, [end - ends[-1] + len(answer.encode()) for end in ends]

    trunk, ends = path(whole)
    retain = [end > 0 for end in ends]  # the model's words: the prompt and what the person put are none
    pairs = []
    for row in rows:
        start, stop = len(row["prefix"].encode()), len((row["prefix"] + row["chosen"]).encode())
        end, said = 1 + sum(e < stop for e in ends), []
        fork = sum(e <= start for e in ends)
        if row["rejected"] is not None:
            said = path(row["prefix"] + row["rejected"])[0]
            fork = next((i for i, (a, b) in enumerate(zip(trunk, said, strict=False)) if a != b), len(said))
        assert 0 < fork < (min(end, len(said)) if said else end), f"one side begins with the other: {row}"
        chosen = trunk[fork:end][:WINDOW]
        rejected = said[fork:][: max(8, 2 * len(chosen))]
        counts = [True, *(not shared for shared in in_common(rejected[1:], chosen))][: len(rejected)]
        pairs.append((fork, chosen, rejected, torch.tensor(counts).float(), row.get("weight", 1.0)))
        retain[fork:end] = [False] * (end - fork)
        retain[max(0, fork - MARGIN) : fork] = [False] * min(MARGIN, fork)  # people stop late
    return trunk, pairs, [t for t in range(1, len(trunk)) if retain[t]]


def in_common(a, b):
    """For each token of a whether a longest common subsequence matches it to one of b."""
    best = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i in reversed(range(len(a))):
        for j in reversed(range(len(b))):
            best[i][j] = 1 + best[i + 1][j + 1] if a[i] == b[j] else max(best[i + 1][j], best[i][j + 1])
    matched, i, j = [False] * len(a), 0, 0
    while i < len(a) and j < len(b):
        if a[i] == b[j]:
            matched[i], i, j = True, i + 1, j + 1
        else:
            i, j = (i + 1, j) if best[i + 1][j] >= best[i][j + 1] else (i, j + 1)
    return matched


def run(model, text):
    """Log-probabilities of both sides of every pair, and of the whole vocabulary at the retained tokens."""
    trunk, pairs, retained = text
    logps = model(torch.tensor([trunk])).logits[0].float().log_softmax(1)  # logps[t] predicts token t + 1
    sides = []
    for fork, chosen, rejected, _, _ in pairs:
        branch = model(torch.tensor([trunk[:fork] + rejected])).logits[0].float().log_softmax(1)
        sides.append((pick(logps, fork, chosen), pick(branch, fork, rejected)))
    return sides, logps[[t - 1 for t in retained]]


def pick(logps, fork, ids):
    return logps[range(fork - 1, fork - 1 + len(ids)), ids]


def bucketed(logps, ids):
    """The log-probabilities of some tokens, and of all others together."""
    others = logps.scatter(1, ids, -math.inf).logsumexp(1, keepdim=True)
    return torch.cat([logps.gather(1, ids), others], 1)


def loss_of(model, text, reference, all_pairs, all_retained):
    """One text's part of the step's loss."""
    (sides, logps), (ref_sides, ref_ids, ref_logps) = run(model, text), reference
    loss = torch.zeros(())
    for (chosen, rejected), (ref_chosen, ref_rejected), (*_, counts, weight) in zip(
        sides, ref_sides, text[1], strict=True
    ):
        nll = -chosen.mean()
        plus = (DECAY ** torch.arange(len(chosen)) * (chosen - ref_chosen)).sum()
        minus = (DECAY ** torch.arange(len(rejected)) * counts * (rejected - ref_rejected)).sum()
        contrast = -F.logsigmoid(BETA * (plus - minus)) + SFT_WEIGHT * nll
        loss = loss + weight * (contrast if len(rejected) else nll) / all_pairs
    kl = (ref_logps.exp() * (ref_logps - bucketed(logps, ref_ids))).sum()
    return loss + RETAIN_WEIGHT * kl / max(1, all_retained)


def train(model, texts, on_step=lambda step, loss: print(f"step {step:4}  loss {loss:.4f}", flush=True)):
    references = []
    with torch.no_grad(), model.disable_adapter():
        for text in texts:
            sides, logps = run(model, text)
            ids = logps.topk(min(TOP_K, logps.shape[1] - 1)).indices
            references.append((sides, ids, bucketed(logps, ids)))
    batches = [range(i, min(i + BATCH, len(texts))) for i in range(0, len(texts), BATCH)] * EPOCHS
    weights = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=LR, weight_decay=0.0)
    schedule = get_linear_schedule_with_warmup(optimizer, math.ceil(WARMUP * len(batches)), len(batches))
    model.train()
    for step, batch in enumerate(batches, 1):
        all_pairs = sum(weight for i in batch for *_, weight in texts[i][1])  # denominators are the whole step's
        all_retained = sum(len(texts[i][2]) for i in batch)
        total = 0.0
        for i in batch:
            loss = loss_of(model, texts[i], references[i], all_pairs, all_retained)
            loss.backward()
            total += loss.item()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        on_step(step, total)


def adapted(folder):
    """A base with a fresh LoRA adapter, and its tokenizer."""
    base = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    torch.manual_seed(SEED)  # the adapter's start
    lora = LoraConfig(r=16, lora_alpha=32, lora_dropout=0.0, target_modules="all-linear", task_type="CAUSAL_LM")
    return get_peft_model(base, lora), AutoTokenizer.from_pretrained(folder)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("steers", help="a JSONL file of rows {prompt, prefix, rejected, chosen}")
    parser.add_argument("output_dir", help="where the adapter is saved")
    parser.add_argument("--model", required=True, help="a model folder or hub id")
    args = parser.parse_args()
    model, tokenizer = adapted(args.model)
    with open(args.steers, encoding="utf-8") as lines:
        texts = read_texts(map(json.loads, lines), tokenizer)
    train(model, texts)
    model.save_pretrained(args.output_dir)
