"""What is missing in a release, and what does not belong there, is named."""

import ast
import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts" / "release_contents.py"
spec = importlib.util.spec_from_file_location("release_contents", SCRIPT)
assert spec is not None
assert spec.loader is not None
contents = importlib.util.module_from_spec(spec)
spec.loader.exec_module(contents)

KNOWN = {".ci/run", ".gitignore", "README.md", "src/midcourse/__init__.py", "src/midcourse/py.typed", "tests/test_a.py"}
SDIST = (KNOWN - {".ci/run"}) | {"PKG-INFO"}
ABOUT = {f"midcourse-1.0.dist-info/{name}" for name in contents.METADATA}
WHEEL = {"midcourse/__init__.py", "midcourse/py.typed"} | ABOUT
METADATA = b"""Metadata-Version: 2.4
Name: midcourse
Version: 1.0
Summary: A sentence.
License-Expression: Apache-2.0
Requires-Python: >=3.11
Requires-Dist: numpy>=2
Requires-Dist: torch>=2; extra == 'train'
Description-Content-Type: text/markdown

# Midcourse
"""


def test_a_whole_release_has_no_faults() -> None:
    assert contents.sdist_faults(SDIST, KNOWN) == []
    assert contents.wheel_faults(WHEEL, KNOWN) == []
    assert contents.metadata_faults(METADATA) == []


def test_what_is_missing_and_what_is_too_much_is_named() -> None:
    assert contents.sdist_faults(SDIST - {"README.md"} | {"notes.txt"}, KNOWN) == [
        "sdist: README.md is missing",
        "sdist: notes.txt does not belong there",
    ]
    assert contents.wheel_faults(WHEEL - {"midcourse/py.typed"} | {"tests/test_a.py"}, KNOWN) == [
        "wheel: midcourse/py.typed is missing",
        "wheel: tests/test_a.py does not belong there",
    ]
    [fault] = contents.wheel_faults(WHEEL - {"midcourse-1.0.dist-info/entry_points.txt"}, KNOWN)
    assert fault == "wheel's metadata: entry_points.txt is missing"


@pytest.mark.parametrize(
    ("line", "instead", "says"),
    [
        (b"Summary: A sentence.\n", b"", "no Summary"),
        (b"Requires-Python: >=3.11\n", b"", "no Requires-Python"),
        (b"text/markdown", b"text/plain", "the README is not its description"),
        (b"torch>=2; extra == 'train'", b"torch>=2", "the base install asks for torch"),
    ],
)
def test_metadata_that_would_mislead_is_named(line: bytes, instead: bytes, says: str) -> None:
    [fault] = contents.metadata_faults(METADATA.replace(line, instead))
    assert says in fault


def test_what_git_has_is_known() -> None:
    known = contents.tracked()
    assert {"README.md", "src/midcourse/py.typed", "src/midcourse/capture/studio/page/index.html"} <= known


def test_every_file_that_the_release_check_names_has_a_test_that_it_runs():
    """A marker that takes the last of them out would go unseen: the other files still run."""
    check = (ROOT / "scripts" / "release_check").read_text(encoding="utf-8")
    left_out = re.findall(r"not (\w+)", re.search(r'-m "([^"]+)" "\$\{whole', check).group(1))
    named = [ROOT / name for block in re.findall(r"(?:alone|whole)=\(([^)]+)\)", check) for name in block.split()]
    assert len(named) > 10
    for path in named:
        files = [path] if path.suffix else sorted(path.rglob("test_*.py"))
        tests = [node for file in files for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))]
        marks = [
            " ".join(ast.unparse(d) for d in node.decorator_list)
            for node in tests
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
        ]
        assert any(not any(f"mark.{mark}" in said for mark in left_out) for said in marks), path
