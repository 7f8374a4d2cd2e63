"""Modules and functions stay short enough to read: a module on a few screens, a function on one."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULE = 500
FUNCTION = 60
"""Lines of a function's body, without its signature and docstring."""

SOURCES = sorted((ROOT / "src").rglob("*.py"))


def long_functions(source: str, limit: int = FUNCTION) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) is not None else node.body
            lines = (node.end_lineno or 0) - body[0].lineno + 1 if body else 0
            if lines > limit:
                found.append(f"{node.name}: {lines} lines")
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT / "src")))
def test_length(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert len(source.splitlines()) <= MODULE, f"{path.name} has more than {MODULE} lines: split it by idea"
    assert long_functions(source) == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT / "src")))
def test_every_module_says_its_idea(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))


def test_a_long_function_is_found() -> None:
    body = "\n".join(["    x = 1"] * (FUNCTION + 1))
    assert long_functions(f'def f():\n    """Say."""\n{body}\n') == [f"f: {FUNCTION + 1} lines"]
    assert long_functions(f'def f():\n    """Say."""\n{body[:-10]}\n') == []
