"""What a figure was drawn from: its rows with their hashes, the query, versions and settings."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from ..structures.errors import InputError
from .array_rows import to_json

FORMAT = 1  # of the record inside a file
RowKind = Literal["property", "calculation", "array"]


@dataclass(frozen=True, kw_only=True)
class FigureRow:
    """One row of the database that a figure was drawn from."""

    kind: RowKind
    identity: str  # of a property its identity, of a calculation its key, of an array "key:name"
    key: str | None  # of the calculation; None for a property
    name: str  # for readers: "K binding energy of MoS2@NC, gallery-1"
    value: float | None  # of a property; E0 of a calculation
    unit: str
    sha256: str

    def words(self) -> str:
        """Return name and value."""
        return self.name if self.value is None else f"{self.name}: {self.amount()}"

    def amount(self) -> str:
        """Return the value with its unit; "no value" where there is none."""
        return "no value" if self.value is None else f"{self.value:.6g} {self.unit}".rstrip()


@dataclass(frozen=True, kw_only=True)
class FigureRecord:
    """All that decides how a figure looks."""

    study: str
    profile: str
    engine: str
    method: str
    name: str  # "5b"
    drawing: str  # "binding"
    query: str  # which properties of the study it takes
    settings: Mapping[str, Any]  # plain JSON: resolution, font, hash of the drawing code
    heterofire: str
    libraries: Mapping[str, str]  # name: version
    rows: tuple[FigureRow, ...]

    @property
    def state(self) -> str:
        """Return a hash of all of it: the same state gives the same bytes on one machine."""
        rows = [asdict(row) for row in self.rows]
        return hashlib.sha256(to_json([self.about(), rows]).encode()).hexdigest()

    def about(self) -> dict[str, Any]:
        """Return all but the rows."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if name != "rows"}

    def of(self, kind: RowKind) -> dict[str, FigureRow]:
        """Return the rows of one kind by identity."""
        return {row.identity: row for row in self.rows if row.kind == kind}


@dataclass(frozen=True, kw_only=True)
class FigureFile:
    """A file that was written for a figure."""

    kind: str  # "png"
    name: str  # "5b.png"
    sha256: str


@dataclass(frozen=True, kw_only=True)
class DrawnFigure:
    """A record as it is stored, with its files."""

    record: FigureRecord
    drawn: str  # ISO 8601, UTC
    files: tuple[FigureFile, ...]


def record_text(record: FigureRecord) -> str:
    """Return a record as ASCII text, to be put into a file.

    Examples
    --------
    >>> record = FigureRecord(study="s", profile="quick", engine="xtb", method="m", name="5b",
    ...     drawing="binding", query="", settings={}, heterofire="0", libraries={}, rows=())
    >>> read_record(record_text(record), "5b.png") == record
    True
    """
    columns = [field.name for field in fields(FigureRow)]
    return to_json(
        {
            "heterofire_figure": FORMAT,
            **record.about(),
            "state": record.state,
            "columns": columns,
            "rows": [[asdict(row)[name] for name in columns] for row in record.rows],
        }
    )


def read_record(text: str, where: str) -> FigureRecord:
    """Return the record of its text.

    Raises
    ------
    InputError
        It is no record, one of a newer heterofire, or was changed; names ``where``.
    """
    try:
        found = json.loads(text)
        version = found.pop("heterofire_figure")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{where} holds no record of a figure of heterofire.") from error
    if version != FORMAT:
        raise InputError(
            f"{where} holds a record of format {version}, this heterofire reads {FORMAT}: "
            "update heterofire."
        )
    try:
        state, columns = found.pop("state"), found.pop("columns")
        rows = tuple(FigureRow(**dict(zip(columns, row, strict=True))) for row in found.pop("rows"))
        record = FigureRecord(**found, rows=rows)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{where}: the record in it is damaged ({error}).") from error
    if record.state != state:
        raise InputError(f"{where}: the record in it was changed after it was drawn.")
    return record
