"""Whether figures still show what is in the database: which row changed, which file was edited."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from .figure_definitions import definition_of
from .figure_records import DrawnFigure, FigureRecord, FigureRow
from .figure_sources import StoredStudy
from .figure_tables import array_rows, drawn_figures
from .figures import current_versions

State = Literal["current", "stale", "not drawn"]


@dataclass(frozen=True, kw_only=True)
class RowChange:
    """How a row behind a figure differs from what it was drawn from."""

    how: Literal["changed", "new", "gone"]
    row: FigureRow  # as it was drawn; of a new one as it is
    now: FigureRow | None

    def words(self) -> str:
        """Return what happened in a line, old value -> new value."""
        if self.how != "changed" or self.now is None:
            return f"{self.how}: {self.row.words()}"
        if self.row.value != self.now.value:
            return f"changed: {self.row.name}: {self.row.amount()} -> {self.now.amount()}"
        kept = "" if self.row.value is None else f": still {self.row.amount()}"
        what = "its runs, notes or details differ" if self.row.kind == "property" else "its content"
        return f"changed: {self.row.name}{kept}, {what}"


@dataclass(frozen=True, kw_only=True)
class FigureCheck:
    """What is to be said of one figure."""

    name: str
    state: State
    drawn: str  # ISO 8601; empty where it was not
    changes: tuple[RowChange, ...] = ()
    files: tuple[str, ...] = ()  # what is wrong with them
    remarks: tuple[str, ...] = ()  # other versions: said, not stale

    @property
    def is_good(self) -> bool:
        """Return whether rows and files are those that were recorded."""
        return self.state == "current" and not self.files

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "figure": self.name,
            "state": self.state,
            "drawn": self.drawn or None,
            "changes": [
                {
                    "how": change.how,
                    "kind": change.row.kind,
                    "row": change.row.name,
                    "identity": change.row.identity,
                    "old": None if change.how == "new" else change.row.value,
                    "new": change.now.value if change.now is not None else None,
                    "unit": change.row.unit,
                }
                for change in self.changes
            ],
            "files": list(self.files),
            "remarks": list(self.remarks),
        }


def check_figures(
    stored: StoredStudy, names: Sequence[str], folders: Sequence[Path]
) -> list[FigureCheck]:
    """Return how each figure stands against the database and the files.

    Parameters
    ----------
    names
        As in `draw_figure`.
    folders
        Where the files may be; with none only the rows are looked at.
    """
    drawn: dict[str, list[DrawnFigure]] = {}
    for figure in drawn_figures(stored.store, **stored.about):
        drawn.setdefault(figure.record.name, []).append(figure)
    return [_check(stored, name, drawn.get(name, []), folders) for name in names]


def _check(
    stored: StoredStudy, name: str, drawn: Sequence[DrawnFigure], folders: Sequence[Path]
) -> FigureCheck:
    if not drawn:
        return FigureCheck(name=name, state="not drawn", drawn="")
    last = drawn[-1]
    changes = tuple(row_changes(stored, last.record))
    return FigureCheck(
        name=name,
        state="stale" if changes else "current",
        drawn=last.drawn,
        changes=changes,
        files=tuple(_wrong_files(drawn, folders)),
        remarks=tuple(_other_versions(stored.study, last.record)),
    )


def row_changes(stored: StoredStudy, record: FigureRecord) -> list[RowChange]:
    """Return what has changed of the rows of a record, the properties first.

    Properties are chosen by the query of the record: a new one that it takes counts.
    """
    properties = {row.identity: row for _, row in stored.chosen(record.query)}
    calculations = {
        row.identity: row for row in stored.calculations(list(record.of("calculation")))
    }
    old = record.of("array")
    names = {row.key: record.of("calculation")[row.key].name for row in old.values() if row.key}
    arrays = {row.identity: row for row in array_rows(stored.store, names, ["*"])}
    return [
        *_differences(record.of("property"), properties, with_new=True),
        *_differences(record.of("calculation"), calculations),
        *_differences(old, arrays),
    ]


def _differences(
    old: dict[str, FigureRow], now: dict[str, FigureRow], *, with_new: bool = False
) -> Iterable[RowChange]:
    for identity, row in old.items():
        found = now.get(identity)
        if found is None:
            yield RowChange(how="gone", row=row, now=None)
        elif found.sha256 != row.sha256:
            yield RowChange(how="changed", row=row, now=found)
    if with_new:
        for identity, row in now.items():
            if identity not in old:
                yield RowChange(how="new", row=row, now=row)


def _wrong_files(drawn: Sequence[DrawnFigure], folders: Sequence[Path]) -> Iterable[str]:
    """Say which files are missing, older than the last drawing, or none of ours.

    Of several folders only those count that have any file of the figure.
    """
    older = {file.sha256: figure.drawn for figure in drawn for file in figure.files}
    files = drawn[-1].files
    holding = [f for f in folders if any((f / file.name).is_file() for file in files)]
    for folder in holding or folders[:1]:
        for file in files:
            path = folder / file.name
            if not path.is_file():
                yield f"{path} is missing"
                continue
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            if digest != file.sha256 and digest in older:
                yield f"{path} is the drawing of {older[digest]}"
            elif digest != file.sha256:
                yield f"{path} was edited, or drawn from another database"


def _other_versions(study: str, record: FigureRecord) -> Iterable[str]:
    """Say what a drawing would be made by now, where it was something else."""
    now = current_versions(definition_of(study, record.name))
    if record.heterofire != now.heterofire:
        yield f"drawn by heterofire {record.heterofire}, this is {now.heterofire}"
    for name in sorted({*record.libraries, *now.libraries}):
        old, new = (found.libraries.get(name, "none") for found in (record, now))
        if old != new:
            yield f"drawn with {name} {old}, here is {new}"
    for name in sorted({*record.settings, *now.settings}):
        if record.settings.get(name) != now.settings.get(name):
            before, after = (found.settings.get(name) for found in (record, now))
            yield f"drawn with {_SETTINGS.get(name, name)} {before}, now {after}"
    if (record.drawing, record.query) != (now.drawing, now.query):
        yield f"its definition was {record.drawing!r} of {record.query}, now {now.query}"


_SETTINGS = {"code": "drawing code", "font": "the font", "dpi": "a resolution of"}
