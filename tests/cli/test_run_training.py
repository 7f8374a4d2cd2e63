"""When `midcourse train` holds the base in shards by itself."""

import io
import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from rich.console import Console

from midcourse.cli import run_training
from midcourse.cli.run_training import _config, _in_shards
from midcourse.workflows.scale import PRESETS, Forked, Hardware, Shape, Training, memory, reckon

SIZE = "llama-3.1-8b"


@pytest.fixture
def placed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Whether settings are for shards on GPUs with so many bytes, and what is said."""
    (tmp_path / "config.json").write_text(json.dumps(PRESETS[SIZE]))
    (tmp_path / "model.safetensors").touch()  # the size of the file does not count

    def placed(room: float, settings: dict[str, Any], *, environment: dict[str, str] | None = None, **plan: Any) -> Any:
        settings = {"output_dir": str(tmp_path), "use_cpu": True, **settings}
        config, said = _config(settings), io.StringIO()
        plan = {"model": str(tmp_path), "dtype": "float32", **plan}
        with monkeypatch.context() as there:
            for name, value in {"WORLD_SIZE": "2", **(environment or {})}.items():
                there.setenv(name, value)
            there.setattr(torch.cuda, "is_available", lambda: True)
            there.setattr(torch.cuda, "get_device_properties", lambda _: SimpleNamespace(total_memory=room))
            found = _in_shards(config, settings, plan, Console(file=said, width=200))
        return found, said.getvalue()

    return placed


def test_what_counts_is_the_type_it_is_trained_in(placed: Any):
    found, said = placed(36e9, {"activation_checkpointing": True})
    assert found
    assert re.match(r"A process needs about 3[3-9]\.\d GB with the base whole, and a GPU has 36\.0 GB", said)
    assert "it is held in shards (--fsdp true)" in said
    assert placed(36e9, {"activation_checkpointing": True}, dtype="bfloat16") == (False, "")
    assert placed(36e9, {"max_tokens": 32768}, dtype="bfloat16")[0], "a long row needs room too"


def test_train_and_plan_go_by_one_rule(placed: Any):
    shape = Shape.of(SIZE)
    whole = sum(memory(shape, Training(), 2048).values())
    for room in (whole / 0.91, whole / 0.89):
        plan = reckon(shape, Forked(2048, 2, 64), 10, Hardware(1e12, room), processes=2)
        found, _ = placed(room, {"activation_checkpointing": True, "logits_memory": 512}, dtype="bfloat16")
        assert found == plan.training.sharded == (room < whole / 0.9)


@pytest.mark.parametrize(
    ("settings", "plan"),
    [
        ({"fsdp": False}, {}),
        ({"use_peft": False}, {}),
        ({}, {"load_in_4bit": True}),
        ({}, {"environment": {"ACCELERATE_USE_FSDP": "true"}}),
        ({}, {"environment": {"WORLD_SIZE": "1"}}),
    ],
    ids=["said", "all weights", "4 bits", "accelerate says so", "one process"],
)
def test_it_stays_as_it_was_said(placed: Any, settings: dict[str, Any], plan: dict[str, Any]):
    assert placed(1e6, {})[0]
    assert placed(1e6, settings, **plan) == (False, "")


def test_it_is_switched_on_before_anything_is_loaded(monkeypatch: pytest.MonkeyPatch):
    made: list[dict[str, Any]] = []

    def load_model(*_: Any, **__: Any) -> None:
        raise InterruptedError

    monkeypatch.setattr(run_training, "_config", made.append)
    monkeypatch.setattr(run_training, "_in_shards", lambda *_: True)
    monkeypatch.setattr(run_training, "load_model", load_model)
    with pytest.raises(InterruptedError):
        run_training.run({"beta": 0.1}, {"model": "any", "dtype": "float32"}, Console(quiet=True), resume=False)
    assert made == [{"beta": 0.1}, {"beta": 0.1, "fsdp": True}]
