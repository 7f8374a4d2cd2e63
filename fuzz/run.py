"""Fuzz one family with atheris: `python fuzz/run.py FAMILY [libFuzzer's options] [corpus folders]`.

Of five new inputs four are made in `mutate.py`, as trees of JSON where they are JSON, and one byte by byte.
`scripts/fuzz` runs all families.
"""

import random
import sys
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parent))

with atheris.instrument_imports(include=["midcourse"]):
    from families import FAMILIES
from mutate import mutated


def _mutate(data: bytes, most: int, seed: int) -> bytes:
    dice = random.Random(seed)
    if dice.random() < 0.8:
        return mutated(bytes(data), dice)[:most]
    return bytes(atheris.Mutate(data, most))


def main() -> None:
    """Fuzz until the time is up or something is found."""
    family = FAMILIES[sys.argv.pop(1)]
    atheris.Setup(sys.argv, family, custom_mutator=_mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
