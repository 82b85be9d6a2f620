"""Stored numbers derived once more from the stored calculations; no engine runs."""

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from ..results.chosen_calculations import stored_calculations
from ..results.derive import derive
from ..results.property_rows import property_rows
from ..results.records import Property
from ..results.store import ResultStore
from ..structures.errors import HeteroError
from ..workflows.rebuilding import method_variables
from .exporting import existing_store, study_name
from .project import Project
from .rebuild_printing import Choice
from .rebuilding import Rebuilder, Rebuilding, environment

# Relative, or in the number's unit where it is below 1: published arrays have seven digits.
_SAME = 1e-5
_MOST = 20  # lines of one study; all of them with --json


@dataclass(frozen=True, kw_only=True)
class NumberChange:
    """A stored number that is not what its calculations give."""

    study: str
    profile: str
    engine: str
    name: str
    stored: float | None
    derived: float | None
    unit: str
    reason: str  # "value", "status", "is stored, but not derived", "is derived, but not stored"
    statuses: tuple[str, str]  # stored and derived: "ok", "unconverged", "missing"

    def words(self) -> str:
        """Return what is wrong in one line."""
        if self.reason == "value":
            return f"{self.name}: {self.stored} is stored, {self.derived} {self.unit} derived"
        if self.reason == "status":
            return f"{self.name}: stored as {self.statuses[0]}, derived as {self.statuses[1]}"
        return f"{self.name}: {self.reason}"


def print_derived(
    database: str | None, choice: Choice, asked: Rebuilding, *, as_json: bool = False
) -> int:
    """Derive all numbers of a database, or of the chosen studies; 1 when one is another."""
    with Project.here(None, database) as project:
        store = existing_store(project)
        rebuilder = Rebuilder(store, project.settings.database, asked)
        code = 0
        for group in _groups(store, choice):
            code |= _print_group(rebuilder, group, as_json=as_json)
    return code


def _groups(store: ResultStore, choice: Choice) -> list[tuple[str, str, str]]:
    """Return study, profile and engine of the numbers that were chosen."""
    study = None if choice.study is None else study_name(choice.study)
    found = store.properties(study, choice.profile, choice.engine)
    return sorted({(item.study, item.profile, item.engine) for item in found})


def _print_group(rebuilder: Rebuilder, group: tuple[str, str, str], *, as_json: bool) -> int:
    words = "/".join(group)
    stored = rebuilder.store.properties(*group)
    try:
        changes = list(changed_numbers(stored, derived_again(rebuilder, group)))
    except HeteroError as error:
        print(f"{words}: not derived: {error}", file=sys.stderr)
        return 1
    if as_json:
        rows = [asdict(change) for change in changes]
        print(json.dumps({"group": group, "numbers": len(stored), "changes": rows}, indent=1))
    else:
        print(f"{words}: {len(stored) - len(changes)} of {len(stored)} numbers are derived again")
        for change in changes[:_MOST]:
            print(f"  {change.words()}")
    return 1 if changes else 0


def derived_again(rebuilder: Rebuilder, group: tuple[str, str, str]) -> list[Property]:
    """Return the numbers that a study asks for today, from what is stored.

    Raises
    ------
    HeteroError
        There is no such study here.
    """
    study, profile, engine = group
    known = stored_calculations(rebuilder.store, study=study, profile=profile, engine=engine)
    method = known[0].method if known else ""
    with environment(method_variables(engine, method)):
        plan = rebuilder.plan(study, profile, engine)
    return derive(rebuilder.store, plan.requests, study=study, profile=profile, engine=engine)


def changed_numbers(stored: list[Property], derived: list[Property]) -> Iterator[NumberChange]:
    """Yield the numbers that are not the same, by what they are of."""
    before, now = _by_identity(stored), _by_identity(derived)
    for identity, item in before.items():
        if identity not in now:
            yield _change(item, None, "is stored, but not derived")
        elif not _is_same(item.value, now[identity].value):
            yield _change(item, now[identity], "value")
        elif item.status != now[identity].status:
            yield _change(item, now[identity], "status")
    for identity, item in now.items():
        if identity not in before:
            yield _change(item, item, "is derived, but not stored")


def _by_identity(items: list[Property]) -> dict[str, Property]:
    rows = property_rows(items, "")
    return {row["identity"]: item for row, item in zip(rows, items, strict=True)}


def _is_same(stored: float | None, derived: float | None) -> bool:
    if stored is None or derived is None:
        return stored is derived
    return abs(stored - derived) <= _SAME * max(1.0, abs(stored))


def _change(item: Property, derived: Property | None, reason: str) -> NumberChange:
    against = f" against {item.reference}" if item.reference else ""
    return NumberChange(
        study=item.study,
        profile=item.profile,
        engine=item.engine,
        name=f"{item.quantity} of {item.model}, {item.label}{against}",
        stored=item.value,
        derived=None if derived is None else derived.value,
        unit=item.unit,
        reason=reason,
        statuses=(item.status, "" if derived is None else derived.status),
    )
