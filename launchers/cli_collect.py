"""The command ``collect``."""

from pathlib import Path
from typing import Annotated, Any

import typer

from .cli_options import AsJson, DryRun


def collect(
    folders: Annotated[
        list[Path] | None,
        typer.Argument(help="Take in every VASP run below, whoever made it."),
    ] = None,
    study: Annotated[str, typer.Option(help="To list these runs under.")] = "collected",
    model: Annotated[str | None, typer.Option(help="Default: each run's reduced formula.")] = None,
    workers: Annotated[int, typer.Option("-j", "--workers", min=1, help="Processes.")] = 2,
    again: Annotated[
        bool, typer.Option("--again", help="Read folders again that have not changed.")
    ] = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Take in finished VASP folders; without a folder, results of nodes that reach no database."""
    from .project import Project

    with Project.here(None) as project:
        if not folders:
            from .collecting import print_collected

            raise typer.Exit(print_collected(project, dry_run=dry_run, as_json=as_json))
        from .ingest_printing import print_ingest

        how: Any = {"study": study, "model": model, "n_workers": workers, "again": again}
        shown: Any = {"dry_run": dry_run, "as_json": as_json}
        raise typer.Exit(print_ingest(project, folders, **how, **shown))
