"""What ``heterofire db`` does and prints."""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from ..results.backups import back_up, migrate_database
from ..results.database_checks import check_database
from ..results.database_info import database_info
from ..results.merge_plans import MergePlan
from ..results.merging import merge
from ..results.snapshots import Progress as Report
from ..results.snapshots import require_current, snapshot
from .listing import print_rows
from .settings import database_address

_EVERY_S = 30.0


@contextmanager
def reported() -> Iterator[Report]:
    """Give a function that shows progress: a bar on a terminal, else a line twice a minute."""
    console = Console(stderr=True)
    columns: tuple[ProgressColumn, ...] = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
    )
    last = time.monotonic()
    columns += (TimeRemainingColumn(),)
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bars:
        bar = bars.add_task("", visible=False)

        def report(what: str, done: int, total: int) -> None:
            nonlocal last
            bars.update(bar, description=what, completed=done, total=total, visible=True)
            if not console.is_terminal and time.monotonic() - last > _EVERY_S:
                last = time.monotonic()
                print(f"{what}: {done} of {total}", file=sys.stderr, flush=True)

        yield report


def print_info(database: str | None, *, as_json: bool) -> None:
    """Print what the database holds."""
    info = database_info(database_address(database))
    if as_json:
        print(json.dumps(asdict(info), indent=1))
        return
    newest = "" if info.schema == info.newest_schema else f" of {info.newest_schema}"
    print(f"{info.name}: {info.program}, schema {info.schema}{newest}, {_size(info.n_bytes)}")
    print(", ".join(f"{count} {name}" for name, count in info.rows.items()))
    print_rows([_study_row(asdict(study)) for study in info.studies], as_json=False)
    if newest:
        print("bring it up to date with: heterofire db migrate", file=sys.stderr)
    _say_where(info.name)


def _study_row(row: dict[str, Any]) -> dict[str, Any]:
    """Return a study with its dates to the minute."""
    dates = ("first", "last", "derived")
    return {name: value[:16] if name in dates else value for name, value in row.items()}


def _say_where(name: str) -> None:
    """Say what a file on a disk that other machines see can be trusted with."""
    from ..structures.file_systems import file_system_type, is_local

    if "://" in name or is_local(Path(name).absolute().parent):
        return
    kind = file_system_type(Path(name).absolute().parent)
    print(
        f"{name} is on {kind}: safe as far as its locks work between machines; for many workers on "
        "several nodes use PostgreSQL (HETEROFIRE_DB=postgresql://user@host/database)",
        file=sys.stderr,
    )


def _size(n_bytes: int) -> str:
    return f"{n_bytes / 1e6:.1f} MB"


def print_check(database: str | None, *, as_json: bool) -> int:
    """Print what is wrong with the database; 1 when something is."""
    with snapshot(database_address(database)) as (connection, name), reported() as report:
        require_current(connection, name)
        found = check_database(connection, report)
    if as_json:
        print(json.dumps(asdict(found), indent=1))
        return 1 if found.problems else 0
    for line in found.problems:
        print(line)
    for line in found.notes:
        print(f"note: {line}", file=sys.stderr)
    rows = ", ".join(f"{count} {what}" for what, count in found.checked.items())
    print(f"{name}: {len(found.problems)} problems; checked {rows}")
    if found.problems:
        print(
            "restore a backup, or move the database away and collect the run folders again",
            file=sys.stderr,
        )
    return 1 if found.problems else 0


def print_backup(database: str | None, file: Path, *, force: bool, as_json: bool) -> int:
    """Make a backup and print what is in it; 1 when the database itself has problems."""
    with reported() as report:
        made = back_up(database_address(database), file, force=force, progress=report)
    if as_json:
        print(json.dumps({**asdict(made), "path": str(made.path)}, indent=1))
    else:
        rows = ", ".join(f"{count} {name}" for name, count in made.rows.items())
        print(f"{made.path}: {_size(made.n_bytes)}, {rows}")
    if made.problems:
        print(
            f"the copy is faithful, but the database has {len(made.problems)} problems; see "
            f"'heterofire db check': {made.problems[0]}",
            file=sys.stderr,
        )
    return 1 if made.problems else 0


def print_migration(database: str | None, *, dry_run: bool, as_json: bool) -> None:
    """Bring the database up to date and print the steps."""
    with reported() as report:
        done = migrate_database(database_address(database), dry_run=dry_run, progress=report)
    if as_json:
        backup = None if done.backup is None else str(done.backup)
        print(json.dumps({**asdict(done), "backup": backup, "dry_run": dry_run}, indent=1))
        return
    if not done.steps:
        print(f"{done.name} is up to date: schema {done.after}")
        return
    if done.backup is not None:
        print(f"backup of schema {done.before}: {done.backup}")
    verb = "would go" if dry_run else "went"
    print(f"{done.name} {verb} from schema {done.before} to {done.after}:")
    for step in done.steps:
        print(f"  {step}")


def print_merge(database: str | None, other: str, *, dry_run: bool, as_json: bool) -> int:
    """Merge another database and print what was taken; 1 when something was left."""
    with reported() as report:
        plan = merge(database_address(database), other, dry_run=dry_run, progress=report)
    if as_json:
        print(json.dumps({**asdict(plan), "dry_run": dry_run}, indent=1))
    else:
        _print_plan(plan, dry_run=dry_run)
    return 1 if plan.conflicts or plan.damaged else 0


def _print_plan(plan: MergePlan, *, dry_run: bool) -> None:
    verb = "would be taken over" if dry_run else "taken over"
    rows = {
        f"calculations {verb}": len(plan.new),
        f"converged ones {verb} for unconverged": len(plan.converged),
        "calculations that both have": plan.equal + plan.kept,
        f"uses {verb}": len(plan.uses),
        f"properties {verb}": plan.properties,
    }
    for what, count in rows.items():
        print(f"{count:6d} {what}")
    for group in plan.groups:
        print(f"       numbers of {'/'.join(group)}")
    for line in plan.damaged:
        print(f"damaged, not taken over: {line}")
    for line in plan.conflicts:
        print(f"conflict: {line}")
    if plan.converged:
        print(
            "numbers of the unconverged runs are outdated: 'heterofire run STUDY' derives them "
            "anew; 'heterofire db check' names them",
            file=sys.stderr,
        )
    if dry_run:
        print("nothing was changed", file=sys.stderr)
