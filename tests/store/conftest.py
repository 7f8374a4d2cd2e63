"""One contract, two databases: every test that takes `place` runs on SQLite and, where it is installed, PostgreSQL."""

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from midcourse.store import Store

from .server import Server, running


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A temporary PostgreSQL."""
    with running() as started:
        yield started


@pytest.fixture(scope="session")
def postgres(server: Server) -> str:
    """Its URL."""
    return server.url


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], str]:
    """Makes the URL of a new, empty database at every call."""
    if request.param == "sqlite":
        return lambda: f"sqlite:///{tmp_path}/{uuid.uuid4().hex}.db"
    server: Server = request.getfixturevalue("server")
    return server.database


@pytest.fixture
def store(place: Callable[[], str]) -> Iterator[Store]:
    """An empty store on each database."""
    with Store(place()) as made:
        yield made
