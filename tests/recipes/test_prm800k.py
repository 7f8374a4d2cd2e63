"""recipes/prm800k.sh from a file of solutions to its report, with a tiny model in the built-in one's place."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import model_folder
from midcourse.model import BUILTIN

RECIPE = Path(__file__).parents[2] / "recipes" / "prm800k.sh"


def solution(n: int) -> dict[str, object]:
    """A sum in two steps; a person wrote the second one."""
    wrong = {"text": f"It is {2 * n + 1}.", "rating": -1}
    steps = [
        {"completions": [{"text": "Add.", "rating": 1}], "human_completion": None, "chosen_completion": 0},
        {"completions": [wrong], "human_completion": f"It is {2 * n}.", "chosen_completion": None},
    ]
    return {"problem": f"What is {n} + {n}?", "steps": steps}


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_recipe_trains_both_and_compares_them(tmp_path: Path) -> None:
    model_folder.save_model(tmp_path / "cache" / "models" / BUILTIN, positions=1024)
    given = tmp_path / "solutions.jsonl"
    given.write_text("".join(json.dumps(solution(n)) + "\n" for n in range(16)), encoding="utf-8")
    python = Path(sys.executable).parent
    environment = {**os.environ, "MIDCOURSE_CACHE": str(tmp_path / "cache"), "OMP_NUM_THREADS": "1"}
    environment |= {"PATH": f"{python}:{os.environ['PATH']}", "SOLUTIONS": "14", "SAMPLES": "1", "DTYPE": "float32"}
    environment.pop("MIDCOURSE_STORE", None)
    out = tmp_path / "out"
    done = subprocess.run(
        [str(RECIPE), str(given), str(out)], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{done.stdout[-1500:]}\n{done.stderr[-1500:]}"
    assert len((out / "solutions.jsonl").read_text(encoding="utf-8").splitlines()) == 14
    for loss in ("fork", "sft"):
        assert (out / loss / "adapter_model.safetensors").is_file()
    report = (out / "report" / "report.html").read_text(encoding="utf-8")
    assert "fork" in report
    assert "sft" in report


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    gone = tmp_path / "gone.jsonl"
    done = subprocess.run([str(RECIPE), str(gone), str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(f"{gone} is not there.")
