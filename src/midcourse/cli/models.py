"""`midcourse model` and `midcourse chat`: which models are here, and what the steered one says beside its base."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from midcourse.builtin import builtin_gguf
from midcourse.errors import InputError, MissingExtra
from midcourse.model import BUILTIN, builtin_path, load_model, resolve
from midcourse.types import Message

if TYPE_CHECKING:
    from midcourse.backends.local import LocalBackend
    from midcourse.tokens import TextTokenizer

app = typer.Typer(help="Fetch and find models: the built-in one, hub ids, local folders.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="`builtin`, a hub id, or a model folder.")]


@app.command()
def pull(name: Name = BUILTIN) -> None:
    """Fetch a model, so that it is there offline."""
    typer.echo(resolve(name))


@app.command()
def path(
    name: Name = BUILTIN,
    gguf: Annotated[bool, typer.Option("--gguf", help="Of the built-in model: its GGUF file, for llama.cpp.")] = False,
) -> None:
    """Print the folder of a model; fetches it if needed."""
    if gguf and name != BUILTIN:
        raise InputError(f"--gguf is for the built-in model; of {name} make one with `midcourse publish --as gguf`")
    typer.echo(builtin_gguf() if gguf else resolve(name))


@app.command("list")
def list_() -> None:
    """Show the models that can be used offline."""
    table = Table("model", "MB", "folder", box=None, header_style="bold")
    here = builtin_path()
    table.add_row(BUILTIN, _megabytes(here), str(here) if here.is_dir() else "not here yet: midcourse model pull")
    for name, folder in sorted(_cached()):
        table.add_row(name, _megabytes(folder), str(folder))
    Console().print(table, soft_wrap=True)


def _cached() -> Iterator[tuple[str, Path]]:
    """Models of the hub's own cache that hold safetensors."""
    from huggingface_hub import scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    try:
        repos = scan_cache_dir().repos
    except CacheNotFound:
        return
    for repo in repos:
        for revision in repo.revisions:
            if repo.repo_type == "model" and any(f.file_name.endswith(".safetensors") for f in revision.files):
                yield repo.repo_id, Path(revision.snapshot_path)


def _megabytes(folder: Path) -> str:
    size = sum(f.stat().st_size for f in folder.glob("*") if f.is_file()) if folder.is_dir() else 0
    return f"{size / 1e6:,.0f}" if size else "–"


def chat(
    model: Annotated[str, typer.Option(help="`builtin`, a model folder, or a hub id.")] = BUILTIN,
    adapter: Annotated[Path | None, typer.Option(help="Adapter folder: the steered model.")] = None,
    compare: Annotated[bool, typer.Option("--compare", help="Show the base beside the steered model.")] = False,
    prompt: Annotated[str | None, typer.Option(help="Answer this one prompt and stop.")] = None,
    max_new_tokens: Annotated[int, typer.Option("--max_new_tokens", min=1, help="Longest answer, in tokens.")] = 256,
    temperature: Annotated[float, typer.Option(min=0, help="0 always takes the likeliest token.")] = 0.0,
    seed: Annotated[int, typer.Option(help="Draws at a temperature above 0 repeat with the same seed.")] = 0,
    dtype: Annotated[str, typer.Option(help="float32 or bfloat16.")] = "float32",
) -> None:
    """Talk to a model, steered by an adapter if one is given; --compare shows both side by side.

    midcourse chat --adapter runs/demo/adapter --compare
    midcourse chat --adapter runs/demo/adapter --prompt "How do I sleep better?"
    """
    if compare and adapter is None:
        raise InputError("--compare shows the base beside a steered model: give the adapter too, --adapter FOLDER")
    try:
        from midcourse.backends.local import LocalBackend
        from midcourse.backends.protocol import Sampling
    except ImportError as error:
        raise MissingExtra.of("train", "`midcourse chat`") from error
    loaded = load_model(model, dtype=dtype, adapter=adapter)
    sampling = Sampling(max_new_tokens=max_new_tokens, temperature=temperature, seed=seed)
    sides = {"steered" if adapter else "base": LocalBackend(loaded.model, loaded.tokenizer.eos)}
    if compare:
        sides = {"base": LocalBackend(loaded.model, loaded.tokenizer.eos, adapter=False), **sides}
    talks = [_Talk(name, backend, loaded.tokenizer) for name, backend in sides.items()]
    console = Console()
    said = prompt if prompt is not None else _ask(console)
    while said is not None:
        answers = [talk.answer(said, sampling) for talk in talks]
        _side_by_side(console, talks, answers) if compare else _stream(console, answers[0])
        said = None if prompt is not None else _ask(console)


class _Talk:
    """One side of the screen: a model with the conversation as it went there."""

    def __init__(self, name: str, backend: "LocalBackend", tokenizer: "TextTokenizer") -> None:
        self.name, self.backend, self.tokenizer = name, backend, tokenizer
        self.messages: list[Message] = []
        self.text = ""

    def answer(self, said: str, sampling: object) -> Iterator[str]:
        """Yield the answer piece by piece, whole characters only; without a chat template the prompt is continued."""
        from midcourse.backends.protocol import Sampling

        assert isinstance(sampling, Sampling)
        self.messages.append(Message("user", said))
        ids = self.tokenizer.prompt_ids(self.messages if self.tokenizer.template else said)
        new: list[int] = []
        self.text = ""
        for token in self.backend.stream(ids, sampling):
            if token.id in self.tokenizer.eos:
                break
            new.append(token.id)
            text = self.tokenizer.decode(new).rstrip("\ufffd")
            yield text[len(self.text) :]
            self.text = text
        self.messages.append(Message("assistant", self.text))


def _ask(console: Console) -> str | None:
    """The next line the person types; None at the end of input. Empty lines are asked again."""
    while True:
        try:
            said = console.input("[bold]you ›[/bold] ").strip()
        except EOFError:
            return None
        if said in ("/exit", "/quit"):
            return None
        if said:
            return said


def _stream(console: Console, answer: Iterator[str]) -> None:
    for piece in answer:
        console.print(piece, end="", markup=False, highlight=False, soft_wrap=True)
    console.print()


def _side_by_side(console: Console, talks: list[_Talk], answers: list[Iterator[str]]) -> None:
    """Both models write at the same time, a token each in turn."""
    running = list(answers)
    with Live(console=console, refresh_per_second=12, vertical_overflow="visible", auto_refresh=False) as live:
        while running:
            running = [answer for answer in running if next(answer, None) is not None]
            live.update(_columns(console, talks), refresh=console.is_terminal)
        live.update(_columns(console, talks))


def _columns(console: Console, talks: list[_Talk]) -> RenderableType:
    narrow = console.width < 72  # two columns of a phone's terminal cannot be read
    width = None if narrow else console.width // len(talks) - 1
    colours = {"base": "yellow", "steered": "green"}
    panels = [
        Panel(Text(talk.text), title=talk.name, title_align="left", width=width, border_style=colours[talk.name])
        for talk in talks
    ]
    return Group(*panels) if narrow else Columns(panels, padding=(0, 1))
