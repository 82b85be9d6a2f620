"""Copies of a result database, made while others write, and the step to today's schema."""

import os
import re
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import cast
from urllib.parse import quote

from sqlalchemy import Connection, insert, select

from ..structures.errors import InputError, StoreError
from ..structures.files import atomic_path
from .database_checks import check_database
from .database_errors import explained, store_error
from .database_info import row_counts
from .databases import connect, locate, settle_journal, writing
from .migrations import STEPS, migrate, schema_version
from .reference import refuse_to_write
from .schema import ARRAYS, METADATA
from .snapshots import Progress, is_current, require_current, silent, snapshot

_PAGES = 4096  # of SQLite, copied at a time
_BATCH = 1000  # rows copied at a time
_BATCH_OF_ARRAYS = 20  # each may hold megabytes


@dataclass(frozen=True, kw_only=True)
class Backup:
    """A copy of a database in one SQLite file."""

    path: Path
    n_bytes: int
    rows: Mapping[str, int]  # of each table
    problems: tuple[str, ...]  # that the check of the copy found: they are the original's


def back_up(
    path_or_url: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    force: bool = False,
    progress: Progress = silent,
) -> Backup:
    """Copy a database as it is at this moment into a SQLite file, and check the copy.

    Others may write meanwhile. The file is there whole or not at all, and needs no other file
    beside it.

    Parameters
    ----------
    path_or_url
        A SQLite file or a PostgreSQL URL.
    target
        The file to write.
    force
        Take the place of a file that is there.
    progress
        Is told what is done, how far, and of how much.

    Raises
    ------
    InputError
        The target is there already, or is the database itself.
    StoreError
        The database cannot be read, or the copy has not the same rows.
    """
    path, text = Path(target), os.fspath(path_or_url)
    with snapshot(text):  # a database that is not there or not ours is the first thing to say
        _check_target(path, text, force=force)
    url = locate(text)[0]
    is_file = url.get_backend_name() == "sqlite"
    mode = Path(url.database or "").stat().st_mode & 0o777 if is_file else None
    with atomic_path(path, mode=mode) as temporary:
        try:
            rows = (_copy_file if is_file else _copy_rows)(text, temporary, progress)
            problems = _verify(temporary, path, rows, progress)
        except sqlite3.Error as error:
            raise store_error("back up into", str(path), error) from error
        n_bytes = temporary.stat().st_size
    return Backup(path=path, n_bytes=n_bytes, rows=rows, problems=problems)


def _check_target(path: Path, text: str, *, force: bool) -> None:
    if re.match(r"\w+(\+\w+)?:/", str(path)):  # a Path has one slash left of a URL's two
        raise InputError(f"{path}: a backup goes into a file; name one such as results.backup.db")
    if not path.exists():
        return
    if path.is_dir():
        raise InputError(f"{path} is a folder, a file was wanted: name one in it.")
    source = locate(text)[0].database
    if "://" not in text and source and path.samefile(source):
        raise InputError(f"{path} is the database itself: name another file for its backup.")
    if not force:
        raise InputError(f"{path} is there already: name another file, or replace it by --force.")


def _copy_file(text: str, temporary: Path, progress: Progress) -> dict[str, int]:
    """Copy a SQLite file page by page out of one read transaction; return its rows."""
    with snapshot(text) as (connection, _):
        rows = row_counts(connection)  # from here on the transaction sees one moment
        source = cast(sqlite3.Connection, connection.connection.dbapi_connection)
        with closing(_open_copy(temporary)) as copy:
            source.backup(
                copy,
                pages=_PAGES,
                progress=lambda _status, left, total: progress("pages", total - left, total),
            )
            copy.execute("PRAGMA journal_mode = DELETE")  # one file, readable anywhere
    return rows


def _open_copy(path: Path) -> sqlite3.Connection:
    """Open a file that nobody else knows, and that is thrown away when anything goes wrong."""
    return sqlite3.connect(f"file:{quote(str(path.absolute()))}", uri=True, isolation_level=None)


def _copy_rows(text: str, temporary: Path, progress: Progress) -> dict[str, int]:
    """Copy all rows of a server's database into a SQLite file; return their numbers."""
    with snapshot(text) as (source, name):
        require_current(source, name)
        rows = row_counts(source)
        engine, _ = connect(str(temporary))
        try:
            with writing(engine).begin() as target:
                METADATA.create_all(target)
                _copy_tables(source, target, rows, progress)
        finally:
            engine.dispose()
    return rows


def _copy_tables(
    source: Connection, target: Connection, rows: Mapping[str, int], progress: Progress
) -> None:
    for table in METADATA.sorted_tables:
        size, done = _BATCH_OF_ARRAYS if table is ARRAYS else _BATCH, 0
        streamed = source.execution_options(yield_per=size)
        for batch in streamed.execute(select(table)).mappings().partitions():
            target.execute(insert(table), [dict(row) for row in batch])
            done += len(batch)
            progress(table.name, done, rows[table.name])


def _verify(
    temporary: Path, path: Path, rows: Mapping[str, int], progress: Progress
) -> tuple[str, ...]:
    """Return what the check of a copy finds; raise where it is no faithful copy."""
    with closing(_open_copy(temporary)) as copy:
        found = copy.execute("PRAGMA quick_check").fetchone()[0]
    if found != "ok":
        raise StoreError(f"the copy {path} is damaged ({found}): check the disk, then try again.")
    with snapshot(temporary) as (connection, _):
        if row_counts(connection) != rows:
            raise StoreError(
                f"the copy {path} has other rows than the original: {row_counts(connection)}, not "
                f"{rows}. Nothing was written; try again."
            )
        if not is_current(connection):  # an older schema has no hashes of properties
            return ()
        return tuple(check_database(connection, progress).problems)


@dataclass(frozen=True, kw_only=True)
class Migration:
    """What brought a database up to date, or would."""

    name: str
    before: int  # schema version; 0: empty
    after: int
    steps: tuple[str, ...]  # names, in order
    backup: Path | None  # of before


def migrate_database(
    path_or_url: str | os.PathLike[str], *, dry_run: bool = False, progress: Progress = silent
) -> Migration:
    """Bring a database up to date; of a SQLite file a backup is made beside it first.

    All steps are one transaction: done, or the database is as it was.

    Raises
    ------
    InputError
        There is no such file.
    StoreError
        It is another program's, newer, or cannot be written.
    """
    text = os.fspath(path_or_url)
    with snapshot(text) as (connection, name):
        before = schema_version(connection)
    names = tuple(step for step, _ in STEPS[before:])
    if names and not dry_run:
        refuse_to_write(text, f"{name} has schema {before}, this heterofire reads {len(STEPS)}")
    backup = None
    if names and not dry_run:
        url = locate(text)[0]
        if before and url.get_backend_name() == "sqlite":
            backup = _free_name(Path(url.database or ""), before)
            back_up(text, backup, progress=progress)
        names = tuple(bring_up_to_date(text))
    return Migration(name=name, before=before, after=len(STEPS), steps=names, backup=backup)


def bring_up_to_date(text: str) -> list[str]:
    """Run the steps that a database has not seen; return their names."""
    engine, name = connect(text)
    try:
        with explained("migrate", name):
            settle_journal(engine)
            with writing(engine).begin() as connection:
                return migrate(connection)
    finally:
        engine.dispose()


def _free_name(path: Path, version: int) -> Path:
    """Return a name beside a file that nothing has yet."""
    stem = path.with_name(f"{path.stem}.schema{version}{path.suffix}")
    names = [stem, *(stem.with_name(f"{stem.stem}-{n}{path.suffix}") for n in range(2, 1000))]
    return next(name for name in names if not name.exists())
