"""The tables as they are declared."""

import pytest
import sqlalchemy as sa

from midcourse.store import schema

REFERENCES = {
    f"{t.name}.{'+'.join(c.column_keys)}": c for t in schema.metadata.tables.values() for c in t.foreign_key_constraints
}


@pytest.mark.parametrize("name", sorted(REFERENCES))
def test_what_refers_to_a_row_is_found_without_reading_a_whole_table(name: str) -> None:
    """A database looks for references to every row it deletes: without an index a purge is quadratic."""
    reference = REFERENCES[name]
    table = reference.table
    unique = [c for c in table.constraints if isinstance(c, sa.UniqueConstraint | sa.PrimaryKeyConstraint)]
    leading = {next(iter(x.columns)).name for x in (*table.indexes, *unique) if len(x.columns)}
    assert reference.column_keys[0] in leading
