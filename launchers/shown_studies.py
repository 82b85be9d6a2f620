"""Which database, profile and engine a command shows a study from."""

from ..results.reference import is_reference
from ..structures.errors import InputError
from .project import Project
from .settings import load_settings


def project_to_show(
    study: str | None, profile: str | None, engine: str | None, database: str | None
) -> tuple[Project, str]:
    """Return the project whose database is read, and the profile that is shown.

    Of a database of one's own the profile is quick and the engine that of the workers unless
    others are asked for. The reference database has few of each study: whatever is not asked for
    is taken from there.

    Parameters
    ----------
    study
        A study's name or its file; None where no study was named.
    profile, engine, database
        As asked for; None where they were not.

    Raises
    ------
    InputError
        The reference database has several kinds of numbers of the study; names them.
    """
    project = Project.here(engine, database)
    if study is None or not is_reference(project.settings.database):
        return project, profile or "quick"
    found = [
        pair
        for pair in _kinds(project, study)
        if pair[0] == (profile or pair[0]) and pair[1] == (engine or pair[1])
    ]
    if len(found) > 1:
        words = ", ".join(f"--profile {name} --engine {program}" for name, program in found)
        raise InputError(f"{study} is there several times: choose {words}")
    if not found:  # the command says what is missing
        return project, profile or "quick"
    project.close()
    return Project(load_settings(engine=found[0][1], database=database)), found[0][0]


def _kinds(project: Project, study: str) -> list[tuple[str, str]]:
    """Return profiles and engines with numbers of a study."""
    from sqlalchemy import select  # slow to import

    from ..results.schema import PROPERTIES
    from .exporting import study_name  # slow: pydantic

    query = (
        select(PROPERTIES.c.profile, PROPERTIES.c.engine)
        .where(PROPERTIES.c.study == study_name(study))
        .distinct()
        .order_by(PROPERTIES.c.profile, PROPERTIES.c.engine)
    )
    with project.store.reading() as connection:
        return [(profile, engine) for profile, engine in connection.execute(query)]
