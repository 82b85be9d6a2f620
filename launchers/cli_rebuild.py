"""``heterofire rebuild`` on the command line."""

from pathlib import Path
from typing import Annotated

import typer

from .cli_options import AsJson, DatabaseName, DryRun


def rebuild(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME_OR_KEY]...", help="Stored calculations.")
    ] = None,
    database: DatabaseName = None,
    n_random: Annotated[int, typer.Option("--random", min=0, help="So many, by chance.")] = 0,
    cheap: Annotated[
        bool, typer.Option("--cheap", help="Only those that take less than a minute.")
    ] = False,
    numbers: Annotated[
        bool, typer.Option("--numbers", help="Derive all numbers anew from what is stored.")
    ] = False,
    seed: Annotated[int | None, typer.Option(help="Draw the same ones again.")] = None,
    tolerance: Annotated[float, typer.Option(min=0.0, help="Allowed difference in eV.")] = 0.005,
    whole: Annotated[
        bool, typer.Option("--whole", help="Relax again, run whole bands; default: one energy.")
    ] = False,
    as_stored: Annotated[
        bool, typer.Option("--as-stored", help="Stored inputs where no study plans them today.")
    ] = False,
    study: Annotated[
        str | None, typer.Option(help="Only of this study: its name, or its YAML file.")
    ] = None,
    profile: Annotated[str | None, typer.Option(help="Only of this profile.")] = None,
    engine: Annotated[str | None, typer.Option(help="Only of this engine.")] = None,
    output: Annotated[Path, typer.Option("-o", "--output", help="Run folders go here.")] = Path(
        "rebuilt"
    ),
    keep: Annotated[bool, typer.Option("--keep", help="Keep the run folders that agree.")] = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Compute stored energies once more from their inputs; exit code 1 when one differs."""
    from .rebuild_printing import Choice, print_rebuilt
    from .rebuilding import Rebuilding
    from .rederiving import print_derived

    choice = Choice(
        words=tuple(names or ()),
        n_random=n_random,
        cheap=cheap,
        seed=seed,
        study=study,
        profile=profile,
        engine=engine,
    )
    asked = Rebuilding(
        tolerance=tolerance,
        whole=whole,
        as_stored=as_stored,
        keep=keep,
        study_files=(study,) if study else (),
        folder=output,
    )
    code = print_derived(database, choice, asked, as_json=as_json) if numbers else 0
    if names or n_random or not numbers:
        code |= print_rebuilt(database, choice, asked, dry_run=dry_run, as_json=as_json)
    raise typer.Exit(code)
