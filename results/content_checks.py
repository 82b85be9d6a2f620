"""Whether the database of an archive is intact, and its tables and inputs are what it holds."""

import csv
import io
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

from .. import __version__
from ..structures.errors import HeteroError
from .archive_parts import calculation_part, calculations_csv, table_part
from .store import ResultStore
from .study_rows import study_rows
from .tables import table, to_csv

Read = Callable[[str], str | None]  # a file of the payload by its path
Cells = Sequence[Mapping[str, str]]

_NAMES = ("name", "model", "quantity", "label", "reference")  # by which a row is known to a reader
_N_SHOWN = 10
_FOREIGN = "SELECT type, name FROM sqlite_master WHERE type NOT IN ('table', 'index')"


def content_problems(
    database: Path, about: Mapping[str, Any], read: Read
) -> tuple[list[str], list[str]]:
    """Return what is wrong with an archive's content, and what was found right.

    Parameters
    ----------
    database
        A copy of the extract, which may be brought up to date.
    about
        The archive's archive.json.
    read
        Returns a file of the payload, or None.
    """
    if problems := _file_problems(database):
        return problems, []
    try:
        with ResultStore.open(database) as store:
            problems = store.check()
            if problems:
                return _some(problems), []
            checks = [f"database intact ({_size(store)})"]
            differences = [*_differences(store, about, read)]
    except HeteroError as error:
        return [str(error).replace(str(database), "data/database/results.db")], []
    if not differences:
        checks.append("tables and inputs are what the database holds")
    return _some(differences), checks


def _file_problems(database: Path) -> list[str]:
    """Return what SQLite itself finds wrong, through a connection that cannot write."""
    location = f"file:{quote(str(database))}?mode=ro&immutable=1"
    try:
        with closing(sqlite3.connect(location, uri=True)) as connection:
            found = connection.execute("PRAGMA integrity_check(5)").fetchall()
            foreign = connection.execute(_FOREIGN).fetchall()
            dangling = connection.execute("PRAGMA foreign_key_check").fetchall()
    except sqlite3.Error as error:
        return [f"data/database/results.db is not a sound SQLite file ({error})"]
    problems = [f"data/database/results.db: {row[0]}" for row in found if row[0] != "ok"]
    # Ours has none; they would run when the file is opened.
    problems += [f"data/database/results.db has a {kind} {name!r}" for kind, name in foreign]
    return problems + [
        f"data/database/results.db: row {row[1]} of {row[0]} leads to no row of {row[2]}"
        for row in dangling[:_N_SHOWN]
    ]


def _size(store: ResultStore) -> str:
    return f"{len(store.calculations())} calculations, {len(store.properties())} numbers"


def _differences(store: ResultStore, about: Mapping[str, Any], read: Read) -> Iterator[str]:
    """Yield where files differ from what the database gives.

    The same version of heterofire writes the same bytes; of another version only the cells that
    both tables have are compared.
    """
    whose = {name: about[name] for name in ("study", "profile", "engine")}
    rows = study_rows(store, **whose)
    properties = store.properties(**whose)
    if len(properties) < len(store.properties()):
        yield "data/database/results.db holds numbers of other studies"
    fresh = {
        "tables/table.csv": to_csv(table(properties)),
        "calculations.csv": calculations_csv(rows),
    }
    for name, text in fresh.items():
        yield from _table_differences(name, read(name), text)
    if _is_ours(about):
        again = calculation_part(rows) | table_part(properties, str(about.get("paper", "")))
        for name, content in again.items():
            archived = read(name)
            if name not in fresh and isinstance(content, bytes) and archived != content.decode():
                what = "is missing" if archived is None else "is not what the database holds"
                yield f"data/{name} {what}"


def _is_ours(about: Mapping[str, Any]) -> bool:
    """Return whether this very program wrote the archive, so that its bytes can be compared."""
    from importlib import metadata

    wrote = about.get("software", {})
    return bool(
        wrote.get("heterofire") == __version__
        and wrote.get("pymatgen") == metadata.version("pymatgen")
    )


def _table_differences(name: str, archived: str | None, fresh: str) -> Iterator[str]:
    """Yield how an archived table differs from the database, cell by cell."""
    if archived is None:
        yield f"data/{name} is missing"
        return
    if archived == fresh:
        return
    theirs, ours = _cells(archived), _cells(fresh)
    if len(theirs) != len(ours):
        yield f"data/{name} has {len(theirs)} rows, the database {len(ours)}"
        return
    for number, (one, other) in enumerate(zip(theirs, ours, strict=True), start=2):
        row = ", ".join(one[key] for key in _NAMES if one.get(key))
        for column in other:
            if column in one and one[column] != other[column]:
                yield (
                    f"data/{name} line {number} ({row}): {column} is {one[column]!r}, in the "
                    f"database {other[column]!r}"
                )


def _cells(text: str) -> Cells:
    return list(csv.DictReader(io.StringIO(text)))


def _some(problems: Sequence[str]) -> list[str]:
    """Return the first problems, and how many more there are."""
    shown = list(problems[:_N_SHOWN])
    more = len(problems) - len(shown)
    return [*shown, f"and {more} more of this kind"] if more > 0 else shown
