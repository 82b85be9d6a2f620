"""A database made fit to be shipped: the studies asked for, small, of no machine, checksummed."""

import hashlib
import re
import tempfile
import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, Select, Table, and_, false, func, or_, select

from ..structures.errors import InputError, StoreError
from ..structures.files import write_atomic
from .array_rows import Row, content_hash
from .database_checks import check_database
from .database_info import row_counts
from .extracts import rows_of, write_rows
from .property_rows import row_hash
from .property_tables import rows_by_property
from .reference import checksum_file, file_hash
from .schema import (
    ARRAYS,
    CALCULATIONS,
    FIGURE_FILES,
    FIGURE_ROWS,
    FIGURES,
    LEGS,
    PROPERTIES,
    SOURCES,
    USES,
)
from .snapshots import Progress, silent, snapshot
from .store import ResultStore

Group = tuple[str, str, str]  # study, profile, engine

_LEVEL = 9  # of zlib: written once, read often
_LEFT_OUT = (FIGURES, FIGURE_ROWS, FIGURE_FILES)  # they are about files of one machine
_PROJECTIONS = "dos.projected"  # four fifths of a database: atoms x orbitals x energies of each run
_TASK_WITH_PROJECTIONS = "dos"  # the only runs whose projections anything reads
# Noise to the last digit of a double, which nothing can compress; floats have seven digits.
_AS_FLOATS = (_PROJECTIONS, "difference.coarse", "elf.coarse")
_TEXTS = ("notes", "details", "corrections")
# A path from the root with at least one folder: not "states/eV", not the // of a URL.
_ABSOLUTE = re.compile(r"""(?<![\w./:-])/(?:[^\s/"',;()]+/)+(?=[^\s/"',;()])""")


@dataclass(frozen=True, kw_only=True)
class Published:
    """What was published."""

    path: Path
    sha256: str
    n_bytes: int
    groups: tuple[Group, ...]
    rows: Mapping[str, int]  # of each table
    statuses: Mapping[str, int]  # of its numbers: ok, unconverged, missing


def publish(
    store: ResultStore,
    target: Path,
    studies: Sequence[str],
    *,
    profile: str | None = None,
    engine: str | None = None,
    unplanned: Mapping[str, str] = MappingProxyType({}),
    dry_run: bool = False,
    progress: Progress = silent,
) -> Published:
    """Write the rows of studies into one small SQLite file, its SHA-256 into another beside it.

    Calculations keep their keys, numbers and dates. Folders keep their last name alone, which
    says what a run is. Projected densities of states stay with the runs of task "dos"; they and
    densities on grids keep seven digits. Records of figures do not come along, nor calculations
    that were computed anew by the same name and that no number rests on. The same database gives
    the same bytes.

    Parameters
    ----------
    store
        The finished database; it is only read.
    target
        The file to write; one that is there is replaced as a whole.
    studies
        Whose rows.
    profile, engine
        Only those; all by default.
    unplanned
        Calculations to leave out, as name of each key: no study computes them any more.
    dry_run
        Make the file, say how large it is, and throw it away.

    Raises
    ------
    InputError
        The database has nothing of a study, or a number rests on what is to be left out.
    StoreError
        A row of the database does not match its hash; the target is as it was.
    """
    groups = _groups(store, studies, profile, engine)
    _check_numbers(store, groups, unplanned)
    superseded = _superseded(store, groups) | set(unplanned)
    with tempfile.TemporaryDirectory(prefix="heterofire-publish-") as folder:
        made = Path(folder) / "published.db"
        wanted = partial(_wanted, groups=groups, superseded=superseded)
        write_rows(store, made, wanted, _Changes(store).changed)
        with snapshot(made) as (connection, _):
            problems = check_database(connection, progress).problems
            rows, statuses = row_counts(connection), _statuses(connection)
        if problems:
            raise StoreError(
                f"{store.name} has {len(problems)} problems, nothing was published: {problems[0]}. "
                "See heterofire db check."
            )
        digest, data = file_hash(made), made.read_bytes()
    if not dry_run:
        write_atomic(target, data)
        write_atomic(checksum_file(target), f"{digest}  {target.name}\n")
    return Published(
        path=target,
        sha256=digest,
        n_bytes=len(data),
        groups=tuple(groups),
        rows=rows,
        statuses=statuses,
    )


def _groups(
    store: ResultStore, studies: Sequence[str], profile: str | None, engine: str | None
) -> list[Group]:
    """Return what the database has of the studies; an error for one of which it has nothing."""
    columns = (USES.c.study, USES.c.profile, CALCULATIONS.c.engine)
    query: Select[Any] = (
        select(*columns)
        .join(CALCULATIONS, CALCULATIONS.c.key == USES.c.key)
        .distinct()
        .order_by(*columns)
    )
    with store.reading() as connection:
        known: list[Group] = [tuple(row) for row in connection.execute(query)]
    found = [
        group
        for group in known
        if group[0] in studies and profile in (None, group[1]) and engine in (None, group[2])
    ]
    lacking = [study for study in studies if study not in {group[0] for group in found}]
    if lacking or not studies:
        there = ", ".join("/".join(group) for group in known) or "nothing"
        raise InputError(
            f"{store.name} has nothing of {', '.join(lacking) or 'no study'}"
            f"{f', profile {profile}' if profile else ''}{f', engine {engine}' if engine else ''}; "
            f"it has {there}."
        )
    return found


def _check_numbers(
    store: ResultStore, groups: Sequence[Group], unplanned: Mapping[str, str]
) -> None:
    """Refuse to leave out what a number that is published rests on."""
    about = ("study", "profile", "engine", "quantity", "model")
    query: Select[Any] = select(*(PROPERTIES.c[name] for name in about), SOURCES.c.key).join(
        SOURCES, SOURCES.c.property_id == PROPERTIES.c.id
    )
    with store.reading() as connection:
        rows = [row for row in connection.execute(query) if row.key in unplanned]
    for row in rows:
        if tuple(row[:3]) in set(groups):
            raise InputError(
                f"{row.quantity} of {row.model} in {store.name} rests on {unplanned[row.key]} "
                f"({row.key[:8]}), which {row.study} does not plan any more: derive its numbers "
                f"anew with heterofire table {row.study} --profile {row.profile} --engine "
                f"{row.engine} --anew."
            )


def _superseded(store: ResultStore, groups: Sequence[Group]) -> set[str]:
    """Return calculations that were computed anew by the same name, with other settings.

    What numbers rest on stays, and so does what another study still knows by that name.
    """
    names = (USES.c.study, USES.c.profile, CALCULATIONS.c.engine, USES.c.name)
    query: Select[Any] = (
        select(*names, USES.c.key)
        .join(CALCULATIONS, CALCULATIONS.c.key == USES.c.key)
        .order_by(CALCULATIONS.c.created, USES.c.key)
    )
    with store.reading() as connection:
        rows = [tuple(row) for row in connection.execute(query)]
        kept = {row[-1] for row in {row[:-1]: row for row in rows}.values()}
        for table in (LEGS, SOURCES):
            kept |= set(connection.execute(select(table.c.key).distinct()).scalars())
    return {row[-1] for row in rows if row[:3] in set(groups)} - kept


def _wanted(
    table: Table, groups: Sequence[Group], superseded: Collection[str]
) -> ColumnElement[bool]:
    if table in _LEFT_OUT:
        return false()
    wanted = or_(*(rows_of(table, *group) for group in groups))
    if table in (CALCULATIONS, USES, ARRAYS) and superseded:
        return and_(wanted, table.c.key.not_in(sorted(superseded)))
    return wanted


def _statuses(connection: Any) -> dict[str, int]:
    query = select(PROPERTIES.c.status, func.count()).group_by(PROPERTIES.c.status)
    return {row.status: int(row[1]) for row in connection.execute(query)}


class _Changes:
    """What is changed of each row; hashes are those of the new content."""

    def __init__(self, store: ResultStore) -> None:
        self._store = store
        with store.reading() as connection:
            folders = connection.execute(select(CALCULATIONS.c.folder).distinct()).scalars().all()
            keys = select(USES.c.key).where(USES.c.task == _TASK_WITH_PROJECTIONS)
            self._projected = set(connection.execute(keys).scalars())
        parents = {str(Path(folder).parent) for folder in folders if Path(folder).is_absolute()}
        self._parents = sorted((f"{parent}/" for parent in parents), key=len, reverse=True)

    def changed(self, table: Table, rows: list[Row]) -> list[Row]:
        """Return rows of a table as they are published."""
        if table is CALCULATIONS:
            return self._calculations(rows)
        if table is PROPERTIES:
            return self._properties(rows)
        if table is ARRAYS:
            return [_packed(row) for row in rows if self._stays(row["key"], row["name"])]
        return rows

    def _stays(self, key: str, name: str) -> bool:
        return name != _PROJECTIONS or key in self._projected

    def _calculations(self, rows: list[Row]) -> list[Row]:
        return [self._calculation(row, *self._hashes(row["key"])) for row in rows]

    def _hashes(self, key: str) -> tuple[dict[str, str], dict[str, str]]:
        """Return the hashes of a calculation's arrays as they are, and as they are published."""
        query = select(ARRAYS.c.name, ARRAYS.c.sha256).where(ARRAYS.c.key == key)
        with self._store.reading() as connection:
            before = {name: digest for name, digest in connection.execute(query)}  # noqa: C416
            after = {name: digest for name, digest in before.items() if self._stays(key, name)}
            rounded = [name for name in after if name in _AS_FLOATS]
            arrays = select(ARRAYS).where(ARRAYS.c.key == key, ARRAYS.c.name.in_(rounded))
            for row in connection.execute(arrays).mappings():
                after[row["name"]] = _packed(dict(row))["sha256"]
        return before, after

    def _calculation(self, row: Row, before: Mapping[str, str], after: Mapping[str, str]) -> Row:
        """Return a calculation without the places of its files; one that was altered is refused."""
        if content_hash(row, before) != row["sha256"]:
            raise StoreError(
                f"calculation {row['key']} ({row['folder']}) of {self._store.name} does not match "
                "its hash: nothing was published. See heterofire db check."
            )
        new = row | {name: self._without_places(row[name]) for name in _TEXTS}
        new["folder"] = Path(row["folder"]).name
        new["sha256"] = content_hash(new, after)
        return new

    def _properties(self, rows: list[Row]) -> list[Row]:
        numbers = (rows[0]["id"], rows[-1]["id"])
        with self._store.reading() as connection:
            legs = rows_by_property(connection, LEGS, numbers)
            sources = rows_by_property(connection, SOURCES, numbers)
        return [
            self._property(row, legs[row["id"]], [s["key"] for s in sources[row["id"]]])
            for row in rows
        ]

    def _property(self, row: Row, legs: Sequence[Row], keys: Sequence[str]) -> Row:
        if row_hash(row, legs, keys) != row["sha256"]:
            raise StoreError(
                f"{row['quantity']} of {row['model']} in {self._store.name} does not match its "
                "hash: nothing was published. See heterofire db check."
            )
        new = row | {name: self._without_places(row[name]) for name in ("notes", "detail")}
        new["sha256"] = row_hash(new, legs, keys)
        return new

    def _without_places(self, text: str) -> str:
        """Return a text (JSON) in which folders and files have their last name alone."""
        for parent in self._parents:
            text = text.replace(parent, "")
        return without_places(text)


def _packed(row: Row) -> Row:
    """Return an array compressed as far as it goes, a large one with seven digits."""
    try:
        data = zlib.decompress(row["blob"])
    except zlib.error as error:
        raise StoreError(
            f"array {row['name']} of calculation {row['key']} is damaged: nothing was published. "
            "See heterofire db check."
        ) from error
    changed = dict(row)
    if row["name"] in _AS_FLOATS:
        data = np.frombuffer(data, dtype=row["dtype"]).astype("<f4").tobytes()
        changed |= {"dtype": "<f4", "sha256": hashlib.sha256(data).hexdigest()}
    return changed | {"blob": zlib.compress(data, _LEVEL)}


def without_places(text: str) -> str:
    """Return a text in which paths from the root have their last name alone.

    Examples
    --------
    >>> without_places('["/home/me/runs/K_relax-3f2a/OUTCAR: 0.2 states/eV/cell"]')
    '["OUTCAR: 0.2 states/eV/cell"]'
    """
    return _ABSOLUTE.sub("", text)
