"""Every command of the README is run as it stands there, in an empty folder, one after the other.

What stands in for what a reader has: `my-steers.jsonl` holds the README's own rows and more of the kind, so that some
prompts are held out; `runs/demo/adapter` is a copy of the adapter that the README's own training made; and in the
everyday run the model named `builtin` is a tiny one made in code. `scripts/setup` and `scripts/demo` are run by
`scripts/test` and tests/test_demo.py.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import model_folder
from midcourse.model import BUILTIN

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
ELSEWHERE = ("scripts/setup", "scripts/demo")
CHAT = ".venv/bin/midcourse chat"
SAID = "How do I sleep better?\n"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


def shell_lines() -> list[str]:
    """The commands without their comments, in the README's order; other shell fences would be overlooked."""
    assert not re.findall(r"^```(?:sh|console|shell|zsh)$", README, re.MULTILINE), "write commands in ```bash fences"
    lines = [line.split("  #")[0].strip() for b in blocks("bash") for line in b.replace("\\\n", " ").splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def rows() -> list[dict[str, object]]:
    """The README's rows, and six more prompts of which three are held out."""
    found = [json.loads(row) for block in blocks("json") for row in block.splitlines()]
    for n in range(6):
        ask = [{"role": "user", "content": f"May I rest on day {n}?"}]
        split = ("train", "train", "train", "dev", "test", "test")[n]
        found.append({"prompt": ask, "prefix": "Yes,", "rejected": " never", "chosen": " rest", "split": split})
    return found


@pytest.fixture(params=["tiny", pytest.param("builtin", marks=[pytest.mark.slow, pytest.mark.model])])
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, dict[str, str]]:
    """A folder with the reader's file, and an environment in which `midcourse` is the code under test."""
    desk = tmp_path / "desk"
    (desk / ".venv" / "bin").mkdir(parents=True)
    command = desk / ".venv" / "bin" / "midcourse"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m midcourse "$@"\n')
    command.chmod(0o755)
    (desk / "my-steers.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows()), encoding="utf-8")
    environment = {
        **os.environ,
        "PATH": f"{command.parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT / "src"),
        "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_CACHE": str(tmp_path / "datasets"),
    }
    environment.pop("MIDCOURSE_STORE", None)
    if request.param == "tiny":
        model_folder.save_model(tmp_path / "cache" / "models" / BUILTIN, positions=1024)
        environment["MIDCOURSE_CACHE"] = str(tmp_path / "cache")
    return desk, environment


@pytest.mark.long
@pytest.mark.timeout(2400)
def test_every_command_of_the_readme_works(desk: tuple[Path, dict[str, str]]) -> None:
    folder, environment = desk

    def run(*command: str, said: str = "") -> str:
        done = subprocess.run(
            command, cwd=folder, env=environment, input=said, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-1500:]}\n{done.stderr[-1500:]}"
        return done.stdout

    lines = [line for line in shell_lines() if line not in ELSEWHERE]
    talks = [line for line in lines if line.startswith(CHAT)]
    assert [line.split()[1] for line in lines if line not in talks] == ["import", "import", "train", "eval"]
    assert len(talks) == 1
    for line in lines:
        if line not in talks:
            run("bash", "-c", line)
    assert "<html" in (folder / "runs/mine/report/report.html").read_text(encoding="utf-8")
    shutil.copytree(folder / "runs" / "mine", folder / "runs" / "demo" / "adapter")
    answer = run("bash", "-c", talks[0], said=SAID)
    assert "base" in answer
    assert "steered" in answer
    shutil.rmtree(folder / "runs" / "mine")
    [five_lines] = blocks("python")
    assert len([line for line in five_lines.splitlines() if line]) == 5
    run(sys.executable, "-c", five_lines)
    assert list((folder / "runs" / "mine").glob("checkpoint-*/adapter_model.safetensors"))
