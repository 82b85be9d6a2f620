"""Two group members' databases joined: theirs into ours, as one transaction."""

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, Table, delete, insert, select, update

from ..structures.errors import InputError, StoreError
from .array_rows import Row
from .backups import back_up, bring_up_to_date
from .database_checks import arrays_of
from .database_errors import explained
from .databases import connect, locate, settle_journal, writing
from .merge_plans import MergePlan, group_rows, plan_merge
from .migrations import migrate, schema_version
from .property_tables import insert_properties
from .reference import refuse_to_write
from .schema import ARRAYS, CALCULATIONS, USES
from .snapshots import Progress, is_current, require_current, silent, snapshot


def merge(
    ours: str | os.PathLike[str],
    other: str | os.PathLike[str],
    *,
    dry_run: bool = False,
    progress: Progress = silent,
) -> MergePlan:
    """Take over what another result database has and ours lacks; a second call changes nothing.

    Calculations are compared by key. A converged one takes the place of an unconverged one;
    otherwise ours stays, and where the two differ that is a conflict. Properties of a study,
    profile and engine are taken over when ours has none of them; else ours stay, and where they
    differ that is said. Records of figures are not taken over: draw them anew.

    Parameters
    ----------
    ours, other
        Files or URLs. The other is never changed; of one with an older schema a copy is used.
    dry_run
        Change nothing, ours neither.
    progress
        Is told what is done, how far, and of how much.

    Returns
    -------
    MergePlan
        What was, or would be, taken over and left.

    Raises
    ------
    InputError
        A file is not there, or both are the same database.
    StoreError
        One is not a result database or newer, or ours cannot be written; ours is as it was.
    """
    texts = os.fspath(ours), os.fspath(other)
    refuse_to_write(texts[0], "cannot merge into it")
    if _is_same(*texts):
        raise InputError(f"{texts[1]} is the database itself: name another one to merge into it.")
    with _up_to_date(texts[1], progress) as path, snapshot(path) as (theirs, name):
        require_current(theirs, name)
        if dry_run:
            with snapshot(texts[0]) as (mine, our_name):
                require_current(mine, our_name)
                return plan_merge(mine, theirs, progress)
        engine, our_name = connect(texts[0])
        try:
            return _merge_into(engine, our_name, theirs, progress)
        finally:
            engine.dispose()


def _merge_into(engine: Engine, name: str, theirs: Connection, progress: Progress) -> MergePlan:
    with explained("merge into", name):
        settle_journal(engine)
        with writing(engine).begin() as connection:
            migrate(connection)
            plan = plan_merge(connection, theirs, progress)
            _carry_out(connection, theirs, plan, progress)
    return plan


def _is_same(ours: str, other: str) -> bool:
    urls = [locate(text)[0] for text in (ours, other)]
    if {url.get_backend_name() for url in urls} == {"sqlite"}:
        paths = [Path(url.database or "") for url in urls]
        return all(path.exists() for path in paths) and paths[0].samefile(paths[1])
    return urls[0] == urls[1]


@contextmanager
def _up_to_date(text: str, progress: Progress) -> Iterator[str]:
    """Give a database with today's tables: the one named, or a copy of it that was migrated."""
    with snapshot(text) as (connection, name):
        is_old, version = not is_current(connection), schema_version(connection)
    if not is_old or version == 0:
        yield text
        return
    if locate(text)[0].get_backend_name() != "sqlite":
        raise StoreError(
            f"{name} has schema version {version}, which is older: bring it up to date with "
            f"'HETEROFIRE_DB=URL heterofire db migrate' first."
        )
    with tempfile.TemporaryDirectory(prefix="heterofire-merge-") as folder:
        copy = str(Path(folder) / "other.db")
        back_up(text, copy, progress=progress)
        bring_up_to_date(copy)
        yield copy


def _carry_out(ours: Connection, theirs: Connection, plan: MergePlan, progress: Progress) -> None:
    total = len(plan.new) + len(plan.converged)
    for done, key in enumerate(plan.new, start=1):
        _insert_all(ours, CALCULATIONS, _calculation(theirs, key))
        _insert_all(ours, ARRAYS, arrays_of(theirs, key))
        progress("calculations", done, total)
    for done, key in enumerate(plan.converged, start=len(plan.new) + 1):
        ours.execute(delete(ARRAYS).where(ARRAYS.c.key == key))
        row = _calculation(theirs, key)[0]
        ours.execute(update(CALCULATIONS).where(CALCULATIONS.c.key == key).values(row))
        _insert_all(ours, ARRAYS, arrays_of(theirs, key))
        progress("calculations", done, total)
    _insert_all(ours, USES, plan.uses)
    for done, group in enumerate(plan.groups, start=1):
        insert_properties(ours, group_rows(theirs, group))
        progress("properties", done, len(plan.groups))


def _calculation(connection: Connection, key: str) -> list[Row]:
    query = select(CALCULATIONS).where(CALCULATIONS.c.key == key)
    return [dict(row) for row in connection.execute(query).mappings()]


def _insert_all(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    if rows:
        connection.execute(insert(table), rows)
