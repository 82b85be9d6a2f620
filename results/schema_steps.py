"""What each migration step does to a result database. A released step never changes."""

import json
from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING

from sqlalchemy import (
    Column,
    Connection,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    insert,
    select,
    update,
)
from sqlalchemy.engine import RowMapping

# Inside the functions: records import pymatgen, which takes seconds, and few databases are old.
if TYPE_CHECKING:
    from .array_rows import Row
    from .records import Property


def give_properties_identities(connection: Connection) -> None:
    """Version 2: identity, hash and date of properties, sources as rows, calculations' elements."""
    for table, column in (
        ("calculations", "elements"),
        *(("properties", name) for name in ("identity", "sha256", "derived")),
    ):
        connection.exec_driver_sql(
            f"ALTER TABLE {table} ADD COLUMN {column} TEXT NOT NULL DEFAULT ''"
        )
    connection.exec_driver_sql("CREATE INDEX ix_properties_identity ON properties (identity)")
    connection.exec_driver_sql(
        "CREATE TABLE sources (property_id INTEGER NOT NULL REFERENCES properties (id), "
        "position INTEGER NOT NULL, key TEXT NOT NULL REFERENCES calculations (key), "
        "PRIMARY KEY (property_id, position))"
    )
    connection.exec_driver_sql("CREATE INDEX ix_sources_key ON sources (key)")
    connection.exec_driver_sql(
        "CREATE TABLE collected_folders (place TEXT NOT NULL PRIMARY KEY, study TEXT NOT NULL, "
        "folder TEXT NOT NULL, tag TEXT NOT NULL, fingerprint TEXT NOT NULL, "
        "key TEXT REFERENCES calculations (key), reason TEXT NOT NULL, looked TEXT NOT NULL, "
        "version TEXT NOT NULL)"
    )
    connection.exec_driver_sql(
        "CREATE INDEX ix_collected_folders_study ON collected_folders (study)"
    )
    tables = MetaData()
    tables.reflect(connection, only=["calculations", "properties", "legs", "sources"])
    _fill_elements(connection, tables.tables["calculations"])
    _fill_properties(connection, tables)
    connection.exec_driver_sql("ALTER TABLE properties DROP COLUMN keys")
    _create_figure_tables(connection)


def _create_figure_tables(connection: Connection) -> None:
    """Create the records of figures as they were in version 2."""
    tables = MetaData()
    wanted = ("study", "profile", "engine", "method", "name", "drawing", "query", "settings")
    more = ("heterofire", "libraries", "drawn", "state")
    Table(
        "figures",
        tables,
        Column("id", Integer, primary_key=True),
        *(Column(name, Text, nullable=False) for name in (*wanted, *more)),
        Index("ix_figures_name", "study", "profile", "engine", "name"),
    )
    Table(
        "figure_rows",
        tables,
        Column("figure_id", Integer, ForeignKey("figures.id"), primary_key=True),
        Column("position", Integer, primary_key=True),
        *(Column(name, Text, nullable=False) for name in ("kind", "identity")),
        Column("key", Text),
        Column("name", Text, nullable=False),
        Column("value", Float),
        *(Column(name, Text, nullable=False) for name in ("unit", "sha256")),
    )
    Table(
        "figure_files",
        tables,
        Column("figure_id", Integer, ForeignKey("figures.id"), primary_key=True),
        Column("kind", Text, primary_key=True),
        *(Column(name, Text, nullable=False) for name in ("name", "sha256")),
    )
    tables.create_all(connection)


def _fill_elements(connection: Connection, table: Table) -> None:
    from .records import formula_elements

    for key, formula in connection.execute(select(table.c.key, table.c.formula)).all():
        changed = update(table).where(table.c.key == key)
        connection.execute(changed.values(elements=formula_elements(formula)))


def _fill_properties(connection: Connection, tables: MetaData) -> None:
    """Give each property identity, hash and sources; keys of runs that are gone are left out."""
    from .property_rows import property_rows

    properties, sources = tables.tables["properties"], tables.tables["sources"]
    calculations = tables.tables["calculations"]
    known = set(connection.execute(select(calculations.c.key)).scalars())
    legs = defaultdict[int, list["Row"]](list)
    table = tables.tables["legs"]
    for leg in connection.execute(select(table).order_by(table.c.position)).mappings():
        legs[leg["property_id"]].append(dict(leg))
    old = connection.execute(select(properties).order_by(properties.c.id)).mappings().all()
    found = [_property(row, legs[row["id"]], known) for row in old]
    for row, new in zip(old, property_rows(found, ""), strict=True):
        number = row["id"]
        changed = update(properties).where(properties.c.id == number)
        connection.execute(changed.values(identity=new["identity"], sha256=new["sha256"]))
        if new["keys"]:
            rows = [
                {"property_id": number, "position": position, "key": key}
                for position, key in enumerate(new["keys"])
            ]
            connection.execute(insert(sources), rows)


def _property(row: RowMapping, legs: "Iterable[Row]", known: set[str]) -> "Property":
    from .property_rows import read_property

    columns = {name: value for name, value in row.items() if name != "keys"}
    keys = [key for key in json.loads(row["keys"]) if key in known]
    return read_property(columns, legs, keys)
