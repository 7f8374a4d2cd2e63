"""`--processes N` as a user sees it: one voice, one sentence, all ended."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from safetensors.torch import load_file
from typer.testing import CliRunner

from midcourse.cli import app
from midcourse.cli.launching import without

LAUNCH = ("-m", "accelerate.commands.launch", "--num_processes", "2", "--main_process_port", "0")
FSDP2 = ("--config_file", str(Path(__file__).parents[2] / "recipes" / "cluster" / "fsdp2.yaml"))

pytestmark = pytest.mark.timeout(1300)  # a test starts several processes, beside other tests


def words(desk: Path, out: str, *more: str) -> list[str]:
    source = [str(desk / "my.jsonl"), "--model", str(desk / "tiny"), "--output_dir", str(desk / out)]
    return ["train", *source, "--disable_tqdm", "true", *more]


def midcourse(*words: str, launcher: tuple[str, ...] = (), **kwargs) -> subprocess.Popen[str]:
    environment = {k: v for k, v in os.environ.items() if k != "RANK"} | {"OMP_NUM_THREADS": "1"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, *launcher, "-m", "midcourse", *words], env=environment, **pipes, **kwargs)


def difference(one: Path, other: Path) -> float:
    """Of the adapters in two folders, the largest of any weight."""
    weights, others = (load_file(folder / "adapter_model.safetensors") for folder in (one, other))
    assert weights.keys() == others.keys()
    return max(float((weights[name] - others[name]).abs().max()) for name in weights)


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


@pytest.mark.slow
def test_two_processes_give_the_adapter_of_one(desk: Path):
    epochs = ("--num_train_epochs", "2")
    runs = [
        midcourse(*words(desk, "one", *epochs, "--per_device_train_batch_size", "4")),
        midcourse(*words(desk, "two", *epochs, "--per_device_train_batch_size", "2", "--processes", "2")),
    ]
    said = [run.communicate(timeout=600) for run in runs]
    assert [run.returncode for run in runs] == [0, 0], said
    assert said[1][1].count("The adapter is in") == 1
    assert difference(desk / "one", desk / "two") < 1e-5


@pytest.fixture(scope="module")
def alone(desk: Path) -> Path:
    """What one process makes of it."""
    run = midcourse(*words(desk, "alone", "--num_train_epochs", "2", "--per_device_train_batch_size", "4"))
    _, error = run.communicate(timeout=600)
    assert run.returncode == 0, error
    return desk / "alone"


@pytest.mark.slow
@pytest.mark.parametrize("how", ["ddp", "fsdp2"])
def test_accelerate_launches_what_gives_the_adapter_of_one(desk: Path, alone: Path, how: str):
    options = ("--multi_gpu",) if how == "ddp" else FSDP2
    batch = ("--num_train_epochs", "2", "--per_device_train_batch_size", "2")
    run = midcourse(*words(desk, how, *batch), launcher=(*LAUNCH, *options))
    _, error = run.communicate(timeout=600)
    assert run.returncode == 0, error
    assert error.count("The adapter is in") == 1
    assert difference(alone, desk / how) < 1e-5


@pytest.mark.slow
def test_accelerate_has_the_weights_in_shards(desk: Path):
    """The adapter would be the same without: what cannot be done in shards is refused."""
    run = midcourse(*words(desk, "none", "--use_peft", "false"), launcher=(*LAUNCH, *FSDP2))
    _, error = run.communicate(timeout=600)
    assert run.returncode != 0
    assert "weights in shards (--fsdp) go with an adapter" in error


@pytest.mark.slow
def test_a_mistake_is_said_once_in_one_sentence(desk: Path):
    run = midcourse(*words(desk, "none", "--processes", "2", "--betta", "1"))
    _, error = run.communicate(timeout=600)
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
