"""The losses that TRL has too, on the same rows under the same trained adapter: the same number."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import model_folder

ROWS = [
    {"prompt": f"Q{n}: It is ", "rejected": "quite bad" + " so" * n, "chosen": "good for you, all of you" + " !" * n}
    for n in range(4)
]

SCRIPT = """
import json, sys, torch
from datasets import Dataset
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import DPOConfig, DPOTrainer, KTOConfig, KTOTrainer
from trl.experimental.cpo import CPOConfig, CPOTrainer
from midcourse import SteerConfig, SteerTrainer

name, rows = "tiny", Dataset.from_list(json.load(open("rows.json")))
tokenizer = AutoTokenizer.from_pretrained(name)


def adapted():
    torch.manual_seed(0)
    return get_peft_model(
        AutoModelForCausalLM.from_pretrained(name, dtype=torch.float32),
        LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM"),
    )


def move(model):
    torch.manual_seed(1)
    for n, p in model.named_parameters():
        if "lora_B.default" in n:
            p.data.normal_(std=0.5)
    return model


def open_ends(trainer, *sides):
    move(trainer.model)
    trainer.eval_dataset = trainer.eval_dataset.map(lambda row: {side: row[side][:-1] for side in sides})
    return trainer.evaluate()["eval_loss"]


def dpo(**settings):
    args = DPOConfig("out", max_length=None, bf16=False, report_to="none", per_device_eval_batch_size=4, **settings)
    trainer = DPOTrainer(adapted(), args=args, train_dataset=rows, eval_dataset=rows, processing_class=tokenizer)
    return open_ends(trainer, "chosen_ids", "rejected_ids")


def kto(**settings):
    unpaired = [
        {"prompt": row["prompt"], "completion": row[side], "label": side == "chosen"}
        for row in rows for side in ("chosen", "rejected")
    ]
    data = Dataset.from_list(unpaired)
    args = KTOConfig("out", max_length=None, bf16=False, report_to="none", per_device_eval_batch_size=8, **settings)
    trainer = KTOTrainer(adapted(), args=args, train_dataset=data, eval_dataset=data, processing_class=tokenizer)
    return 2 * open_ends(trainer, "completion_ids")  # a mean over sides, ours over pairs


def simpo(**settings):
    with torch.no_grad():
        model, means = move(adapted()).eval(), {}
        for side in ("chosen", "rejected"):
            means[side] = []
            for row in rows:
                whole = tokenizer(row["prompt"] + row[side], return_tensors="pt").input_ids
                start = tokenizer(row["prompt"], return_tensors="pt").input_ids.shape[1]
                logps = model(whole).logits[0, :-1].log_softmax(-1).gather(1, whole[0, 1:, None])[:, 0]
                means[side].append(logps[start - 1 :].mean())
    there = CPOTrainer.__new__(CPOTrainer)
    there.beta, there.simpo_gamma = settings["beta"], settings["simpo_gamma"]
    there.loss_type, there.label_smoothing, there.alpha = "simpo", settings.get("label_smoothing", 0.0), 0.0
    there.accelerator = type("A", (), {"device": torch.device("cpu")})
    losses, _, _ = there.cpo_loss(torch.stack(means["chosen"]), torch.stack(means["rejected"]))
    return losses.mean().item()


def ours(**settings):
    args = SteerConfig(
        "out", mask_rejected=False, rejected_window=99, report_to="none", use_cpu=True, **settings
    )
    trainer = SteerTrainer(adapted(), args=args, train_dataset=rows, eval_dataset=rows, processing_class=tokenizer)
    move(trainer.model)
    return trainer.evaluate()["eval_loss"]


for there, settings in (
    (dpo, {"loss_type": "sigmoid", "beta": 0.1}),
    (dpo, {"loss_type": "hinge", "beta": 0.1}),
    (dpo, {"loss_type": "ipo", "beta": 0.2}),
    (dpo, {"loss_type": "robust", "beta": 0.3, "label_smoothing": 0.1}),
    (kto, {"loss_type": "apo_zero_unpaired", "beta": 0.2}),
    (simpo, {"loss_type": "simpo", "beta": 2.0, "simpo_gamma": 0.5}),
    (simpo, {"loss_type": "simpo", "beta": 2.0, "simpo_gamma": 0.5, "label_smoothing": 0.2}),
):
    print("pair", json.dumps([settings, there(**settings), ours(**settings)]))
"""


@pytest.mark.long
@pytest.mark.skipif(importlib.util.find_spec("trl") is None, reason="TRL is not installed: pip install trl")
def test_the_same_numbers_as_trl(tmp_path: Path) -> None:
    model_folder.save_model(tmp_path / "tiny", positions=256)
    (tmp_path / "rows.json").write_text(json.dumps(ROWS))
    source = Path(__file__).parents[2] / "src"
    environment = {**os.environ, "PYTHONPATH": str(source), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    environment |= {"HF_DATASETS_CACHE": str(tmp_path / "datasets"), "TRL_EXPERIMENTAL_SILENCE": "1"}
    command = [sys.executable, "-c", SCRIPT]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    found = [json.loads(line[5:]) for line in done.stdout.splitlines() if line.startswith("pair ")]
    assert len(found) == 7
    for settings, theirs, mine in found:
        assert mine == pytest.approx(theirs, rel=1e-4), settings
    assert len({round(mine, 4) for _, _, mine in found}) == 7
