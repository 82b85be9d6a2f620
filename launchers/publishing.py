"""What ``heterofire db publish`` does and prints."""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from ..results.chosen_calculations import stored_calculations
from ..results.publishing import Published, publish
from ..results.store import ResultStore
from ..structures.errors import HeteroError, InputError
from .database_care import reported
from .exporting import existing_store, study_name
from .project import Project
from .rebuilding import Rebuilder, Rebuilding

_LARGE = 50e6  # bytes; more is a burden to every clone and wheel


def print_publication(
    database: str | None,
    target: Path,
    studies: list[str],
    *,
    profile: str | None,
    engine: str | None,
    everything: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Publish studies of the database and print what is in the file.

    Raises
    ------
    InputError
        The target is a folder or the database itself, or a study is not in it, or a number rests
        on a calculation that no study plans any more.
    """
    names = [study_name(study) for study in studies]
    with Project.here(None, database) as project, reported() as report:
        store = existing_store(project)
        own = Path(project.settings.database)
        if target.is_dir() or (target.exists() and own.exists() and target.samefile(own)):
            raise InputError(f"{target} is a folder or the database itself: name another file.")
        wanted = {"profile": profile, "engine": engine}
        old = (
            {}
            if everything
            else _unplanned(store, project.settings.database, studies, profile, engine)
        )
        made = publish(
            store, target, names, **wanted, unplanned=old, dry_run=dry_run, progress=report
        )
    if as_json:
        print(json.dumps({**asdict(made), "path": str(made.path), "dry_run": dry_run}, indent=1))
        return
    _print(made, dry_run=dry_run)


def _unplanned(
    store: ResultStore,
    database: str,
    studies: Sequence[str],
    profile: str | None,
    engine: str | None,
) -> dict[str, str]:
    """Return what no study plans any more, as name of each key; each is said.

    A study whose file is not here is not asked.
    """
    rebuilder = Rebuilder(store, database, Rebuilding(study_files=tuple(studies)))
    found: dict[str, str] = {}
    reasons: dict[str, None] = {}
    for name in map(study_name, studies):
        for item in stored_calculations(store, study=name, profile=profile, engine=engine):
            try:
                if not rebuilder.is_planned(item):
                    found[item.key] = item.name
            except HeteroError as error:
                reasons[f"{name} cannot be planned, all of it is published: {error}"] = None
    left_out = [f"left out, not planned any more: {found[key]} ({key[:8]})" for key in found]
    print(*reasons, *left_out, sep="\n", end="\n" if found or reasons else "", file=sys.stderr)
    return found


def _print(made: Published, *, dry_run: bool) -> None:
    for group in made.groups:
        print("/".join(group))
    rows = ", ".join(f"{count} {name}" for name, count in made.rows.items() if count)
    statuses = ", ".join(f"{count} {status}" for status, count in sorted(made.statuses.items()))
    would = "would be " if dry_run else ""
    print(f"{made.path}: {would}{made.n_bytes / 1e6:.1f} MB, {rows}; numbers: {statuses or 'none'}")
    print(f"sha256 {made.sha256}")
    if made.n_bytes > _LARGE:
        print(f"warning: more than {_LARGE / 1e6:.0f} MB is much for a package", file=sys.stderr)
