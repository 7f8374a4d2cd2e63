"""A shuffled order that is never laid out: where an example comes is computed from its number, in constant memory.

A keyed permutation of 0 … size − 1: a Feistel network over the smallest power of two that holds them all (Luby and
Rackoff, How to Construct Pseudorandom Permutations, 1988), applied again while its result lies outside (cycle walking:
Black and Rogaway, Ciphers with Arbitrary Finite Domains, CT-RSA 2002). Only the key decides it: not the machine, not
the library, not what was asked before.
"""

from hashlib import blake2b

from midcourse.train.numbered import Numbered

__all__ = ["Shuffled"]

_ROUNDS = 6
"""Even, so that both halves end with the widths they began with. Four are enough in theory, for large domains."""


class Shuffled(Numbered[int]):
    """The numbers below `size`, each once, in an order that `key` decides."""

    def __init__(self, size: int, *key: int) -> None:
        self._size = size
        bits = max(1, (size - 1).bit_length())
        self._widths = bits // 2, bits - bits // 2
        self._keys = [",".join(map(str, (*key, size, n))).encode() + b":" for n in range(_ROUNDS)]

    def __len__(self) -> int:
        return self._size

    def read(self, index: int) -> int:
        """The number at an index that is there."""
        value = self._through(index)
        while value >= self._size:
            value = self._through(value)
        return value

    def _through(self, value: int) -> int:
        """Once through the network."""
        left_bits, right_bits = self._widths
        left, right = value >> right_bits, value & ((1 << right_bits) - 1)
        for key in self._keys:
            drawn = int.from_bytes(blake2b(key + right.to_bytes(8, "little"), digest_size=8).digest(), "little")
            left, right = right, left ^ (drawn & ((1 << left_bits) - 1))
            left_bits, right_bits = right_bits, left_bits
        return left << right_bits | right
