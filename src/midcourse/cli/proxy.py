"""`midcourse proxy`: stand between a program and a model server, and keep the corrections that people make there."""

import os
import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from midcourse.cli.proxy_inbox import app as inbox
from midcourse.cli.steers import StoreOption
from midcourse.errors import InputError, MissingExtra, ServerError

if TYPE_CHECKING:
    from midcourse.capture.proxy.fields import Fields, Kind
    from midcourse.store import Store

__all__ = ["app"]

HELP = """
Keep the corrections that people make in other programs: a pass-through before any model server.

Nothing is kept until somebody allows it. Point your program at http://localhost:8322/v1 in place of the server, stop
an answer there, put it right, go on; what was recognised waits in the inbox.

```
midcourse proxy allow --model smollm2
midcourse proxy --upstream http://localhost:8080
midcourse proxy inbox
```
"""
app = typer.Typer(help=HELP, invoke_without_command=True)
app.add_typer(inbox, name="inbox")
PORT = 8322
_KEY = "MIDCOURSE_CLIENT_KEY"


class Capture(StrEnum):
    """How it is listened."""

    text = "text"
    ids = "ids"


class Accept(StrEnum):
    """What trains without being looked at."""

    nothing = "nothing"
    certain = "certain"


@app.callback()
def proxy(
    context: typer.Context,
    upstream: Annotated[
        str | None, typer.Option(help="Address of the model server, e.g. http://localhost:8080.")
    ] = None,
    store: StoreOption = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on.")] = PORT,
    capture: Annotated[
        Capture, typer.Option(help="text changes no byte; ids asks the server for token ids and takes them out again.")
    ] = Capture.text,
    model: Annotated[
        str | None, typer.Option(help="Model behind the server, for its tokenizer: `builtin`, a folder or hub id.")
    ] = None,
    accept: Annotated[
        Accept, typer.Option(help="certain: steers that leave no doubt train without being looked at; needs --model.")
    ] = Accept.nothing,
    retain: Annotated[str, typer.Option(help="How long exchanges are kept: 90d, 12h, 2w, 1y or forever.")] = "90d",
    key: Annotated[
        str | None,
        typer.Option(
            help="The server's key, to ask what it can do.", envvar="MIDCOURSE_SERVER_KEY", show_default=False
        ),
    ] = None,
) -> None:
    """Pass everything on to a model server, and notice when a person corrects what the model wrote."""
    if context.invoked_subcommand is not None:
        return
    if upstream is None:
        raise InputError("where is the model server? Give its address, e.g. --upstream http://localhost:8080")
    if accept is Accept.certain and model is None:
        raise InputError("--accept certain makes steers at once and needs --model, whose tokenizer makes their ids")
    try:
        from midcourse.capture.proxy import serving
    except ImportError as error:
        raise MissingExtra.of("studio", "`midcourse proxy`") from error
    from midcourse.capture.proxy.keeping import Keeper
    from midcourse.capture.proxy.listening import Listening
    from midcourse.capture.proxy.passing import Passing
    from midcourse.capture.proxy.upstream import Upstream
    from midcourse.store import Store, consents

    seconds, server = serving.read_days(retain), Upstream(upstream)
    with Store(store) as kept:
        with kept.transaction() as connection:
            secret = consents.secret(connection)
        keeper = Keeper(kept, secret, accept_certain=accept is Accept.certain)
        if model is not None:
            from midcourse.cli.reading import model_ref
            from midcourse.model import resolve
            from midcourse.tokens import TextTokenizer

            keeper.tokenizer, keeper.model = TextTokenizer.load(resolve(model)), model_ref(model)
        fields, told = _fields(upstream, key) if capture is Capture.ids else ({}, "")
        listening = Listening(keeper, fields=fields, retain=seconds)
        keeper.refresh()
        taken = serving.bind(host, port)
        name = "localhost" if host == "127.0.0.1" else host
        serving.say([f"The proxy is at http://{name}:{taken.getsockname()[1]}  (Ctrl-C stops it)"])
        serving.say(serving.announce(listening, server, kept.name, retain, serving.named(fields), told))
        if host not in ("127.0.0.1", "localhost", "::1"):
            serving.say(["Anybody who reaches this port reaches the model server: put TLS and a door in front."])
        serving.serve(Passing(server, listening, listening.start, listening.stop), taken)


def _fields(upstream: str, key: str | None) -> "tuple[dict[Kind, Fields], str]":
    from midcourse.capture.proxy.fields import find_fields

    try:
        with Console(stderr=True).status("Asking the server what it tells"):
            dialect, fields = find_fields(upstream, key)
    except ServerError as error:
        return {}, f"Token ids are not captured, text is: {error}"
    if not fields:
        return {}, f"This server ({dialect}) tells no token ids on the routes that clients use; text is captured."
    return fields, f"Token ids are captured on {', '.join(fields)} ({dialect})."


# -- consent ---------------------------------------------------------------------------------------------------------

ModelName = Annotated[str | None, typer.Option("--model", help="A model, by the name that clients ask for.")]
ClientName = Annotated[str | None, typer.Option("--client", help="A client, by the name that the proxy's log tells.")]
KeyFlag = Annotated[
    bool, typer.Option("--key", help=f"A client's key: from {_KEY}, a pipe, or typed in unseen. It is not stored.")
]


@app.command()
def allow(model: ModelName = None, client: ClientName = None, key: KeyFlag = False, store: StoreOption = None) -> None:
    """Switch on: keep exchanges of a client, or with a model. Takes effect within seconds.

    Ask the people whose words these are first. Either is enough: a model that is allowed covers all who use it.

        midcourse proxy allow --model smollm2
        midcourse proxy allow --key
    """
    _switch(store, model, client, key, True)


@app.command()
def deny(model: ModelName = None, client: ClientName = None, key: KeyFlag = False, store: StoreOption = None) -> None:
    """Switch off again. What was kept stays until `midcourse store purge`."""
    _switch(store, model, client, key, False)


@app.command()
def allowed(store: StoreOption = None) -> None:
    """Show what is switched on, and how much is kept."""
    from midcourse.store import Store, consents, exchanges
    from midcourse.store.reviews import Inbox

    with Store(store, create=False) as kept:
        with kept.snapshot() as connection:
            now, number = consents.read(connection), exchanges.count(connection)
        waiting = Inbox(kept).count()
    table = Table("allowed", "", box=None, header_style="bold")
    for kind, names in (("model", now.models), ("client", now.clients)):
        for name in sorted(names):
            table.add_row(kind, name)
    Console(highlight=False).print(table if now else "Nothing is switched on, so nothing is kept.")
    typer.echo(f"{number} exchanges are kept; {waiting} steers wait in the inbox.")


@app.command()
def who(store: StoreOption = None) -> None:
    """Tell the name under which a key is on record, for `store purge --author`.

    MIDCOURSE_CLIENT_KEY=sk-… midcourse proxy who
    """
    with _opened(store) as kept:
        typer.echo(_name_of_key(kept))


def _switch(store: str | None, model: str | None, client: str | None, key: bool, on: bool) -> None:
    from midcourse.store import consents

    if sum((model is not None, client is not None, key)) != 1:
        raise InputError("say whom: one of --model NAME, --client NAME or --key")
    with _opened(store) as kept:
        name = model or client or _name_of_key(kept)
        with kept.transaction() as connection:
            consents.allow(connection, "client" if model is None else "model", name, on)
        what = f"whoever asks for {name}" if model is not None else f"client {name}"
        typer.echo(f"{'Kept' if on else 'No longer kept'} from now on: exchanges of {what}, in {kept.name}")


def _opened(store: str | None) -> "Store":
    from midcourse.store import Store

    return Store(store)


def _name_of_key(kept: "Store") -> str:
    from midcourse.capture.proxy.client import client_of_key
    from midcourse.store import consents

    given = os.environ.get(_KEY)
    if not given:
        given = typer.prompt("Key", hide_input=True, err=True) if sys.stdin.isatty() else sys.stdin.readline()
    if not given.strip():
        raise InputError(f"no key was given; put it into {_KEY} or type it in")
    with kept.transaction() as connection:
        return client_of_key(given, consents.secret(connection))
