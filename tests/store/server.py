"""A real PostgreSQL on a free loopback port, which can be restarted.

It refuses to run as root, so it gets another user.
"""

import os
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa


def program(name: str) -> str | None:
    """A PostgreSQL program on the path, or where Debian keeps it."""
    found = shutil.which(name)
    if found:
        return found
    return next((str(p) for p in sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)), None)


class Server:
    """One that runs."""

    def __init__(self, folder: str, user: list[str], port: int) -> None:
        self.folder, self.port, self._user = folder, port, user
        self.url = f"postgresql+psycopg://postgres@127.0.0.1:{port}"

    def control(self, *words: str) -> None:
        """`pg_ctl`, waiting until it is done."""
        settings = f"-p {self.port} -h 127.0.0.1 -k {self.folder} -c fsync=off -c max_connections=200"
        settings += " -c wal_writer_delay=10s"  # a crash loses what no commit has flushed, however slow this machine is
        command = [*self._user, str(program("pg_ctl")), "-D", f"{self.folder}/data", "-w", "-t", "60", "-o", settings]
        subprocess.run(
            [*command, "-l", f"{self.folder}/log", *words],
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self.folder,
        )

    def database(self) -> str:
        """URL of a new, empty database."""
        name = f"t{uuid.uuid4().hex}"
        self.run(f"CREATE DATABASE {name}")
        return f"{self.url}/{name}"

    def run(self, statement: str, database: str | None = None) -> list[tuple]:
        """Say something to the server, apart from the store."""
        engine = sa.create_engine(database or f"{self.url}/postgres", isolation_level="AUTOCOMMIT")
        try:
            with engine.connect() as connection:
                found = connection.exec_driver_sql(statement)
                return [tuple(row) for row in found] if found.returns_rows else []
        finally:
            engine.dispose()


@contextmanager
def running() -> Iterator[Server]:
    """A new one, gone at the end; skips where none is installed."""
    pytest.importorskip("psycopg", reason="psycopg is not installed: pip install 'midcourse[postgres]'")
    if not program("initdb") or not program("pg_ctl"):
        pytest.skip("no PostgreSQL here: initdb and pg_ctl were not found")
    user = []
    if os.geteuid() == 0:
        if not shutil.which("setpriv"):
            pytest.skip("PostgreSQL does not run as root, and there is no setpriv to leave root")
        user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    with tempfile.TemporaryDirectory(prefix="midcourse-pg-", dir="/tmp") as folder:
        Path(folder).chmod(0o700)
        if user:
            os.chown(folder, 65534, 65534)
        made = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync", "--locale=C"]
        initdb = [*user, str(program("initdb")), "-D", f"{folder}/data", *made]
        subprocess.run(initdb, check=True, capture_output=True, cwd=folder)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        server = Server(folder, user, port)
        server.control("start")
        try:
            yield server
        finally:
            server.control("stop", "-m", "immediate")
