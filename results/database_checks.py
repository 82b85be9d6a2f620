"""Checks of a result database: every hash recomputed, every reference followed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Column, Connection, Select, Table, exists, func, select
from sqlalchemy.exc import DBAPIError

from ..structures.errors import StoreError
from .array_rows import Row, content_hash, unpack_array
from .property_rows import NAMED_BY, name_hash, row_hash
from .property_tables import rows_by_property
from .records import formula_elements
from .schema import ARRAYS, CALCULATIONS, LEGS, METADATA, PROPERTIES, SOURCES, USES
from .snapshots import Progress, schema_differences, silent

_BATCH = 1000  # rows held in memory at a time; arrays are read calculation by calculation


@dataclass
class DatabaseCheck:
    """What a check has found."""

    problems: list[str] = field(default_factory=list)  # altered, dangling, missing
    notes: list[str] = field(default_factory=list)  # worth knowing, no error
    checked: dict[str, int] = field(default_factory=dict)  # rows of each table


def check_database(connection: Connection, progress: Progress = silent) -> DatabaseCheck:
    """Recompute every hash and follow every reference of a database with today's tables.

    Parameters
    ----------
    connection
        In a transaction, so that all of it is of one moment.
    progress
        Is told what is checked, how many rows are done, and of how many.
    """
    found = DatabaseCheck()
    parts = (_structure, _references, _calculations, _properties, _notes)
    for part in parts:
        try:
            part(connection, found, progress)
        except DBAPIError as error:
            found.problems.append(f"cannot read on: {' '.join(str(error.orig).split())}")
            break
    return found


def _structure(connection: Connection, found: DatabaseCheck, progress: Progress) -> None:
    """Check pages of a SQLite file, then tables, columns and indexes."""
    progress("structure", 0, 1)
    if connection.dialect.name == "sqlite":
        lines = connection.exec_driver_sql("PRAGMA integrity_check").scalars().all()
        found.problems += [f"SQLite: {line}" for line in lines if line != "ok"]
    found.problems += schema_differences(connection)
    progress("structure", 1, 1)


def _references(connection: Connection, found: DatabaseCheck, progress: Progress) -> None:
    """Name the rows that refer to one that is not there."""
    columns = [c for table in METADATA.sorted_tables for c in table.c if c.foreign_keys]
    for done, column in enumerate(columns):
        progress("references", done, len(columns))
        for row in connection.execute(_dangling(column)).mappings():
            where = ", ".join(f"{name} {value}" for name, value in row.items())
            target = next(iter(column.foreign_keys)).column
            found.problems.append(
                f"row of {column.table.name} ({where}): its {target.table.name} row is gone"
            )
    progress("references", len(columns), len(columns))


def _dangling(column: Column[Any]) -> Select[Any]:
    """Return the query for rows whose reference leads nowhere."""
    target = next(iter(column.foreign_keys)).column.table.alias("target")
    goal = target.c[next(iter(column.foreign_keys)).column.name]
    shown = {c.name: c for c in (*column.table.primary_key, column)}
    return select(*shown.values()).where(column.is_not(None), ~exists().where(goal == column))


def _calculations(connection: Connection, found: DatabaseCheck, progress: Progress) -> None:
    """Recompute the hash of every calculation and array."""
    n_rows = n_arrays = 0
    for batch in _batches(connection, CALCULATIONS, CALCULATIONS.c.key, "calculations", progress):
        for row in batch:
            packed = arrays_of(connection, row["key"])
            n_arrays += len(packed)
            found.problems += calculation_problems(row, packed)
        n_rows += len(batch)
    found.checked |= {"calculations": n_rows, "arrays": n_arrays}


def arrays_of(connection: Connection, key: str) -> list[Row]:
    """Return the rows of a calculation's arrays."""
    rows = connection.execute(select(ARRAYS).where(ARRAYS.c.key == key)).mappings()
    return [dict(row) for row in rows]


def calculation_problems(row: Mapping[str, Any], packed: list[Row]) -> list[str]:
    """Return what of a calculation's row and arrays is not what was written."""
    where = f"calculation {row['key']} ({row['folder']})"
    hashes = {array["name"]: array["sha256"] for array in packed}
    problems = []
    if content_hash(row, hashes) != row["sha256"]:
        problems.append(f"{where} does not match its hash: a column or its set of arrays changed")
    elif row["elements"] != formula_elements(row["formula"]):
        problems.append(f"{where}: its elements {row['elements']!r} are not those of its formula")
    for array in packed:
        try:
            unpack_array(array, where)
        except StoreError:
            problems.append(f"array {array['name']} of {where} does not match its hash")
    return problems


def _properties(connection: Connection, found: DatabaseCheck, progress: Progress) -> None:
    """Recompute hash and identity of every property."""
    n_rows = {"properties": 0, "legs": 0, "sources": 0}
    for batch in _batches(connection, PROPERTIES, PROPERTIES.c.id, "properties", progress):
        numbers = (batch[0]["id"], batch[-1]["id"])
        legs = rows_by_property(connection, LEGS, numbers)
        sources = rows_by_property(connection, SOURCES, numbers)
        n_rows["properties"] += len(batch)
        n_rows["legs"] += sum(map(len, legs.values()))
        n_rows["sources"] += sum(map(len, sources.values()))
        for row in batch:
            keys = [source["key"] for source in sources[row["id"]]]
            if row_hash(row, legs[row["id"]], keys) != row["sha256"]:
                found.problems.append(f"{property_words(row)} does not match its hash")
            elif not _has_its_identity(connection, row):
                found.problems.append(f"{property_words(row)} does not match its identity")
    found.checked |= n_rows


def property_words(row: Mapping[str, Any]) -> str:
    """Return how a message calls a property."""
    words = " ".join(str(row[n]) for n in ("model", "quantity", "label", "reference") if row[n])
    return f"property {words} of {row['study']}/{row['profile']}/{row['engine']}"


def _has_its_identity(connection: Connection, row: Mapping[str, Any]) -> bool:
    """Return whether an identity follows from the names and how many had the same before."""
    names = [row[name] for name in NAMED_BY]
    if row["identity"] == name_hash(names, 0):
        return True
    same = (PROPERTIES.c[name] == row[name] for name in NAMED_BY)
    count = connection.execute(select(func.count()).where(*same)).scalar_one()
    return any(row["identity"] == name_hash(names, n) for n in range(1, count))


def _notes(connection: Connection, found: DatabaseCheck, progress: Progress) -> None:
    """Say which calculations nobody uses, and which energies are older than their run."""
    progress("use", 0, 1)
    used = [exists().where(t.c.key == CALCULATIONS.c.key) for t in (USES, SOURCES, LEGS)]
    unused = select(CALCULATIONS.c.key, CALCULATIONS.c.folder).where(*(~there for there in used))
    for key, folder in connection.execute(unused):
        found.notes.append(f"calculation {key} ({folder}) is used by no study and no property")
    stale = (
        select(PROPERTIES, CALCULATIONS.c.key, LEGS.c.energy, CALCULATIONS.c.e0)
        .select_from(LEGS.join(PROPERTIES).join(CALCULATIONS))
        .where(LEGS.c.energy != CALCULATIONS.c.e0)
    )
    for row in map(dict, connection.execute(stale).mappings()):
        found.notes.append(
            f"{property_words(row)} is older than its run {row['key']}: E0 was {row['energy']:.6f} "
            f"eV, is {row['e0']:.6f} eV. Derive it anew: heterofire run {row['study']} "
            f"--profile {row['profile']} --engine {row['engine']}"
        )
    progress("use", 1, 1)


def _batches(
    connection: Connection, table: Table, order: Column[Any], what: str, progress: Progress
) -> Iterator[list[Row]]:
    """Return the rows of a table a batch at a time, in the order of a unique column."""
    total = connection.execute(select(func.count()).select_from(table)).scalar_one()
    query, done = select(table).order_by(order).limit(_BATCH), 0
    rows = connection.execute(query).mappings().all()
    while rows:
        yield [dict(row) for row in rows]
        done += len(rows)
        progress(what, done, total)
        query_on = query.where(order > rows[-1][order.name])
        rows = connection.execute(query_on).mappings().all()
