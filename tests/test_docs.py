"""The Python of the pages in docs/ runs as it stands there, and what docs/from-trl.md says of TRL is so."""

import dataclasses
import importlib
import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import midcourse
import model_folder

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
FROM_TRL = (DOCS / "from-trl.md").read_text(encoding="utf-8")
MODELS = ('"builtin"', '"HuggingFaceTB/SmolLM2-135M-Instruct"')
ROWS = [
    {"prompt": f"Q{n}: ", "prefix": "It is", "rejected": " quite bad", "chosen": " good", "tail": " for you."}
    for n in range(4)
]


def blocks(page: str, language: str = "python") -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page, re.DOTALL | re.MULTILINE)


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A folder with the files that the pages name, and a tiny model."""
    model_folder.save_model(tmp_path / "tiny", positions=1024)
    lines = "".join(json.dumps(row) + "\n" for row in ROWS)
    for name in ("my-rows.jsonl", "my-steers.jsonl", "steers.jsonl"):
        (tmp_path / name).write_text(lines, encoding="utf-8")
    (tmp_path / "rows.jsonl").write_text(blocks(FROM_TRL, "json")[0], encoding="utf-8")
    return tmp_path


def run(desk: Path, source: str) -> str:
    for name in MODELS:
        source = source.replace(name, json.dumps(str(desk / "tiny")))
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    environment |= {"HF_DATASETS_CACHE": str(desk / "datasets"), "TRL_EXPERIMENTAL_SILENCE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", source], cwd=desk, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{source}\n{done.stderr[-3000:]}"
    return done.stdout


PIECES = [
    pytest.param(page, n, id=f"{page.stem}-{n}")
    for page in sorted(DOCS.glob("*.md"))
    for n in range(len(blocks(page.read_text(encoding="utf-8"))))
]


@pytest.mark.long
@pytest.mark.parametrize(("page", "number"), PIECES)
def test_the_python_of_the_pages_runs(desk: Path, page: Path, number: int) -> None:
    source = blocks(page.read_text(encoding="utf-8"))[number]
    if "trl" in source and importlib.util.find_spec("trl") is None:
        pytest.skip("TRL is not installed: pip install trl")
    said = run(desk, source)
    if "print(" in source:
        assert said


def mapped() -> list[tuple[list[str], list[str]]]:
    """The names of the option table: TRL's and ours of each line."""
    table = FROM_TRL.split("## What every option is called", 1)[1].split("\n## ", 1)[0]
    lines = [line.split("|")[1:3] for line in table.splitlines() if line.startswith("| ")][1:]
    return [tuple(re.findall(r"`(\w+)`", cell) for cell in line) for line in lines]  # type: ignore[misc]


def test_our_side_of_the_option_table_exists() -> None:
    from midcourse import SteerConfig, SteerTrainer

    known = {f.name for f in dataclasses.fields(SteerConfig)} | set(SteerTrainer.__init__.__annotations__)
    assert {name for _, ours in mapped() for name in ours} <= known


def test_every_setting_of_ours_is_in_the_table_or_on_the_settings_page() -> None:
    ours = {name for _, names in mapped() for name in names}
    assert {"beta", "loss_type", "decay", "window", "retain_weight", "max_drift", "max_tokens", "sft_weight"} <= ours


@pytest.mark.long
def test_their_side_of_the_option_table_exists_and_is_complete(desk: Path) -> None:
    if importlib.util.find_spec("trl") is None:
        pytest.skip("TRL is not installed: pip install trl")
    said = run(
        desk,
        "import dataclasses, inspect, json, transformers, trl\n"
        "every = [f.name for f in dataclasses.fields(trl.DPOConfig)]\n"
        "inherited = {f.name for f in dataclasses.fields(transformers.TrainingArguments)}\n"
        "print(json.dumps([every, [n for n in every if n not in inherited],"
        " list(inspect.signature(trl.DPOTrainer.__init__).parameters)]))",
    )
    every, own, arguments = json.loads(said.splitlines()[-1])
    theirs = {name for names, _ in mapped() for name in names}
    assert theirs <= {*every, *arguments}
    assert set(own) <= theirs


@pytest.mark.long
def test_what_the_page_says_of_trl(desk: Path) -> None:
    """It closes completions, cuts the end of long rows, and starts with these numbers."""
    if importlib.util.find_spec("trl") is None:
        pytest.skip("TRL is not installed: pip install trl")
    script = blocks(FROM_TRL)[0].replace("max_length=None", "max_length=29").replace("trainer.train()", "")
    said = run(
        desk,
        script.replace("trainer.save_model()", "")
        + "import json\nbatch = next(iter(trainer.get_train_dataloader()))\n"
        + "[row] = trainer.train_dataset\nend = trainer.processing_class.eos_token_id\nd = DPOConfig('x', bf16=False)\n"
        + "print(json.dumps([row['chosen_ids'][-1] == end, row['rejected_ids'][-1] == end, len(row['prompt_ids']),\n"
        + "batch['completion_mask'].sum(1).tolist(), d.beta, d.learning_rate, d.max_length, d.truncation_mode,\n"
        + "d.disable_dropout, d.precompute_ref_log_probs]))",
    )
    chosen, rejected, prompt, counted, *defaults = json.loads(said.splitlines()[-1])
    assert chosen
    assert rejected
    assert prompt == 27  # the two longer prompts leave no room and are dropped
    assert counted == [2, 2]  # " fine in measure" has sixteen
    assert defaults == [0.1, 1e-6, 1024, "keep_start", True, False]


def test_the_api_page_shows_every_public_name() -> None:
    shown = re.findall(r"^::: (\S+)\.(\w+)$", (DOCS / "api.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert {name for _, name in shown} == set(midcourse.__all__) - {"__version__"}
    for module, name in shown:
        assert getattr(importlib.import_module(module), name) is getattr(midcourse, name)
