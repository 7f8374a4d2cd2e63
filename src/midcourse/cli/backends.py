"""`midcourse backends`: what a model server elsewhere can do for steering."""

import json
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

app = typer.Typer(
    help="Model servers elsewhere: llama.cpp, vLLM, SGLang, Ollama, any OpenAI-compatible one.", no_args_is_help=True
)


@app.callback()
def backends() -> None:
    """Model servers elsewhere: llama.cpp, vLLM, SGLang, Ollama, any OpenAI-compatible one."""


@app.command()
def check(
    url: Annotated[str, typer.Argument(help="Address of the server, e.g. http://localhost:8080.")],
    key: Annotated[
        str | None, typer.Option(help="The server's key.", envvar="MIDCOURSE_SERVER_KEY", show_default=False)
    ] = None,
    dialect: Annotated[
        str | None, typer.Option(help="llama.cpp, vllm, sglang, ollama, openai or midcourse; recognised if not given.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Whose tokenizer it should read with: `builtin`, a folder or hub id.")
    ] = None,
    served: Annotated[str | None, typer.Option(help="The server's name for the model; the first it lists.")] = None,
    patience: Annotated[float, typer.Option(min=0.1, help="Seconds of silence to wait for.")] = 60.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the record as JSON.")] = False,
) -> None:
    """Try out what a server can do, with about six requests of a few tokens, and print the table.

    Steering wants exact token ids both ways, log-probabilities, alternatives, and a way to rule the rejected token
    out. What is missing is told in one line; docs/backends.md says what it costs.

        midcourse backends check http://localhost:8080
        midcourse backends check http://localhost:8000/v1 --model HuggingFaceTB/SmolLM2-135M-Instruct
    """
    from midcourse.backends.remote import probe
    from midcourse.tokens import TextTokenizer

    tokenizer = None
    if model is not None:
        from midcourse.model import resolve

        tokenizer = TextTokenizer.load(resolve(model, weights=False))
    with Console(stderr=True).status("Trying the server out"):
        report = probe(url, key=key, dialect=dialect, model=served, tokenizer=tokenizer, patience=patience)
    if as_json:
        typer.echo(json.dumps(report.to_dict(), indent=2, ensure_ascii=False))
        return
    tried = f"verified on {report.tried_on}" if report.verified else "not verified: tried on a scripted server only"
    typer.echo(f"{report.url} runs {report.model} and speaks {report.dialect} ({tried})")
    table = Table("can it", "", "what was seen", box=None, header_style="bold")
    for ability in report.abilities:
        table.add_row(ability.name, {True: "yes", False: "no", None: "?"}[ability.can], ability.seen)
    Console().print(table, soft_wrap=True, markup=False)
    if report.missing():
        typer.echo(report.missing())
