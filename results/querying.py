"""Questions to the result database: ``results.query`` and the stream of rows behind it."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Select, collate, func, select

from ..structures.errors import InputError
from .query_columns import QueryColumn, QueryTable, query_table
from .query_conditions import Conditions
from .query_language import Comparison, Node, Not, all_tests, parse_filter
from .read_only import opened_read_only

if TYPE_CHECKING:
    from pandas import DataFrame

Database = str | os.PathLike[str]
SEVERAL_UNITS = "see column unit"
_BATCH = 2_000  # rows held at a time when they are streamed
_LISTED = 6  # values named where a filter matches nothing


@dataclass(frozen=True, kw_only=True)
class Query:
    """One question: which rows of what, in which order, and which of their columns."""

    filter: str = ""
    of: str = "properties"  # or "calculations", "legs"
    sort: tuple[str, ...] = ()  # "value", "value:desc"
    limit: int | None = None
    columns: tuple[str, ...] = ()  # the usual ones when empty


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A query that was understood."""

    query: Query
    table: QueryTable
    tree: Node | None
    columns: tuple[QueryColumn, ...]
    statement: Select[Any]


@dataclass(frozen=True)
class RowStream:
    """Rows as they come from the database, in batches."""

    columns: tuple[QueryColumn, ...]
    batches: Iterator[Sequence[tuple[Any, ...]]]


def query(
    filter: str = "",
    *,
    of: str = "properties",
    sort: str | Sequence[str] = (),
    limit: int | None = None,
    columns: str | Sequence[str] = (),
    database: Database | None = None,
) -> "DataFrame":
    """Return the rows of the result database that a filter describes.

    Parameters
    ----------
    filter
        Such as ``model = "MoS2@NC" AND value < -1``; empty for all rows. See docs/query.md.
    of
        "properties", "calculations" or "legs".
    sort
        Columns, ``:desc`` behind one for the largest first; what is not known comes last.
    limit
        At most so many rows.
    columns
        Which to return, in this order; by default the usual ones.
    database
        A file or URL; by default what HETEROFIRE_DB names, else results.db in this folder.

    Returns
    -------
    pandas.DataFrame
        ``attrs["units"]`` has the unit of each column that has one, ``attrs["notes"]`` what a
        reader should know, such as why there are no rows.

    Raises
    ------
    InputError
        The filter or a column cannot be understood; says where.
    StoreError
        The database cannot be read.
    """
    asked = ask(filter, of=of, sort=sort, limit=limit, columns=columns)
    with opened_read_only(database or default_database()) as connection:
        return read_frame(connection, asked)


def ask(
    text: str,
    *,
    of: str = "properties",
    sort: str | Sequence[str] = (),
    limit: int | None = None,
    columns: str | Sequence[str] = (),
) -> Query:
    """Return a query; several columns may be one text with commas."""
    return Query(filter=text, of=of, sort=_words(sort), limit=limit, columns=_words(columns))


def default_database() -> str:
    """Return the database that a notebook in a project folder means."""
    return os.environ.get("HETEROFIRE_DB") or "results.db"


def _words(text: str | Sequence[str]) -> tuple[str, ...]:
    parts = text.split(",") if isinstance(text, str) else text
    return tuple(word.strip() for word in parts if word.strip())


def understand(question: Query, dialect: str) -> Asked:
    """Return a query's statement; refuses what it cannot mean.

    Raises
    ------
    InputError
        An unknown table or column, or a filter that cannot be read.
    """
    table = query_table(question.of)
    tree = parse_filter(question.filter)
    if question.limit is not None and question.limit < 1:
        raise InputError(f"limit {question.limit}: ask for at least one row, or use --count")
    columns = _chosen(table, question.columns)
    statement = (
        select(*(column.shown for column in columns))
        .select_from(table.source)
        .where(*Conditions(table, question.filter, dialect).clauses(tree))
        .order_by(*_order(table, question.sort, dialect))
        .limit(question.limit)
    )
    return Asked(query=question, table=table, tree=tree, columns=columns, statement=statement)


def _chosen(table: QueryTable, names: Sequence[str]) -> tuple[QueryColumn, ...]:
    """Return the columns asked for; a value never goes without its unit."""
    chosen = list(dict.fromkeys(names or table.usual))
    if "value" in chosen and "unit" not in chosen:
        chosen.insert(chosen.index("value") + 1, "unit")
    return tuple(table.column(name) for name in chosen)


def _order(table: QueryTable, sort: Sequence[str], dialect: str) -> Iterator[Any]:
    """Yield the order of the rows, the same each time; what is not known comes last."""
    for word in sort:
        name, _, direction = word.partition(":")
        if direction not in ("", "asc", "desc"):
            raise InputError(f"cannot sort by {word!r}: write {name}, {name}:asc or {name}:desc")
        column = table.column(name)
        key = column.shown
        if dialect == "postgresql" and column.kind not in ("number", "count"):
            key = collate(key, "C")
        ordered = key.desc() if direction == "desc" else key.asc()
        yield ordered.nulls_last() if column.is_nullable else ordered
    yield from table.order


@contextmanager
def streamed(connection: Connection, asked: Asked) -> Iterator[RowStream]:
    """Yield the rows in batches, never all of them in memory."""
    options = {"stream_results": True, "yield_per": _BATCH}
    with connection.execute(asked.statement, execution_options=options) as result:
        batches = ([tuple(row) for row in part] for part in result.partitions())
        yield RowStream(asked.columns, batches)


def count_rows(connection: Connection, question: Query) -> int:
    """Return how many rows a query has, its limit left aside."""
    bare = replace(question, sort=(), limit=None, columns=())
    asked = understand(bare, connection.dialect.name)
    counted = asked.statement.order_by(None).with_only_columns(func.count())
    return int(connection.execute(counted).scalar_one())


def read_frame(connection: Connection, question: Query) -> "DataFrame":
    """Return a query's rows as a DataFrame with units and notes in its ``attrs``."""
    import pandas as pd  # slow to import, and no stream needs it

    asked = understand(question, connection.dialect.name)
    rows = connection.execute(asked.statement).all()
    frame = pd.DataFrame.from_records(
        [tuple(row) for row in rows], columns=[column.name for column in asked.columns]
    )
    numbers = [column.name for column in asked.columns if column.kind == "number"]
    frame = frame.astype(dict.fromkeys(numbers, "float64"))
    frame.attrs["units"] = units_of(asked.columns, frame)
    frame.attrs["notes"] = remarks(connection, question, len(frame))
    return frame


def units_of(columns: Sequence[QueryColumn], frame: "DataFrame | None" = None) -> dict[str, str]:
    """Return the unit of each column that has one; of values, that of all rows if they share it."""
    units = {column.name: column.unit for column in columns if column.unit}
    if any(column.name == "value" for column in columns):
        found = [] if frame is None else frame["unit"].unique().tolist()
        units["value"] = found[0] if len(found) == 1 else SEVERAL_UNITS
    return units


def remarks(connection: Connection, question: Query, n_rows: int) -> list[str]:
    """Return what a reader of the rows should know and cannot see from them."""
    asked = understand(question, connection.dialect.name)
    if not n_rows:
        return why_nothing(connection, asked)
    shown = {column.name for column in asked.columns}
    if not any(column.kind == "number" for column in asked.columns):
        return []
    notes = []
    for name in {"engine", "method"} - shown:
        column = asked.table.columns[name].shown
        statement = asked.statement.with_only_columns(column).order_by(None).limit(None)
        words = connection.execute(statement.distinct().limit(_LISTED)).scalars()
        found = sorted(words)
        if len(found) > 1:
            notes.append(
                f"the rows are of several {name}s ({'; '.join(found)}): "
                f"show the column {name}, or ask for one of them"
            )
    return notes


def why_nothing(connection: Connection, asked: Asked) -> list[str]:
    """Return which values of a filter occur nowhere, with those that do."""
    notes = []
    for test in _asked_values(asked.tree):
        column = asked.table.columns[test.column.text]
        if column.kind != "text":
            continue
        for word in test.values:
            if _occurs(connection, column, word.text):
                continue
            known = _known_values(connection, column)
            shown = get_close_matches(word.text, known, n=3, cutoff=0.5)
            shown += [value for value in known if value not in shown]
            more = f" and {len(known) - _LISTED} more" if len(known) > _LISTED else ""
            notes.append(
                f"there is no {column.name} {word.text!r}; known are "
                f"{', '.join(shown[:_LISTED]) or 'none'}{more}"
            )
    return notes


def _asked_values(tree: Node | None) -> Iterator[Comparison]:
    """Yield the tests that name whole values and are not turned around."""
    if isinstance(tree, Not):
        return
    if isinstance(tree, Comparison) or tree is None:
        tests = list(all_tests(tree))
        yield from (test for test in tests if test.operator in ("=", "HAS", "HAS ALL", "HAS ANY"))
        return
    for part in tree.parts:
        yield from _asked_values(part)


def _occurs(connection: Connection, column: QueryColumn, value: str) -> bool:
    found = select(column.tested).where(column.tested == value).limit(1)
    return connection.execute(found).first() is not None


def _known_values(connection: Connection, column: QueryColumn) -> list[str]:
    values = select(column.tested).where(column.tested != "").distinct().limit(10_000)
    return sorted(connection.execute(values).scalars())


def statement_text(connection: Connection, question: Query) -> tuple[str, Mapping[str, Any]]:
    """Return the SQL of a query and the values bound to it, without running it."""
    statement = understand(question, connection.dialect.name).statement
    compiled = statement.compile(dialect=connection.dialect)
    return str(compiled), dict(compiled.params)
