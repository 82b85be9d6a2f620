"""Tables and figures of a study, for the terminal and as files."""

import hashlib
import sys
from pathlib import Path

from ..results.derive import derive
from ..results.records import Property
from ..structures.errors import InputError
from ..structures.files import write_atomic
from ..workflows.plans import Plan
from ..workflows.study import Study, load_study
from .project import Project


def refresh_properties(project: Project, plan: Plan) -> list[Property]:
    """Derive a plan's properties from what is stored now, and store them."""
    about = {"study": plan.study, "profile": plan.profile, "engine": plan.engine}
    properties = derive(project.store, plan.requests, **about)
    project.store.replace_properties(**about, properties=properties)
    return properties


def stored_properties(project: Project, study: Study, profile: str) -> list[Property]:
    """Return the stored properties of a study.

    Raises
    ------
    InputError
        There are none yet.
    """
    engine = project.settings.engine
    found = project.store.properties(study=study.study, profile=profile, engine=engine)
    if not found:
        raise InputError(
            f"no results of {study.study}, profile {profile}, engine {engine} in "
            f"{project.settings.database}; run: heterofire run {study.study} --profile {profile}"
        )
    return found


def print_table(project: Project, study: str, profile: str, fmt: str) -> None:
    """Print a study's derived numbers."""
    from ..results.tables import format_table, table  # slow: pandas

    properties = stored_properties(project, load_study(study), profile)
    print(format_table(table(properties), fmt))


def print_comparison(project: Project, study: str, profile: str, fmt: str) -> None:
    """Print published values beside computed ones."""
    from ..results.compare import compare  # slow: pandas
    from ..results.tables import format_table

    loaded = load_study(study)
    properties = stored_properties(project, loaded, profile)
    print(format_table(compare(properties, loaded.paper), fmt))


def draw_figures(
    project: Project, study: str, profile: str, names: list[str], output: Path, *, dry_run: bool
) -> list[Path]:
    """Redraw figures from the store; all of the study's when none is named."""
    from ..results.figures import draw_figure  # slow: matplotlib

    loaded = load_study(study)
    unknown = [name for name in names if name not in loaded.figures]
    if unknown:
        raise InputError(
            f"{study} has no figure {', '.join(unknown)}; it has {', '.join(loaded.figures)}"
        )
    stored_properties(project, loaded, profile)
    written: list[Path] = []
    for name in names or loaded.figures:
        if dry_run:
            print(output / f"{name}.png")
            continue
        about = {"study": loaded.study, "profile": profile, "engine": project.settings.engine}
        written += draw_figure(project.store, name, folder=output, **about)
    for path in written:
        print(path)
    return written


def finish_study(project: Project, plan: Plan) -> Path:
    """Print a study's tables, write them as files, and draw its figures; return the folder.

    Figures are drawn anew only when a number, or a program that draws them, has changed.
    """
    from ..results.compare import compare  # slow: pandas
    from ..results.tables import format_table, table

    study = load_study(plan.source)
    properties = stored_properties(project, study, plan.profile)
    folder = project.settings.folder / f"{plan.study}-{plan.profile}-{plan.engine}"
    frames = {"table": table(properties)}
    if study.paper:
        frames["compare"] = compare(properties, study.paper)
    for name, frame in frames.items():
        write_atomic(folder / f"{name}.csv", format_table(frame, "csv"))
        shown = frame[~frame["label"].str.contains(" image ", regex=False, na=False)]
        print(format_table(shown, "text"), end="\n\n")
        if len(shown) < len(frame):
            print(
                f"{len(frame) - len(shown)} charges along the hops are in {name}.csv and in "
                f"'heterofire table {plan.study}'",
                file=sys.stderr,
            )
    print(f"figures and tables in {folder}:", file=sys.stderr)
    mark, state = folder / ".drawn", _state_of(properties, study)
    if mark.is_file() and mark.read_text() == state and _all_there(folder, study):
        for path in _figure_files(folder, study):
            print(path)
        return folder
    draw_figures(project, plan.source, plan.profile, [], folder, dry_run=False)
    write_atomic(mark, state)
    return folder


def _state_of(properties: list[Property], study: Study) -> str:
    """Return a hash of all that a study's figures depend on: numbers, sources and programs."""
    import matplotlib as mpl  # slow

    from .. import __version__

    words = [__version__, mpl.__version__, *study.figures, *map(repr, properties)]
    return hashlib.sha256("\n".join(words).encode()).hexdigest()


def _figure_files(folder: Path, study: Study) -> list[Path]:
    kinds = ("png", "svg", "pdf", "csv")
    return [folder / f"{name}.{kind}" for name in study.figures for kind in kinds]


def _all_there(folder: Path, study: Study) -> bool:
    return all(path.is_file() for path in _figure_files(folder, study))
