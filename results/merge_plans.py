"""What taking over another database would change in ours, found without changing it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, func, select

from .array_rows import Row
from .database_checks import arrays_of, calculation_problems, property_words
from .property_rows import row_hash
from .property_tables import property_filter, rows_of_properties
from .schema import ARRAYS, CALCULATIONS, LEGS, PROPERTIES, SOURCES, USES
from .snapshots import Progress

_BATCH = 500
Group = tuple[str, str, str]  # study, profile, engine
# What the same result may differ in when it was computed, or copied, twice.
_OF_THE_FOLDER = ("folder", "elapsed_s", "notes", "created", "sha256")


@dataclass
class MergePlan:
    """What a merge does, and what it leaves."""

    new: list[str] = field(default_factory=list)  # keys of calculations that ours lacks
    converged: list[str] = field(default_factory=list)  # theirs is converged, ours is not
    equal: int = 0  # calculations that both have
    kept: int = 0  # ours is converged, theirs is not; or the same result of another folder
    uses: list[Row] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)  # whose properties are taken over
    equal_groups: list[Group] = field(default_factory=list)
    properties: int = 0  # that are taken over
    conflicts: list[str] = field(default_factory=list)  # ours stays
    damaged: list[str] = field(default_factory=list)  # of theirs, not taken over

    @property
    def is_empty(self) -> bool:
        """Return whether there is nothing to write."""
        return not (self.new or self.converged or self.uses or self.groups)


def plan_merge(ours: Connection, theirs: Connection, progress: Progress) -> MergePlan:
    """Return what of another database goes into ours; both have today's tables."""
    plan = MergePlan()
    _plan_calculations(ours, theirs, plan, progress)
    available = _Available(ours, {*plan.new})
    _plan_uses(ours, theirs, plan, available)
    _plan_properties(ours, theirs, plan, available, progress)
    return plan


def _plan_calculations(
    ours: Connection, theirs: Connection, plan: MergePlan, progress: Progress
) -> None:
    c = CALCULATIONS.c
    columns = (c.key, c.sha256, c.status)
    total = theirs.execute(select(func.count()).select_from(CALCULATIONS)).scalar_one()
    rows = theirs.execute(select(*columns).order_by(c.key)).all()
    for start in range(0, total, _BATCH):
        batch = rows[start : start + _BATCH]
        query = select(*columns).where(c.key.in_([row.key for row in batch]))
        known = {row.key: row for row in ours.execute(query)}
        for row in batch:
            _plan_calculation(ours, theirs, plan, row, known.get(row.key))
        progress("comparing calculations", start + len(batch), total)


def _plan_calculation(
    ours: Connection, theirs: Connection, plan: MergePlan, row: Any, mine: Any
) -> None:
    """Sort one of their calculations into the plan."""
    if mine is not None and mine.sha256 == row.sha256:
        plan.equal += 1
        return
    new = _row(theirs, row.key)
    problems = calculation_problems(new, arrays_of(theirs, row.key))
    if problems:
        plan.damaged += problems
    elif mine is None:
        plan.new.append(row.key)
    elif (mine.status, row.status) == ("unconverged", "converged"):
        plan.converged.append(row.key)
    elif mine.status != row.status or _same_result(_row(ours, row.key), new, ours, theirs):
        plan.kept += 1
    else:
        plan.conflicts.append(_conflict_words(_row(ours, row.key), new))


def _row(connection: Connection, key: str) -> Row:
    query = select(CALCULATIONS).where(CALCULATIONS.c.key == key)
    return dict(connection.execute(query).mappings().one())


def _same_result(mine: Row, new: Row, ours: Connection, theirs: Connection) -> bool:
    """Return whether two records say the same but for where and how fast they were computed."""
    same = all(mine[name] == new[name] for name in mine if name not in _OF_THE_FOLDER)
    return same and _array_hashes(ours, mine["key"]) == _array_hashes(theirs, new["key"])


def _array_hashes(connection: Connection, key: str) -> dict[str, str]:
    query = select(ARRAYS.c.name, ARRAYS.c.sha256).where(ARRAYS.c.key == key)
    return {row.name: row.sha256 for row in connection.execute(query)}


def _conflict_words(mine: Row, new: Row) -> str:
    def words(row: Row) -> str:
        energy = "" if row["e0"] is None else f", E0 {row['e0']:.6f} eV"
        return f"{row['folder']} ({row['engine']} {row['engine_version']}{energy})"

    return (
        f"calculation {mine['key']} ({mine['formula']}) differs: ours from {words(mine)} stays, "
        f"theirs is from {words(new)}"
    )


class _Available:
    """Which calculations are there once the plan is carried out."""

    def __init__(self, ours: Connection, new: set[str]) -> None:
        self._ours, self._known = ours, new

    def missing(self, keys: Iterable[str]) -> set[str]:
        """Return those of the keys that will not be there."""
        asked = sorted(set(keys) - self._known)
        for start in range(0, len(asked), _BATCH):
            query = select(CALCULATIONS.c.key).where(
                CALCULATIONS.c.key.in_(asked[start : start + _BATCH])
            )
            self._known.update(self._ours.execute(query).scalars())
        return set(asked) - self._known


def _plan_uses(
    ours: Connection, theirs: Connection, plan: MergePlan, available: _Available
) -> None:
    names = tuple(column.name for column in USES.primary_key)
    known = {tuple(row) for row in ours.execute(select(*USES.primary_key))}
    for row in map(dict, theirs.execute(select(USES).order_by(*USES.primary_key)).mappings()):
        is_new = tuple(row[name] for name in names) not in known
        if is_new and not available.missing([row["key"]]):
            plan.uses.append(row)


def _plan_properties(
    ours: Connection,
    theirs: Connection,
    plan: MergePlan,
    available: _Available,
    progress: Progress,
) -> None:
    """Take over the numbers of studies that ours lacks; compare the others."""
    groups = _groups(theirs)
    mine = set(_groups(ours))
    for done, group in enumerate(groups, start=1):
        if group in mine:
            _compare_group(ours, theirs, plan, group)
        else:
            _plan_group(theirs, plan, group, available)
        progress("comparing properties", done, len(groups))


def _groups(connection: Connection) -> list[Group]:
    columns = (PROPERTIES.c.study, PROPERTIES.c.profile, PROPERTIES.c.engine)
    query = select(*columns).distinct().order_by(*columns)
    return [(row[0], row[1], row[2]) for row in connection.execute(query)]


def _plan_group(theirs: Connection, plan: MergePlan, group: Group, available: _Available) -> None:
    keys, problems, n_rows = set[str](), [], 0
    for row in group_rows(theirs, group):
        n_rows += 1
        keys |= {*row["keys"], *(leg["key"] for leg in row["legs"] if leg["key"])}
        if row_hash(columns_of(row), row["legs"], row["keys"]) != row["sha256"]:
            problems.append(f"{property_words(row)} does not match its hash")
    gone = available.missing(keys)
    if gone:
        problems.append(
            f"properties of {'/'.join(group)} refer to calculations that were not taken over: "
            f"{', '.join(sorted(gone)[:3])}"
        )
    if problems:
        plan.damaged += problems
        return
    plan.groups.append(group)
    plan.properties += n_rows


def columns_of(row: Row) -> Row:
    """Return the columns of a property without its legs and sources."""
    return {name: value for name, value in row.items() if name not in ("legs", "keys")}


def group_rows(connection: Connection, group: Group) -> Iterator[Row]:
    """Return the properties of a study, profile and engine in order, with ``legs`` and ``keys``."""
    chosen = property_filter(*group)
    legs = rows_of_properties(connection, LEGS, chosen)
    sources = rows_of_properties(connection, SOURCES, chosen)
    query = select(PROPERTIES).where(*chosen).order_by(PROPERTIES.c.id)
    for row in connection.execute(query).mappings():
        keys = [source["key"] for source in sources[row["id"]]]
        yield {**row, "legs": legs[row["id"]], "keys": keys}


def _compare_group(ours: Connection, theirs: Connection, plan: MergePlan, group: Group) -> None:
    """Note where the numbers of both differ: ours stay, both may be outdated now."""
    mine, new = ({row["identity"]: row for row in _named(c, group)} for c in (ours, theirs))
    changed = [row for name, row in new.items() if name in mine and _differ(mine[name], row)]
    more = [row for name, row in new.items() if name not in mine]
    if not changed and not more:
        plan.equal_groups.append(group)
        return
    study, profile, engine = group
    plan.conflicts.append(
        f"{len(changed)} properties of {'/'.join(group)} differ and {len(more)} are only theirs: "
        f"ours stay. {_examples(mine, changed, more)}Derive them from all calculations: "
        f"heterofire run {study} --profile {profile} --engine {engine}"
    )


def _named(connection: Connection, group: Group) -> list[Row]:
    return [
        dict(row)
        for row in connection.execute(
            select(PROPERTIES).where(*property_filter(*group)).order_by(PROPERTIES.c.id)
        ).mappings()
    ]


def _differ(mine: Row, new: Row) -> bool:
    return bool(mine["sha256"] != new["sha256"])


def _examples(mine: dict[str, Row], changed: Sequence[Row], more: Sequence[Row]) -> str:
    """Return the first few differences in words."""
    words = [
        f"{property_words(row)}: ours {_value(mine[row['identity']])}, theirs {_value(row)}"
        for row in changed[:3]
    ]
    words += [
        f"{property_words(row)}: only theirs, {_value(row)}" for row in more[: 3 - len(words)]
    ]
    return "".join(f"{line}. " for line in words)


def _value(row: Row) -> str:
    return "missing" if row["value"] is None else f"{row['value']:.6g} {row['unit']}".strip()
