"""The ordered steps that bring an old result database up to date, each in one transaction."""

from collections.abc import Callable
from datetime import UTC, datetime

from sqlalchemy import Connection, func, insert, inspect, select

from ..structures.errors import StoreError
from .schema import METADATA, MIGRATIONS
from .schema_steps import give_properties_identities

# Append only: a released step never changes, a new one brings the tables of the last release
# to those of `schema`. The version of a database is the number of steps it has seen; a new one gets
# today's tables at once, and counts as having seen all.
STEPS: list[tuple[str, Callable[[Connection], None]]] = [
    ("create tables", METADATA.create_all),
    ("properties with identity and sources, elements of calculations", give_properties_identities),
]


def schema_version(connection: Connection) -> int:
    """Return the number of migration steps a database has seen; 0 for an empty one.

    Raises
    ------
    StoreError
        The database holds tables, but not ours, or was written by a newer heterofire.
    """
    tables = inspect(connection).get_table_names()
    if not tables:
        return 0
    if MIGRATIONS.name not in tables:
        raise StoreError(
            f"the database holds tables of another program ({', '.join(sorted(tables)[:4])}); "
            "it was left as it is. Name another file for the results."
        )
    version = connection.execute(select(func.max(MIGRATIONS.c.version))).scalar() or 0
    if version > len(STEPS):
        raise StoreError(
            f"the result database has schema version {version}, this heterofire knows up to "
            f"{len(STEPS)}; it was left as it is. Update heterofire, or name another file."
        )
    return int(version)


def migrate(connection: Connection) -> list[str]:
    """Run the steps a database has not seen, inside the caller's transaction.

    Returns
    -------
    list of str
        Names of the steps that were run; empty when the database was up to date.
    """
    seen = schema_version(connection)
    for _, step in STEPS[seen : len(STEPS) if seen else 1]:
        step(connection)
    names = [name for name, _ in STEPS[seen:]]
    applied = datetime.now(UTC).isoformat(timespec="seconds")
    for version, name in enumerate(names, start=seen + 1):
        connection.execute(insert(MIGRATIONS).values(version=version, name=name, applied=applied))
    return names
