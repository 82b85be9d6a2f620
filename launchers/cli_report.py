"""``heterofire report`` on the command line."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .cli_options import AsJson, DatabaseName, DryRun, EngineName, StoredProfile, StudyName

if TYPE_CHECKING:
    from ..results.report import ReportStudy
    from ..results.store import ResultStore
    from .project import Project


def report(
    study: StudyName,
    output: Annotated[Path, typer.Option("-o", "--output", help="The page to write.")] = Path(
        "report.html"
    ),
    profile: StoredProfile = None,
    engine: EngineName = None,
    database: DatabaseName = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Write a study's report: one HTML page with its models, numbers, figures and warnings."""
    from .shown_studies import project_to_show

    project, shown = project_to_show(study, profile, engine, database)
    with project:
        made = write_report(project, study, shown, output, dry_run=dry_run)
    print(json.dumps(made, indent=2) if as_json else made["page"])


def write_report(
    project: "Project", study: str, profile: str, output: Path, *, dry_run: bool = False
) -> dict[str, object]:
    """Write the report on a study; return where it is and what it warns of.

    Raises
    ------
    InputError
        There is no such study, nothing of it is in the database, or the page is a folder.
    """
    from ..results.report import collect_report  # slow: matplotlib
    from ..results.report_page import render_report
    from ..structures.errors import InputError
    from ..structures.files import write_atomic

    if output.is_dir():
        raise InputError(f"{output} is a folder; name the page: -o {output / 'report.html'}")
    if not project.has_store():
        raise InputError(
            f"no result database {project.settings.database}; go to the project's folder, or set "
            "HETEROFIRE_DB to the file or URL of the database"
        )
    wanted = _report_study(project.store, study, profile, project.settings.engine)
    found = collect_report(project.store, wanted, say=_say)
    page = render_report(found)
    if not dry_run:
        write_atomic(output, page)
    size = len(page.encode())
    _say(f"{'would be ' if dry_run else ''}{size / 1e6:.1f} MB, {len(found.cautions)} warnings")
    return {
        "page": str(output),
        "bytes": size,
        "written": not dry_run,
        "calculations": len(found.calculations),
        "numbers": sum(len(group.rows) for group in found.groups),
        "figures": [figure.name for figure in found.figures],
        "warnings": [caution.title for caution in found.cautions],
    }


def _report_study(store: "ResultStore", name: str, profile: str, engine: str) -> "ReportStudy":
    """Return what the report is about; of a study whose file is gone, what the database knows."""
    from ..results.report import ReportStudy
    from ..structures.errors import InputError
    from ..workflows.study_reading import load_study
    from .project import checked_profile

    checked = checked_profile(profile)
    try:
        study = load_study(name)
    except InputError:
        if store.calculations(study=name, profile=checked, engine=engine).empty:
            raise
        _say(f"{name} is no study file and none that comes along: without figures and paper")
        return ReportStudy(name=name, profile=checked, engine=engine)
    return ReportStudy(
        name=study.study,
        profile=checked,
        engine=engine,
        title=study.title,
        paper=study.paper,
        figures=study.figures_in(checked),
    )


def _say(text: str) -> None:
    print(text, file=sys.stderr)
