"""Connections to the result database: what a file must be, and how SQLite is to behave."""

import sqlite3
import time
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from ..structures.errors import StoreError
from .schema import schema_version

WRITES = "heterofire_writes"  # execution option of connections that are going to write
_BUSY_S = 60.0
_MAGIC = b"SQLite format 3\x00"
_REMEDIES = {
    "is full": "The disk is full: free some space and run the same command again.",
    "disk i/o": "The disk refuses to write: check space and quota, then run the command again.",
    "readonly": "The file or its folder is read-only: change the permissions or name another file.",
    "unable to open": "The folder is missing or not writable: create it or name another file.",
    "locked": "Another process is writing for over a minute: look for a hung one, then try again.",
    "malformed": "The file is damaged: restore a backup, or move it away and collect the run "
    "folders again.",
    "not a database": "It is not a heterofire result file: name another one.",
}


def connect(text: str) -> tuple[Engine, str]:
    """Return an engine for a file or URL, and the name by which messages call it.

    Raises
    ------
    StoreError
        The file is not ours, newer or damaged, or the URL cannot be used; nothing is changed.
    """
    if "://" in text:
        url = _url(text)
        return _engine(url), url.render_as_string(hide_password=True)
    _check_file(Path(text))
    return _engine(URL.create("sqlite", database=text)), text


def _url(text: str) -> URL:
    """Return a URL whose driver SQLAlchemy knows."""
    try:
        url = make_url(text)
        url.get_dialect()
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
        raise StoreError(
            f"cannot open {text.split('://', maxsplit=1)[0]}://...: {error}"
        ) from error
    return url


def _engine(url: URL) -> Engine:
    """Return an engine that opens a connection per transaction: safe across forks."""
    try:
        engine = create_engine(url, poolclass=NullPool)
    except ModuleNotFoundError as error:
        raise StoreError(
            f"{url.drivername} needs the package {error.name!r}: install it, or use a file."
        ) from error
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _configure_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def _configure_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    """Leave transactions to us, wait for other writers, and hold the foreign keys."""
    connection.isolation_level = None
    connection.execute(f"PRAGMA busy_timeout = {int(_BUSY_S * 1000)}")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA synchronous = FULL")


def _begin_sqlite(connection: Connection) -> None:
    # A writer takes the lock at once: upgrading from reading to writing cannot wait, it fails.
    writes = connection.get_execution_options().get(WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _check_file(path: Path) -> None:
    """Refuse what is not a database of ours before anything could change it."""
    if not path.exists():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"cannot create {path}: {error.strerror}. Name another file."
            ) from error
        return
    if path.is_dir():
        raise StoreError(f"{path} is a folder, a result file was wanted: name a file in it.")
    try:
        with path.open("rb") as stream:
            head = stream.read(len(_MAGIC))
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror}. Check its permissions.") from error
    if head and head != _MAGIC:
        raise store_error("open", str(path), sqlite3.DatabaseError("file is not a database"))
    if head:
        _check_schema(path)


def _check_schema(path: Path) -> None:
    """Look at the schema through a connection that cannot write."""
    location = f"file:{quote(str(path.absolute()))}?mode=ro&uri=true"
    engine = create_engine(f"sqlite:///{location}", poolclass=NullPool)
    try:
        with engine.connect() as connection:
            schema_version(connection)
    except DBAPIError as error:
        raise store_error("open", str(path), error.orig or error) from error
    except StoreError as error:
        raise StoreError(f"{path}: {error}") from error


def use_wal(engine: Engine) -> None:
    """Switch a new SQLite file to the write-ahead log, so that readers never wait for a writer."""
    if engine.dialect.name != "sqlite":
        return
    deadline = time.monotonic() + _BUSY_S
    while True:
        try:
            with closing(engine.raw_connection()) as connection:
                connection.cursor().execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            # The switch does not honour the busy timeout when two processes create the file.
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise DBAPIError("PRAGMA journal_mode", None, error) from error
            time.sleep(0.01)
        else:
            return


def store_error(doing: str, name: str, error: BaseException) -> StoreError:
    """Return an error that says what to do about a database error."""
    text = " ".join(str(error).split())
    for words, remedy in _REMEDIES.items():
        if words in text.lower():
            return StoreError(f"cannot {doing} {name}: {text}. {remedy} Nothing was changed.")
    return StoreError(f"cannot {doing} {name}: {text}. Nothing was changed.")
