"""One base and what was made of it, and which of them speaks: so that all are compared on equal terms.

Adapters share the base's weights, dtype and batch shape, and only the adapter is switched; a model of which all weights
were trained stands beside the base. It knows no data.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
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
    """`base` and any number of steered models, one of them active at a time."""

    def __init__(
        self,
        model: Any,
        adapters: Sequence[str] = (),
        *,
        whole: Mapping[str, Any] | None = None,
        base_sample: Sampler = sample,
    ) -> None:
        """Take a plain model (no adapters) or a PEFT model that holds each name in `adapters` that is not in `whole`.

        In `whole` are models of their own by the same names: of these all weights were trained.
        With `base_sample` what the base writes can be kept between evaluations (`kept.KeptSamples`).
        """
        self.model = model.eval()
        self._base_sample = base_sample
        self._whole = {name: one.eval() for name, one in (whole or {}).items()}
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
        model = self._whole.get(name, self.model)
        switched: AbstractContextManager[Any] = nullcontext()
        if name == BASE:
            on_top = set(self.adapters) - set(self._whole)
            switched = model.disable_adapter() if on_top else nullcontext()
        elif name not in self.adapters:
            raise KeyError(name)
        elif name not in self._whole:
            model.set_adapter(name)
        with torch.no_grad(), switched:
            yield model

    def sample(self, name: str, *args: Any, **options: Any) -> list[list[Sample]]:
        """`sampling.sample` of the model speaking as `name`."""
        with self.using(name) as model:
            return (self._base_sample if name == BASE else sample)(model, *args, **options)
