"""One SQLite file that several processes change: transactions, threads, forks, errors explained.

SQLite's own locks keep processes apart and its journal undoes what a killed process left half
done. Power loss: on a local disk the file stays consistent and may lose its last transactions
(WAL, synchronous=NORMAL). On any other file system every commit waits for the disk (rollback
journal, synchronous=FULL), because WAL needs memory that all users of the file share.
"""

import os
import sqlite3
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from ..structures.errors import StoreError
from ..structures.file_systems import check_locks, is_local
from ..structures.files import write_error

LOCK_SECONDS = 60.0
_GO_ON = (
    "The file is left as it is. Put a good copy in its place, or move it away and run the same "
    "command again: a new one is made."
)
_REMEDIES = {
    "SQLITE_NOTADB": f"It is not a LaunchPad. {_GO_ON}",
    "SQLITE_CORRUPT": f"It is damaged. {_GO_ON}",
    "SQLITE_FULL": "The disk is full: this step was undone. Free some space and run again.",
    "SQLITE_IOERR": "The disk refuses (full, over quota or broken): this step was undone. "
    "Free some space and run again.",
    "SQLITE_READONLY": "It is read-only: change its permissions, or choose another folder.",
    "SQLITE_CANTOPEN": "The folder must exist and be writable: change its permissions, or choose "
    "another folder.",
    "SQLITE_BUSY": f"Another process has held it for {LOCK_SECONDS:.0f} s: look for one that "
    "hangs or is stopped, then run again.",
}


class SqliteFile:
    """A SQLite file of one kind, made whole on first use.

    Parameters
    ----------
    path
        The file. SQLite keeps ``-wal`` and ``-shm`` beside it while it is in use.
    schema
        SQL that makes the tables of a new file.
    application_id, version
        What tells the file from others: of another kind, or of a newer program.

    Raises
    ------
    StoreError
        The file is of another kind, damaged or newer, or cannot be written; it is not changed.
    """

    def __init__(self, path: Path, *, schema: str, application_id: int, version: int) -> None:
        self.path = path.resolve()
        self._schema, self._application_id, self._version = schema, application_id, version
        self._orphans: list[sqlite3.Connection] = []
        self._failure: StoreError | None = None
        if not self.path.exists():
            self._create()
        self._open()

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Show one state of the file to all that is asked inside."""
        with self._transaction("BEGIN"):
            yield

    @contextmanager
    def writing(self, *, keep_on_error: bool = False) -> Iterator[None]:
        """Make all that is written inside one change, there whole or not at all.

        Parameters
        ----------
        keep_on_error
            Keep what was written before an `Exception`, as a server would. An interrupt, a kill or
            an error of the file itself always undoes all of it.
        """
        with self._transaction("BEGIN IMMEDIATE", keep_on_error=keep_on_error):
            yield

    def rows(self, sql: str, values: tuple[object, ...] = ()) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a query; call within `reading` or `writing`."""
        with self._explained(), closing(self._connection.execute(sql, values)) as cursor:
            yield from cursor

    def execute(self, sql: str, values: tuple[object, ...] = ()) -> int:
        """Execute one statement within `writing` and return the last row number it gave out."""
        with self._explained(), closing(self._connection.execute(sql, values)) as cursor:
            return cursor.lastrowid or 0

    def vacuum(self) -> None:
        """Give the room of removed rows back to the disk."""
        with self.reading():
            pass  # makes sure that the connection is this process's own
        with self._lock, self._explained():
            self._connection.execute("VACUUM")

    def damaged(self, what: str) -> StoreError:
        """Return the error for content that SQLite found sound but that is not ours."""
        return StoreError(f"{self.path}: {what}. {_REMEDIES['SQLITE_CORRUPT']}")

    def _create(self) -> None:
        """Make the file beside its place and link it in whole; another process may be first."""
        folder = self.path.parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
            check_locks(folder)
            with tempfile.TemporaryDirectory(dir=folder, prefix=f".{self.path.name}.") as scratch:
                fresh = Path(scratch) / "new"
                with self._explained(), closing(sqlite3.connect(fresh)) as connection:
                    self._choose_journal(connection)
                    connection.executescript(
                        f"BEGIN; {self._schema};"
                        f"PRAGMA application_id = {self._application_id};"
                        f"PRAGMA user_version = {self._version}; COMMIT;"
                    )
                self.path.hardlink_to(fresh)
        except FileExistsError:
            return
        except OSError as error:
            raise StoreError(str(write_error(self.path, error))) from error

    def _open(self) -> None:
        """Connect, check what kind of file it is, and choose how it is written."""
        self._pid = os.getpid()
        self._lock = threading.RLock()
        self._depth = 0
        self._failure = None
        with self._explained():
            self._connection = sqlite3.connect(
                self.path.as_uri() + "?mode=rw",
                uri=True,
                isolation_level=None,
                timeout=LOCK_SECONDS,
                check_same_thread=False,
            )
            self._identify()
            self._choose_journal(self._connection)

    def _choose_journal(self, connection: sqlite3.Connection) -> None:
        """Set how changes are made safe; the mode goes into the file, so this is mostly a look."""
        journal, flush = ("WAL", "NORMAL") if is_local(self.path.parent) else ("PERSIST", "FULL")
        connection.execute(f"PRAGMA journal_mode = {journal}")
        connection.execute(f"PRAGMA synchronous = {flush}")

    def _identify(self) -> None:
        """Refuse a file that is not ours, is damaged, or that a newer program has written."""
        ask = self._connection.execute
        kind, version = (
            ask("PRAGMA application_id").fetchone() + ask("PRAGMA user_version").fetchone()
        )
        if kind != self._application_id:
            raise StoreError(f"{self.path}: {_REMEDIES['SQLITE_NOTADB']}")
        if version > self._version:
            raise StoreError(
                f"{self.path} has format {version}, this program reads up to {self._version}. "
                "Update heterofire, or choose another file."
            )
        found = ask("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            raise self.damaged(found)

    @contextmanager
    def _transaction(self, begin: str, *, keep_on_error: bool = False) -> Iterator[None]:
        """Run the body in a transaction, or in the one this thread is in already."""
        if self._pid != os.getpid():
            # A connection must not be used or closed in a forked child, so it is kept and left.
            self._orphans.append(self._connection)
            self._open()
        with self._lock:
            self._depth += 1
            try:
                if self._depth == 1:
                    self._failure = None
                    with self._explained():
                        self._connection.execute(begin)
                yield
            except BaseException as error:
                self._end(commit=keep_on_error and isinstance(error, Exception))
                raise
            self._end(commit=True)

    def _end(self, *, commit: bool) -> None:
        """Leave a transaction; the outermost one commits or rolls back."""
        self._depth -= 1
        if self._depth:
            return
        try:
            if commit:
                with self._explained():
                    self._connection.execute("COMMIT")
        finally:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn SQLite's errors into ours; after one, nothing more runs in that transaction."""
        if self._failure is not None:
            raise self._failure
        try:
            yield
        except sqlite3.Error as error:
            name = getattr(error, "sqlite_errorname", "") or ""
            remedy = next((text for key, text in _REMEDIES.items() if name.startswith(key)), _GO_ON)
            self._failure = StoreError(f"{self.path}: {error}. {remedy}")
            raise self._failure from error
