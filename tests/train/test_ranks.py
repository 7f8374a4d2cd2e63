"""Many processes give what one gives: the same order, the same losses, the same weights."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from midcourse.errors import InputError
from midcourse.train.ranks import Ranks, dealt
from midcourse.train.sharded import check

pytestmark = pytest.mark.timeout(1300)  # a test starts up to four processes, twice
RUN = Path(__file__).parents[1] / "ranks_run.py"
COMMON = {"num_train_epochs": 3, "eval_strategy": "epoch", "max_drift": 1e-4}


def test_hands_are_even_and_nothing_is_lost():
    draw = random.Random(0)
    sizes = [draw.randint(1, 900) for _ in range(61)]
    hands = dealt(sizes, 4)
    assert sorted(i for hand in hands for i in hand) == list(range(61))
    totals = [sum(sizes[i] for i in hand) for hand in hands]
    assert max(totals) - min(totals) <= max(sizes) / 8
    assert hands == dealt(sizes, 4)
    assert all(hand == sorted(hand) for hand in hands)


def test_there_may_be_more_hands_than_items():
    assert dealt([5], 3) == [[0], [], []]


def test_one_rank_has_everything_and_asks_nobody():
    alone = Ranks.here()
    assert (alone.first, alone.share([[1], [2, 3]])) == (True, [[1], [2, 3]])
    assert alone.summed({"a": (1, 2)}) == {"a": [1.0, 2.0]}
    assert list(alone.rounds([1, 2], 9)) == [(1, True), (2, True)]
    assert list(alone.rounds([], 9, least=1)) == [(9, False)]
    alone.leave()


WAITING = """
import sys
import torch.distributed as dist
from midcourse.errors import InputError
from midcourse.train import ranks
ranks._BEAT = 0.0
dist.init_process_group("gloo")
here = ranks.Ranks.here()

def work(beat):
    for _ in range(3):
        beat()
    assert here.first
    return {"made": 7}

def fails(beat):
    beat()
    raise InputError("no data")

assert here.by_first(work) == {"made": 7}
try:
    here.by_first(fails)
except InputError as error:
    assert str(error) == "no data"
else:
    sys.exit("nothing was said")
assert here.by_first(work) == {"made": 7}
print("agreed", flush=True)
here.leave()
assert not dist.is_initialized()
"""


@pytest.mark.slow
def test_what_one_rank_does_alone_all_hear_of(tmp_path: Path):
    (tmp_path / "waiting.py").write_text(WAITING)
    agent = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--local_addr", "127.0.0.1"]
    words = [*agent, "--nproc_per_node", "2", str(tmp_path / "waiting.py")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(words, capture_output=True, text=True, timeout=600, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("agreed") == 2, done.stderr[-3000:]


def run(folder: Path, processes: int, **settings) -> dict:
    """A run in so many processes: its log, what each step drew, what it learnt."""
    words = [str(RUN), str(folder), json.dumps({**COMMON, **settings})]
    agent = ["-m", "torch.distributed.run", "--standalone", "--local_addr", "127.0.0.1"]
    if processes > 1 or settings.get("fsdp"):
        words = [*agent, "--nproc_per_node", str(processes), *words]
    paths = [str(RUN.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, *words], env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    seen = json.loads((folder / "seen.json").read_text())
    return {**seen, "weights": load_file(str(folder / "learnt.safetensors"))}


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> dict:
    return run(tmp_path_factory.mktemp("one"), 1, per_device_train_batch_size=4)


def assert_same(a: dict, b: dict, tolerance: float = 2e-5, but: tuple[str, ...] = ()) -> None:
    assert a["drawn"] == b["drawn"]
    assert len(a["log"]) == len(b["log"])
    for x, y in zip(a["log"], b["log"], strict=True):
        for name in x:
            if not name.startswith(("train_", *but)) and name != "rewards/accuracies":  # of margins that are all but 0
                assert y[name] == pytest.approx(x[name], rel=1e-4, abs=tolerance), name
    for name, weight in a["weights"].items():
        assert torch.allclose(weight, b["weights"][name], atol=tolerance), name


@pytest.mark.slow
@pytest.mark.parametrize("fsdp", [False, True], ids=["ddp", "fsdp"])
@pytest.mark.parametrize("processes", [2, 4])
def test_many_are_as_one(one: dict, tmp_path: Path, processes: int, fsdp: bool):
    many = run(tmp_path, processes, per_device_train_batch_size=4 // processes, **({"fsdp": True} if fsdp else {}))
    assert_same(one, many)


@pytest.mark.slow
@pytest.mark.parametrize("fsdp", [False, True], ids=["ddp", "fsdp"])
def test_checkpointed_accumulated_and_in_small_rows_they_are_too(one: dict, tmp_path: Path, fsdp: bool):
    cut = {"per_device_train_batch_size": 1, "gradient_accumulation_steps": 2, "activation_checkpointing": True}
    many = run(tmp_path, 2, **cut, max_tokens=60, **({"fsdp": True} if fsdp else {}))
    # Trees are cut into parts, so means over trees are others; and steps are counted in fewer micro-batches.
    assert_same(one, many, but=("eval_", "tree/", "epoch"))


@pytest.mark.slow
def test_by_branches_they_are_too(one: dict, tmp_path: Path):
    assert_same(one, run(tmp_path, 2, per_device_train_batch_size=2, forward_path="branches"))


@pytest.mark.slow
def test_read_from_one_file_they_are_too(one: dict, tmp_path: Path):
    many = run(tmp_path, 2, per_device_train_batch_size=2, held_tokens=0)
    assert_same(one, many)
    assert {p.name for p in (tmp_path / "trees").iterdir()} == {"train.arrow", "train.json", "dev.arrow", "dev.json"}


@pytest.mark.slow
def test_all_weights_and_a_mix_of_text(tmp_path: Path):
    settings = {"use_peft": False, "learning_rate": 1e-3, "texts": 4, "mix": "text=0.3"}
    alone = run(tmp_path / "one", 1, per_device_train_batch_size=4, **settings)
    # The step of a weight with almost no gradient is decided by rounding.
    assert_same(alone, run(tmp_path / "two", 2, per_device_train_batch_size=2, **settings), tolerance=1e-3)


def test_what_cannot_lie_in_shards_is_refused():
    check("packed", adapter=True)
    with pytest.raises(InputError, match="runs by branches"):
        check("branches", adapter=True)
    with pytest.raises(InputError, match="Train an adapter, or all weights without --fsdp"):
        check("packed", adapter=False)


@pytest.mark.slow
@pytest.mark.parametrize("fsdp", [False, True], ids=["ddp", "fsdp"])
def test_in_bfloat16_two_are_as_one_but_for_its_rounding(tmp_path: Path, fsdp: bool):
    alone = run(tmp_path / "one", 1, per_device_train_batch_size=4, dtype="bfloat16")
    more = {"fsdp": True} if fsdp else {}
    many = run(tmp_path / "two", 2, per_device_train_batch_size=2, dtype="bfloat16", **more)
    assert alone["drawn"] == many["drawn"]
    for x, y in zip(alone["log"], many["log"], strict=True):
        if "loss" in x:
            assert y["loss"] == pytest.approx(x["loss"], abs=0.02)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("first", "then"),
    [((2, False), (1, False)), ((1, False), (2, False)), ((2, True), (1, False)), ((1, False), (2, True))],
    ids=["2 to 1", "1 to 2", "2 shards to 1", "1 to 2 shards"],
)
def test_resumed_on_another_number_the_rest_is_the_same(one: dict, tmp_path: Path, first: tuple, then: tuple):
    """Stopped in the middle of a pass; the first half is that of the whole run, for the schedule knows its length."""

    def part(processes: int, fsdp: bool, **more) -> dict:
        settings = {"per_device_train_batch_size": 4 // processes, "save_strategy": "steps", "save_steps": 2}
        return run(tmp_path, processes, **settings, **({"fsdp": True} if fsdp else {}), **more)

    begun = part(*first, stop_after=4)
    went_on = part(*then, resume=True)
    drawn = [*begun["drawn"][:4], *went_on["drawn"]]
    assert_same(one, {**went_on, "drawn": drawn})


@pytest.mark.slow
def test_a_step_holds_as_many_examples_after_the_change(tmp_path: Path):
    run(tmp_path, 2, per_device_train_batch_size=2, save_strategy="steps", save_steps=2, stop_after=4)
    went_on = run(tmp_path, 1, per_device_train_batch_size=2, save_strategy="no", resume=True)
    assert max(map(len, went_on["drawn"])) == 4
