"""One contract, two databases: every test that takes `place` runs on SQLite and, where it is installed, PostgreSQL."""

import os
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from midcourse.store import Store


def _program(name: str) -> str | None:
    """A PostgreSQL program on the path, or where Debian keeps it."""
    found = shutil.which(name)
    if found:
        return found
    return next((str(p) for p in sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)), None)


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """URL of a temporary PostgreSQL on a free loopback port; it refuses to run as root, so it gets another user."""
    pytest.importorskip("psycopg", reason="psycopg is not installed: pip install 'midcourse[postgres]'")
    initdb, server = _program("initdb"), _program("postgres")
    if not initdb or not server:
        pytest.skip("no PostgreSQL here: initdb and postgres were not found")
    user = []
    if os.geteuid() == 0:
        if not shutil.which("setpriv"):
            pytest.skip("PostgreSQL does not run as root, and there is no setpriv to leave root")
        user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    with tempfile.TemporaryDirectory(prefix="midcourse-pg-", dir="/tmp") as folder:
        Path(folder).chmod(0o700)
        if user:
            os.chown(folder, 65534, 65534)
        data = f"{folder}/data"
        make = [*user, initdb, "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync", "--locale=C"]
        subprocess.run(make, check=True, capture_output=True, cwd=folder)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        run = [*user, server, "-D", data, "-p", str(port), "-h", "127.0.0.1", "-k", folder, "-c", "fsync=off"]
        process = subprocess.Popen(run, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=folder)
        try:
            assert process.stderr is not None
            for line in process.stderr:
                if b"ready to accept connections" in line:
                    break
            assert process.poll() is None, "PostgreSQL stopped at once"
            yield f"postgresql+psycopg://postgres@127.0.0.1:{port}"
        finally:
            process.terminate()
            process.communicate(timeout=30)


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], str]:
    """Makes the URL of a new, empty database at every call."""
    if request.param == "sqlite":
        return lambda: f"sqlite:///{tmp_path}/{uuid.uuid4().hex}.db"
    server = request.getfixturevalue("postgres")

    def make() -> str:
        name = f"t{uuid.uuid4().hex}"
        engine = sa.create_engine(f"{server}/postgres", isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name}")
        engine.dispose()
        return f"{server}/{name}"

    return make


@pytest.fixture
def store(place: Callable[[], str]) -> Iterator[Store]:
    """An empty store on each database."""
    with Store(place()) as made:
        yield made
