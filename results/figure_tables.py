"""Records of figures in the result database, and the hashes of rows as they are now."""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, fields
from datetime import UTC, datetime
from fnmatch import fnmatch
from typing import Any

from sqlalchemy import Connection, func, insert, select
from sqlalchemy.engine import RowMapping

from .array_rows import to_json
from .figure_records import DrawnFigure, FigureFile, FigureRecord, FigureRow
from .schema import ARRAYS, CALCULATIONS, FIGURE_FILES, FIGURE_ROWS, FIGURES, USES
from .store import ResultStore

_AS_JSON = ("settings", "libraries")
_SHORT = 8  # letters of a key that a reader sees


def add_figure(store: ResultStore, record: FigureRecord, files: Sequence[FigureFile]) -> bool:
    """Store the record of a figure, unless the latest one of its name says the same.

    Returns
    -------
    bool
        Whether it was stored.
    """
    columns: dict[str, Any] = record.about() | {"state": record.state}
    columns |= {name: to_json(columns[name]) for name in _AS_JSON}
    columns["drawn"] = datetime.now(UTC).isoformat(timespec="seconds")
    with store.writing() as connection:
        last = _records(connection, record.study, record.profile, record.engine, record.name)[-1:]
        if last and _says_the_same(connection, last[0], record, files):
            return False
        new = insert(FIGURES).values(columns).returning(FIGURES.c.id)
        number = connection.execute(new).scalar_one()
        rows = [
            {**asdict(row), "figure_id": number, "position": i} for i, row in enumerate(record.rows)
        ]
        written = [{**asdict(file), "figure_id": number} for file in files]
        for table, values in ((FIGURE_ROWS, rows), (FIGURE_FILES, written)):
            if values:
                connection.execute(insert(table), values)
    return True


def _says_the_same(
    connection: Connection, row: RowMapping, record: FigureRecord, files: Sequence[FigureFile]
) -> bool:
    if row["state"] != record.state:
        return False
    return set(_files(connection, row["id"])) == set(files)


def _records(
    connection: Connection, study: str, profile: str, engine: str, name: str | None
) -> Sequence[RowMapping]:
    """Return the rows of the figures, oldest first."""
    wanted = {"study": study, "profile": profile, "engine": engine, "name": name}
    chosen = [FIGURES.c[key] == value for key, value in wanted.items() if value is not None]
    query = select(FIGURES).where(*chosen).order_by(FIGURES.c.id)
    return connection.execute(query).mappings().all()


def drawn_figures(
    store: ResultStore, study: str, profile: str, engine: str, name: str | None = None
) -> list[DrawnFigure]:
    """Return the records of a study's figures, or of one of them, the latest last."""
    with store.reading() as connection:
        rows = _records(connection, study, profile, engine, name)
        return [_drawn(connection, row) for row in rows]


def _drawn(connection: Connection, row: RowMapping) -> DrawnFigure:
    columns = [FIGURE_ROWS.c[field.name] for field in fields(FigureRow)]
    query = select(*columns).where(FIGURE_ROWS.c.figure_id == row["id"])
    found = connection.execute(query.order_by(FIGURE_ROWS.c.position)).mappings()
    about = {name: row[name] for name in row if name not in ("id", "state", "drawn")}
    about |= {name: json.loads(about[name]) for name in _AS_JSON}
    record = FigureRecord(**about, rows=tuple(FigureRow(**one) for one in found))
    return DrawnFigure(record=record, drawn=row["drawn"], files=_files(connection, row["id"]))


def _files(connection: Connection, figure_id: int) -> tuple[FigureFile, ...]:
    columns = [FIGURE_FILES.c[field.name] for field in fields(FigureFile)]
    query = select(*columns).where(FIGURE_FILES.c.figure_id == figure_id)
    found = connection.execute(query.order_by(FIGURE_FILES.c.name)).mappings()
    return tuple(FigureFile(**one) for one in found)


def calculation_rows(
    store: ResultStore, keys: Iterable[str], *, study: str, profile: str
) -> list[FigureRow]:
    """Return calculations as they are stored now, in the order of their keys' names.

    Their names are those the study knows them by.
    """
    named = (
        (USES.c.study == study) & (USES.c.profile == profile) & (USES.c.key == CALCULATIONS.c.key)
    )
    columns = (CALCULATIONS.c.key, CALCULATIONS.c.e0, CALCULATIONS.c.sha256, CALCULATIONS.c.formula)
    query = (
        select(*columns, func.min(USES.c.name).label("use"))
        .select_from(CALCULATIONS.outerjoin(USES, named))
        .where(CALCULATIONS.c.key.in_(sorted(set(keys))))
        .group_by(*columns)
    )
    with store.reading() as connection:
        found = connection.execute(query).mappings().all()
    rows = [
        FigureRow(
            kind="calculation",
            identity=row["key"],
            key=row["key"],
            name=f"{row['use'] or row['formula']} ({row['key'][:_SHORT]})",
            value=row["e0"],
            unit="eV",
            sha256=row["sha256"],
        )
        for row in found
    ]
    return sorted(rows, key=lambda row: (row.name, row.identity))


def array_rows(
    store: ResultStore, names: dict[str, str], patterns: Sequence[str]
) -> list[FigureRow]:
    """Return arrays of calculations as they are stored now.

    Parameters
    ----------
    names
        What readers call each calculation, by key.
    patterns
        Which arrays, such as ``dos.*``.
    """
    columns = (ARRAYS.c.key, ARRAYS.c.name, ARRAYS.c.sha256)
    query = select(*columns).where(ARRAYS.c.key.in_(sorted(names)))
    with store.reading() as connection:
        found = connection.execute(query).all()
    by_key = defaultdict[str, list[FigureRow]](list)
    for key, name, digest in sorted(map(tuple, found)):
        if any(fnmatch(name, pattern) for pattern in patterns):
            by_key[key].append(
                FigureRow(
                    kind="array",
                    identity=f"{key}:{name}",
                    key=key,
                    name=f"{name} of {names[key]}",
                    value=None,
                    unit="",
                    sha256=digest,
                )
            )
    return [row for key in names for row in by_key[key]]
