"""`midcourse steers fill`: sample what the model would have said, for steers that lack a rejected side."""

from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track

from midcourse.errors import MissingExtra


def fill(
    store: Annotated[
        str | None,
        typer.Option(
            "--store", help="Path or URL of the store.", envvar="MIDCOURSE_STORE", show_default="./midcourse.db"
        ),
    ] = None,
    model: Annotated[str, typer.Option(help="The base: `builtin`, a model folder, or a hub id.")] = "builtin",
    samples: Annotated[int, typer.Option(min=1, help="How often to ask the base at each fork.")] = 4,
    temperature: Annotated[float, typer.Option(min=0, help="Sampling temperature.")] = 1.0,
    seed: Annotated[int, typer.Option(help="The same seed gives the same samples.")] = 0,
    dtype: Annotated[str, typer.Option(help="float32 or bfloat16.")] = "float32",
) -> None:
    """Ask the base what it would have said where a steer has no rejected side; what differs from chosen is rejected."""
    from midcourse.drafts import fill as filling
    from midcourse.model import load_model
    from midcourse.store.db import Store

    try:
        from midcourse.backends.local import LocalBackend
    except ImportError as error:
        raise MissingExtra.of("train", "`midcourse steers fill`") from error
    console = Console(stderr=True)
    with Store(store, create=False) as opened:
        waiting = [t for t in opened.trajectories() if filling.unfilled(t)]
        total = sum(len(filling.unfilled(t)) for t in waiting)
        if not total:
            console.print("Every steer with a chosen side has a rejected side already.")
            return
        loaded = load_model(model, dtype=dtype)
        backend = LocalBackend(loaded.model, loaded.tokenizer.eos)
        made = filling.fill(waiting, backend, loaded.tokenizer, n=samples, temperature=temperature, seed=seed)
        filled, sides = 0, 0
        for found in track(made, "Sampling", total=total, console=console):
            if found.rejected:
                opened.append_rejected(found.steer, found.rejected, found.nodes)
                filled, sides = filled + 1, sides + len(found.rejected)
    typer.echo(
        f"{filled} of {total} steers got {sides} rejected sides; the base itself says what was chosen in the rest."
    )
