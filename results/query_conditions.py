"""Conditions of the filter language as SQL expressions, every value a bound parameter."""

import json
import math
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, collate, func, not_, or_, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import GenericFunction

from .query_columns import QueryColumn, QueryTable
from .query_language import Comparison, FilterError, Joined, Node, Not, Word

_DAY = re.compile(r"\d{4}(-\d{2}(-\d{2})?)?")
_ORDERED = ("=", "!=", "<", "<=", ">", ">=")
_ALLOWED = {
    "text": (*_ORDERED, "CONTAINS", "STARTS WITH", "ENDS WITH", "HAS", "HAS ALL", "HAS ANY"),
    "number": _ORDERED,
    "count": _ORDERED,
    "date": _ORDERED,
    "elements": ("HAS", "HAS ALL", "HAS ANY", "HAS ONLY"),
    "json": ("CONTAINS",),
}
_ELEMENT = re.compile(r"[A-Z][a-z]?")


class _Position(GenericFunction[int]):
    """Where a text is found in another, counted from 1; case counts, as in `=`."""

    name = "heterofire_position"
    inherit_cache = True


@compiles(_Position)
def _strpos(element: Any, compiler: Any, **options: Any) -> str:
    return f"strpos({compiler.process(element.clauses, **options)})"


@compiles(_Position, "sqlite")
def _instr(element: Any, compiler: Any, **options: Any) -> str:
    return f"instr({compiler.process(element.clauses, **options)})"


_COMPARED: dict[str, Callable[[Any, Any], ColumnElement[bool]]] = {
    "=": lambda column, value: column == value,
    "HAS": lambda column, value: column == value,
    "!=": lambda column, value: column != value,
    "<": lambda column, value: column < value,
    "<=": lambda column, value: column <= value,
    ">": lambda column, value: column > value,
    ">=": lambda column, value: column >= value,
    "CONTAINS": lambda column, value: _Position(column, value) > 0,
    "STARTS WITH": lambda column, value: func.substr(column, 1, len(value)) == value,
    "ENDS WITH": lambda column, value: (
        func.substr(column, func.length(column) - len(value) + 1) == value
    ),
}


class Conditions:
    """Builds the WHERE clause of one filter on one table.

    Parameters
    ----------
    table
        What is asked.
    text
        The filter, for messages.
    dialect
        Of the database: PostgreSQL is told to order text by code points, as SQLite does.
    """

    def __init__(self, table: QueryTable, text: str, dialect: str) -> None:
        self._table = table
        self._text = text
        self._is_postgresql = dialect == "postgresql"

    def clauses(self, tree: Node | None) -> list[Any]:
        """Return what ``where`` takes: nothing for an empty filter, see `of`."""
        return [] if tree is None else [self.of(tree)]

    def of(self, node: Node) -> Any:
        """Return the SQLAlchemy expression of a tree.

        Raises
        ------
        FilterError
            An unknown column, or a value or operator that does not fit its column.
        """
        if isinstance(node, Not):
            return not_(self.of(node.part))
        if isinstance(node, Comparison):
            return self._test(node)
        if node.by == "OR":
            return or_(*(self.of(part) for part in node.parts))
        return self._all(node)

    def _all(self, node: Joined) -> ColumnElement[bool]:
        """Return conditions that all hold; those about runs hold for one and the same run."""
        parts = _flat(node)
        of_runs = [
            part for part in parts if isinstance(part, Comparison) and self._is_of_one_run(part)
        ]
        others = [self.of(part) for part in parts if part not in of_runs]
        if of_runs:
            inner = and_(*(self._condition(part, self._column(part)) for part in of_runs))
            others.append(self._some_run(inner, of_runs))
        return and_(*others)

    def _is_of_one_run(self, test: Comparison) -> bool:
        """Return whether a condition is about a run and can be met by a single one."""
        column = self._column(test)
        several = test.operator == "HAS ALL" and column.kind == "text"
        return column.of_runs and not several and test.operator not in ("!=", "IS UNKNOWN")

    def _column(self, test: Comparison) -> QueryColumn:
        name = test.column.text
        if name not in self._table.columns:
            raise FilterError(self._text, test.column.position, self._table.unknown(name))
        return self._table.columns[name]

    def _test(self, test: Comparison) -> Any:
        column = self._column(test)
        if not column.of_runs:
            return self._condition(test, column)
        if test.operator == "HAS ALL" and column.kind == "text":
            single = [
                Comparison(column=test.column, operator="HAS", values=(value,))
                for value in test.values
            ]
            return and_(*(self._test(part) for part in single))
        if test.operator in ("!=", "IS UNKNOWN"):  # of none of them
            opposite = "=" if test.operator == "!=" else "IS KNOWN"
            turned = Comparison(column=test.column, operator=opposite, values=test.values)
            return not_(self._test(turned))
        return self._some_run(self._condition(test, column), [test])

    def _some_run(self, condition: ColumnElement[bool], tests: Sequence[Comparison]) -> Any:
        """Return that a condition holds for a run of the row."""
        table = self._table
        used = {self._column(test).tested.table for test in tests}
        joined = [link for other, link in table.links.items() if other in used]
        runs = select(table.inner).where(condition, *joined)
        # Not the same as the second half alone: an electron has no run, and is not unknown for it.
        return and_(table.outer.is_not(None), table.outer.in_(runs))

    def _condition(self, test: Comparison, column: QueryColumn) -> Any:
        """Return a condition on the column itself."""
        if test.operator in ("IS KNOWN", "IS UNKNOWN"):
            known = _is_known(column)
            return known if test.operator == "IS KNOWN" else not_(known)
        if test.operator not in _ALLOWED[column.kind]:
            raise FilterError(
                self._text,
                test.column.position,
                f"{column.name} is not asked with {test.operator}; "
                f"it takes {', '.join(_ALLOWED[column.kind])}, IS KNOWN, IS UNKNOWN",
            )
        values = [self._value(word, column, test.operator) for word in test.values]
        if column.kind == "elements":
            return _has_elements(column.tested, test.operator, values)
        if column.kind == "date":
            return self._dated(column.tested, test.operator, values[0])
        return self._compared(column, test.operator, values)

    def _compared(self, column: QueryColumn, operator: str, values: list[Any]) -> Any:
        tested, value = column.tested, values[0]
        if operator == "HAS ANY":
            return tested.in_(values)
        if operator == "HAS ALL":
            return and_(*(tested == one for one in values))
        if operator[0] in "<>" and column.kind == "text":
            tested = self._by_code(tested)
        return _COMPARED[operator](tested, value)

    def _dated(self, tested: Any, operator: str, value: str) -> ColumnElement[bool]:
        """Compare ISO dates as text: a day is less than any time of it."""
        if operator in ("=", "!="):
            same = func.substr(tested, 1, len(value)) == value
            return same if operator == "=" else not_(same)
        return and_(tested != "", _COMPARED[operator](self._by_code(tested), value))

    def _by_code(self, tested: Any) -> Any:
        return collate(tested, "C") if self._is_postgresql else tested

    def _value(self, word: Word, column: QueryColumn, operator: str) -> Any:
        if column.kind in ("number", "count"):
            return self._number(word, column)
        if column.kind == "date":
            return self._date(word, column)
        if column.kind == "json":
            return json.dumps(word.text)[1:-1]  # as it stands in the database
        if column.kind == "elements" and not _ELEMENT.fullmatch(word.text):
            raise FilterError(self._text, word.position, "expected an element such as Li")
        return word.text

    def _number(self, word: Word, column: QueryColumn) -> float:
        try:
            number = float(word.text)
        except ValueError:
            number = math.nan
        if not math.isfinite(number) or "_" in word.text:
            unit = f" in {column.unit}" if column.unit else ""
            raise FilterError(
                self._text, word.position, f"{column.name} is a number{unit}, such as -1.5"
            )
        return number

    def _date(self, word: Word, column: QueryColumn) -> str:
        """Return a date as it is stored: ISO 8601 in UTC, as much of it as is given."""
        text = word.text.strip()
        try:
            if _DAY.fullmatch(text):
                datetime.fromisoformat(f"{text}-01-01"[:10] if len(text) < 10 else text)
                return text
            moment = datetime.fromisoformat(text)
        except ValueError as error:
            raise FilterError(
                self._text,
                word.position,
                f"{column.name} is a date such as 2026-11-01 or 2026-11-01T14:30 (UTC)",
            ) from error
        utc = moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
        return utc.replace(tzinfo=None).isoformat(timespec="seconds")


def _flat(node: Joined) -> list[Node]:
    """Return the parts of a conjunction, those of conjunctions in brackets among them."""
    parts: list[Node] = []
    for part in node.parts:
        parts += _flat(part) if isinstance(part, Joined) and part.by == "AND" else [part]
    return parts


def _is_known(column: QueryColumn) -> ColumnElement[bool]:
    tested = column.tested
    if column.kind in ("number", "count"):
        return tested.is_not(None)
    if column.kind == "json":
        return tested.not_in(("[]", "{}", ""))
    if column.kind == "elements":
        tested = func.trim(tested)
    return and_(tested.is_not(None), tested != "")


def _has_elements(tested: Any, operator: str, symbols: list[str]) -> ColumnElement[bool]:
    """Compare with the column's text, which has a space around each symbol."""
    each = [_Position(tested, f" {symbol} ") > 0 for symbol in symbols]
    if operator == "HAS ONLY":
        rest = tested
        for symbol in dict.fromkeys(symbols):
            rest = func.replace(rest, f" {symbol} ", "  ")
        return and_(tested != "", func.trim(rest) == "")
    return or_(*each) if operator == "HAS ANY" else and_(*each)
