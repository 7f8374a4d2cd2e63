"""Whose texts are those that somebody wrote alone, before anybody signed in: said once, in the journal.

A record keeps the name it was written under; the desk knows who that was. It knows no route and no command line.
"""

import sqlalchemy as sa

from midcourse.capture.studio import journal
from midcourse.capture.studio.desk import ALONE, Desk
from midcourse.errors import InputError
from midcourse.store import schema
from midcourse.store.db import Store

__all__ = ["check_adoption", "names_of", "written_alone"]


def written_alone(store: Store, desk: Desk) -> dict[str, int]:
    """Texts by the name they were written under, of names with which nobody signs in."""
    name = sa.func.coalesce(schema.trajectory.c.annotator, ALONE)
    query = sa.select(name, sa.func.count()).where(schema.trajectory.c.source == "studio").group_by(name)
    with store.snapshot() as connection:
        found = {str(who): int(texts) for who, texts in connection.execute(query)}
    return {who: texts for who, texts in sorted(found.items()) if who not in desk.members and who not in desk.names}


def check_adoption(store: Store, desk: Desk, of: str, name: str) -> None:
    """Refuse what nobody wrote alone, or what is somebody's already.

    Raises:
        InputError: Saying what there is.
    """
    if desk.names.get(of) == name:
        return  # said before
    if of in desk.names:
        raise InputError(f"what was written as {of!r} is {desk.names[of]}'s already")
    if of in desk.members:
        raise InputError(f"{of} signs in here: only what was written alone can become somebody's")
    found = written_alone(store, desk)
    if of not in found:
        there = ", ".join(f"{who} ({texts})" for who, texts in found.items()) or "nothing"
        raise InputError(f"nothing was written alone as {of!r}; there is: {there}")


def names_of(store: Store, name: str) -> list[str]:
    """A person's name and those they wrote under before they signed in."""
    with store.snapshot() as connection:
        table = journal.TABLES.tables["studio_journal"]
        if not sa.inspect(connection).has_table(table.name):
            return [name]
        adopted = connection.execute(sa.select(table.c.value).where(table.c.kind == "adopt")).scalars()
        return [name, *dict.fromkeys(v["of"] for v in adopted if v["name"] == name)]
