"""What can be asked of the result database: its tables, their columns, units and relations."""

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Literal

from sqlalchemy import Column, ColumnElement, FromClause, Select, Table, func, select

from ..structures.errors import InputError
from .schema import CALCULATIONS, LEGS, PROPERTIES, SOURCES, USES

Kind = Literal["text", "number", "count", "date", "elements", "json"]
JOINT = " | "  # between the words of several runs
_UNITS = {
    **dict.fromkeys(("e0", "free_energy", "e_wo_entropy", "efermi", "energy"), "eV"),
    "max_force": "eV/Angstrom",
    "charge": "e",
    "magnetization": "Bohr magneton",
    "elapsed_s": "s",
}
_KINDS: dict[str, Kind] = {
    **dict.fromkeys(("e0", "free_energy", "e_wo_entropy", "efermi", "max_force"), "number"),
    **dict.fromkeys(("charge", "n_electrons", "magnetization", "elapsed_s"), "number"),
    **dict.fromkeys(("value", "energy", "factor"), "number"),
    **dict.fromkeys(("n_atoms", "n_ionic_steps", "id", "position", "property_id"), "count"),
    **dict.fromkeys(("created", "derived"), "date"),
    "elements": "elements",
    **dict.fromkeys(("detail", "notes", "corrections", "settings", "incar"), "json"),
    **dict.fromkeys(("kpoints", "details"), "json"),
}
_OTHER_WORDS = {  # what people type: what is meant
    "property": "quantity",
    "site": "label",
    "energy": "e0",
    "total_energy": "e0",
    "functional": "method",
    "date": "created",
    "time": "created",
    "calculation": "key",
    "run": "key",
    "natoms": "n_atoms",
    "species": "elements",
    "hash": "sha256",
}


@dataclass(frozen=True, kw_only=True)
class QueryColumn:
    """One column that can be asked about and shown."""

    name: str
    kind: Kind
    shown: ColumnElement[Any]  # what stands in the rows
    tested: ColumnElement[Any]  # what conditions are about
    unit: str = ""
    is_nullable: bool = False
    of_runs: bool = False  # a row has as many of them as it has runs, or uses


@dataclass(frozen=True, kw_only=True)
class QueryTable:
    """A table with what belongs to its rows in other tables."""

    name: str
    source: FromClause
    columns: Mapping[str, QueryColumn]
    usual: tuple[str, ...]  # columns shown unless others are asked for
    order: tuple[ColumnElement[Any], ...]  # unique, so that equal rows keep their order
    pivoted: str  # the number that a pivot is of
    outer: ColumnElement[Any]  # by which rows and their runs know each other
    inner: ColumnElement[Any]
    links: Mapping[Table, ColumnElement[bool]]  # how further tables join the inner one

    def column(self, name: str) -> QueryColumn:
        """Return a column by its name.

        Raises
        ------
        InputError
            There is none; names those that come near.
        """
        if name not in self.columns:
            raise InputError(self.unknown(name))
        return self.columns[name]

    def unknown(self, name: str) -> str:
        """Return the words for a column that is not there.

        Examples
        --------
        >>> TABLES["properties"].unknown("quantiy")
        "properties have no column 'quantiy'; did you mean quantity?"
        """
        problem = f"{self.name} have no column {name!r}"
        near = get_close_matches(name, self.columns, n=3, cutoff=0.6)
        meant = _OTHER_WORDS.get(name, "")
        if meant in self.columns and meant not in near:
            near.insert(0, meant)
        if near:
            return f"{problem}; did you mean {' or '.join(near)}?"
        others = [other.name for other in TABLES.values() if name in other.columns]
        if others:
            return f"{problem}; {' and '.join(others)} do: add --of {others[0]}"
        return f"{problem}; choose among {', '.join(self.columns)}"


def query_table(name: str) -> QueryTable:
    """Return what can be asked of "properties", "calculations" or "legs".

    Raises
    ------
    InputError
        There is no such table.
    """
    if name not in TABLES:
        raise InputError(f"no rows of {name!r}: choose among {', '.join(TABLES)}")
    return TABLES[name]


def _own(table: Table, names: tuple[str, ...]) -> dict[str, QueryColumn]:
    """Return columns of the table itself."""
    return {name: _column(table.c[name]) for name in names}


def _column(column: Column[Any]) -> QueryColumn:
    kind = _KINDS.get(column.name, "text")
    return QueryColumn(
        name=column.name,
        kind=kind,
        shown=func.trim(column).label(column.name) if kind == "elements" else column,
        tested=column,
        unit=_UNITS.get(column.name, ""),
        is_nullable=bool(column.nullable),
    )


def _of_runs(
    columns: tuple[Column[Any], ...], link: ColumnElement[bool], outer: Table
) -> dict[str, QueryColumn]:
    """Return columns of which a row may have several: the largest number, or all words."""
    found = {}
    for column in columns:
        kind = _KINDS.get(column.name, "text")
        one: Select[Any]
        if kind in ("count", "number", "date"):
            one = select(func.max(column)).where(link).correlate(outer)
        else:
            word = func.trim(column) if kind == "elements" else column
            words = select(word.label("word")).where(link).distinct().order_by(word)
            all_words = words.correlate(outer).subquery()
            one = select(func.aggregate_strings(all_words.c.word, JOINT))
        found[column.name] = QueryColumn(
            name=column.name,
            kind=kind,
            shown=one.scalar_subquery().label(column.name),
            tested=column,
            is_nullable=True,
            of_runs=True,
        )
    return found


_OF_PROPERTIES = (
    *("study", "profile", "engine", "method", "model", "quantity", "label", "reference"),
    *("value", "unit", "energy_kind", "status", "notes", "detail", "derived"),
    *("id", "identity", "sha256"),
)
_OF_CALCULATIONS = (
    *("kind", "engine", "engine_version", "method", "status", "formula", "elements", "n_atoms"),
    *("e0", "free_energy", "e_wo_entropy", "efermi", "max_force", "n_ionic_steps", "charge"),
    *("n_electrons", "magnetization", "elapsed_s", "created", "folder", "key", "notes"),
    *("corrections", "settings", "incar", "kpoints", "details", "sha256"),
)
_OF_LEGS = ("property_id", "position", "role", "factor", "energy", "charge", "formula", "key")
_RUN_WORDS = (CALCULATIONS.c.formula, CALCULATIONS.c.elements)
_RUN_NUMBERS = (CALCULATIONS.c.n_atoms, CALCULATIONS.c.created)
_FROM_SOURCE = {
    CALCULATIONS: CALCULATIONS.c.key == SOURCES.c.key,
    USES: USES.c.key == SOURCES.c.key,
}


def _of_sources(*columns: Column[Any]) -> dict[str, QueryColumn]:
    """Return columns of the runs that a property was derived from."""
    link = SOURCES.c.property_id == PROPERTIES.c.id
    for table in {column.table for column in columns} & set(_FROM_SOURCE):
        link = link & _FROM_SOURCE[table]
    return _of_runs(columns, link, PROPERTIES)


_PROPERTIES = QueryTable(
    name="properties",
    source=PROPERTIES,
    columns=_own(PROPERTIES, _OF_PROPERTIES)
    | _of_sources(*_RUN_WORDS, *_RUN_NUMBERS)
    | _of_sources(USES.c.task)
    | _of_sources(SOURCES.c.key),
    usual=(*_OF_PROPERTIES[:10], "status"),
    order=(PROPERTIES.c.id,),
    pivoted="value",
    outer=PROPERTIES.c.id,
    inner=SOURCES.c.property_id,
    links=_FROM_SOURCE,
)
_CALCULATIONS = QueryTable(
    name="calculations",
    source=CALCULATIONS,
    columns=_of_runs(
        tuple(USES.c[name] for name in ("study", "profile", "model", "task", "name")),
        USES.c.key == CALCULATIONS.c.key,
        CALCULATIONS,
    )
    | _own(CALCULATIONS, _OF_CALCULATIONS),
    usual=(
        *("study", "profile", "model", "task", "engine", "method", "status", "formula"),
        *("n_atoms", "e0", "max_force", "n_ionic_steps", "key"),
    ),
    order=(CALCULATIONS.c.key,),
    pivoted="e0",
    outer=CALCULATIONS.c.key,
    inner=USES.c.key,
    links={},
)
_LEGS = QueryTable(
    name="legs",
    source=LEGS.join(PROPERTIES, LEGS.c.property_id == PROPERTIES.c.id),
    columns=_own(PROPERTIES, _OF_PROPERTIES[:12])
    | _own(LEGS, _OF_LEGS)
    | _of_runs((CALCULATIONS.c.elements, *_RUN_NUMBERS), CALCULATIONS.c.key == LEGS.c.key, LEGS),
    usual=(
        *("study", "profile", "engine", "method", "model", "quantity", "label", "reference"),
        *("role", "factor", "formula", "energy", "charge", "key"),
    ),
    order=(LEGS.c.property_id, LEGS.c.position),
    pivoted="energy",
    outer=LEGS.c.key,
    inner=CALCULATIONS.c.key,
    links={},
)
TABLES = {table.name: table for table in (_PROPERTIES, _CALCULATIONS, _LEGS)}
