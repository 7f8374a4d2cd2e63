"""The command line: one short function per command, heavy imports inside the functions.

This module only puts the commands together and turns errors into one sentence. It refuses to know what they do, and
importing it must not import torch: `midcourse --help` answers at once.
"""

import errno
import inspect
import os
import re
import sys
import textwrap
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from typer.core import TyperGroup

from midcourse import __version__
from midcourse.cli import (
    backends,
    doctor,
    evaluation,
    exporting,
    importing,
    looping,
    models,
    proxy,
    publishing,
    scaling,
    serving,
    simulating,
    steers,
    store,
    studio,
    studying,
    training,
)
from midcourse.cli.launching import SAID, WORDS, quiet_rank
from midcourse.errors import MidcourseError, ran_out_of

__all__ = ["app", "main"]

HELP = """
Fine-tune a language model on the corrections a person makes while it writes.

Bring steers in, train on them, see what it gained and what it cost, talk to the result:

```
midcourse import steers my-steers.jsonl
midcourse train midcourse.db --model builtin --output_dir runs/first
midcourse eval midcourse.db --model builtin --adapter runs/first --output_dir runs/first/report
midcourse chat --adapter runs/first --compare
```

Something does not work? `midcourse doctor` says what is wrong and how to mend it. MIDCOURSE_TRACEBACK=1 shows where
an error came from.
"""


ORDER = (
    *("studio", "proxy", "import", "simulate", "steers", "store", "model", "backends"),
    *("train", "plan", "eval", "loop", "study", "export", "publish", "serve", "chat", "doctor"),
)


class OneSentence(TyperGroup):
    """The top command: whatever goes wrong below it becomes one sentence on stderr and an exit code."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Commands in the order in which a newcomer meets them; Typer would list groups last."""
        return sorted(self.commands, key=lambda name: (ORDER.index(name) if name in ORDER else len(ORDER), name))

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Keep the words as they were given, for commands that start themselves again."""
        ctx.meta[WORDS] = list(args)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the command; a user's mistake or a broken machine exits 2, Ctrl-C exits 130."""
        with errors_in_one_sentence():
            return super().invoke(ctx)


@contextmanager
def errors_in_one_sentence() -> Iterator[None]:
    """Print known errors without a traceback. A bug keeps its traceback: it is for whoever mends it."""
    try:
        yield
    except KeyboardInterrupt:
        _say("Interrupted.")
        raise typer.Exit(130) from None
    except Exception as error:
        sentence = _sentence(error)
        if sentence is None or os.environ.get("MIDCOURSE_TRACEBACK"):
            raise
        _say(sentence)
        raise typer.Exit(2) from None


def _sentence(error: Exception) -> str | None:
    """The sentence for an error, None where only a traceback helps."""
    if isinstance(error, MidcourseError):
        return " ".join(str(error).split())
    lacking = ran_out_of(error)
    if lacking == "memory":
        return "There is not enough memory for this. Close other programs, or use a smaller model or batch."
    if lacking == "disk":
        where = f" while writing {name}" if (name := getattr(error, "filename", None)) else ""
        return f"The disk is full{where}. Nothing that was there before has changed; free some space and run again."
    if not isinstance(error, OSError):
        return None
    match error.errno:
        case errno.EACCES | errno.EPERM | errno.EROFS:
            return f"No permission to use {error.filename or 'a file'}. Change its rights or choose another path."
        case errno.ENOENT | errno.EISDIR | errno.ENOTDIR if error.filename:
            return f"{error.filename}: {(error.strerror or 'cannot be opened').lower()}. Check the path."
    return None


def _say(sentence: str) -> None:
    """Print a sentence on a line of its own: a progress bar that broke off is ended first.

    One of several processes leaves it to whoever launched them.
    """
    rank = os.environ.get("RANK")
    if rank is not None and SAID in os.environ:
        Path(os.environ[SAID], f"said-{rank}").write_text(sentence, encoding="utf-8")
        return
    tqdm = sys.modules.get("tqdm")
    for bar in list(getattr(tqdm.tqdm, "_instances", ())) if tqdm else ():
        bar.close()
    if rank is not None and quiet_rank():
        sentence = f"[process {rank}] {sentence}"
    Console(stderr=True).print(sentence, style="red", markup=False, highlight=False, soft_wrap=True)


app = typer.Typer(
    name="midcourse",
    help=HELP,
    cls=OneSentence,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"midcourse {__version__}")
        raise typer.Exit


@app.callback()
def top(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and stop.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Options that come before a command."""


_EXAMPLES = re.compile(r"(?:^(?: {4}|midcourse ).*\n?)+", re.MULTILINE)


def with_fences(text: str) -> str:
    """Put fences around a docstring's example commands: Typer would run their lines together."""
    return _EXAMPLES.sub(lambda m: f"```\n{textwrap.dedent(m[0]).rstrip()}\n```\n", text)


def _add_group(name: str, group: typer.Typer) -> None:
    for command in group.registered_commands:
        command.help = with_fences(command.help or inspect.getdoc(command.callback) or "")
    app.add_typer(group, name=name)


def _add_command(name: str, function: Callable[..., None], settings: dict[Any, Any] | None = None) -> None:
    app.command(name, help=with_fences(inspect.getdoc(function) or ""), context_settings=settings)(function)


steers.app.command("export")(exporting.export)  # by its older name too
_add_group("studio", studio.app)
_add_group("proxy", proxy.app)
_add_group("import", importing.app)
_add_group("steers", steers.app)
_add_group("store", store.app)
_add_group("model", models.app)
_add_group("backends", backends.app)
_add_command("simulate", simulating.simulate)
_add_command("train", training.train, training.CONTEXT)
_add_command("plan", scaling.plan)
_add_command("eval", evaluation.evaluate)
_add_command("loop", looping.loop, training.CONTEXT)
_add_command("study", studying.study)
_add_command("export", exporting.export)
_add_command("publish", publishing.publish)
_add_command("serve", serving.serve)
_add_command("chat", models.chat)
_add_command("doctor", doctor.doctor)


def main() -> None:
    """Entry point of the `midcourse` command."""
    # What transformers will change in its next major version is not for the person at the keyboard.
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")
    app(prog_name="midcourse")
