"""A SQLite file with the rows of one study alone, copied from any result database."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import (
    URL,
    Column,
    ColumnElement,
    Connection,
    Engine,
    NullPool,
    Select,
    Table,
    and_,
    create_engine,
    event,
    false,
    insert,
    select,
    text,
    true,
    union,
)
from sqlalchemy.schema import CreateIndex, CreateTable

from ..structures.errors import StoreError
from .array_rows import Row
from .database_errors import explained
from .schema import CALCULATIONS, METADATA, MIGRATIONS, USES
from .store import ResultStore

_BATCH = 200  # rows at a time; an array may hold some MB
_OWNED = ("study", "profile", "engine")


def write_extract(store: ResultStore, path: Path, study: str, profile: str, engine: str) -> None:
    """Write all that the database holds of one study into a new SQLite file.

    Calculations that the study's numbers need come along with their arrays, whatever they are
    for besides. Rows keep their numbers and hashes, so that ``store.check`` finds what it found
    in the whole database. The same rows give the same bytes.

    Parameters
    ----------
    store
        Any result database; it is only read.
    path
        The file to write; it must not be there.
    study, profile, engine
        Whose rows.

    Raises
    ------
    StoreError
        The file is there already, or a database cannot be read or written.
    """
    write_rows(store, path, lambda table: rows_of(table, study, profile, engine))


def write_rows(
    store: ResultStore,
    path: Path,
    wanted: Callable[[Table], ColumnElement[bool]],
    changed: Callable[[Table, list[Row]], list[Row]] = lambda _table, rows: rows,
) -> None:
    """Write chosen rows of every table into a new SQLite file; see `write_extract`.

    Parameters
    ----------
    wanted
        The condition on the rows of a table.
    changed
        Gives the rows as they are to be written; it may leave some out.
    """
    if path.exists():
        raise StoreError(f"{path} is there already: name another file for the extract.")
    target = _new_file(path)
    try:
        with explained("write", str(path)), target.begin() as sink:
            _create_tables(sink)
        with store.reading() as source, explained("write", str(path)), target.begin() as sink:
            for table in METADATA.sorted_tables:
                for rows in _batches(source, table, wanted(table), store.name):
                    if kept := changed(table, rows):
                        sink.execute(insert(table), kept)
        with explained("write", str(path)), target.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("VACUUM"))
    finally:
        target.dispose()


def _create_tables(connection: Connection) -> None:
    """Create tables and indexes, always in the same order: SQLAlchemy's own differs by run."""
    for table in METADATA.sorted_tables:
        connection.execute(CreateTable(table))
        for index in sorted(table.indexes, key=lambda index: str(index.name)):
            connection.execute(CreateIndex(index))


def _new_file(path: Path) -> Engine:
    """Return an engine for a file without a write-ahead log: one file is all there is."""
    engine = create_engine(URL.create("sqlite", database=str(path)), poolclass=NullPool)

    def hold_foreign_keys(connection: Any, _record: object) -> None:
        connection.execute("PRAGMA foreign_keys = ON")

    event.listen(engine, "connect", hold_foreign_keys)
    return engine


def _batches(
    source: Connection, table: Table, wanted: ColumnElement[bool], name: str
) -> Iterator[list[Row]]:
    """Yield rows in the order of their primary key, a few at a time."""
    query = select(table).where(wanted).order_by(*table.primary_key.columns)
    with explained("read", name):
        streamed = source.execution_options(yield_per=_BATCH).execute(query)
        for rows in streamed.mappings().partitions():
            yield [dict(row) for row in rows]


def rows_of(table: Table, study: str, profile: str, engine: str) -> ColumnElement[bool]:
    """Return the condition on the rows of a table that belong to a study.

    Tables that name study, profile and engine have rows of their own, and tables that lead to
    one of these by a foreign key follow it; so do arrays follow their calculation. Of any other
    table, such as a list of folders of this machine, nothing is taken.
    """
    about = {"study": study, "profile": profile, "engine": engine}
    if table is MIGRATIONS:
        return true()
    if table in (CALCULATIONS, USES):
        own = [USES.c[name] == about[name] for name in ("study", "profile") if table is USES]
        return and_(table.c.key.in_(_keys(about)), *own)
    if _is_owned(table):
        return _own(table, about)
    if parent := _link(table, _is_owned):
        return parent.column.in_(parent.references(about))
    calculation = _link(table, lambda parent: parent is CALCULATIONS)
    if calculation and calculation.column.primary_key:
        return calculation.column.in_(_keys(about))
    return false()


@dataclass(frozen=True)
class _Link:
    """A foreign key: a column, and the one it leads to."""

    column: Column[Any]
    target: Column[Any]

    def references(self, about: Mapping[str, str]) -> Select[Any]:
        """Return the values of the target among the rows of a study."""
        return select(self.target).where(_own(self.target.table, about))


def _link(table: Table, leads_to: Callable[[Table], bool]) -> _Link | None:
    """Return the first foreign key of a table that leads to a table of a kind."""
    for column in table.columns:
        for key in column.foreign_keys:
            if leads_to(key.column.table):
                return _Link(column, key.column)
    return None


def _is_owned(table: Table) -> bool:
    return set(_OWNED) <= set(table.c.keys())


def _own(table: Any, about: Mapping[str, str]) -> ColumnElement[bool]:
    return and_(*(table.c[name] == about[name] for name in _OWNED))


def _keys(about: Mapping[str, str]) -> Select[Any]:
    """Return the keys of calculations of the study, and of those its numbers need."""
    parts = [
        select(USES.c.key)
        .join(CALCULATIONS, CALCULATIONS.c.key == USES.c.key)
        .where(
            USES.c.study == about["study"],
            USES.c.profile == about["profile"],
            CALCULATIONS.c.engine == about["engine"],
        )
    ]
    for table in METADATA.sorted_tables:
        owner = _link(table, _is_owned)
        needed = _link(table, lambda t: t is CALCULATIONS)
        if owner and needed:
            rows = owner.column.in_(owner.references(about))
            parts.append(select(needed.column).where(rows, needed.column.is_not(None)))
    return select(union(*parts).subquery().c[0])
