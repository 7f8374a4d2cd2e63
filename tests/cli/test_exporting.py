"""`midcourse export` as a user types it: files, cards, refusals; TRL trains on what it wrote."""

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import model_folder
from midcourse.cli import app
from midcourse.rows import SteerRow, join, read_row
from midcourse.store import Store, purge
from midcourse.tokens import TextTokenizer
from midcourse.types import Message, ModelRef

ROOT = Path(__file__).parents[2]
ROWS = [
    SteerRow((Message("user", f"Q{n}?"),), "It is ", "good", ("bad",), tail=" for you.", trajectory=f"t{n}", split=s)
    for n, s in enumerate(("train", "dev", None))
]


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A folder with a store and the model that its steers are of."""
    model_folder.save_model(tmp_path / "tiny", positions=256)
    texts, _ = join(ROWS, TextTokenizer.load(tmp_path / "tiny"), source="test")
    with Store(tmp_path / "a.db") as store:
        for text in texts:
            store.add(text.with_(model=ModelRef(str(tmp_path / "tiny"))))
    return tmp_path


def run(desk: Path, *words: object, code: int = 0) -> Result:
    line = ["export", "--store", str(desk / "a.db"), *map(str, words)]
    result = CliRunner().invoke(app, line, env={"COLUMNS": "200"})
    assert result.exit_code == code, result.output
    return result


def test_a_file_and_its_card(desk: Path) -> None:
    out = desk / "rows.jsonl"
    said = run(desk, "--to", "trl", "-o", out, "--license", "mit", "--consent", "All agreed.").stderr
    assert "3 rows" in said
    assert "Warning: trl puts the end token <end>" in said
    assert json.loads(out.read_text().splitlines()[0])["prompt"].endswith("[assistant] It is ")
    card = (desk / "rows.card.md").read_text()
    assert "license: mit" in card
    assert "All agreed." in card
    with Store(desk / "a.db") as store, store._read() as connection:
        (made,) = purge.handed_out(connection)
    assert (made.kind, made.where, len(made.trajectories)) == ("export", str(out.resolve()), 3)


def test_parquet_comes_back(desk: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    run(desk, "--to", "parquet", "-o", desk / "rows.parquet")
    back = [read_row(row) for row in parquet.read_table(desk / "rows.parquet").to_pylist()]
    assert [(r.prompt, r.prefix, r.rejected, r.chosen, r.tail) for r in back] == [
        (r.prompt, r.prefix, r.rejected, r.chosen, r.tail) for r in ROWS
    ]


def test_a_folder_for_datasets(desk: Path) -> None:
    datasets = pytest.importorskip("datasets")
    run(desk, "--to", "hf", "-o", desk / "steers")
    read = datasets.load_dataset(str(desk / "steers"), cache_dir=str(desk / "cache"))
    assert {name: len(part) for name, part in read.items()} == {"train": 2, "validation": 1}
    assert "license: unknown" in (desk / "steers" / "README.md").read_text()
    assert not list(desk.glob(".*.part"))
    assert "not empty" in run(desk, "--to", "hf", "-o", desk / "steers", code=2).stderr


def test_refusals(desk: Path) -> None:
    assert "needs --output" in run(desk, "--to", "parquet", code=2).stderr
    assert "are for trainers' rows" in run(desk, "--form", "full", code=2).stderr


PREFERENCE = re.search(r"^```py\n(.*?)^```", (ROOT / "docs" / "export.md").read_text(encoding="utf-8"), re.M | re.S)
TEXT = """
from datasets import load_dataset
from trl import DPOConfig, DPOTrainer
rows = load_dataset("json", data_files="rows.jsonl", split="train")
args = DPOConfig("runs/trl", max_length=None, max_steps=1, bf16=False, report_to="none")
trainer = DPOTrainer("tiny", args=args, train_dataset=rows)
trainer.train()
"""
SUPERVISED = """
from datasets import load_dataset
from trl import SFTConfig, SFTTrainer
rows = load_dataset("json", data_files="rows.jsonl", split="train")
args = SFTConfig("runs/trl", max_length=None, max_steps=1, bf16=False, report_to="none")
trainer = SFTTrainer("tiny", args=args, train_dataset=rows)
trainer.train()
"""
SHOW = """
import json
names = ("prompt_ids", "chosen_ids", "rejected_ids", "input_ids", "labels")
row = trainer.train_dataset[0]
print("row", json.dumps({n: row[n] for n in names if n in row}))
print("steps", trainer.state.global_step)
"""


def trained(desk: Path, script: str) -> dict[str, Any]:
    """What TRL made of the first row, after a step of training."""
    if importlib.util.find_spec("trl") is None:
        pytest.skip("TRL is not installed: pip install trl")
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    environment |= {"HF_DATASETS_CACHE": str(desk / "datasets"), "HF_HUB_DISABLE_TELEMETRY": "1"}
    command = [sys.executable, "-c", script.replace("HuggingFaceTB/SmolLM2-135M-Instruct", "tiny") + SHOW]
    done = subprocess.run(command, cwd=desk, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "steps 1" in done.stdout
    row = next(line for line in done.stdout.splitlines() if line.startswith("row "))
    return json.loads(row[4:])  # type: ignore[no-any-return]


@pytest.mark.long
def test_trl_trains_on_text_and_closes_it(desk: Path) -> None:
    tok = TextTokenizer.load(desk / "tiny")
    run(desk, "--to", "trl", "-o", desk / "rows.jsonl")
    row = trained(desk, TEXT)
    assert row["chosen_ids"] == [*tok.encode("good"), tok.eos[0]], "the end token that the warning is about"
    run(desk, "--to", "trl-ids", "-o", desk / "ids.jsonl")
    ours = json.loads((desk / "ids.jsonl").read_text().splitlines()[0])
    assert row["prompt_ids"] == ours["prompt_ids"]


@pytest.mark.long
def test_trl_trains_on_ids_as_they_are(desk: Path) -> None:
    assert PREFERENCE is not None
    run(desk, "--to", "trl-ids", "-o", desk / "rows.jsonl")
    assert trained(desk, PREFERENCE[1]) == json.loads((desk / "rows.jsonl").read_text().splitlines()[0])


@pytest.mark.slow
@pytest.mark.parametrize("to", ["trl", "trl-ids"])
def test_trl_learns_what_was_chosen(desk: Path, to: str) -> None:
    tok = TextTokenizer.load(desk / "tiny")
    run(desk, "--to", to, "--for", "sft", "-o", desk / "rows.jsonl")
    row = trained(desk, SUPERVISED)
    learnt = [i for i in row["labels"] if i != -100]
    assert learnt == tok.encode("good") + ([tok.eos[0]] if to == "trl" else [])
