"""How much the columns of a Parquet file unpack to, asked in a process of its own.

Where the footer is damaged, pyarrow ends the process that asks for a column's sizes (seen in 26.0: an exception of C++
that nothing catches). Reading rows raises an error at the same place, so only this question needs a process. It refuses
to know what the rows say.
"""

import json
import subprocess
import sys
from pathlib import Path

from midcourse.errors import InputError

__all__ = ["rows_at_once", "tell"]

UNPACKED = 64 * 1024 * 1024
"""Bytes of a column that may be packed to next to nothing."""


def rows_at_once(path: Path) -> list[int]:
    """For each row group, how many rows to unpack together: few where one value may be large.

    A dictionary repeats a large value for nothing, so the size of a column on disk does not bound that of a row.

    Raises:
        InputError: The file is damaged, or a bomb: little on disk, and no end of it when unpacked.
    """
    ask = "import sys; from midcourse.capture.importers.parquet_sizes import tell; tell(sys.argv[1])"
    asked = subprocess.run([sys.executable, "-c", ask, str(path)], capture_output=True, text=True, check=False)
    if asked.returncode:
        said = asked.stderr.strip().splitlines()[-1:] or [f"exit code {asked.returncode}"]
        raise InputError(f"{path}: broken as Parquet (truncated?): {said[0].strip()}")
    return [_most(path, group) for group in json.loads(asked.stdout)]


def _most(path: Path, columns: list[tuple[str, int, int]]) -> int:
    for name, packed, unpacked in columns:
        if unpacked > UNPACKED and unpacked > 1000 * max(packed, 1):
            raise InputError(f"{path}: {packed} bytes of column {name!r} unpack to {unpacked}; refused")
    largest = max((unpacked for _, _, unpacked in columns), default=0)
    return max(1, min(64, 16 * UNPACKED // max(largest, 1)))


def tell(path: str) -> None:
    """Print name, packed and unpacked bytes of every column of every row group; for the process that is asked."""
    from pyarrow import parquet

    metadata = parquet.read_metadata(path)
    groups = [metadata.row_group(at) for at in range(metadata.num_row_groups)]
    columns = [[group.column(at) for at in range(group.num_columns)] for group in groups]
    told = [[(c.path_in_schema, c.total_compressed_size, c.total_uncompressed_size) for c in g] for g in columns]
    print(json.dumps(told))
