"""One SELECT of an expert's own on a connection that cannot write."""

import contextlib
import re
import sqlite3
import time
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from ..structures.errors import InputError, StoreError

TIME_LIMIT_S = 60.0
ROW_LIMIT = 100_000
_STEPS = 20_000  # of SQLite's machine between two looks at the clock
_COMMENTS = re.compile(r"^(\s+|--[^\n]*(\n|$)|/\*.*?\*/)+", re.DOTALL)  # before the statement
_READ_WORDS = ("SELECT", "WITH", "VALUES")


def run_sql(
    connection: Connection,
    sql: str,
    *,
    limit: int | None = None,
    time_limit_s: float = TIME_LIMIT_S,
) -> tuple[list[str], list[tuple[Any, ...]], bool]:
    """Return the columns and rows of one SELECT, and whether there were more rows than the limit.

    Parameters
    ----------
    connection
        From `opened_read_only`: it cannot write, whatever the statement says.
    sql
        One statement; anything that would write is refused and changes nothing.
    limit
        At most so many rows; 100,000 by default.

    Raises
    ------
    InputError
        No single SELECT, refused, wrong, or too slow; in the database's own words.
    """
    words = sql.strip().rstrip(";").strip()
    if not _COMMENTS.sub("", words, count=1).upper().startswith(_READ_WORDS):
        raise InputError(
            f"--sql takes one SELECT, not {words[:40]!r}: queries read and change nothing."
        )
    if "\0" in words:
        raise InputError("--sql: the statement holds a NUL character.")
    n_rows = limit or ROW_LIMIT
    try:
        with _cursor(connection, words, time_limit_s) as cursor:
            rows = [tuple(row) for row in cursor.fetchmany(n_rows + 1)]
            names = [column[0] for column in cursor.description or ()]
    except (sqlite3.Error, sqlite3.Warning, DBAPIError, ValueError) as error:
        raise _explained(error, time_limit_s) from error
    return _distinct(names), rows[:n_rows], len(rows) > n_rows


@contextlib.contextmanager
def _cursor(connection: Connection, sql: str, time_limit_s: float) -> Iterator[Any]:
    """Run the statement as it stands: no placeholder in it means anything."""
    raw: Any = connection.connection.dbapi_connection
    if connection.dialect.name == "sqlite":
        with _interrupted_after(raw, time_limit_s), contextlib.closing(raw.cursor()) as cursor:
            yield cursor.execute(sql)
        return
    import psycopg  # optional: only databases on PostgreSQL need it

    try:
        with raw.transaction():  # a savepoint: a statement that fails ends no more than itself
            raw.execute(f"SET LOCAL statement_timeout = {int(time_limit_s * 1000)}")
            # DECLARE takes one query and nothing else: neither COPY nor a second statement.
            with raw.cursor(name="heterofire_rows") as cursor:
                yield cursor.execute(sql.encode())
    except psycopg.Error as error:
        raise ValueError(str(error)) from error


@contextlib.contextmanager
def _interrupted_after(raw: sqlite3.Connection, seconds: float) -> Iterator[None]:
    deadline = time.monotonic() + seconds
    raw.set_progress_handler(lambda: time.monotonic() > deadline, _STEPS)
    try:
        yield
    finally:
        raw.set_progress_handler(None, 0)


def _explained(error: Exception, time_limit_s: float) -> InputError | StoreError:
    text = " ".join(str(error).split())
    if "interrupted" in text or "statement timeout" in text:
        return InputError(
            f"--sql took longer than {time_limit_s:g} s and was stopped: ask for less, or raise "
            "--time-limit."
        )
    if "not authorized" in text or "prohibited" in text or "read-only" in text:
        return InputError(f"--sql can only read ({text}); nothing was changed.")
    if "one statement" in text or "multiple commands" in text:
        return InputError("--sql takes one statement; nothing was changed.")
    missing = "no such" in text or "does not exist" in text
    more = ". Tables are properties, sources, legs, calculations, uses, arrays" if missing else ""
    return InputError(f"--sql: {text}{more}")


def _distinct(names: list[str]) -> list[str]:
    """Return column names of which no two are the same, as a table needs them."""
    seen: dict[str, int] = {}
    found = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        found.append(name if seen[name] == 1 else f"{name}_{seen[name]}")
    return found
