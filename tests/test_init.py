"""The public names, and what can be imported on a machine without torch."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import midcourse

ROOT = Path(__file__).parents[1]
NO_TORCH = ["errors", "types", "tokens", "rows", "store", "capture"]
BLOCK = """
import importlib, pkgutil, sys
for name in ("torch", "transformers", "peft", "accelerate", "datasets"):
    sys.modules[name] = None  # import raises ImportError
module = importlib.import_module("midcourse.{name}")
for found in pkgutil.walk_packages(getattr(module, "__path__", []), module.__name__ + "."):
    importlib.import_module(found.name)
"""


def test_every_public_name_is_there() -> None:
    for name in midcourse.__all__:
        assert getattr(midcourse, name) is not None
    assert set(dir(midcourse)) == set(midcourse.__all__)
    assert set(midcourse._HOME) | {"__version__"} == set(midcourse.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'midcourse' has no attribute 'Steers'"):
        _ = midcourse.Steers


def test_the_version_is_the_packages() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == midcourse.__version__


def test_importing_midcourse_imports_nothing_heavy() -> None:
    code = "import sys, midcourse; print(sorted({'torch', 'numpy', 'sqlalchemy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.long
@pytest.mark.parametrize("name", NO_TORCH)
def test_capturing_and_keeping_steers_needs_no_torch(name: str) -> None:
    done = subprocess.run([sys.executable, "-c", BLOCK.format(name=name)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
