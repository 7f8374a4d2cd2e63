"""Midcourse: fine-tune a language model on the corrections a person makes while it writes.

The package in the order in which data flows through it:

    types.py        frozen values: Message, Node, Steer, Trajectory
    tokens.py       text <-> ids: chat template, cut inside a token, where two texts fork
    errors.py       what a user's mistake looks like, drawn as a tree
    model.py        base model and adapter: pull, load, check; the built-in one
    rows/           steers written by hand <-> trajectories
    backends/       who generates: tokens with alternatives, from token ids
    store/       1  the append-only store of nodes and steers
    drafts/      2  one text being written: stop, rewind, correct, resume
    capture/     3  steers from elsewhere: studio, proxy, importers, recorder
    tree/        4  a trajectory as arrays: packed, masked, run once
    objective/   5  losses: tensors in, (loss, metrics) out
    train/       6  SteerConfig, SteerTrainer
    evaluate/    7  did it help, what did it cost, the report
    publish/     8  what leaves: adapters
    workflows/      what crosses stages
    cli/            one short function per command

A name below is imported when it is first used, so that `import midcourse` costs nothing and keeping steers works
where torch is not installed.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from midcourse.capture.recorder import Recorder
    from midcourse.model import load_model
    from midcourse.store.db import Store
    from midcourse.tokens import TextTokenizer
    from midcourse.train import SteerConfig, SteerTrainer
    from midcourse.types import Message, Steer, Trajectory

__all__ = [
    "Message",
    "Recorder",
    "Steer",
    "SteerConfig",
    "SteerTrainer",
    "Store",
    "TextTokenizer",
    "Trajectory",
    "__version__",
    "load_model",
]

_HOME = {
    "Message": "midcourse.types",
    "Recorder": "midcourse.capture.recorder",
    "Steer": "midcourse.types",
    "SteerConfig": "midcourse.train",
    "SteerTrainer": "midcourse.train",
    "Store": "midcourse.store.db",
    "TextTokenizer": "midcourse.tokens",
    "Trajectory": "midcourse.types",
    "load_model": "midcourse.model",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'midcourse' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
