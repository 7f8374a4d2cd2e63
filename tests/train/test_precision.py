"""Half precision: chosen only where it is faster, and its noise is measured."""

import json
from pathlib import Path

import pytest
import torch

from growing import random_trajectory, tiny_model
from midcourse.train import SteerConfig, SteerTrainer, precision
from midcourse.train.precision import noise_floor, resolved_dtype
from random_trees import random_tree
from training_run import tokenizer


@pytest.mark.long
def test_auto_is_what_the_machine_is_faster_with(monkeypatch: pytest.MonkeyPatch):
    assert resolved_dtype("bfloat16") == "bfloat16"
    assert resolved_dtype("auto") in ("float32", "bfloat16")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for half, expected in ((0.9, "float32"), (0.5, "bfloat16")):
        monkeypatch.setattr(precision, "_product_seconds", lambda d, h=half: h if d is torch.bfloat16 else 1.0)
        assert resolved_dtype("auto") == expected


def test_the_floor_is_nothing_in_single_and_small_in_half_precision():
    trees = [random_tree(s) for s in (1, 2, 3)]
    single = noise_floor(tiny_model(), trees, "packed")
    half = noise_floor(tiny_model().bfloat16(), trees, "packed")
    assert single is not None
    assert half is not None
    assert single.kl < 1e-7
    assert single.logp < 1e-5
    assert half.logp < 0.1
    assert "drift below that is noise" in str(half)
    assert noise_floor(tiny_model(), trees[:1], "packed") is None


def test_what_depends_on_the_packing_is_seen(monkeypatch: pytest.MonkeyPatch):
    model, trees = tiny_model(), [random_tree(s) for s in (1, 2)]
    read = precision.logits_at
    monkeypatch.setattr(precision, "logits_at", lambda m, row, *more: read(m, row, *more) * len(row.trees))
    floor = noise_floor(model, trees, "packed")
    assert floor is not None
    assert floor.kl > 1e-4
    assert floor.logp > 1e-2


@pytest.mark.long
def test_a_run_in_half_precision_says_and_keeps_its_floor(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    made = SteerTrainer(
        tiny_model().bfloat16(),
        SteerConfig(output_dir=str(tmp_path), use_cpu=True, disable_tqdm=True, max_steps=1),
        [random_trajectory(i) for i in range(4)],
        processing_class=tokenizer(),
    )
    made.train()
    made.save_model()
    assert "In bfloat16, packed otherwise" in caplog.text
    assert json.loads((tmp_path / "midcourse.json").read_text())["noise_floor"].keys() == {"kl", "logp"}
