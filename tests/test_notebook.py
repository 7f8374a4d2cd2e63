"""The notebook runs from top to bottom, and is kept without outputs."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import model_folder

ROOT = Path(__file__).parents[1]
NOTEBOOK = ROOT / "docs" / "ten-steers.ipynb"
EXECUTE = """
import json, sys
import nbclient, nbformat
from pathlib import Path

notebook = nbformat.read(sys.argv[1], as_version=4)
code = [cell for cell in notebook.cells if cell.cell_type == "code"]
code[0].source = f"MODEL, EPOCHS = {sys.argv[2]!r}, {sys.argv[3]}"
nbclient.NotebookClient(notebook, timeout=900, kernel_name="python3").execute()
said = [["".join(o["text"] for o in cell.outputs if o.get("name") == "stdout")] for cell in code]
print(json.dumps([text for [text] in said if text]))
"""


def executed(model: str, epochs: int) -> list[str]:
    """What the cells printed. A process of its own: a kernel's warnings are not ours."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", EXECUTE, str(NOTEBOOK), model, str(epochs)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_it_is_kept_without_outputs() -> None:
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert len(code) == 6
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)


def test_it_has_ten_steers_that_all_train() -> None:
    source = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"][3]["source"]
    space: dict[str, list] = {}
    exec("".join(source), space)
    assert len(space["steers"]) == 10


@pytest.mark.long
def test_it_runs_on_a_tiny_model(tmp_path: Path) -> None:
    folder = model_folder.save_model(tmp_path / "tiny", positions=1024)
    tree, training, forks, answers = executed(str(folder), 5)
    assert tree.count("[not «") == 10
    assert "epoch" in training
    assert forks.count("→") == 20
    assert answers.count("steered:") == 2


@pytest.mark.slow
@pytest.mark.model
@pytest.mark.timeout(1800)
def test_on_the_built_in_model_it_prefers_what_was_chosen() -> None:
    _, training, forks, answers = executed("builtin", 20)
    print(training, forks, answers)
    margins = [float(line.split("margin")[1].split()[0]) for line in training.splitlines() if line.startswith("epoch")]
    assert margins[-1] > margins[0] + 0.5
