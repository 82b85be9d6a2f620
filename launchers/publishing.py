"""What ``heterofire db publish`` does and prints."""

import json
import sys
from dataclasses import asdict
from pathlib import Path

from ..results.publishing import Published, publish
from ..structures.errors import InputError
from .database_care import reported
from .exporting import existing_store, study_name
from .project import Project

_LARGE = 50e6  # bytes; more is a burden to every clone and wheel


def print_publication(
    database: str | None,
    target: Path,
    studies: list[str],
    *,
    profile: str | None,
    engine: str | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Publish studies of the database and print what is in the file.

    Raises
    ------
    InputError
        The target is a folder or the database itself, or a study is not in it.
    """
    names = [study_name(study) for study in studies]
    with Project.here(None, database) as project, reported() as report:
        store = existing_store(project)
        own = Path(project.settings.database)
        if target.is_dir() or (target.exists() and own.exists() and target.samefile(own)):
            raise InputError(f"{target} is a folder or the database itself: name another file.")
        wanted = {"profile": profile, "engine": engine}
        made = publish(store, target, names, **wanted, dry_run=dry_run, progress=report)
    if as_json:
        print(json.dumps({**asdict(made), "path": str(made.path), "dry_run": dry_run}, indent=1))
        return
    _print(made, dry_run=dry_run)


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
