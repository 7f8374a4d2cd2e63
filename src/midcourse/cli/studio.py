"""`midcourse studio`: the page on which a person steers, and who may use it."""

import shlex
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from midcourse.errors import InputError, MissingExtra
from midcourse.store.db import Store

if TYPE_CHECKING:
    from midcourse.backends.remote import Report
    from midcourse.capture.studio.elsewhere import Server
    from midcourse.capture.studio.writer import Loaded

app = typer.Typer(help="Steer a model while it writes, in the browser.", invoke_without_command=True)
users = typer.Typer(help="Who may use a studio that is open to others.", no_args_is_help=True)
app.add_typer(users, name="users")
PORT = 8321
StoreOption = Annotated[
    str | None, typer.Option(help="Path or URL of the store. Default: MIDCOURSE_STORE, else ./midcourse.db.")
]


@app.callback()
def studio(
    context: typer.Context,
    store: StoreOption = None,
    model: Annotated[
        str, typer.Option(help="`builtin`, a model folder, or a hub id; with --backend the one that the server runs.")
    ] = "builtin",
    adapter: Annotated[Path | None, typer.Option(help="Adapter folder to begin with.")] = None,
    backend: Annotated[
        str, typer.Option(help="Where the model runs: `local`, or the address of a server, e.g. http://localhost:8080.")
    ] = "local",
    served: Annotated[str | None, typer.Option(help="The server's name for the model; the first it lists.")] = None,
    key: Annotated[
        str | None, typer.Option(help="The server's key.", envvar="MIDCOURSE_SERVER_KEY", show_default=False)
    ] = None,
    dialect: Annotated[
        str | None, typer.Option(help="llama.cpp, vllm, sglang, ollama or openai; recognised if not given.")
    ] = None,
    patience: Annotated[float, typer.Option(min=0.1, help="Seconds of the server's silence to wait for.")] = 60.0,
    dtype: Annotated[
        str, typer.Option(help="float32, bfloat16, or auto: bfloat16 where the processor has it.")
    ] = "auto",
    prompts: Annotated[
        Path | None, typer.Option(help="JSONL or text file of prompts for the queue; known ones are passed over.")
    ] = None,
    guidelines: Annotated[Path | None, typer.Option(help="Markdown file shown beside the text.")] = None,
    people: Annotated[int, typer.Option(min=1, help="How many people each prompt of --prompts should go to.")] = 1,
    runs: Annotated[Path, typer.Option(help="Folder for adapters trained from the page.")] = Path("runs"),
    name: Annotated[str | None, typer.Option(help="Your name in the record, where you work alone.")] = None,
    temperature: Annotated[float, typer.Option(min=0, help="0 always takes the likeliest token.")] = 0.0,
    max_new_tokens: Annotated[int, typer.Option("--max_new_tokens", min=1, help="Longest stretch at once.")] = 512,
    host: Annotated[str, typer.Option(help="Address to listen on. Anything but loopback needs people: users add.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on.")] = PORT,
    root_path: Annotated[str, typer.Option("--root_path", help="Path prefix behind a proxy, e.g. /studio.")] = "",
    proxy: Annotated[str, typer.Option(help="Addresses whose X-Forwarded headers are believed.")] = "127.0.0.1",
    memory: Annotated[float, typer.Option(min=0, help="GB for the model's caches of recent branches.")] = 2.0,
    open_: Annotated[bool, typer.Option("--open/--no-open", help="Open the page in the browser.")] = False,
    dev: Annotated[bool, typer.Option("--dev", hidden=True, help="Read the page anew for each request.")] = False,
) -> None:
    """Open the studio: watch the model write, stop it, put it right, let it go on.

    midcourse studio
    midcourse studio --prompts prompts.jsonl --guidelines guide.md --store team.db
    midcourse studio --backend http://localhost:8080 --model HuggingFaceTB/SmolLM2-1.7B-Instruct
    midcourse studio users add ada --role admin
    """
    if context.invoked_subcommand is not None:
        return
    try:
        from midcourse.capture.studio.elsewhere import Server
        from midcourse.capture.studio.opening import Opening, open_studio
        from midcourse.capture.studio.serving import check_host, serve
    except ImportError as error:
        raise MissingExtra.of("studio", "`midcourse studio`") from error
    console = Console(stderr=True)
    server = None if backend == "local" else Server(backend, key, dialect, served, patience)
    with Store(store) as kept:
        opening = Opening(
            runs=runs,
            prompts=prompts,
            guidelines=guidelines,
            people=people,
            name=name,
            temperature=temperature,
            max_new_tokens=max_new_tokens,
            adapter=adapter,
            model=model,
            store=str(kept.url.database) if kept.url.get_backend_name() == "sqlite" else store,
            dev=dev,
        )
        made = open_studio(
            kept,
            opening,
            lambda: _loader(model, dtype, memory) if server is None else _remote(server, model, console),
            lambda desk: check_host(host, people=desk),
        )
        where = f"http://{'localhost' if host == '127.0.0.1' else host}:{port}{root_path}/"
        console.print(f"The studio is at [bold]{where}[/bold]  (Ctrl-C stops it; store: {kept.name})", soft_wrap=True)
        if host not in ("127.0.0.1", "localhost", "::1"):
            console.print(
                "Put a proxy with TLS in front: without it anybody on the way can read along.", style="yellow"
            )
        if open_:
            webbrowser.open(where)
        serve(made, host, port, root_path=root_path, proxy=proxy, quiet=made.state.studio.office.alone)


def _loader(model: str, dtype: str, memory: float) -> "Callable[[Path | None], Loaded]":
    """Loads the base once for each adapter that is asked for."""
    try:
        from midcourse.backends import grouped
        from midcourse.backends.local import LocalBackend, fast_dtype
        from midcourse.model import load_model
    except ImportError as error:
        raise MissingExtra.of("train", "`midcourse studio` with a model in this process") from error
    from midcourse.capture.studio.writer import Loaded

    kind = fast_dtype() if dtype == "auto" else dtype

    def load(adapter: Path | None) -> "Loaded":
        made = load_model(model, dtype=kind, adapter=adapter, attn=grouped.NAME)
        backend = LocalBackend(made.model, made.tokenizer.eos, memory=int(memory * 1e9), halves=dtype == "auto")
        return Loaded(backend, made.tokenizer, made.wrote, "local", backend.context)

    return load


def _remote(server: "Server", model: str, console: Console) -> "Callable[[Path | None], Loaded]":
    """Tries the server out, says what it cannot do, and writes with it."""
    from midcourse.capture.studio.elsewhere import server_loader
    from midcourse.model import resolve
    from midcourse.tokens import TextTokenizer

    def told(report: "Report") -> None:
        tried = "" if report.verified else "; this dialect was tried on a scripted server only"
        console.print(f"{report.model} writes at {report.url} ({report.dialect}{tried}).", markup=False, soft_wrap=True)
        if report.missing():
            console.print(report.missing(), style="yellow", markup=False, soft_wrap=True)

    return server_loader(server, TextTokenizer.load(resolve(model, weights=False)), told)


# -- people ----------------------------------------------------------------------------------------------------------


@users.command("add")
def add(
    name: Annotated[str, typer.Argument(help="The person's name in the record.")],
    role: Annotated[
        str | None,
        typer.Option(help="annotator, or admin: queue, review, training, people. Default: as before, else annotator."),
    ] = None,
    url: Annotated[str, typer.Option(help="Where the studio is seen, for the link.")] = f"http://localhost:{PORT}/",
    adopt: Annotated[
        str | None,
        typer.Option(
            metavar="EARLIER",
            help="The name they wrote under here alone (`me`, unless --name gave another): those texts are theirs.",
        ),
    ] = None,
    store: StoreOption = None,
) -> None:
    """Let somebody in; prints a link that signs them in once. For a known name: another link.

    midcourse studio users add ada --role admin --adopt me
    """
    from midcourse.capture.studio.access import new_link
    from midcourse.capture.studio.adopting import check_adoption, written_alone
    from midcourse.capture.studio.deeds import account
    from midcourse.capture.studio.desk import Desk
    from midcourse.capture.studio.journal import Journal

    if role not in ("annotator", "admin", None):
        raise InputError(f"--role is annotator or admin, got {role!r}")
    if not name.strip() or len(name) > 64 or not name.isprintable():
        raise InputError("a name has 1 to 64 printable characters")
    with Store(store) as kept:
        journal = Journal(kept)
        desk = Desk(journal.since())
        adopt = None if adopt == name else adopt  # a person who worked alone under the same name has those texts anyway
        if adopt is not None:
            check_adoption(kept, desk, adopt, name)
        role = role or (desk.members[name].role if name in desk.members else "annotator")
        token, link = new_link(name)
        journal.add("person", {"name": name, "role": role}, account())
        if adopt is not None and adopt not in desk.names:
            journal.add("adopt", {"of": adopt, "name": name}, account())
        journal.add("link", link, account())
        alone = {who: texts for who, texts in written_alone(kept, desk).items() if who not in (name, adopt)}
    typer.echo(f"{url.rstrip('/')}/enter/{token}")
    say = Console(stderr=True).print
    say(f"For {name} ({role}), once, within 3 days.", highlight=False)
    for who, texts in alone.items():
        are = "text written here alone, as {}, is" if texts == 1 else "texts written here alone, as {}, are"
        here = f" --store {shlex.quote(store)}" if store and "://" not in store else ""  # a URL may hold a password
        say(
            f"{texts} {are.format(who)} nobody's yet; where {name} wrote them: "
            f"midcourse studio users add {name} --adopt {shlex.quote(who)}{here}",
            highlight=False,
            soft_wrap=True,
            markup=False,
        )


@users.command("revoke")
def revoke(
    name: Annotated[str, typer.Argument(help="Who may no longer come in. What they wrote stays.")],
    store: StoreOption = None,
) -> None:
    """Show somebody out; their sessions end within seconds."""
    from midcourse.capture.studio.deeds import account
    from midcourse.capture.studio.desk import Desk
    from midcourse.capture.studio.journal import Journal

    with Store(store, create=False) as kept:
        journal = Journal(kept)
        members = Desk(journal.since()).members
        if name not in members:
            raise InputError(f"there is nobody called {name!r}; there are: {', '.join(sorted(members)) or 'nobody'}")
        journal.add("revoke", {"name": name}, account())


@users.command("list")
def list_(store: StoreOption = None) -> None:
    """Show who may come in."""
    from midcourse.capture.studio.desk import Desk
    from midcourse.capture.studio.journal import Journal

    with Store(store, create=False) as kept:
        desk = Desk(Journal(kept).since())
    table = Table("name", "role", "", box=None, header_style="bold")
    for member in desk.members.values():
        signed_in = any(name == member.name for name, _ in desk.sessions.values())
        table.add_row(member.name, member.role, "revoked" if member.revoked else "signed in" if signed_in else "")
    Console().print(table)
