"""A sequence that reads one item at a time, by its number: slices and counting from the end are told here once.

It knows nothing of what is in it.
"""

from abc import abstractmethod
from collections.abc import Sequence
from typing import TypeVar, overload

__all__ = ["Numbered"]

T = TypeVar("T", covariant=True)


class Numbered(Sequence[T]):
    """Its classes say how long it is and what stands at a number."""

    @abstractmethod
    def read(self, index: int) -> T:
        """The item at an index that is there."""

    @overload
    def __getitem__(self, at: int) -> T: ...
    @overload
    def __getitem__(self, at: slice) -> list[T]: ...
    def __getitem__(self, at: int | slice) -> T | list[T]:
        if isinstance(at, slice):
            return [self.read(i) for i in range(*at.indices(len(self)))]
        if not -len(self) <= at < len(self):
            raise IndexError(at)
        return self.read(at % len(self))
