"""From the command line's settings to an application that is ready to serve."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fastapi import FastAPI

from midcourse.backends.protocol import Sampling
from midcourse.capture.studio.app import create_app
from midcourse.capture.studio.office import Office
from midcourse.capture.studio.prompts import entries, read_prompts
from midcourse.capture.studio.training import Plan
from midcourse.capture.studio.writer import Loaded, Writer
from midcourse.errors import InputError
from midcourse.store.db import Store

__all__ = ["ALTERNATIVES", "Opening", "open_studio"]

ALTERNATIVES = 9
"""Reported with each token: what the keys 1 to 9 take."""


@dataclass(frozen=True, slots=True)
class Opening:
    """How the studio is opened."""

    model: str = "builtin"
    store: str | None = None
    """As `midcourse train` takes it; None: the path of the store."""
    adapter: Path | None = None
    runs: Path = Path("runs")
    prompts: Path | None = None
    guidelines: Path | None = None
    people: int = 1
    name: str | None = None
    temperature: float = 0.0
    max_new_tokens: int = 512
    dev: bool = False
    command: tuple[str, ...] = (sys.executable, "-m", "midcourse")
    """How `midcourse` is called to train."""


def open_studio(
    store: Store,
    opening: Opening,
    loader: Callable[[], Callable[[Path | None], Loaded]],
    check: Callable[[bool], None] = lambda _: None,
) -> FastAPI:
    """Read what is given, then load the model, which takes longest.

    Args:
        store: Open.
        opening: The settings.
        loader: Makes the function that loads the model with an adapter.
        check: Called with whether anybody has to sign in; may refuse.
    """
    office = Office(store)
    check(not office.alone)
    if opening.prompts is not None:
        text = _read(opening.prompts)
        known = office.desk.items
        found = entries(read_prompts(text, str(opening.prompts)), people=opening.people)
        office.add_now("prompt", [e for e in found if e["id"] not in known])
    if opening.guidelines is not None:
        text = _read(opening.guidelines)
        if text != office.desk.guidelines:
            office.add_now("guidelines", [{"text": text}])
    adapters = found_adapters(opening.runs)
    active = None
    if opening.adapter is not None:
        active = opening.adapter.name
        adapters[active] = opening.adapter
    writer = Writer(loader(), adapters, active)
    if writer.active != office.desk.adapter or not office.desk.rounds:
        office.add_now("adapter", [{"name": writer.active}])
    told = min(ALTERNATIVES, writer.view().alternatives)
    sampling = Sampling(max_new_tokens=opening.max_new_tokens, temperature=opening.temperature, alternatives=told)
    plan = Plan(opening.store or store.name, opening.model, opening.runs, opening.command)
    return create_app(office, writer, sampling=sampling, plan=plan, name=opening.name, dev=opening.dev)


def found_adapters(runs: Path) -> dict[str, Path]:
    """Adapters in a folder of runs, by the run's name."""
    return {p.parent.name: p.parent for p in sorted(runs.glob("*/adapter_config.json"))}


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist") from error
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read as UTF-8 text: {' '.join(str(error).split())}") from error
