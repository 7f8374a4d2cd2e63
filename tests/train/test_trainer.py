"""The trainer: the same gradient however it is cut up, guards, λ under a budget, kills."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from growing import Growing, random_trajectory, text, tiny_model
from midcourse.errors import InputError, ModelError, TokenizerMismatch
from midcourse.model import load_model, weights_hash
from midcourse.objective import all_losses
from midcourse.tokens import TextTokenizer
from midcourse.train import SteerConfig, SteerTrainer, reference
from midcourse.train.tree_file import TreeFile
from midcourse.train.trees import HeldTrees
from midcourse.types import Trajectory
from model_folder import save_model
from training_run import tokenizer, trainer, weights

RUN = Path(__file__).parents[1] / "training_run.py"


def resampled(name: str, times: int) -> Trajectory:
    """A text whose model was sent back to one place again and again."""
    growing = Growing([1, 2], name).write([10, 11, 12, 13])
    for n in range(times):
        growing.steer(2, [], kind="resampled").write([20 + n, 30 + n])
    return growing.write([40, 41]).value


def trained(path: Path, **settings) -> dict[str, torch.Tensor]:
    made = trainer(str(path), **settings)
    made.train()
    return weights(made)


@pytest.mark.long
@pytest.mark.parametrize(
    "other",
    [
        {"max_tokens": 60},
        {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 2},
        {"forward_path": "branches"},
        {"activation_checkpointing": True},
    ],
    ids=["small rows", "accumulated", "branches", "checkpointed"],
)
def test_however_it_is_cut_up_the_step_is_the_same(tmp_path: Path, other: dict):
    one, two = trained(tmp_path / "a"), trained(tmp_path / "b", **other)
    for name in one:
        assert torch.allclose(one[name], two[name], rtol=1e-3, atol=1e-4), name


@pytest.mark.long
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"mix": "text=0.25,replay=0.2", "max_tokens": 40},
        {"use_peft": False, "max_drift": 1e-5, "learning_rate": 1e-3},
    ],
    ids=["plain", "mixed, cut up", "all weights, under a budget"],
)
def test_from_disk_and_from_memory_the_weights_are_bit_equal(tmp_path: Path, settings: dict):
    data = [*(random_trajectory(i) for i in range(9)), *(text(i) for i in range(5))]
    runs = []
    for held in (10**6, 0):
        replay = {"mix_datasets": {"replay": [text(40 + n) for n in range(9)]}} if "mix" in settings else {}
        folder = tmp_path / str(held)
        runs.append(trainer(str(folder), data=data, dev=True, held_tokens=held, **replay, **settings))
        runs[-1].train()
    memory, disk = runs
    assert (type(memory.examples.trees), type(disk.examples.trees)) == (HeldTrees, TreeFile)
    assert not (tmp_path / "1000000" / "trees").exists()
    other = weights(disk)
    assert all(torch.equal(w, other[n]) for n, w in weights(memory).items())
    same = ({k: v for k, v in h.items() if "runtime" not in k and "_second" not in k} for h in disk.state.log_history)
    for log in memory.state.log_history:
        assert {k: v for k, v in log.items() if "runtime" not in k and "_second" not in k} == next(same)


@pytest.mark.long
def test_references_beyond_the_room_for_them_are_read_from_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    one = trained(tmp_path / "a")
    monkeypatch.setattr(reference, "HELD", 20_000)
    made = trainer(str(tmp_path / "b"))
    made.train()
    assert 0 < len(made.references._entries) < 9
    two = weights(made)
    assert all(torch.equal(one[name], two[name]) for name in one)


@pytest.mark.long
@pytest.mark.parametrize(
    "settings",
    [
        {"loss_type": "sft_full", "weigh_by": "trajectory"},
        {"loss_type": "sigmoid", "whole_answers": True},
        {"loss_type": "listwise", "weigh_by": "trajectory"},
        {"resumed_tokens": 3, "sft_weight": 0.5},
    ],
    ids=lambda s: "-".join(map(str, s.values())),
)
def test_whatever_the_loss_small_rows_give_the_same_step(tmp_path: Path, settings: dict):
    data = [*(random_trajectory(i) for i in range(6)), resampled("a", 3), resampled("b", 4)]
    whole = trained(tmp_path / "a", data=data, per_device_train_batch_size=8, **settings)
    cut = {"max_tokens": 24, "per_device_train_batch_size": 1, "gradient_accumulation_steps": 8}
    parts = trained(tmp_path / "b", data=data, **cut, **settings)
    for name in whole:
        assert torch.allclose(whole[name], parts[name], rtol=1e-3, atol=1e-4), name


@pytest.mark.long
@pytest.mark.parametrize(
    "settings",
    [*({"loss_type": name} for name in all_losses()), {"loss_type": "sigmoid", "whole_answers": True}],
    ids=lambda s: "-".join(map(str, s.values())),
)
def test_every_loss_learns(tmp_path: Path, settings: dict):
    made = trainer(str(tmp_path), num_train_epochs=5, per_device_train_batch_size=9, logging_steps=1, **settings)
    made.train()
    losses = [h["loss"] for h in made.state.log_history if "loss" in h]
    assert losses[-1] < losses[0]


def test_learning_raises_the_margin_and_reports_it(tmp_path: Path):
    made = trainer(str(tmp_path), num_train_epochs=25, dev=True, eval_strategy="epoch")
    made.train()
    logs = [h for h in made.state.log_history if "rewards/margins" in h]
    assert logs[-1]["rewards/margins"] > logs[0]["rewards/margins"] + 0.3
    assert logs[-1]["rewards/accuracies"] > 0.8
    assert {"logps/chosen_delta", "tree/token_ratio", "retain_kl", "retain_weight"} <= logs[-1].keys()
    assert any("eval_drift/kl_retained" in h for h in made.state.log_history)


def test_the_first_loss_is_ln_2_and_the_first_margin_0(tmp_path: Path):
    data = [Growing([1, 2], "a").write([10, 11, 12, 13]).steer(2, [20]).write([30, 31]).value]
    made = trainer(str(tmp_path), data=data, num_train_epochs=1, logging_steps=1)
    made.train()
    first = made.state.log_history[0]
    assert first["loss"] == pytest.approx(0.6931, abs=1e-3)
    assert first["rewards/margins"] == pytest.approx(0, abs=1e-4)


def test_a_reference_of_another_model_is_refused(tmp_path: Path):
    made = trainer(str(tmp_path))
    made.base = None  # the key stays: only the weights change under it
    with torch.no_grad():
        made._prepare_reference(fresh=True)
        for parameter in made.model.parameters():
            if not parameter.requires_grad:
                parameter.mul_(1.5)
    with pytest.raises(ModelError, match="differs from the reference"):
        made._prepare_reference(fresh=True)


def test_all_weights_can_be_trained(tmp_path: Path):
    made = trainer(str(tmp_path), use_peft=False, learning_rate=1e-3)
    before = weights(made)
    made.train()
    made.save_model()
    assert any(not torch.equal(before[n], w) for n, w in weights(made).items())
    assert (tmp_path / "model.safetensors").is_file()


@pytest.mark.long
def test_all_weights_trained_leave_a_model_folder_that_is_loaded_and_trained_on(tmp_path: Path):
    base = save_model(tmp_path / "base")
    rows = [{"prompt": "Q: ", "prefix": "It is a ", "rejected": "bad thing", "chosen": "good thing"}]
    for start, out in (("base", "first"), ("first", "second")):
        config = SteerConfig(output_dir=str(tmp_path / out), use_peft=False, use_cpu=True, disable_tqdm=True)
        made = SteerTrainer(tmp_path / start, config, rows)
        made.train()
        made.save_model()
    loaded = load_model(tmp_path / "second")
    first = TextTokenizer.load(base)
    assert (loaded.tokenizer.hash, loaded.tokenizer.template) == (first.hash, first.template)
    assert len({weights_hash(tmp_path / name) for name in ("base", "first", "second")}) == 3
    card = (tmp_path / "second" / "README.md").read_text()
    assert "library_name: transformers" in card
    assert "lora]" not in card


def test_what_a_run_leaves_behind(tmp_path: Path):
    made = trainer(str(tmp_path), save_strategy="no")
    made.train()
    made.save_model()
    record = json.loads((tmp_path / "midcourse.json").read_text())
    assert record["base"]["weights"] == made.base.weights
    assert record["settings"]["beta"] == 0.4
    assert record["data"]["steers"] == made.examples.steers
    assert "base_model" in (tmp_path / "README.md").read_text()
    assert (tmp_path / "adapter_config.json").is_file()


def test_another_tokenizer_is_refused(tmp_path: Path):
    other = tokenizer()
    other.hash = "another"
    with pytest.raises(TokenizerMismatch, match="tokenized by"):
        SteerTrainer(
            tiny_model(), SteerConfig(output_dir=str(tmp_path)), [random_trajectory(1)], processing_class=other
        )


def test_nothing_to_train_on_is_said(tmp_path: Path):
    with pytest.raises(InputError, match="nothing to train on"):
        trainer(str(tmp_path), data=[Growing([1]).write([5]).value])


@pytest.mark.parametrize(("name", "value"), [("beta", 0.0), ("decay", 1.5), ("window", 0), ("loss_type", "dop")])
def test_settings_are_checked(tmp_path: Path, name: str, value: object):
    with pytest.raises(InputError, match=name):
        SteerConfig(output_dir=str(tmp_path), **{name: value})


def _wait_for(path: Path, child: subprocess.Popen, seconds: float = 300) -> None:
    """Until the path is there; the child must still be running, or nothing was killed."""
    end = time.monotonic() + seconds
    while not path.exists():
        assert child.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < end, f"{path} never came"
        time.sleep(0.0005)


@pytest.mark.slow
@pytest.mark.timeout(2400)
@pytest.mark.parametrize("moment", ["step", "save", "write"])
def test_killed_and_resumed_the_weights_are_bit_equal(tmp_path: Path, moment: str):
    """The undisturbed run has its trees in memory, the one that is killed has them on disk."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}
    undisturbed, killed = tmp_path / "undisturbed", tmp_path / "killed"
    subprocess.run([sys.executable, RUN, undisturbed, "1000000"], env=environment, check=True, capture_output=True)
    for n in range(3):
        with subprocess.Popen([sys.executable, RUN, killed, "0"], env=environment, stdout=subprocess.DEVNULL) as child:
            if moment == "write" and n != 1:  # before the first step, and again on the way back to a checkpoint
                _wait_for(killed / "trees" / ".mix-1.arrow", child)
            else:
                _wait_for(killed / f"checkpoint-{10 * (n + 1)}", child)
            if moment == "save":
                _wait_for(killed / ".writing", child)
            child.send_signal(signal.SIGKILL)
    subprocess.run([sys.executable, RUN, killed, "0"], env=environment, check=True, capture_output=True)
    one, two = (load_file(p / "adapter_model.safetensors") for p in (undisturbed, killed))
    assert one.keys() == two.keys()
    assert all(torch.equal(one[n], two[n]) for n in one)
