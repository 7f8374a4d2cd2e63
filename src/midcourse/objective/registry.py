"""Which losses there are. A new one is one function in one file of `objective/losses/`, or anywhere in your own code.

    @pair_loss("mine", settings=("beta",), source="…", when="…")
    def mine(x: PairLogps, s: LossSettings) -> Tensor:
        '''−log σ(β …), one value per pair.'''

After that `SteerConfig(loss_type="mine")` takes it. What a loss gives is one value per pair, [P], not yet weighted:
weights, denominators, the likelihood anchor, the retain term and plain text are added around it, the same for all.
"""

import difflib
import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType
from typing import Literal

from torch import Tensor

from midcourse.errors import InputError
from midcourse.objective.pairs import PairLogps
from midcourse.objective.settings import LossSettings

__all__ = ["Loss", "PairFunction", "all_losses", "find_loss", "pair_loss"]

PairFunction = Callable[[PairLogps, LossSettings], Tensor]


@dataclass(frozen=True, slots=True)
class Loss:
    """A loss and what a user needs to know to choose it."""

    name: str
    per_pair: PairFunction
    settings: tuple[str, ...]
    """Settings it reads beside those that every loss has."""
    source: str
    when: str
    defaults: Mapping[str, float] = field(default_factory=dict)
    """Values of settings that are left open, where they differ from `LossSettings`."""
    text: Literal["none", "spans", "full"] = "none"
    """Which tokens of a steered text have next-token weight. Not `none`: that is all there is to it, pairs add
    nothing."""
    localized: bool = False
    """Whether it looks at the fork alone: then whole answers are compared from where they part."""
    also: str | None = None
    """Another name people know it by."""

    @property
    def formula(self) -> str:
        """The function's docstring up to the first empty line."""
        return " ".join((self.per_pair.__doc__ or "").strip().split("\n\n")[0].split())


_KNOWN: dict[str, Loss] = {}


def pair_loss(
    name: str,
    *,
    settings: tuple[str, ...] = (),
    source: str,
    when: str,
    defaults: Mapping[str, float] = MappingProxyType({}),
    text: Literal["none", "spans", "full"] = "none",
    localized: bool = False,
    also: str | None = None,
) -> Callable[[PairFunction], PairFunction]:
    """Register a function of (`PairLogps`, `LossSettings`) that gives [P] values, one per pair.

    Its docstring opens with the formula. A pair that lacks a side gets a value that is not used.
    """

    def register(function: PairFunction) -> PairFunction:
        _KNOWN[name] = Loss(name, function, settings, source, when, defaults, text, localized, also)
        return function

    return register


@cache
def _read_files() -> None:
    import midcourse.objective.losses as folder

    for module in pkgutil.iter_modules(folder.__path__):
        importlib.import_module(f"{folder.__name__}.{module.name}")


def all_losses() -> dict[str, Loss]:
    """All losses by name: `fork` first, then by name."""
    _read_files()
    return dict(sorted(_KNOWN.items(), key=lambda item: (item[0] != "fork", item[0])))


def find_loss(name: str) -> Loss:
    """A loss by its name or its other name.

    Raises:
        InputError: There is no such loss.
    """
    known = all_losses()
    for loss in known.values():
        if name in (loss.name, loss.also):
            return loss
    near = difflib.get_close_matches(str(name), [*known, *(x.also for x in known.values() if x.also)], n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise InputError(f"loss_type is {name!r}; expected one of {', '.join(known)}{hint} (docs/losses.md)")
