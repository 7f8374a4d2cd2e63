"""Every format gives the same records, and what is broken is named by its line."""

import json
import tracemalloc
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from midcourse.capture.importers.files import MAX_LINE, BadLine, Record, find_files, read_records
from midcourse.errors import InputError

ROWS = [{"prompt": 'p, "q"\nr', "rejected": None, "chosen": "é"}, {"prompt": "東", "rejected": "x", "chosen": "😀"}]


def test_formats_agree(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b"\xef\xbb\xbf" + "\n\n".join(map(json.dumps, ROWS)).encode())
    text = 'prompt,rejected,chosen\r\n"p, ""q""\nr",,é\r\n東,x,😀\r\n'
    (tmp_path / "b.csv").write_bytes(text.encode())
    (tmp_path / "c.tsv").write_text('prompt\trejected\tchosen\n"p, ""q""\nr"\t\té\n東\tx\t😀\n', encoding="utf-8")
    parquet.write_table(pa.Table.from_pylist(ROWS), tmp_path / "d.parquet")
    for path in find_files([tmp_path]):
        records = list(read_records(path))
        assert [r.value for r in records if isinstance(r, Record)] == ROWS, path
    assert [r.line for r in read_records(tmp_path / "a.jsonl")] == [1, 3]
    assert [r.line for r in read_records(tmp_path / "b.csv")] == [2, 4]


def test_a_csv_cell_may_hold_a_list(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('prompt,rejected\n"[{""role"": ""user"", ""content"": ""x""}]","[""a"", ""b""]"\n[1],[not json]\n')
    first, second = (r.value for r in read_records(path) if isinstance(r, Record))
    assert first == {"prompt": [{"role": "user", "content": "x"}], "rejected": ["a", "b"]}
    assert second == {"prompt": "[1]", "rejected": "[not json]"}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b'{"a": 1}\n{"a": \xe9}\n{"a": 3}\n', "0xe9"),
        (b'{"a": 1}\nnonsense\n{"a": 3}\n', "not a JSON object"),
        (b'{"a": 1}\n' + b'{"a": "' + b"x" * MAX_LINE + b'"}\n{"a": 3}\n', "longer than 16 MB"),
        (b'{"a": 1}\n' + b"[" * 100_000 + b'\n{"a": 3}\n', "not a JSON object"),
    ],
)
def test_a_bad_line_is_named_and_the_next_one_read(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(content)
    first, bad, last = read_records(path)
    assert isinstance(bad, BadLine)
    assert bad.line == 2
    assert says in bad.reason
    assert isinstance(first, Record)
    assert isinstance(last, Record)
    assert last.value == {"a": 3}


def test_a_truncated_file_gives_what_came_before(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"a": 1}\n{"a": "hal')
    first, bad = read_records(path)
    assert isinstance(first, Record)
    assert isinstance(bad, BadLine)
    assert "truncated" in bad.reason


def test_a_line_of_200_mb_is_refused_in_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with path.open("wb") as file:
        file.truncate(200_000_000)
        file.write(b'{"a": "')
        file.seek(200_000_000)
        file.write(b'\n{"a": 3}\n')
    content = path.stat().st_size
    assert content > 200_000_000
    with path.open("r+b") as file:
        file.write(b'{"a": "' + b"x" * 2000)
    tracemalloc.start()
    bad, last = read_records(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert isinstance(bad, BadLine)
    assert "longer than 16 MB" in bad.reason
    assert isinstance(last, Record)
    assert peak < 4 * MAX_LINE


def test_broken_csv_rows_are_named(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"prompt,chosen\na,b\nc\nd,e,f\ng,\xe9\n")
    records = list(read_records(path))
    assert [(r.line, r.reason) for r in records if isinstance(r, BadLine)] == [
        (3, "1 cells, the header has 2"),
        (4, "3 cells, the header has 2"),
    ]
    assert isinstance(records[-1], Record)
    assert records[-1].value["chosen"] == "\udce9"  # refused by name when the row is read
    path.write_text('prompt,chosen\na,b\n"c,d\n')
    assert isinstance(list(read_records(path))[-1], BadLine)


def test_files_that_cannot_be_read_at_all(tmp_path: Path) -> None:
    for name, content, says in [
        ("a.jsonl", '{"a": 1}'.encode("utf-16"), "UTF-16"),
        ("b.jsonl", b"PK\3\4\5\0\0\0", "not text"),
        ("c.xlsx", b"", "unknown format '.xlsx'"),
        ("d", b"", "unknown format '\\(no suffix\\)'"),
        ("e.parquet", b"PAR1 and no more", "broken as Parquet"),
    ]:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=says):
            list(read_records(tmp_path / name))
    with pytest.raises(InputError, match="does not exist"):
        find_files([tmp_path / "none.jsonl"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no file"):
        find_files([tmp_path / "empty"])


@pytest.mark.long
def test_a_parquet_bomb_is_refused_or_unpacked_in_little_memory(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.parquet"
    parquet.write_table(pa.table({"text": ["x" * 200_000_000]}), bomb, compression="zstd", use_dictionary=False)
    assert bomb.stat().st_size < 200_000
    with pytest.raises(InputError, match="unpack to"):
        list(read_records(bomb))
    repeated = tmp_path / "repeated.parquet"
    table = pa.table({"text": ["x" * 30_000_000] * 64})
    parquet.write_table(table.cast(pa.schema([("text", pa.string())])), repeated, compression="zstd")
    rows = 0
    before = pa.total_allocated_bytes()
    for _ in read_records(repeated):
        rows += 1
        assert pa.total_allocated_bytes() - before < 1_300_000_000
    assert rows == 64
