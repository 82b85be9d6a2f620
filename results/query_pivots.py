"""Pivot tables over the result database: grouped by the database, laid out by pandas."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, func, literal, select

from ..structures.errors import InputError
from .query_columns import QueryColumn, QueryTable, query_table
from .query_conditions import Conditions
from .query_language import Comparison, Joined, Node, parse_filter
from .querying import Database, default_database
from .read_only import opened_read_only

if TYPE_CHECKING:
    from pandas import DataFrame

AGGREGATES: dict[str, Any] = {"mean": func.avg, "min": func.min, "max": func.max, "sum": func.sum}
_UNMIXED = ("unit", "engine", "method")  # never joined into one number
_LOOKED_AT = 20_000  # rows whose references are compared
_LARGEST = 1_000_000  # cells
# Columns of the frame of cells; no column of the database has a colon in its name.
_CELL, _MET, _FIRST, _LAST = ":cell", ":met", ":first ", ":last "


def pivot(
    filter: str = "",
    *,
    rows: str | Sequence[str],
    columns: str,
    value: str | None = None,
    aggregate: str | None = None,
    of: str = "properties",
    database: Database | None = None,
) -> "DataFrame":
    """Return one number for each pair of a row and a column.

    Parameters
    ----------
    filter, of, database
        As in `query`.
    rows, columns
        Whose values name the rows (several: all their combinations) and the columns.
    value
        A column of numbers; by default ``value``, of calculations ``e0``, of legs ``energy``.
    aggregate
        "mean", "min", "max", "sum" or "count"; needed where several rows meet in one cell.

    Returns
    -------
    pandas.DataFrame
        ``attrs["units"]`` has the unit of each column whose numbers share one.

    Raises
    ------
    InputError
        Several rows meet in a cell and no aggregate is named, or they differ in unit, engine or
        method, which no aggregate may join.
    """
    with opened_read_only(database or default_database()) as connection:
        names = [word.strip() for word in rows.split(",")] if isinstance(rows, str) else list(rows)
        return read_pivot(
            connection, filter, rows=names, columns=columns, value=value, aggregate=aggregate, of=of
        )


def read_pivot(
    connection: Connection,
    text: str,
    *,
    rows: Sequence[str],
    columns: str,
    value: str | None,
    aggregate: str | None,
    of: str,
) -> "DataFrame":
    """Return a pivot table through an open connection; like `pivot`."""
    table = query_table(of)
    number = table.column(value or table.pivoted)
    if number.kind not in ("number", "count") and aggregate != "count":
        raise InputError(f"{number.name} is not a number, so it cannot be what a pivot is of")
    if aggregate not in (None, "count", *AGGREGATES):
        raise InputError(f"no aggregate {aggregate!r}: choose {', '.join(AGGREGATES)} or count")
    keys = [table.column(name) for name in (*rows, columns)]
    if len({key.name for key in keys}) < len(keys) or len(keys) < 2:
        raise InputError(f"a pivot needs different rows and columns, not {', '.join(rows)}")
    tree = parse_filter(text)
    conditions = Conditions(table, text, connection.dialect.name).clauses(tree)
    kinds = _kinds(table, tree, keys, number, aggregate)
    cells = _cells(connection, conditions, table, keys, number, aggregate, kinds)
    names = [key.name for key in keys]
    _refuse_mixed(cells, names, kinds)
    if aggregate is None:
        _refuse_several(cells, names, number)
    frame = _laid_out(cells, names, "" if "unit" in kinds else number.unit)
    if aggregate is not None:
        several = _references(connection, conditions, table, keys)
        frame.attrs["notes"] = [f"cells are the {aggregate} of their rows", *several]
    return frame


def _cells(
    connection: Connection,
    conditions: Sequence[Any],
    table: QueryTable,
    keys: Sequence[QueryColumn],
    number: QueryColumn,
    aggregate: str | None,
    kinds: Sequence[str],
) -> "DataFrame":
    """Return a row per cell: its keys, its number, how many there were, its kinds.

    A cell of several kinds has several rows, or the first and last of its kinds in one: which of
    the two costs less is a matter of the database, and it is felt with a million rows.
    """
    import pandas as pd  # slow to import

    chosen = AGGREGATES.get(aggregate or "min", func.count)(number.shown)
    met = literal(1) if aggregate else func.count(number.shown)
    shown = [table.columns[name].shown for name in kinds]
    grouped = [key.shown for key in keys]
    extremes: list[Any] = [extreme(kind) for kind in shown for extreme in (func.min, func.max)]
    if connection.dialect.name == "postgresql":
        grouped += shown
        extremes = [kind for kind in shown for _ in range(2)]
    statement = (
        select(*grouped[: len(keys)], chosen.label("cell"), met.label("met"), *extremes)
        .select_from(table.source)
        .where(*conditions)
        .group_by(*grouped)
        .limit(_LARGEST + 1)
    )
    found = connection.execute(statement).all()
    if len(found) > _LARGEST:
        raise InputError(f"the pivot has over {_LARGEST} cells: ask for fewer rows or columns")
    ends = [word for name in kinds for word in (_FIRST + name, _LAST + name)]
    labels = [*(key.name for key in keys), _CELL, _MET, *ends]
    cells = pd.DataFrame(dict(zip(labels, zip(*found, strict=True), strict=True)) if found else {})
    cells = cells.reindex(columns=labels)
    for label in {*labels} - {_CELL, _MET}:  # what is missing is equal to what is missing
        if cells[label].isna().any():
            cells[label] = cells[label].astype(object).fillna("")
    return cells if aggregate == "count" else cells.astype({_CELL: "float64"})


def _kinds(
    table: QueryTable,
    tree: Node | None,
    keys: Sequence[QueryColumn],
    number: QueryColumn,
    aggregate: str | None,
) -> list[str]:
    """Return the columns that must agree within a cell, and may not by the filter or the keys."""
    parts = tree.parts if isinstance(tree, Joined) and tree.by == "AND" else (tree,)
    fixed = {
        part.column.text for part in parts if isinstance(part, Comparison) and part.operator == "="
    }
    named = {key.name for key in keys}
    wanted = () if aggregate == "count" else _UNMIXED
    of_values = number.name == "value"  # other columns have one unit, and it stays in any case
    return [
        name
        for name in wanted
        if name in table.columns
        and name not in named
        and (of_values if name == "unit" else name not in fixed)
    ]


def _refuse_mixed(cells: "DataFrame", names: Sequence[str], kinds: Sequence[str]) -> None:
    """Refuse cells in which unlike numbers meet."""
    for name in kinds:
        first, last = cells[_FIRST + name], cells[_LAST + name]
        if (first != last).any():
            row = int((first != last).argmax())
            raise _mixed(cells, row, names, name, [first.iloc[row], last.iloc[row]])
    again = cells.duplicated(list(names))
    if again.any():
        row = int(again.argmax())
        same = (cells[list(names)] == cells.loc[row, list(names)]).all(axis=1)
        for name in kinds:
            found = cells.loc[same, _FIRST + name].unique().tolist()
            if len(found) > 1:
                raise _mixed(cells, row, names, name, found)


def _mixed(
    cells: "DataFrame", row: int, names: Sequence[str], kind: str, found: Sequence[Any]
) -> InputError:
    first, last = sorted(str(word) for word in found)[:: max(1, len(found) - 1)]
    return InputError(
        f"numbers of {kind} {first!r} and {last!r} meet in the cell {_where(cells, row, names)}: "
        f"filter for one of them, or make {kind} one of the rows"
    )


def _where(cells: "DataFrame", row: int, names: Sequence[str]) -> str:
    return " / ".join(str(cells[name].iloc[row]) for name in names)


def _references(
    connection: Connection,
    conditions: Sequence[Any],
    table: QueryTable,
    keys: Sequence[QueryColumn],
) -> list[str]:
    """Return a remark where numbers of several references were joined, as their first rows show."""
    column = table.columns.get("reference")
    if column is None or column in keys:
        return []
    first = select(column.shown).select_from(table.source).where(*conditions).limit(_LOOKED_AT)
    sample = first.subquery()
    found = connection.execute(select(sample.c[0]).distinct().limit(3)).scalars().all()
    if len(found) < 2:
        return []
    words = ", ".join(sorted(word or "none" for word in found))
    return [f"the rows are of several references ({words} ...): make reference one of the rows"]


def _refuse_several(cells: "DataFrame", names: Sequence[str], number: QueryColumn) -> None:
    """Refuse several numbers in a cell without a word what to do with them."""
    several = cells[_MET] > 1
    if several.any():
        row, n_cells = int(several.argmax()), int(several.sum())
        others = f", and in {n_cells - 1} more cells" if n_cells > 1 else ""
        raise InputError(
            f"{cells[_MET].iloc[row]} rows meet in the cell {_where(cells, row, names)}{others}: "
            f"name an aggregate ({', '.join(AGGREGATES)} or count), filter, or add a column such "
            f"as label to the rows. The pivot is of {number.name}."
        )


def _laid_out(cells: "DataFrame", names: Sequence[str], unit: str) -> "DataFrame":
    """Return the table; ``unit`` is that of all numbers where no column holds theirs."""
    *rows, columns = names
    frame = cells.pivot(index=rows, columns=columns, values=_CELL).reset_index()
    frame.columns.name = None
    units = dict.fromkeys(cells[columns].unique(), unit)
    if _FIRST + "unit" in cells:
        shared = cells.groupby(columns)[_FIRST + "unit"].agg(["nunique", "first"])
        units = shared["first"][shared["nunique"] == 1].to_dict()
    frame.attrs["units"] = {name: word for name, word in units.items() if word}
    frame.attrs["notes"] = []
    return frame
