"""`--processes N` as a user sees it: one voice, one sentence, all ended."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from midcourse.cli import app
from midcourse.cli.launching import without
from midcourse.cli.run_training import _sharded
from midcourse.workflows.scale import PRESETS

CLUSTER = Path(__file__).parents[2] / "recipes" / "cluster"


def words(desk: Path, out: str, *more: str) -> list[str]:
    source = [str(desk / "my.jsonl"), "--model", str(desk / "tiny"), "--output_dir", str(desk / out)]
    return ["train", *source, "--disable_tqdm", "true", *more]


def midcourse(*words: str, **kwargs) -> subprocess.Popen[str]:
    environment = {k: v for k, v in os.environ.items() if k != "RANK"} | {"OMP_NUM_THREADS": "1"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, "-m", "midcourse", *words], env=environment, **pipes, **kwargs)


def test_an_option_and_its_value_are_left_out():
    assert without(["train", "a", "--processes", "2", "--beta", "1"], "--processes") == ["train", "a", "--beta", "1"]
    assert without(["train", "--processes=2", "a"], "--processes") == ["train", "a"]


def test_a_launched_process_launches_none(desk: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RANK", "0")
    done = CliRunner().invoke(app, words(desk, "none", "--processes", "2"))
    assert done.exit_code == 2
    assert "leave out --processes" in done.stderr


def test_four_bits_are_refused_where_there_is_no_gpu(desk: Path):
    done = CliRunner().invoke(app, words(desk, "none", "--load_in_4bit"))
    assert done.exit_code == 2
    assert "needs a CUDA GPU" in done.stderr


def test_a_dry_run_shares_the_steps_out(desk: Path):
    def plan(*more: str) -> dict:
        return json.loads(CliRunner().invoke(app, words(desk, "none", "--dry_run", "--json", *more)).stdout)

    one, two = (
        plan("--per_device_train_batch_size", "4"),
        plan("--per_device_train_batch_size", "2", "--processes", "2"),
    )
    assert one["steps"] == two["steps"]


@pytest.mark.parametrize(
    ("given", "dtype", "gigabytes", "sharded"),
    [
        ({}, "bfloat16", 80, False),  # 16 GB
        ({}, "bfloat16", 24, True),
        ({}, "float32", 48, True),  # 32 GB, though its files have 16
        ({"use_peft": False}, "bfloat16", 24, None),  # only an adapter's base is ever sharded
        ({"fsdp": False}, "bfloat16", 24, None),
    ],
)
def test_a_base_that_fills_a_gpu_is_held_in_shards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: dict, dtype: str, gigabytes: int, sharded: bool | None
):
    (tmp_path / "config.json").write_text(json.dumps(PRESETS["llama-3.1-8b"]))
    save_file({}, tmp_path / "model.safetensors")
    gpu = SimpleNamespace(total_memory=gigabytes * 10**9)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: gpu)
    plan = {"model": str(tmp_path), "dtype": dtype}
    said = Console(file=io.StringIO())
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert _sharded(given, plan, said) == (given if not sharded else {**given, "fsdp": True})
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert _sharded(given, plan, said) == given


def accelerate(*words: str) -> None:
    environment = {k: v for k, v in os.environ.items() if k != "RANK"} | {"OMP_NUM_THREADS": "1"}
    agent = [sys.executable, "-m", "accelerate.commands.accelerate_cli", "launch", "--num_processes", "2"]
    done = subprocess.run([*agent, *words], env=environment, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.slow
def test_accelerate_launches_it_too(desk: Path):
    brief = ("--num_train_epochs", "2")
    done = CliRunner().invoke(app, words(desk, "whole", *brief, "--per_device_train_batch_size", "4"))
    assert done.exit_code == 0, done.stderr
    one = load_file(desk / "whole" / "adapter_model.safetensors")
    for name, how in {"ddp": ["--multi_gpu"], "fsdp": ["--config_file", str(CLUSTER / "fsdp2.yaml")]}.items():
        accelerate(*how, "-m", "midcourse", *words(desk, name, *brief, "--per_device_train_batch_size", "2"))
        two = load_file(desk / name / "adapter_model.safetensors")
        assert two.keys() == one.keys()
        assert all(torch.allclose(two[key], one[key], atol=1e-5) for key in one), name


@pytest.mark.slow
def test_two_processes_give_the_adapter_of_one(desk: Path):
    epochs = ("--num_train_epochs", "2")
    runs = [
        midcourse(*words(desk, "one", *epochs, "--per_device_train_batch_size", "4")),
        midcourse(*words(desk, "two", *epochs, "--per_device_train_batch_size", "2", "--processes", "2")),
    ]
    said = [run.communicate(timeout=280) for run in runs]
    assert [run.returncode for run in runs] == [0, 0], said
    assert said[1][1].count("The adapter is in") == 1
    one, two = (load_file(desk / name / "adapter_model.safetensors") for name in ("one", "two"))
    assert one.keys() == two.keys()
    assert max(float((one[name] - two[name]).abs().max()) for name in one) < 1e-5


@pytest.mark.slow
def test_a_mistake_is_said_once_in_one_sentence(desk: Path):
    run = midcourse(*words(desk, "none", "--processes", "2", "--betta", "1"))
    _, error = run.communicate(timeout=280)
    assert run.returncode == 2
    assert error.count("did you mean beta") == 1
    assert "Traceback" not in error


@pytest.mark.slow
def test_ctrl_c_ends_all(desk: Path):
    run = midcourse(*words(desk, "endless", "--processes", "2", "--num_train_epochs", "10000"), start_new_session=True)
    until = time.monotonic() + 200
    while not (desk / "endless" / "reference").is_dir() and time.monotonic() < until:
        time.sleep(0.2)
    os.killpg(run.pid, signal.SIGINT)  # as a terminal does
    _, error = run.communicate(timeout=90)
    assert run.returncode == 130, error
    assert error.rstrip().endswith("Interrupted.")
    ours = str(desk / "endless").encode()
    left = [p for p in Path("/proc").glob("[0-9]*/cmdline") if _holds(p, ours)]
    assert not left


def _holds(path: Path, words: bytes) -> bool:
    try:
        return words in path.read_bytes()
    except OSError:
        return False
