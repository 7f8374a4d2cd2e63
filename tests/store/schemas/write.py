"""A small database of the layout that the importable Midcourse writes, as SQL, for SQLite and for PostgreSQL.

python tests/store/schemas/write.py FOLDER SERVER_URL

Run once for each layout, with the code that wrote it first on the path; what comes out is committed and never changed:

git archive COMMIT src tests/store | tar x -C OLD
PYTHONPATH=OLD/src:OLD/tests/store python tests/store/schemas/write.py tests/store/schemas URL

pg_dump must be on the path. The texts are those of tests/store/trees.py at that commit.
"""

import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import sqlalchemy as sa
from trees import small

from midcourse.store import Store, schema


def fill(url: str) -> None:
    with Store(url) as store:
        store.add(small("a", source="x", annotator="ann"))
        store.add(small("b", prompt=7, steers=2, split="dev", group="g"))
        store.set_state("a-1", "withdrawn", "ann")
        store.set_state("b-0", "approved", "rev")
        store.set_head("a", small("a").head, "accepted")


def main() -> None:
    folder, server = Path(sys.argv[1]), sa.make_url(sys.argv[2])
    with tempfile.TemporaryDirectory() as nowhere:
        path = Path(nowhere) / "store.db"
        fill(str(path))
        raw = sqlite3.connect(path)
        dumped = "\n".join(raw.iterdump())
        raw.close()
    (folder / f"{schema.VERSION}.sqlite.sql").write_text(dumped + "\n", encoding="utf-8")
    name = f"schema{schema.VERSION}"
    engine = sa.create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE IF EXISTS {name}")
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    fill(server.set(database=name).render_as_string(hide_password=False))
    plain = server.set(drivername="postgresql", database=name).render_as_string(hide_password=False)
    said = subprocess.run(
        ["pg_dump", "--inserts", "--no-owner", "--no-privileges", "--no-comments", plain],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout
    # Without comments, and without what psql alone or a newer server alone understands.
    foreign = ("--", "\\", "SET ", "SELECT pg_catalog.set_config")
    lines = [line for line in said.splitlines() if line and not line.startswith(foreign)]
    (folder / f"{schema.VERSION}.postgresql.sql").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
