"""A disk that really is full and memory that really runs out, during a real `midcourse train`."""

import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import model_folder
from midcourse.errors import DiskFull, InputError, OutOfMemory, ran_out_of
from midcourse.rows import join, read_rows
from midcourse.store import Store
from midcourse.tokens import TextTokenizer
from midcourse.train.checkpoint import complete, newest_complete
from midcourse.train.limits import READING, disk_named, memory_named
from midcourse.tree.token_tree import build_tree

UNDER_A_LIMIT = """
import os, resource, sys
import midcourse.cli.run_training  # everything heavy is in memory before the limit falls
import peft.tuners.lora, transformers.models.llama.modeling_llama
used = int(open("/proc/self/statm").read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
resource.setrlimit(resource.RLIMIT_AS, (used + int(sys.argv.pop(1)) * 2**20,) * 2)
from midcourse.cli import main
main()
"""


def train(*words: object, before: list[str] | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *(before or ["-m", "midcourse"]), "train", *map(str, words)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "500", "MALLOC_ARENA_MAX": "1"}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def one_sentence(done: subprocess.CompletedProcess[str]) -> str:
    """What was said, when the command ended as a user's mistake does."""
    assert done.returncode == 2, done.stderr[-3000:]
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return model_folder.save_model(tmp_path_factory.mktemp("models") / "tiny", positions=16384)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of two megabytes."""
    where = tmp_path / "disk"
    where.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(where)]
    if os.geteuid() != 0 or not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("a full disk needs the right to mount a small file system")
    yield where
    subprocess.run(["umount", str(where)], check=True)


@pytest.mark.slow
def test_a_full_disk_leaves_checkpoints_and_store_and_the_run_goes_on(base: Path, small_disk: Path) -> None:
    out, store = small_disk / "run", small_disk / "midcourse.db"
    tokenizer = TextTokenizer.load(base)
    rows = [r for i in range(3) for r in read_rows({"prompt": f"Q{i}", "rejected": " no", "chosen": " yes"}, line=i)]
    with Store(store) as opened:
        opened.add_many(join(rows, tokenizer, source="t")[0])
    settings = [store, "--model", base, "--output_dir", out, "--save_total_limit", 50, "--lora_r", 16]
    settings += ["--per_device_train_batch_size", 3]
    said = one_sentence(train(*settings, "--num_train_epochs", 12))
    newest = newest_complete(out)
    assert newest is not None
    assert (
        f"{out} cannot be written, the disk is full. {newest.name} is whole: make room, and the same command with "
        "--resume goes on from there\n"
    ) in said
    assert all(complete(folder) for folder in out.glob("checkpoint-*"))
    assert not (out / ".writing").exists()  # what was begun does not take up the room
    subprocess.run(["mount", "-o", "remount,size=60m", str(small_disk)], check=True)
    with Store(store) as opened:
        assert opened.verify() == []
        assert opened.stats()["steers"] == 3
    done = train(*settings, "--num_train_epochs", 12, "--resume")
    assert done.returncode == 0, done.stderr[-2000:]
    state = json.loads((out / "trainer_state.json").read_text())
    assert state["global_step"] == 12
    assert state["log_history"][0]["step"] == 1  # it went on, and did not begin again
    assert (out / "adapter_model.safetensors").is_file()


@pytest.mark.slow
def test_an_adapter_that_was_there_outlives_a_full_disk(base: Path, small_disk: Path) -> None:
    steers = small_disk / "my.jsonl"
    steers.write_text(json.dumps({"prompt": "Q", "rejected": " no", "chosen": " yes"}) + "\n")
    settings = [
        steers,
        "--model",
        base,
        "--output_dir",
        small_disk / "run",
        "--save_strategy",
        "no",
        "--report_to",
        "none",
    ]
    assert train(*settings, "--num_train_epochs", 1).returncode == 0
    before = (small_disk / "run" / "adapter_model.safetensors").read_bytes()
    free = shutil.disk_usage(small_disk).free
    (small_disk / "filler").write_bytes(bytes(free - 40_000))
    assert "No checkpoint was complete yet" in one_sentence(train(*settings, "--num_train_epochs", 2))
    assert (small_disk / "run" / "adapter_model.safetensors").read_bytes() == before


@pytest.mark.long
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the size of a process is read from /proc")
def test_no_memory_names_the_tree_and_two_settings(base: Path, tmp_path: Path) -> None:
    rows = [
        {"prompt": "Q", "prefix": "short", "rejected": " no", "chosen": " yes"},
        {"prompt": "Long", "prefix": "word " * 900, "rejected": " no", "chosen": " yes"},
    ]
    (tmp_path / "my.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    words = [tmp_path / "my.jsonl", "--model", base, "--output_dir", tmp_path / "run", "--max_tokens", 8000]
    megabytes = "70"  # beyond what is in memory before training begins
    said = one_sentence(train(*words, before=["-c", UNDER_A_LIMIT, megabytes]))
    texts = [r for line, row in enumerate(rows) for r in read_rows(row, line=line)]
    found, _ = join(texts, TextTokenizer.load(base), source="my.jsonl")
    longest = max(found, key=lambda t: t.head.depth)
    assert f"its largest tree is trajectory {longest.id} with 4" in said
    assert "Lower --max_tokens" in said
    assert "--activation_checkpointing true" in said or "--dtype bfloat16" in said  # while reading the reference


def test_reading_has_another_setting_than_training(base: Path) -> None:
    rows = read_rows({"prompt": "Q", "rejected": " no", "chosen": " yes"}, line=1)
    [trajectory], _ = join(rows, TextTokenizer.load(base), source="t")
    tree = build_tree(trajectory).tree
    reading = r"tokens\. Lower --max_tokens, or load the base .* --dtype bfloat16"
    with pytest.raises(OutOfMemory, match=reading), memory_named([tree], otherwise=READING):
        torch.empty(2**60)
    training = rf"{trajectory.id} .* \(now 64\), or set --activation_checkpointing true"
    with pytest.raises(OutOfMemory, match=training), memory_named([tree], 64):
        torch.empty(2**60)


def test_other_errors_stay_what_they_are(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="contiguous memory"), memory_named([]):
        raise RuntimeError("expected contiguous memory format")  # the word alone says nothing
    with pytest.raises(InputError), disk_named(tmp_path):
        raise InputError("(os error 28)")
    with pytest.raises(PermissionError), disk_named(tmp_path):
        raise PermissionError(13, "denied", "x")


def test_what_libraries_say_when_a_machine_lacks_something() -> None:
    with pytest.raises(RuntimeError) as said:
        torch.empty(2**60)
    assert ran_out_of(said.value) == "memory"
    assert ran_out_of(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")) == "memory"
    assert ran_out_of(MemoryError()) == "memory"
    assert ran_out_of(OutOfMemory("x")) == "memory"
    assert ran_out_of(OSError(28, "No space left on device")) == "disk"
    assert ran_out_of(DiskFull("x")) is None
    assert ran_out_of(ValueError("no")) is None


@pytest.mark.parametrize(
    "write",
    [
        lambda tensor, path: torch.save({"a": tensor}, path),
        lambda tensor, path: save_file({"a": tensor}, path),
        lambda tensor, path: path.write_bytes(tensor.numpy().tobytes()),
    ],
    ids=["torch", "safetensors", "python"],
)
def test_a_file_over_the_limit_counts_as_a_full_disk(tmp_path: Path, write: Callable[..., None]) -> None:
    tensor, before = torch.zeros(10_000), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
    try:
        with pytest.raises(Exception) as said:  # noqa: PT011 - each library raises its own
            write(tensor, tmp_path / "a")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert ran_out_of(said.value) == "disk", repr(said.value)


@pytest.mark.long
def test_an_unknown_logger_is_one_sentence(base: Path, tmp_path: Path) -> None:
    (tmp_path / "my.jsonl").write_text(json.dumps({"prompt": "Q", "rejected": " no", "chosen": " yes"}) + "\n")
    done = train(tmp_path / "my.jsonl", "--model", base, "--output_dir", tmp_path / "run", "--report_to", "paper")
    assert "a setting cannot be used: paper is not supported" in one_sentence(done)
