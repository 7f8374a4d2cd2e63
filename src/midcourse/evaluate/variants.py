"""One base and its adapters held in one model, and which of them speaks: so that all are compared on equal terms.

Base and steered model share weights, dtype and batch shape; only the adapter is switched. It knows no data.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch

from midcourse.evaluate.sampling import Sample, sample
from midcourse.tree.pack import Row

__all__ = ["BASE", "Sampler", "Variants", "adapter_labels"]

BASE = "base"
Sampler = Callable[..., list[list[Sample]]]
"""Called as `sampling.sample`."""


def adapter_labels(paths: Sequence[str | Path]) -> tuple[str, ...]:
    """A short name for each adapter: the last telling part of its path, numbered where two would be the same."""
    names: list[str] = []
    for path in paths:
        parts = [p for p in Path(path).parts if p not in ("adapter", "final", "/", ".")]
        name = (parts[-1] if parts else "adapter").replace(".", "_")
        name = "steered" if name == BASE else name
        same = sum(n == name or n.startswith(f"{name}-") for n in names)
        names.append(f"{name}-{same + 1}" if same else name)
    return tuple(names)


class Variants:
    """`base` and any number of adapters of one model, one of them active at a time."""

    def __init__(self, model: Any, adapters: Sequence[str] = (), *, base_sample: Sampler = sample) -> None:
        """Take a plain model (no adapters) or a PEFT model that holds each name in `adapters`.

        With `base_sample` what the base writes can be kept between evaluations (`kept.KeptSamples`).
        """
        self.model = model.eval()
        self._base_sample = base_sample
        self.adapters = tuple(adapters)
        self.names = (BASE, *self.adapters)

    @property
    def device(self) -> torch.device:
        """Where ids must lie."""
        device: torch.device = next(iter(self.model.parameters())).device
        return device

    def row(self, name: str, row: Row) -> tuple[Row, int]:
        """The row as the variant is shown it, and by how much indices behind its prompt have moved: here as it is."""
        return row, 0

    @contextmanager
    def using(self, name: str) -> Iterator[Any]:
        """The model speaking as `name`, without gradients."""
        switched: AbstractContextManager[Any] = nullcontext()
        if name == BASE:
            switched = self.model.disable_adapter() if self.adapters else nullcontext()
        elif name in self.adapters:
            self.model.set_adapter(name)
        else:
            raise KeyError(name)
        with torch.no_grad(), switched:
            yield self.model

    def sample(self, name: str, *args: Any, **options: Any) -> list[list[Sample]]:
        """`sampling.sample` of the model speaking as `name`."""
        with self.using(name) as model:
            return (self._base_sample if name == BASE else sample)(model, *args, **options)
