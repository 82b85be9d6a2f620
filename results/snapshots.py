"""A result database that is there, opened to look at: one moment of it, and nothing is changed."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, inspect

from ..structures.errors import StoreError
from .database_errors import explained
from .databases import connect_to_read
from .migrations import STEPS, schema_version
from .schema import METADATA

Progress = Callable[[str, int, int], None]  # what is worked on, how many are done, of how many


def silent(_what: str, _done: int, _total: int) -> None:
    """Report no progress."""


@contextmanager
def snapshot(path_or_url: str | os.PathLike[str]) -> Iterator[tuple[Connection, str]]:
    """Open a database for reading; gives the connection and the name that messages use.

    All that is read through it belongs to one moment, while others write.

    Raises
    ------
    InputError
        There is no such file.
    StoreError
        It is another program's, newer, damaged, or cannot be reached.
    """
    engine, name = connect_to_read(os.fspath(path_or_url))
    try:
        with explained("read", name), engine.connect() as connection:  # ends by a rollback
            yield connection, name
    finally:
        engine.dispose()


def is_current(connection: Connection) -> bool:
    """Return whether a database has today's tables."""
    return schema_version(connection) == len(STEPS)


def require_current(connection: Connection, name: str) -> None:
    """Raise a StoreError unless a database has today's tables."""
    version = schema_version(connection)
    if version == 0:
        raise StoreError(f"{name} is empty: it has no tables yet. Run a study, or name another.")
    if version < len(STEPS):
        raise StoreError(
            f"{name} has schema version {version}, this heterofire works on {len(STEPS)}; bring "
            "it up to date with 'heterofire db migrate'."
        )


def schema_differences(connection: Connection) -> list[str]:
    """Return how tables, columns and indexes differ from today's; what is there besides is fine."""
    inspector = inspect(connection)
    there = set(inspector.get_table_names())
    found = []
    for table in METADATA.sorted_tables:
        if table.name not in there:
            found.append(f"table {table.name} is missing")
            continue
        columns = {column["name"] for column in inspector.get_columns(table.name)}
        indexes = {index["name"] for index in inspector.get_indexes(table.name)}
        found += [
            f"column {table.name}.{c.name} is missing" for c in table.c if c.name not in columns
        ]
        found += [
            f"index {i.name} of {table.name} is missing"
            for i in sorted(table.indexes, key=lambda index: str(index.name))
            if i.name not in indexes
        ]
    return found
