"""Tables and figures of a study, for the terminal and as files."""

import sys
from pathlib import Path

from ..results.records import Property
from ..results.reference import refuse_to_write
from ..structures.errors import InputError
from ..structures.files import write_atomic
from ..workflows.plans import Plan
from ..workflows.study import Study
from ..workflows.study_reading import load_study
from .project import Project


def refresh_properties(project: Project, plan: Plan) -> list[Property]:
    """Derive a plan's properties from what is stored now, and store them."""
    from ..results.derive import derive  # slow: every module that derives a number

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
        raise _no_results(project, study.study, profile)
    return found


def _no_results(project: Project, study: str, profile: str) -> InputError:
    return InputError(
        f"no results of {study}, profile {profile}, engine {project.settings.engine} in "
        f"{project.settings.database}; {_remedy(project, study, profile)}"
    )


def _remedy(project: Project, study: str, profile: str) -> str:
    """Return what to do where a study has no numbers: those there are, or how to get some."""
    engine = project.settings.engine
    options = f"--profile {profile} --engine {engine}"
    n_runs = len(project.store.calculations(study=study, profile=profile, engine=engine))
    if n_runs:
        return (
            f"{n_runs} of its calculations are stored; for the numbers that they give: "
            f"heterofire table {study} {options} --anew"
        )
    others = project.store.calculations(study=study)[["profile", "engine"]].drop_duplicates()
    if len(others):
        named = [f"--profile {row.profile} --engine {row.engine}" for row in others.itertuples()]
        return f"there are others of it: add {' or '.join(named)}"
    return f"run: heterofire run {study} {options}"


def derive_anew(project: Project, study: str, profile: str) -> None:
    """Derive a study's numbers from the steps that are stored, and say how many those are.

    Raises
    ------
    InputError
        None of its steps is stored; says of which profiles and engines some are.
    """
    refuse_to_write(project.settings.database, "nothing was derived")
    plan = project.plan(study, profile)
    n_stored = len(project.stored_keys(plan))
    if not n_stored:
        raise _no_results(project, plan.study, profile)
    refresh_properties(project, plan)
    print(f"{n_stored} of {len(plan.steps)} steps of {plan.study} are stored", file=sys.stderr)


def print_table(
    project: Project, study: str, profile: str, fmt: str, name: str | None = None
) -> None:
    """Print a study's derived numbers, or those of one of its tables."""
    from ..results.table_definitions import named_table, table_definition  # slow: pandas
    from ..results.tables import format_table, table

    loaded = load_study(study)
    definition = None if name is None else table_definition(loaded.study, name)
    properties = stored_properties(project, loaded, profile)
    if definition is None:
        print(format_table(table(properties), fmt))
        return
    if fmt == "text":
        print(definition.title)
    print(format_table(named_table(project.store, properties, definition), fmt))


def print_comparison(project: Project, study: str, profile: str, fmt: str) -> None:
    """Print published values beside computed ones."""
    from ..results.compare import compare  # slow: pandas
    from ..results.tables import format_table

    loaded = load_study(study)
    properties = stored_properties(project, loaded, profile)
    print(format_table(compare(properties, loaded.paper), fmt))


def finish_study(project: Project, plan: Plan) -> Path:
    """Print a study's tables, write them as files, and draw its figures; return the folder.

    Figures are drawn anew only when a row behind them, or a program that draws them, has changed.
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
    from .drawing import redraw_figures  # it needs this module

    for path in redraw_figures(project, study, plan.profile, folder):
        print(path)
    return folder
