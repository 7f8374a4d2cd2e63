"""One base and what was made of it, and which of them speaks: so that all are compared on equal terms.

Adapters share the base's weights, dtype and batch shape, and only the adapter is switched; a model of which all weights
were trained stands beside the base. It knows no data.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path as FilePath
from typing import Any

import numpy as np
import torch

from midcourse.evaluate.kept import Kept
from midcourse.evaluate.sampling import Sample, sample, score
from midcourse.tree.forward import Path
from midcourse.tree.pack import Row

__all__ = ["BASE", "Variants", "adapter_labels"]

BASE = "base"
Reader = Callable[[Any, Row, torch.Tensor, Path], torch.Tensor]
"""(model, row, indices, how the row is read) to a value for each index: `tree.forward.token_logps`, `logits_at`."""


def adapter_labels(paths: Sequence[str | FilePath]) -> tuple[str, ...]:
    """A short name for each adapter: the last telling part of its path, numbered where two would be the same."""
    names: list[str] = []
    for path in paths:
        parts = [p for p in FilePath(path).parts if p not in ("adapter", "final", "/", ".")]
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
        kept: Kept | None = None,
    ) -> None:
        """Take a plain model (no adapters) or a PEFT model that holds each name in `adapters` that is not in `whole`.

        In `whole` are models of their own by the same names: of these all weights were trained.
        With `kept` what the base writes is kept between evaluations.
        """
        self.model = model.eval()
        self._kept = kept
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
            return (self._kept.sample if self._kept and name == BASE else sample)(model, *args, **options)

    def read(self, name: str, row: Row, at: torch.Tensor, reader: Reader, path: Path) -> torch.Tensor:
        """What a reader such as `token_logps` gives for the variant at a row's indices, without gradients.

        Of the base it is remembered where what it writes is kept.
        """
        shown, moved = self.row(name, row)

        def asked() -> torch.Tensor:
            with self.using(name) as model:
                return reader(model, shown, at + moved, path)

        if self._kept is None or name != BASE:
            return asked()
        whole = (a.tobytes() for a in (row.token_ids, row.parent, row.position, at.numpy()))
        return self._kept.remembered((reader.__name__, str(self.model.dtype), path, *whole), asked).to(self.device)

    def scored(
        self, prefixes: Sequence[Sequence[int]], written: Mapping[str, Sequence[Sequence[Sequence[int]]]]
    ) -> dict[str, list[list[np.ndarray]]]:
        """Log-probability under the base of every token that each variant wrote below each prefix.

        Each prefix is read once for all variants; of the base's own, what it thinks is kept where its samples are.
        """
        found: dict[str, list[list[np.ndarray]]] = {}
        with self.using(BASE) as model:
            if self._kept and BASE in written:
                found[BASE] = self._kept.score(model, prefixes, written[BASE])
            left = [name for name in written if name not in found]
            together = score(model, prefixes, [[c for v in left for c in written[v][i]] for i in range(len(prefixes))])
        for name in left:
            found[name] = [[row.pop(0) for _ in written[name][i]] for i, row in enumerate(together)]
        return found
