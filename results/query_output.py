"""Rows of a query as files: what is large is written as it comes from the database."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO

from sqlalchemy import Connection

from ..structures.errors import InputError
from .query_columns import QueryColumn
from .querying import SEVERAL_UNITS, Asked, Query, read_frame, streamed, understand, units_of

if TYPE_CHECKING:
    from pandas import DataFrame

_NOTE_JOINT = " | "  # as in `tables`, between notes, which may hold any other sign
_LISTS = ("notes", "corrections")
FORMATS = ("table", "csv", "json", "jsonl", "parquet", "latex")
_SUFFIXES = {
    **{"txt": "table", "csv": "csv", "json": "json", "jsonl": "jsonl", "ndjson": "jsonl"},
    **{"parquet": "parquet", "pq": "parquet", "tex": "latex"},
}


def format_of(path: str | None, asked: str | None) -> str:
    """Return the format to write: the one asked for, else that of the file's name.

    Raises
    ------
    InputError
        No such format, or Parquet without a file.

    Examples
    --------
    >>> format_of("rows.csv", None), format_of(None, None)
    ('csv', 'table')
    """
    ending = (path or "").rpartition(".")[2].lower()
    chosen = asked or _SUFFIXES.get(ending, "table")
    if chosen == "text":  # what `heterofire table` calls it
        chosen = "table"
    if chosen not in FORMATS:
        raise InputError(f"no format {chosen!r}: choose among {', '.join(FORMATS)}")
    if chosen == "parquet" and path is None:
        raise InputError("Parquet is not text: name a file with -o rows.parquet")
    return chosen


def write_rows(connection: Connection, question: Query, fmt: str, out: BinaryIO) -> int:
    """Write a query's rows in one of `FORMATS`; return how many there were.

    CSV, JSON and Parquet are written in batches as the rows come, so that a million of them need
    no more memory than a few thousand.

    Raises
    ------
    InputError
        The query cannot be understood, or pyarrow is not installed.
    """
    if fmt in _STREAMED:
        asked = understand(question, connection.dialect.name)
        return _STREAMED[fmt](connection, asked, out)
    frame = read_frame(connection, question)
    text = frame_text(frame) if fmt == "table" else frame_latex(frame, question)
    out.write(f"{text}\n".encode())
    return len(frame)


def plain(column: QueryColumn, value: Any) -> Any:
    """Return a cell as text or number: lists of notes in one line, other JSON as it is."""
    if column.name in _LISTS and value is not None:
        return _NOTE_JOINT.join(json.loads(value))
    return value


def _structured(column: QueryColumn, value: Any) -> Any:
    """Return a cell for JSON, which can hold what the database has as JSON."""
    return json.loads(value) if column.kind == "json" and value else value


def _write_csv(connection: Connection, asked: Asked, out: BinaryIO) -> int:
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow([column.name for column in asked.columns])
    n_rows = 0
    for batch in _batches(connection, asked):
        n_rows += len(batch)
        rows.writerows(_plain_rows(asked.columns, batch))
        out.write(text.getvalue().encode())
        text.seek(0)
        text.truncate()
    out.write(text.getvalue().encode())  # the head, where there are no rows
    return n_rows


def _plain_rows(
    columns: Sequence[QueryColumn], batch: Sequence[tuple[Any, ...]]
) -> Iterable[Sequence[Any]]:
    if not any(column.name in _LISTS for column in columns):
        return batch
    return ([plain(c, v) for c, v in zip(columns, row, strict=True)] for row in batch)


def _write_jsonl(connection: Connection, asked: Asked, out: BinaryIO) -> int:
    n_rows = 0
    for batch in _batches(connection, asked):
        out.write("".join(f"{row}\n" for row in _json_rows(asked, batch)).encode())
        n_rows += len(batch)
    return n_rows


def _write_json(connection: Connection, asked: Asked, out: BinaryIO) -> int:
    n_rows = 0
    for batch in _batches(connection, asked):
        rows = ",\n  ".join(_json_rows(asked, batch))
        out.write(f"{',' if n_rows else '['}\n  {rows}".encode())
        n_rows += len(batch)
    out.write(b"\n]\n" if n_rows else b"[]\n")
    return n_rows


def _json_rows(asked: Asked, batch: Iterable[tuple[Any, ...]]) -> Iterator[str]:
    for row in batch:
        cells = {c.name: _structured(c, v) for c, v in zip(asked.columns, row, strict=True)}
        yield json.dumps(cells, ensure_ascii=False)


def _write_parquet(connection: Connection, asked: Asked, out: BinaryIO) -> int:
    pyarrow, parquet = _pyarrow()
    units = units_of(asked.columns)
    if units.get("value") == SEVERAL_UNITS:
        units["value"] = _unit_of_values(connection, asked)
    fields = [_field(pyarrow, column, units.get(column.name, "")) for column in asked.columns]
    about = {"heterofire": json.dumps({"query": vars(asked.query), "units": units})}
    schema = pyarrow.schema(fields, metadata=about)
    n_rows = 0
    with parquet.ParquetWriter(out, schema) as writer:
        for batch in _batches(connection, asked):
            columns = zip(*_plain_rows(asked.columns, batch), strict=True)
            arrays = [
                pyarrow.array(values, type=field.type)
                for values, field in zip(columns, fields, strict=True)
            ]
            writer.write_table(pyarrow.Table.from_arrays(arrays, schema=schema))
            n_rows += len(batch)
    return n_rows


def _pyarrow() -> tuple[Any, Any]:
    """Return the optional package that writes Parquet."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ModuleNotFoundError as error:
        raise InputError(
            "Parquet needs pyarrow, which is not installed: pip install 'heterofire[parquet]', "
            "or choose --format csv."
        ) from error
    return pyarrow, parquet


def _field(pyarrow: Any, column: QueryColumn, unit: str) -> Any:
    kinds = {"number": pyarrow.float64(), "count": pyarrow.int64()}
    about = {"unit": unit} if unit else None
    return pyarrow.field(column.name, kinds.get(column.kind, pyarrow.string()), metadata=about)


def _unit_of_values(connection: Connection, asked: Asked) -> str:
    """Return the unit that all values share, before any of them is written."""
    statement = asked.statement.with_only_columns(asked.table.columns["unit"].shown)
    units = statement.order_by(None).limit(None).distinct().limit(2)
    found = connection.execute(units).scalars().all()
    return found[0] if len(found) == 1 else SEVERAL_UNITS


def _batches(connection: Connection, asked: Asked) -> Iterator[Sequence[tuple[Any, ...]]]:
    with streamed(connection, asked) as stream:
        yield from stream.batches


def frame_text(frame: "DataFrame") -> str:
    """Return rows as an aligned table, units of energies and forces in a line below."""
    from .tables import to_text  # slow: pandas

    units = frame.attrs.get("units", {})
    rest = {name: unit for name, unit in units.items() if name != "value"}
    text = to_text(_readable(frame), written=_written)
    if not rest or frame.empty:
        return text
    return f"{text}\nunits: {', '.join(f'{name} {unit}' for name, unit in rest.items())}"


def frame_latex(frame: "DataFrame", question: Query | None = None) -> str:
    """Return rows as a LaTeX table (booktabs), units in its head where all rows share them."""
    from .tables import to_latex  # slow: pandas

    units = dict(frame.attrs.get("units", {}))
    if units.get("value") == SEVERAL_UNITS:
        del units["value"]
    elif "value" in units and "unit" in frame:
        frame = frame.drop(columns="unit")
    text = to_latex(_readable(frame), units=units, written=_written)
    asked = " ".join((question.filter if question else "").split())
    return f"% heterofire query: {asked}\n{text}" if asked else text


def _readable(frame: "DataFrame") -> "DataFrame":
    lists = [name for name in _LISTS if name in frame]
    return frame.assign(
        **{name: frame[name].map(lambda v: _NOTE_JOINT.join(json.loads(v))) for name in lists}
    )


def _written(value: object) -> str:
    """Return a cell for readers: 3 decimals, more digits where these would say nothing.

    Examples
    --------
    >>> _written(-1.50049), _written(0.00031), _written(0.0), _written(None)
    ('-1.500', '3.10e-04', '0.000', '-')
    """
    if value is None or value != value:  # noqa: PLR0124 - NaN
        return "-"
    if not isinstance(value, float):
        return str(value)
    if value and not 0.01 <= abs(value) < 1e7:
        return f"{value:.2e}"
    return f"{value:.3f}"


_STREAMED: dict[str, Callable[[Connection, Asked, BinaryIO], int]] = {
    "csv": _write_csv,
    "json": _write_json,
    "jsonl": _write_jsonl,
    "parquet": _write_parquet,
}
