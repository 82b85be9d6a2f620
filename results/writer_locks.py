"""One writer at a time: how a transaction takes the lock, and what is said while it waits.

On PostgreSQL, too: what a writer finds (a key is stored or not, the last number of a property)
still holds when it writes, so that no transaction has to be tried again.
"""

import logging

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

WRITES = "heterofire_writes"  # execution option of connections that are going to write
SAY_AFTER_S = 5.0
GIVE_UP_S = 60.0
_ADVISORY = 0x68667265  # "hfre": PostgreSQL's advisory locks are numbers that programs agree on

_log = logging.getLogger(__name__)


def begin_sqlite(connection: Connection) -> None:
    """Begin a transaction; a writer takes the lock at once: one that reads first cannot wait."""
    if not _writes(connection):
        connection.exec_driver_sql("BEGIN")
        return
    try:
        _busy_timeout(connection, SAY_AFTER_S)
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    except DBAPIError as error:
        if "locked" not in str(error.orig):
            raise
        _say(connection)
        _busy_timeout(connection, GIVE_UP_S - SAY_AFTER_S)
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    _busy_timeout(connection, GIVE_UP_S)


def begin_postgresql(connection: Connection) -> None:
    """Take the writers' lock, which the end of the transaction or of the connection frees."""
    if not _writes(connection):
        return
    try:
        _advisory_lock(connection, SAY_AFTER_S)
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != "55P03":  # lock_not_available
            raise
        connection.connection.rollback()  # after an error nothing else ends its transaction
        _say(connection)
        _advisory_lock(connection, GIVE_UP_S - SAY_AFTER_S)


def _writes(connection: Connection) -> bool:
    return bool(connection.get_execution_options().get(WRITES, False))


def _busy_timeout(connection: Connection, seconds: float) -> None:
    connection.exec_driver_sql(f"PRAGMA busy_timeout = {int(seconds * 1000)}")


def _advisory_lock(connection: Connection, seconds: float) -> None:
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = {int(seconds * 1000)}")
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_ADVISORY})")


def _say(connection: Connection) -> None:
    name = connection.engine.url.render_as_string(hide_password=True)
    _log.warning(
        "%s: another process is writing, waiting up to %.0f s for it to end", name, GIVE_UP_S
    )
