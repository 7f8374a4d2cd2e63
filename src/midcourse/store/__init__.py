"""Where trajectories and steers are kept: append-only, SQLite by default, PostgreSQL by URL."""

from midcourse.store.db import Store
from midcourse.store.migrations import migrate

__all__ = ["Store", "migrate"]
