"""What a result database holds, without changing it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, case, func, inspect, literal, select, table

from ..structures.files import size_if_there
from .databases import locate
from .migrations import STEPS, schema_version
from .schema import CALCULATIONS, METADATA, PROPERTIES, USES
from .snapshots import snapshot


@dataclass(frozen=True, kw_only=True)
class StudyInfo:
    """What is stored of one study in one profile by one engine."""

    study: str
    profile: str
    engine: str
    calculations: int
    unconverged: int
    properties: int
    first: str  # ISO 8601, when its first calculation was stored; "" without one
    last: str
    derived: str  # when its properties were derived last; "" where not known


@dataclass(frozen=True, kw_only=True)
class DatabaseInfo:
    """One result database."""

    name: str  # path, or URL without its password
    program: str  # "SQLite 3.46.1"
    schema: int
    newest_schema: int  # that this heterofire knows
    n_bytes: int
    rows: Mapping[str, int]  # of each table
    studies: tuple[StudyInfo, ...]


def database_info(path_or_url: str | os.PathLike[str]) -> DatabaseInfo:
    """Return what a database holds; an older schema is fine, nothing is brought up to date.

    Raises
    ------
    InputError
        There is no such file.
    StoreError
        It is another program's, newer, damaged, or cannot be reached.
    """
    with snapshot(path_or_url) as (connection, name):
        version = schema_version(connection)
        return DatabaseInfo(
            name=name,
            program=_program(connection),
            schema=version,
            newest_schema=len(STEPS),
            n_bytes=_size(connection, os.fspath(path_or_url)),
            rows=row_counts(connection),
            studies=_studies(connection, has_dates=version > 1) if version else (),
        )


def row_counts(connection: Connection) -> dict[str, int]:
    """Return the number of rows of each of our tables that is there."""
    there = set(inspect(connection).get_table_names())
    return {
        name: connection.execute(select(func.count()).select_from(table(name))).scalar_one()
        for name in METADATA.tables
        if name in there
    }


def _program(connection: Connection) -> str:
    version = ".".join(map(str, connection.dialect.server_version_info or ()))
    return f"{'SQLite' if connection.dialect.name == 'sqlite' else 'PostgreSQL'} {version}"


def _size(connection: Connection, text: str) -> int:
    if connection.dialect.name == "postgresql":
        query = select(func.pg_database_size(func.current_database()))
        return int(connection.execute(query).scalar_one())
    path = Path(locate(text)[0].database or "")
    files = (path, path.with_name(path.name + "-wal"))
    return sum(size_if_there(file) for file in files)


def _studies(connection: Connection, *, has_dates: bool) -> tuple[StudyInfo, ...]:
    """Return one entry per study, profile and engine; schema 1 has no dates of properties."""
    c = CALCULATIONS.c
    unconverged = func.sum(case((c.status != "converged", 1), else_=0))
    group = (USES.c.study, USES.c.profile, c.engine)
    query = (
        select(*group, func.count(), unconverged, func.min(c.created), func.max(c.created))
        .select_from(USES.join(CALCULATIONS))
        .group_by(*group)
    )
    found: dict[tuple[str, ...], dict[str, Any]] = {}
    names = ("calculations", "unconverged", "first", "last")
    for row in connection.execute(query):
        found[tuple(row[:3])] = dict(zip(names, row[3:], strict=True))
    p = PROPERTIES.c
    group = (p.study, p.profile, p.engine)
    derived = func.max(p.derived) if has_dates else literal("")
    for row in connection.execute(select(*group, func.count(), derived).group_by(*group)):
        found.setdefault(tuple(row[:3]), {}).update(properties=row[3], derived=row[4])
    empty = dict.fromkeys((*names[:2], "properties"), 0) | {"first": "", "last": "", "derived": ""}
    return tuple(
        StudyInfo(study=key[0], profile=key[1], engine=key[2], **(empty | values))
        for key, values in sorted(found.items())
    )
