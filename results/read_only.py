"""Connections that can read the result database and nothing else, however they are asked.

SQLite: the file is opened for reading (mode=ro), the connection is told so (query_only), and an
authorizer refuses every action but reading, so that ATTACH, PRAGMA and the rest never begin.
PostgreSQL: every transaction of the session is read-only.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, event
from sqlalchemy.exc import DBAPIError

from ..structures.errors import StoreError
from .database_errors import store_error
from .databases import connect_to_read
from .migrations import STEPS, schema_version

_ALLOWED = {
    sqlite3.SQLITE_SELECT,
    sqlite3.SQLITE_READ,
    sqlite3.SQLITE_FUNCTION,
    sqlite3.SQLITE_RECURSIVE,
    sqlite3.SQLITE_TRANSACTION,
}
_READING_PRAGMAS = {"read_uncommitted"}  # SQLAlchemy asks when it connects
_FORBIDDEN_FUNCTIONS = {"load_extension", "fts3_tokenizer", "edit", "writefile"}


@contextmanager
def opened_read_only(path_or_url: str | os.PathLike[str]) -> Iterator[Connection]:
    """Open a result database for reading, in one transaction: all that is read is of one moment.

    Raises
    ------
    InputError
        There is no such file.
    StoreError
        It is not ours, damaged, or of another schema version.
    """
    engine, name = connect_to_read(os.fspath(path_or_url))
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _restrict_sqlite)
    try:
        with engine.connect() as connection:
            _check_version(connection, name)
            yield connection
    except DBAPIError as error:
        raise store_error("read", name, error.orig or error) from error
    finally:
        engine.dispose()


def _restrict_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    connection.execute("PRAGMA query_only = ON")
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.set_authorizer(_authorize)


def _authorize(
    action: int, first: str | None, second: str | None, _schema: str | None, _within: str | None
) -> int:
    """Tell SQLite whether a statement may do this; asked before it begins."""
    if action == sqlite3.SQLITE_PRAGMA:
        allowed = first in _READING_PRAGMAS
    elif action == sqlite3.SQLITE_FUNCTION:
        allowed = str(second).lower() not in _FORBIDDEN_FUNCTIONS
    else:
        allowed = action in _ALLOWED
    return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY


def _check_version(connection: Connection, name: str) -> None:
    """Refuse a database whose tables are not those of `schema`."""
    try:
        version = schema_version(connection)
    except StoreError as error:
        raise StoreError(f"{name}: {error}") from error
    if version == 0:
        raise StoreError(f"{name} holds no results yet: run a study first.")
    if version < len(STEPS):
        raise StoreError(
            f"{name} has schema version {version}, this heterofire reads {len(STEPS)}: bring it "
            "up to date with 'heterofire db migrate'; a query changes nothing."
        )
