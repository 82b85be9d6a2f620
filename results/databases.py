"""Connections to the result database: what a file must be, and how a database is to behave."""

import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import URL, Engine, NullPool, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from ..structures.errors import InputError, StoreError
from ..structures.file_systems import is_local
from ..structures.files import size_if_there
from .database_errors import store_error
from .migrations import schema_version
from .reference import REFERENCE, is_reference, verified_reference
from .writer_locks import GIVE_UP_S, WRITES, begin_postgresql, begin_sqlite

_MAGIC = b"SQLite format 3\x00"
_DIALECTS = ("sqlite", "postgresql")


def connect(text: str) -> tuple[Engine, str]:
    """Return an engine for a file or URL, and the name by which messages call it.

    Raises
    ------
    StoreError
        The file is not ours, newer or damaged, or the URL cannot be used; nothing is changed.
    """
    if is_reference(text):
        return _fixed()
    url, name = locate(text)
    if url.get_backend_name() != "sqlite" or not url.database:
        return _engine(url), name
    path = Path(url.database)
    _check_file(path)
    return (_engine(url) if is_writable(path) else _engine(_read_only(path))), name


def connect_to_read(text: str) -> tuple[Engine, str]:
    """Return an engine that cannot write, for a database that is there.

    Raises
    ------
    InputError
        There is no such file.
    StoreError
        As in `connect`.
    """
    if is_reference(text):
        return _fixed()
    url, name = locate(text)
    if url.get_backend_name() == "postgresql":
        return reading(_engine(url), only=True), name
    path = Path(url.database or "")
    if not path.exists():
        raise InputError(
            f"there is no database {name}: name one with HETEROFIRE_DB, or go to its project folder"
        )
    _check_file(path)
    return _engine(_read_only(path)), name


def locate(text: str) -> tuple[URL, str]:
    """Return the URL of a file or URL, and the name by which messages call it: no password."""
    if text == REFERENCE:
        return URL.create("sqlite", database=str(verified_reference())), text
    if "://" not in text:
        return URL.create("sqlite", database=text), text
    scheme = text.split("://", maxsplit=1)[0]
    try:
        url = make_url(text)
        if url.drivername == "postgresql":  # SQLAlchemy would take the older driver
            url = url.set(drivername="postgresql+psycopg")
        url.get_dialect()
    except (ArgumentError, ValueError, NoSuchModuleError, ModuleNotFoundError) as error:
        raise StoreError(f"cannot open {scheme}://...: {error}") from error
    if url.get_backend_name() not in _DIALECTS:
        raise StoreError(
            f"cannot open {scheme}://...: results go into SQLite or PostgreSQL. Name a file or "
            "a URL such as postgresql://user@host/database."
        )
    return url, url.render_as_string(hide_password=True)


def is_writable(path: Path) -> bool:
    """Return whether a database file can be written; a new one, where its folder is there."""
    folder = path.absolute().parent
    return os.access(folder, os.W_OK) and (not path.exists() or os.access(path, os.W_OK))


def _fixed() -> tuple[Engine, str]:
    """Return an engine that reads the reference database, and its name."""
    path = verified_reference()
    _check_file(path)
    return _engine(_read_only(path, fixed=True)), REFERENCE


def _read_only(path: Path, *, fixed: bool = False) -> URL:
    """Return a URL that opens a file for reading, also where no file can be made beside it.

    One that is ``fixed`` never changes; SQLite then needs no file beside it.
    """
    log = path.with_name(path.name + "-wal")
    # Readers of a write-ahead log make files beside it, which would be in the way of its owner.
    # Where the file is not ours to write and nobody has it open, SQLite is told that it is fixed.
    is_busy = size_if_there(log) > 0
    frozen = fixed or (not is_writable(path) and not is_busy)
    query = {"mode": "ro", "uri": "true"} | ({"immutable": "1"} if frozen else {})
    return URL.create("sqlite", database=f"file:{quote(str(path.absolute()))}", query=query)


def _engine(url: URL) -> Engine:
    """Return an engine that opens a connection per transaction: safe across forks."""
    try:
        # Named, since a server may have another default.
        level = {"isolation_level": "READ COMMITTED"} if url.get_backend_name() != "sqlite" else {}
        engine = create_engine(url, poolclass=NullPool, **level)
    except ModuleNotFoundError as error:
        raise StoreError(
            f"{url.drivername} needs the package {error.name!r}: install it with "
            "pip install 'heterofire[postgresql]', or use a file."
        ) from error
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _configure_sqlite)
        event.listen(engine, "begin", begin_sqlite)
        return engine
    event.listen(engine, "begin", begin_postgresql)
    return engine


def reading(engine: Engine, *, only: bool = False) -> Engine:
    """Return the engine for transactions that read: all they see is of one moment.

    Parameters
    ----------
    only
        Whether the database is to refuse any other statement; SQLite does by its URL.
    """
    if engine.dialect.name == "sqlite":
        return engine
    options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": only}
    return engine.execution_options(**options)


def writing(engine: Engine) -> Engine:
    """Return the engine for transactions that write: they hold the writers' lock."""
    # At READ COMMITTED: what was committed during the wait must be seen.
    return engine.execution_options(**{WRITES: True})


def _configure_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    """Leave transactions to us, wait for other writers, and hold the foreign keys."""
    connection.isolation_level = None
    connection.execute(f"PRAGMA busy_timeout = {int(GIVE_UP_S * 1000)}")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA synchronous = FULL")


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
        check_schema(_engine(_read_only(path)), str(path))


def check_schema(engine: Engine, name: str) -> int:
    """Return the schema version of a database, 0 for an empty one.

    Raises
    ------
    StoreError
        It is another program's, or newer than this program.
    """
    try:
        with engine.connect() as connection:
            return schema_version(connection)
    except DBAPIError as error:
        raise store_error("open", name, error.orig or error) from error
    except StoreError as error:
        raise StoreError(f"{name}: {error}") from error


def settle_journal(engine: Engine, *, only_reads: bool = False) -> None:
    """Give a SQLite file the write-ahead log, so that readers never wait for a writer.

    The log needs memory that all users of the file share: on a disk that other machines see, the
    file gets SQLite's older journal instead. Who only reads leaves it as it is on a disk of this
    machine, so that a published file keeps its checksum.
    """
    path = engine.url.database
    if engine.dialect.name != "sqlite" or not path or engine.url.query.get("mode") == "ro":
        return
    mode = "WAL" if is_local(Path(path).absolute().parent) else "DELETE"
    if only_reads and mode == "WAL":
        return
    deadline = time.monotonic() + GIVE_UP_S
    while True:
        try:
            with closing(engine.raw_connection()) as connection:
                connection.cursor().execute(f"PRAGMA journal_mode = {mode}")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):
                raise DBAPIError("PRAGMA journal_mode", None, error) from error
            if mode == "DELETE":  # others have it open with its log: they must end first
                return
            # The switch does not honour the busy timeout when two processes create the file.
            if time.monotonic() > deadline:
                raise DBAPIError("PRAGMA journal_mode", None, error) from error
            time.sleep(0.01)
        else:
            return
