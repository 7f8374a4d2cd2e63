"""`midcourse serve`: base and steered models behind an OpenAI-compatible route."""

from typing import Annotated

import typer
from rich.console import Console

from midcourse.errors import InputError, MissingExtra
from midcourse.model import BUILTIN

__all__ = ["serve"]

PORT = 8322


def serve(
    model: Annotated[str, typer.Argument(help="`builtin`, a model folder, or a hub id.")] = BUILTIN,
    adapter: Annotated[
        list[str] | None, typer.Option(metavar="NAME=DIR", help="An adapter and the name to ask for; may be repeated.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the base.", show_default="its own")] = None,
    dtype: Annotated[
        str, typer.Option(help="float32, bfloat16, or auto: bfloat16 where the processor has it.")
    ] = "auto",
    max_new_tokens: Annotated[
        int, typer.Option("--max_new_tokens", min=1, help="Longest answer where a request does not say.")
    ] = 1024,
    host: Annotated[str, typer.Option(help="Address to listen on. Anything but loopback needs a key.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on.")] = PORT,
    key: Annotated[
        str | None,
        typer.Option(help="What requests must carry as a key.", envvar="MIDCOURSE_SERVE_KEY", show_default=False),
    ] = None,
    memory: Annotated[float, typer.Option(min=0, help="GB for the model's caches of recent texts.")] = 2.0,
) -> None:
    """Serve a model and its adapters to any OpenAI client, from this process.

    The base answers by its own name, each adapter by the name given here. An adapter is read anew when its folder
    changes. A last message of the assistant is gone on with, not answered.

    midcourse serve
    midcourse serve builtin --adapter steered=runs/first --adapter other=runs/second
    """
    try:
        import uvicorn

        from midcourse.publish.serve.opening import adapters_of, open_models, tell_changes
    except ImportError as error:
        raise MissingExtra.of("studio,train", "`midcourse serve`") from error
    from midcourse.publish.serve.app import create_app
    from midcourse.publish.serve.door import is_loopback

    if not is_loopback(host) and not key:
        raise InputError(f"--host {host} would let anybody on the network in: give a key, --key or MIDCOURSE_SERVE_KEY")
    folders = adapters_of(adapter or [])
    console = Console(stderr=True)
    with console.status("Loading the model"):
        models = open_models(model, name, folders, dtype=dtype, memory=int(memory * 1e9))
    app = create_app(models, most_tokens=max_new_tokens, key=key)
    tell_changes()
    where = f"http://{'localhost' if host == '127.0.0.1' else host}:{port}/v1"
    console.print(f"{', '.join(models.names)} at [bold]{where}[/bold]  (Ctrl-C stops it)", soft_wrap=True)
    uvicorn.run(
        app,
        host=host,
        port=port,
        access_log=False,
        log_level="warning",
        server_header=False,
        timeout_graceful_shutdown=5,
    )
