"""``heterofire export, verify, methods`` on the command line."""

from pathlib import Path
from typing import Annotated

import typer

from .cli_options import AsJson, DatabaseName, DryRun, EngineName, StoredProfile, StudyName


def export(
    study: StudyName,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="The zip file; default STUDY-PROFILE-ENGINE.zip."),
    ] = None,
    profile: StoredProfile = None,
    engine: EngineName = None,
    database: DatabaseName = None,
    with_outputs: Annotated[
        bool, typer.Option("--with-outputs", help="Also OUTCAR, vasprun.xml ... of run folders.")
    ] = False,
    with_densities: Annotated[
        bool, typer.Option("--with-densities", help="And CHGCAR, AECCAR, ELFCAR, LOCPOT: large.")
    ] = False,
    licence: Annotated[
        str, typer.Option("--license", help="Of the data: an SPDX name such as CC-BY-4.0.")
    ] = "",
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Write an archive of a study for a data repository, without POTCARs."""
    from .exporting import ExportOptions, export_study
    from .shown_studies import project_to_show

    project, shown = project_to_show(study, profile, engine, database)
    options = ExportOptions(
        profile=shown,
        outputs=with_outputs,
        densities=with_densities,
        licence=licence,
        dry_run=dry_run,
        as_json=as_json,
    )
    with project:
        export_study(project, study, output, options)


def verify(
    archive: Annotated[Path, typer.Argument(help="What 'heterofire export' wrote.")],
    max_size: Annotated[float | None, typer.Option(min=0, help="GB that it may unpack to.")] = None,
    as_json: AsJson = False,
) -> None:
    """Check an archive: whole, safe, no POTCAR, tables as in its database; 1 when it is not."""
    from .exporting import print_verification

    raise typer.Exit(print_verification(archive, max_gigabytes=max_size, as_json=as_json))


def methods(
    study: StudyName,
    profile: StoredProfile = None,
    engine: EngineName = None,
    database: DatabaseName = None,
    bibtex: Annotated[bool, typer.Option("--bibtex", help="Print what it cites instead.")] = False,
    latex: Annotated[bool, typer.Option("--latex", help="Print it for LaTeX.")] = False,
    as_json: AsJson = False,
) -> None:
    """Print the methods section of a paper from what is stored."""
    from .exporting import print_methods
    from .shown_studies import project_to_show

    kind = "json" if as_json else "bibtex" if bibtex else "latex" if latex else "text"
    project, shown = project_to_show(study, profile, engine, database)
    with project:
        print_methods(project, study, shown, kind)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(epilog="Example: heterofire export potassium-anode -o anode.zip")(export)
    app.command(epilog="Example: heterofire verify anode.zip")(verify)
    app.command(epilog="Example: heterofire methods potassium-anode --latex")(methods)
