"""The fuzzer's families without the fuzzer: every seed, what it found before, and some hundred inputs near them.

`scripts/fuzz` looks further.
"""

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "fuzz"))

from families import CORPUS, FAMILIES  # noqa: E402
from mutate import mutated, replaced  # noqa: E402


def test_every_family_has_seeds_that_get_somewhere():
    assert set(FAMILIES) == {p.name for p in CORPUS.iterdir()}
    assert all(len(list((CORPUS / name).iterdir())) >= 1 for name in FAMILIES)


@pytest.mark.long
@pytest.mark.parametrize("family", FAMILIES)
def test_only_our_own_errors_come_out(family):
    pytest.importorskip("pyarrow")
    dice = random.Random(family)
    seeds = [path.read_bytes() for path in sorted((CORPUS / family).iterdir())]
    for seed in seeds:
        FAMILIES[family](seed)
    for _ in range(150):
        data = dice.choice(seeds)
        for _ in range(dice.randrange(1, 5)):
            data = mutated(data, dice)
        try:
            FAMILIES[family](data)
        except Exception as error:
            error.add_note(f"the input was {data!r}")
            raise


@pytest.mark.long
@pytest.mark.parametrize("family", FAMILIES)
def test_every_place_of_every_seed_may_hold_anything(family):
    pytest.importorskip("pyarrow")
    for path in sorted((CORPUS / family).iterdir()):
        for data in replaced(path.read_bytes()):
            try:
                FAMILIES[family](data)
            except Exception as error:
                error.add_note(f"{path.name} as {data!r}")
                raise


@pytest.mark.slow
def test_the_fuzzer_runs_and_says_what_it_found(tmp_path):
    """One family for some seconds, and one with a mistake put into it."""
    pytest.importorskip("atheris")
    environment = {**os.environ, "MIDCOURSE_CACHE": str(tmp_path), "PYTHON": sys.executable}
    run = [str(ROOT / "scripts/fuzz"), "5", "marks"]
    done = subprocess.run(run, env=environment, capture_output=True, text=True, check=True)
    assert "nothing found" in done.stdout
    assert list((tmp_path / "fuzz/marks").iterdir()), "what it found interesting is kept"
    wrong = "import sys; sys.argv = ['run.py', 'marks', '-runs=20000', f'-artifact_prefix={sys.argv[1]}/']; " + (
        f"sys.path.insert(0, {str(ROOT / 'fuzz')!r}); import families, run; "
        "families.FAMILIES['marks'] = lambda data: 1 / (not data.startswith(b'{')); run.main()"
    )
    failed = subprocess.run([sys.executable, "-c", wrong, tmp_path, CORPUS / "marks"], capture_output=True, text=True)
    assert failed.returncode != 0
    assert "ZeroDivisionError" in failed.stderr + failed.stdout
