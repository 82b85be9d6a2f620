"""Options that many commands have."""

from typing import Annotated

import typer

StudyName = Annotated[str, typer.Argument(help="A study's name, or a YAML file of your own.")]
ProfileName = Annotated[str, typer.Option("--profile", help="quick, paper, converged, gpaw.")]
EngineName = Annotated[
    str | None,
    typer.Option("--engine", help="xtb, gpaw, vasp; default: what my_fworker.yaml has, else xtb."),
]
DatabaseName = Annotated[
    str | None,
    typer.Option("--db", help="File, URL or 'reference'; default: HETEROFIRE_DB, else results.db."),
]
StoredProfile = Annotated[
    str | None,
    typer.Option("--profile", help="quick (default), paper, converged, gpaw; reference: its own."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for a script to read.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would happen; change nothing.")]
