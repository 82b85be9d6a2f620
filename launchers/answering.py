"""Answers to questions about the result database, for the terminal and as files."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from ..results.query_output import format_of, frame_latex, frame_text, write_rows
from ..results.query_sql import run_sql
from ..results.querying import Query, count_rows, remarks, statement_text
from ..results.read_only import opened_read_only
from ..structures.errors import InputError
from ..structures.files import atomic_stream, write_atomic, write_error

if TYPE_CHECKING:
    from pandas import DataFrame

_SHOWN = 10_000  # rows that a table has unless more are asked for


@dataclass(frozen=True, kw_only=True)
class Answer:
    """How an answer is wanted."""

    database: str
    fmt: str | None = None
    output: Path | None = None
    ase: Path | None = None
    sql: str | None = None
    time_limit_s: float = 60.0
    pivot: tuple[str, str] | None = None
    value: str | None = None
    aggregate: str | None = None
    count: bool = False
    dry_run: bool = False


def answer(question: Query, wanted: Answer) -> None:
    """Print or write what was asked for; remarks go to stderr.

    Raises
    ------
    InputError
        The question cannot be understood, or two kinds of answer are wanted at once.
    """
    _refuse_contradictions(question, wanted)
    fmt = format_of(str(wanted.output) if wanted.output else None, wanted.fmt)
    with opened_read_only(wanted.database) as connection:
        if wanted.sql is not None:
            _answer_sql(connection, question, wanted, fmt)
        elif wanted.dry_run:
            _print_statement(connection, question)
        elif wanted.count:
            print(count_rows(connection, question))
        elif wanted.pivot:
            _answer_pivot(connection, question, wanted, fmt)
        elif wanted.ase:
            _write_ase(connection, question, wanted.ase)
        else:
            _answer_rows(connection, question, wanted, fmt)


def print_columns(of: str, *, as_json: bool) -> None:
    """Print the columns that can be asked about, with their kinds and units."""
    from ..results.query_columns import query_table

    rows = [
        {
            "column": column.name,
            "kind": column.kind,
            "unit": column.unit,
            "of": "any of its runs" if column.of_runs else "",
        }
        for column in query_table(of).columns.values()
    ]
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    for row in rows:
        print(f"{row['column']:<16}{row['kind']:<10}{row['unit']:<14}{row['of']}".rstrip())


def _refuse_contradictions(question: Query, wanted: Answer) -> None:
    kinds = {
        "--sql": wanted.sql is not None,
        "--count": wanted.count,
        "--pivot": wanted.pivot is not None,
        "--ase": wanted.ase is not None,
    }
    named = [name for name, is_wanted in kinds.items() if is_wanted]
    if len(named) > 1:
        raise InputError(f"{' and '.join(named)} are different answers: ask for one at a time.")
    if wanted.sql is not None and (question.filter or question.sort or question.columns):
        raise InputError("--sql says all itself: leave out the filter, --sort and --columns.")
    if wanted.pivot and (question.sort or question.columns or question.limit):
        raise InputError("--pivot has rows and columns of its own: no --sort, --limit, --columns.")
    if not wanted.pivot and (wanted.value or wanted.aggregate):
        raise InputError("--value and --aggregate are for --pivot ROWS COLUMNS.")
    if (wanted.count or wanted.ase) and (wanted.fmt or wanted.output):
        raise InputError(f"{named[0]} has no --format and no --output.")


def _answer_rows(connection: Connection, question: Query, wanted: Answer, fmt: str) -> None:
    limited = question
    if fmt == "table" and question.limit is None:
        limited = Query(**vars(question) | {"limit": _SHOWN})
    if wanted.output:
        with atomic_stream(wanted.output) as stream:
            n_rows = write_rows(connection, limited, fmt, stream)
        print(f"{n_rows} rows in {wanted.output}", file=sys.stderr)
    else:
        with _to_stdout():
            n_rows = write_rows(connection, limited, fmt, sys.stdout.buffer)
            sys.stdout.buffer.flush()
    for remark in remarks(connection, question, n_rows):
        print(f"note: {remark}", file=sys.stderr)
    if limited is not question and n_rows == _SHOWN:
        print(f"note: the first {_SHOWN} rows; --limit or --format csv for more", file=sys.stderr)


def _answer_pivot(connection: Connection, question: Query, wanted: Answer, fmt: str) -> None:
    from ..results.query_pivots import read_pivot

    rows, columns = wanted.pivot or ("", "")
    frame = read_pivot(
        connection,
        question.filter,
        rows=[word.strip() for word in rows.split(",")],
        columns=columns.strip(),
        value=wanted.value,
        aggregate=wanted.aggregate,
        of=question.of,
    )
    for remark in frame.attrs["notes"]:
        print(f"note: {remark}", file=sys.stderr)
    if fmt == "latex":
        _hand_out(f"{frame_latex(frame, question)}\n".encode(), wanted)
        return
    units = frame.attrs["units"]
    frame.attrs = {}
    heads = {name: f"{name} ({unit})" for name, unit in units.items() if unit}
    _hand_out_frame(frame.rename(columns=heads), wanted, fmt)


def _answer_sql(connection: Connection, question: Query, wanted: Answer, fmt: str) -> None:
    import pandas as pd  # slow to import

    names, rows, is_cut = run_sql(
        connection, wanted.sql or "", limit=question.limit, time_limit_s=wanted.time_limit_s
    )
    _hand_out_frame(pd.DataFrame.from_records(rows, columns=names), wanted, fmt)
    if is_cut:
        print(f"note: the first {len(rows)} rows; --limit for more", file=sys.stderr)


def _hand_out_frame(frame: "DataFrame", wanted: Answer, fmt: str) -> None:
    from ..results import tables

    writers = {
        "table": lambda: f"{frame_text(frame)}\n",
        "latex": lambda: f"{frame_latex(frame)}\n",
        "csv": lambda: tables.to_csv(frame),
        "json": lambda: tables.to_json(frame),
        "jsonl": lambda: frame.to_json(orient="records", lines=True, force_ascii=False),
    }
    if fmt not in writers:
        raise InputError(f"only rows of a filter go to {fmt}: choose {', '.join(writers)}")
    _hand_out(writers[fmt]().encode(), wanted)


def _hand_out(data: bytes, wanted: Answer) -> None:
    if wanted.output:
        write_atomic(wanted.output, data)
        print(f"written to {wanted.output}", file=sys.stderr)
    else:
        with _to_stdout():
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()


@contextmanager
def _to_stdout() -> Iterator[None]:
    """Say where output ended when the disk behind it is full."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise write_error(Path("standard output"), error) from error


def _write_ase(connection: Connection, question: Query, path: Path) -> None:
    from ..results.ase_output import write_ase

    def tell(n_written: int, n_all: int) -> None:
        print(f"\r{n_written} of {n_all} calculations", end="", file=sys.stderr, flush=True)

    n_written = write_ase(
        connection, question, path, progress=tell if sys.stderr.isatty() else None
    )
    print(f"{n_written} calculations in {path}", file=sys.stderr)


def _print_statement(connection: Connection, question: Query) -> None:
    text, values = statement_text(connection, question)
    print(text)
    for name, value in values.items():
        print(f"  {name} = {value!r}")
