"""``heterofire figure`` on the command line: draw, check, and read what a file was drawn from."""

from pathlib import Path
from typing import Annotated

import typer

from .cli_options import DatabaseName, DryRun, EngineName, StoredProfile


def figure(
    study: Annotated[
        str | None, typer.Argument(help="A study's name, or a YAML file of your own.")
    ] = None,
    names: Annotated[list[str] | None, typer.Argument(help="Such as 5b; default: all.")] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Folder of the files; default: figures.")
    ] = None,
    profile: StoredProfile = None,
    engine: EngineName = None,
    database: DatabaseName = None,
    check: Annotated[
        bool, typer.Option("--check", help="Draw nothing: say which are stale, missing or edited.")
    ] = False,
    read: Annotated[
        Path | None, typer.Option("--read", help="Print what a PNG, SVG or PDF was drawn from.")
    ] = None,
    dry_run: DryRun = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON of --check or --read.")] = False,
) -> None:
    """Redraw a study's figures from the result store alone, or say what they show."""
    from .drawing import draw_figures, print_figure_checks, print_figure_record
    from .shown_studies import project_to_show

    project, shown = project_to_show(study, profile, engine, database)
    with project:
        if read is not None:
            print_figure_record(project, read, as_json=as_json)
        elif study is None:
            raise typer.BadParameter("name a study, or a file with --read", param_hint="STUDY")
        elif check:
            print_figure_checks(project, study, shown, names or [], output, as_json=as_json)
        else:
            folder = output or Path("figures")
            draw_figures(project, study, shown, names or [], folder, dry_run=dry_run)
