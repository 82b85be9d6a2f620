"""Figures of a study for the terminal: drawn, checked against the database, read from a file."""

import json
import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

from ..structures.errors import HeteroError, InputError, RunError
from ..workflows.study import Study
from ..workflows.study_reading import load_study
from .project import Project, checked_profile
from .reporting import stored_properties

if TYPE_CHECKING:
    from ..results.figure_checks import FigureCheck, RowChange
    from ..results.figure_records import FigureRecord
    from ..results.figure_sources import StoredStudy
    from ..results.figures import RenderedFigure

DEFAULT_FOLDER = Path("figures")
_MOST_PROCESSES = 4
_MOST_ROWS = 12  # of one figure that are printed; all of them with --json


def draw_figures(
    project: Project, study: str, profile: str, names: list[str], output: Path, *, dry_run: bool
) -> list[Path]:
    """Redraw figures from the store, all of the study's when none is named, and record them.

    Raises
    ------
    RunError
        For some of them there is no number yet; the others are drawn.
    """
    wanted, stored = _stored(project, study, profile, names)
    if dry_run:
        print("\n".join(str(output / f"{name}.png") for name in wanted))
        return []
    written: list[Path] = []
    for paths in _written(project, stored, wanted, output):
        print("\n".join(map(str, paths)), flush=True)
        written += paths
    return written


def _written(
    project: Project, stored: "StoredStudy", names: Sequence[str], folder: Path
) -> Iterator[list[Path]]:
    """Write each figure and yield its files; raise at the end where some could not be drawn."""
    from ..results.figures import write_figure  # slow: matplotlib

    missing = []
    for figure in _rendered(stored, names):
        if isinstance(figure, RunError):
            missing.append(figure)
        else:
            yield write_figure(figure, project.store, folder)
    if missing:
        raise RunError("\n".join(map(str, missing)))


def _rendered(stored: "StoredStudy", names: Sequence[str]) -> Iterator["RenderedFigure | RunError"]:
    """Yield figures in order, or why there is none; several are drawn at a time on some cores."""
    n_processes = min(len(os.sched_getaffinity(0)), len(names), _MOST_PROCESSES)
    if n_processes < 2:
        _hold(stored)
        yield from map(_render, names)
        return
    stored.load()  # once, before the processes part
    # Forked, so that each has the libraries and the properties that are here already.
    pool = ProcessPoolExecutor(n_processes, get_context("fork"), _hold, (stored,))
    with pool:
        try:
            yield from pool.map(_render, names)
        finally:
            pool.shutdown(cancel_futures=True)


_held: dict[str, "StoredStudy"] = {}  # what a drawing process works on


def _hold(stored: "StoredStudy") -> None:
    _held["study"] = stored


def _render(name: str) -> "RenderedFigure | RunError":
    from ..results.figures import render_figure  # slow: matplotlib

    try:
        return render_figure(_held["study"], name)
    except RunError as error:
        return error


def redraw_figures(project: Project, study: Study, profile: str, folder: Path) -> list[Path]:
    """Draw those figures of a study anew that are not as they would be drawn now; return all."""
    from ..results.figure_checks import check_figures  # slow: matplotlib
    from ..results.figure_files import KINDS
    from ..results.figure_sources import StoredStudy

    stored = StoredStudy(project.store, study.study, profile, project.settings.engine)
    names = study.figures_in(checked_profile(profile))
    checks = check_figures(stored, names, [folder])
    old = [found.name for found in checks if not found.is_good or found.remarks]
    for _ in _written(project, stored, old, folder):
        pass
    return [folder / f"{name}.{kind}" for name in names for kind in KINDS]


def _stored(
    project: Project, study: str, profile: str, names: Sequence[str]
) -> tuple[Sequence[str], "StoredStudy"]:
    """Return which figures are wanted, all by default, and what is stored of their study.

    Raises
    ------
    InputError
        The study has no such figure in this profile, or nothing is stored of it.
    """
    from ..results.figure_sources import StoredStudy  # slow: pymatgen

    loaded = load_study(study)
    known = loaded.figures_in(checked_profile(profile))
    unknown = [name for name in names if name not in known]
    if unknown:
        raise InputError(
            f"{study} has no figure {', '.join(unknown)} in profile {profile}; it has "
            f"{', '.join(known) or 'none'}"
        )
    stored_properties(project, loaded, profile)
    engine = project.settings.engine
    return names or known, StoredStudy(project.store, loaded.study, profile, engine)


def print_figure_checks(
    project: Project,
    study: str,
    profile: str,
    names: list[str],
    output: Path | None,
    *,
    as_json: bool,
) -> None:
    """Say of each figure whether it still shows what is stored.

    Without a folder, those that ``run`` and ``figure`` write into are looked at, where they are.

    Raises
    ------
    HeteroError
        A figure is stale, was not drawn, or a file is missing or edited.
    """
    from ..results.figure_checks import check_figures  # slow: matplotlib

    wanted, stored = _stored(project, study, profile, names)
    if stored.store.is_fixed:
        raise InputError(
            "the reference database keeps no records of figures: compare the record inside a file "
            "with its rows: heterofire figure --read FILE --db reference"
        )
    own = project.settings.folder / f"{stored.study}-{profile}-{project.settings.engine}"
    usual = [folder for folder in (DEFAULT_FOLDER, own) if folder.is_dir()]
    folders = [output] if output is not None else usual or [DEFAULT_FOLDER]
    found = check_figures(stored, wanted, folders)
    if as_json:
        print(json.dumps([one.as_dict() for one in found], indent=2, ensure_ascii=False))
    else:
        for one in found:
            print("\n".join(_check_lines(one)))
    poor = [one.name for one in found if not one.is_good]
    if poor:
        raise HeteroError(
            f"{len(poor)} of {len(found)} figures are not as recorded: {', '.join(poor)}. Redraw "
            f"them: heterofire figure {study} {' '.join(poor)} --profile {profile} -o {folders[0]}"
        )


def _check_lines(check: "FigureCheck") -> list[str]:
    """Return what there is to say about a figure, the verdict first."""
    verdict = check.state if check.is_good or check.state != "current" else "files differ"
    when = f", drawn {check.drawn[:19].replace('T', ' ')}" if check.drawn else ""
    lines = [f"{check.name}: {verdict}{when}"]
    lines += _change_lines(check.changes)
    return lines + [f"  {text}" for text in (*check.files, *check.remarks)]


def _change_lines(changes: Sequence["RowChange"]) -> list[str]:
    lines = [f"  {change.words()}" for change in changes[:_MOST_ROWS]]
    more = len(changes) - _MOST_ROWS
    return lines + ([f"  and {more} more rows: --json lists all"] if more > 0 else [])


def print_figure_record(project: Project, path: Path, *, as_json: bool) -> None:
    """Print the record inside a figure, and whether the database here still has its rows."""
    from ..results.figure_checks import row_changes  # slow: matplotlib
    from ..results.figure_files import read_figure
    from ..results.figure_records import record_text
    from ..results.figure_sources import StoredStudy

    record = read_figure(path)
    if as_json:
        print(record_text(record))
        return
    print("\n".join(_record_lines(record)))
    if not project.has_store():
        print(f"no database {project.settings.database} to compare with", file=sys.stderr)
        return
    stored = StoredStudy(project.store, record.study, record.profile, record.engine)
    changes = row_changes(stored, record)
    name = project.settings.database
    print(f"{name}: " + ("all rows are as they were" if not changes else "not as it was drawn:"))
    print("\n".join(_change_lines(changes)), end="\n" if changes else "")


def _record_lines(record: "FigureRecord") -> list[str]:
    """Return a record in lines: what, how, of which rows."""
    libraries = ", ".join(f"{name} {version}" for name, version in record.libraries.items())
    settings = ", ".join(f"{name} {value}" for name, value in record.settings.items())
    return [
        f"figure {record.name} ({record.drawing}) of {record.study}, profile {record.profile}",
        f"engine {record.engine}, method {record.method}",
        f"query: {record.query}",
        f"heterofire {record.heterofire}; {libraries}",
        f"settings: {settings}",
        f"state: {record.state}",
        *(f"  {row.kind} {row.identity}  {row.words()}" for row in record.rows),
    ]
