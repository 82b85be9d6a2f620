"""Properties with their legs and sources, written to and read from their three tables."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from itertools import chain, islice
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, Select, Table, delete, func, select
from sqlalchemy.exc import DBAPIError

from .array_rows import Row
from .property_rows import read_property
from .records import Property
from .schema import LEGS, PROPERTIES, SOURCES

Values = tuple[Any, ...]

_BATCH = 10_000  # properties whose legs are held in memory
_SEQUENCE = "pg_get_serial_sequence('properties', 'id')"
_values = itemgetter(*(column.name for column in PROPERTIES.c if column.name != "id"))
_leg_values = itemgetter(*(column.name for column in list(LEGS.c)[2:]))


def property_filter(study: str | None, profile: str | None, engine: str | None) -> list[Any]:
    """Return the conditions that choose the properties of a study, profile and engine."""
    wanted = {"study": study, "profile": profile, "engine": engine}
    return [PROPERTIES.c[name] == value for name, value in wanted.items() if value is not None]


def insert_properties(connection: Connection, rows: Iterable[Row]) -> None:
    """Insert the rows of `property_rows`, their legs and sources; the caller is the only writer."""
    number = first = _next_number(connection)
    rest = iter(rows)
    for row in rest:
        legs, sources = list[Values](), list[Values]()
        batch = enumerate(chain([row], islice(rest, _BATCH - 1)), start=number)
        # Made while they are written: as lists, their garbage collection takes a third of the time.
        _insert(connection, PROPERTIES, _parted(batch, legs, sources))
        _insert(connection, LEGS, legs)
        _insert(connection, SOURCES, sources)
        number += _BATCH
    if number > first and connection.dialect.name == "postgresql":
        last = connection.execute(select(func.max(PROPERTIES.c.id))).scalar_one()
        connection.exec_driver_sql(f"SELECT setval({_SEQUENCE}, {int(last)})")


def _next_number(connection: Connection) -> int:
    """Return a number such that no property has it or a later one."""
    if connection.dialect.name == "postgresql":
        return int(connection.exec_driver_sql(f"SELECT nextval({_SEQUENCE})").scalar_one())
    return int(connection.execute(select(func.max(PROPERTIES.c.id))).scalar() or 0) + 1


def _parted(
    rows: Iterable[tuple[int, Row]], legs: list[Values], sources: list[Values]
) -> Iterator[Values]:
    """Give the columns of each property; its legs and sources are added to the lists."""
    for number, row in rows:
        if row["legs"]:
            legs += [(number, n, *_leg_values(leg)) for n, leg in enumerate(row["legs"])]
        if row["keys"]:
            sources += [(number, n, key) for n, key in enumerate(row["keys"])]
        yield (number, *_values(row))


def _insert(connection: Connection, table: Table, rows: Iterable[Values]) -> None:
    """Insert rows of plain values in the order of the table's columns, by the driver itself."""
    dialect = connection.dialect
    mark = "?" if dialect.paramstyle == "qmark" else "%s"
    quote = dialect.identifier_preparer.quote
    columns = ", ".join(quote(column.name) for column in table.c)
    marks = ", ".join([mark] * len(table.c))
    command = f"INSERT INTO {quote(table.name)} ({columns}) VALUES ({marks})"  # noqa: S608
    try:
        with closing(connection.connection.cursor()) as cursor:
            cursor.executemany(command, rows)  # type: ignore[arg-type]  # it takes any iterable
    except dialect.loaded_dbapi.Error as error:
        raise DBAPIError(command, None, error) from error


def delete_properties(connection: Connection, chosen: Sequence[Any]) -> None:
    """Delete the chosen properties with their legs and sources."""
    old = select(PROPERTIES.c.id).where(*chosen)
    for table in (LEGS, SOURCES):
        connection.execute(delete(table).where(table.c.property_id.in_(old)))
    connection.execute(delete(PROPERTIES).where(*chosen))


def select_properties(connection: Connection, chosen: Sequence[Any]) -> list[Property]:
    """Return the chosen properties in the order they were written."""
    query = select(PROPERTIES).where(*chosen).order_by(PROPERTIES.c.id)
    rows = connection.execute(query).mappings().all()
    legs = rows_of_properties(connection, LEGS, chosen)
    sources = rows_of_properties(connection, SOURCES, chosen)
    return [
        read_property(dict(row), legs[row["id"]], [source["key"] for source in sources[row["id"]]])
        for row in rows
    ]


def rows_of_properties(
    connection: Connection, table: Table, chosen: Sequence[Any]
) -> dict[int, list[Row]]:
    """Return the rows of a table that belong to each of the chosen properties, in order."""
    query = select(table).join(PROPERTIES).where(*chosen).order_by(table.c.position)
    return _grouped(connection, query)


def rows_by_property(
    connection: Connection, table: Table, numbers: tuple[int, int]
) -> dict[int, list[Row]]:
    """Return the rows of a table that belong to properties of a range of numbers, in order."""
    query = (
        select(table)
        .where(table.c.property_id.between(*numbers))
        .order_by(table.c.property_id, table.c.position)
    )
    return _grouped(connection, query)


def _grouped(connection: Connection, query: Select[Any]) -> dict[int, list[Row]]:
    found = defaultdict[int, list[Row]](list)
    for row in connection.execute(query).mappings():
        found[row["property_id"]].append(dict(row))
    return found
