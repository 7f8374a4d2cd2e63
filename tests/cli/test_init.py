"""The frame of the command line: errors as one sentence, exit codes, no torch on the way to --help."""

import errno
import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

from midcourse import __version__
from midcourse.cli import OneSentence, app, with_fences
from midcourse.errors import InputError

RUNNER = CliRunner()


def command_raising(error: BaseException) -> typer.Typer:
    small = typer.Typer(cls=OneSentence, pretty_exceptions_enable=False)

    @small.callback()
    def top() -> None: ...

    @small.command()
    def go() -> None:
        raise error

    return small


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (InputError("row 3 has no\n  chosen side"), 2, "row 3 has no chosen side\n"),
        (OSError(errno.ENOSPC, "No space left on device", "a.db"), 2, "The disk is full while writing a.db."),
        (OSError(errno.EACCES, "Permission denied", "/locked"), 2, "No permission to use /locked."),
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "gone.jsonl"), 2, "gone.jsonl: no such file"),
        (MemoryError(), 2, "There is not enough memory"),
        (KeyboardInterrupt(), 130, "Interrupted."),
    ],
)
def test_known_errors_are_one_sentence(error: BaseException, code: int, words: str) -> None:
    result = RUNNER.invoke(command_raising(error), ["go"])
    assert result.exit_code == code
    assert words in result.stderr
    assert "Traceback" not in result.output
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("error", [ZeroDivisionError(), OSError(errno.EIO, "Input/output error")])
def test_bugs_keep_their_traceback(error: Exception) -> None:
    assert RUNNER.invoke(command_raising(error), ["go"]).exception is error


def test_traceback_on_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIDCOURSE_TRACEBACK", "1")
    error = InputError("no")
    assert RUNNER.invoke(command_raising(error), ["go"]).exception is error


def test_brackets_in_a_message_are_not_markup() -> None:
    result = RUNNER.invoke(command_raising(InputError("Run: pip install 'midcourse[train]'")), ["go"])
    assert "midcourse[train]" in result.stderr


def test_version_and_help() -> None:
    assert RUNNER.invoke(app, ["--version"]).stdout == f"midcourse {__version__}\n"
    assert "midcourse import steers" in RUNNER.invoke(app, ["--help"]).stdout


def test_an_unknown_command_exits_2() -> None:
    assert RUNNER.invoke(app, ["nonsense"]).exit_code == 2


def test_python_dash_m() -> None:
    done = subprocess.run([sys.executable, "-m", "midcourse", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"midcourse {__version__}\n"


def test_help_does_not_import_torch() -> None:
    code = "import sys, midcourse.cli; print([m for m in ('torch', 'transformers', 'peft') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("indent", ["", "    "])
def test_examples_in_help_keep_their_lines(indent: str) -> None:
    text = f"Do it.\n\n{indent}midcourse a\n{indent}midcourse b --c\n\nmore"
    assert with_fences(text) == "Do it.\n\n```\nmidcourse a\nmidcourse b --c\n```\n\nmore"
    assert with_fences("No example; `midcourse a` does it.") == "No example; `midcourse a` does it."


def test_examples_of_every_command_are_fenced() -> None:
    shown = RUNNER.invoke(app, ["chat", "--help"]).stdout.splitlines()
    assert [line for line in shown if line.count("midcourse chat ") > 1] == []
