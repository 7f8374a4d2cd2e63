"""Row groups asked in a process of their own: few rows where a value may be large, a damaged footer is one sentence."""

from pathlib import Path

import pytest

from midcourse.capture.importers.files import read_records
from midcourse.capture.importers.parquet_sizes import rows_at_once
from midcourse.errors import InputError

pa = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")

FOUND = Path(__file__).parents[3] / "fuzz" / "corpus" / "files" / "parquet-sizes-damaged"


def test_each_row_group_is_told_in_order(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    small, large = pa.table({"text": ["x"] * 3}), pa.table({"text": ["y" * 40_000_000, "z" * 40_000_000]})
    with parquet.ParquetWriter(path, small.schema, compression="none", use_dictionary=False) as file:
        file.write_table(small)
        file.write_table(large)
    assert rows_at_once(path) == [64, 13]  # 16 times 64 MB, over the 80 MB that the second one's column may be


def test_no_rows_and_no_columns(tmp_path: Path) -> None:
    path = tmp_path / "none.parquet"
    parquet.write_table(pa.table({}), path)
    assert rows_at_once(path) == [64]
    assert list(read_records(path)) == []


@pytest.mark.skipif(not FOUND.is_file(), reason="the seeds are not beside the tests")
def test_a_footer_that_ends_the_process_that_asks_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "damaged.parquet"
    path.write_bytes(FOUND.read_bytes().partition(b"\n")[2])
    with pytest.raises(InputError, match=r"damaged.parquet: broken as Parquet .*histogram size mismatch"):
        list(read_records(path))
