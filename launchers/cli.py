"""The command line: parse, call one library function, print. Everything works from Python too."""

import logging
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from ..structures.errors import HeteroError
from .cli_collect import collect
from .cli_db import db
from .cli_export import register as register_export
from .cli_figures import figure
from .cli_init import init
from .cli_options import (
    AsJson,
    DatabaseName,
    DryRun,
    EngineName,
    ProfileName,
    StoredProfile,
    StudyName,
)
from .cli_query import query
from .cli_rebuild import rebuild
from .cli_report import report
from .cli_setup import setup
from .cli_structures import register as register_structures

app = typer.Typer(
    name="heterofire",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Build battery heterostructures, run their DFT, get back the table and the figure.",
    epilog="Example: heterofire run potassium-anode --profile quick",
)

Workers = Annotated[int, typer.Option("-j", "--workers", min=1, help="Calculations at a time.")]
Folder = Annotated[Path, typer.Option("-o", "--output", help="Folder to write into.")]


@app.command(epilog="Example: heterofire studies")
def studies(as_json: AsJson = False) -> None:
    """List the studies that come along."""
    from .listing import print_studies

    print_studies(as_json=as_json)


register_structures(app)


@app.command(epilog="Example: heterofire plan potassium-anode --profile paper --engine vasp")
def plan(
    study: StudyName,
    profile: ProfileName = "quick",
    engine: EngineName = None,
    as_json: AsJson = False,
) -> None:
    """Show every calculation of a study: atoms, k-points, bands, cost, done or not."""
    from .listing import print_plan
    from .project import Project

    with Project.here(engine) as project:
        print_plan(project, project.plan(study, profile), as_json=as_json)


@app.command(epilog="Example: heterofire inputs potassium-anode -o vasp_inputs")
def inputs(
    study: StudyName,
    output: Folder = Path("inputs"),
    profile: ProfileName = "quick",
    engine: EngineName = None,
    dry_run: DryRun = False,
) -> None:
    """Write the run folders of a study without queueing anything."""
    from .project import Project
    from .writing import write_study_inputs

    with Project.here(engine) as project:
        write_study_inputs(project.plan(study, profile), output, dry_run=dry_run)


@app.command(epilog="Example: heterofire submit potassium-anode --profile paper --engine vasp")
def submit(
    study: StudyName,
    profile: ProfileName = "quick",
    engine: EngineName = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Add a study's calculations to the LaunchPad; what is done or queued is left out."""
    from .project import Project
    from .running import submit_study

    with Project.here(engine) as project:
        planned = project.plan(study, profile)
        submit_study(project, planned, dry_run=dry_run, as_json=as_json)


@app.command(epilog="Example: heterofire launch --bundle 10 --follow")
def launch(
    workers: Workers = 2,
    engine: EngineName = None,
    dry_run: DryRun = False,
    local: Annotated[
        bool, typer.Option("--local", help="Here, whatever my_qadapter says.")
    ] = False,
    max_jobs: Annotated[int, typer.Option(min=1, help="Your jobs in the queue, at most.")] = 50,
    bundle: Annotated[int, typer.Option(min=1, help="Calculations in one job, at most.")] = 1,
    follow: Annotated[bool, typer.Option("--follow", help="Go on until all is done.")] = False,
    every: Annotated[float, typer.Option(min=0.5, help="Seconds between two looks.")] = 10.0,
) -> None:
    """Run what is ready: in the queue that my_qadapter.yaml names, else on this machine."""
    from .project import Project

    with Project.here(engine) as project:
        if local or project.settings.my_qadapter is None:
            from .running import launch_ready

            raise typer.Exit(launch_ready(project, workers, dry_run=dry_run))
        from .cluster_running import launch_in_queue
        from .queueing import Queueing

        how = Queueing(max_jobs=max_jobs, bundle=bundle)
        options: Any = {"dry_run": dry_run, "follow": follow, "every_s": every}
        raise typer.Exit(launch_in_queue(project, how, **options))


app.command(epilog="Example: heterofire collect ~/old_runs --study mos2 -j 8")(collect)


@app.command(epilog="Example: heterofire run potassium-anode --profile quick")
def run(
    study: StudyName,
    profile: ProfileName = "quick",
    engine: EngineName = None,
    workers: Workers = 2,
    dry_run: DryRun = False,
) -> None:
    """Submit a study, launch it here, print its tables and draw its figures."""
    from .project import Project
    from .running import run_study

    with Project.here(engine) as project:
        planned = project.plan(study, profile)
        raise typer.Exit(run_study(project, planned, workers, dry_run=dry_run))


@app.command(epilog="Example: heterofire status")
def status(
    as_json: AsJson = False,
    repair: Annotated[bool, typer.Option("--repair", help="Queue again what was lost.")] = False,
) -> None:
    """Show states, the step of running calculations, what failed and what to do."""
    from .listing import print_status
    from .project import Project

    with Project.here(None) as project:
        raise typer.Exit(print_status(project, as_json=as_json, repair=repair))


@app.command(epilog="Example: heterofire table potassium-anode binding --format latex")
def table(
    study: StudyName,
    name: Annotated[
        str | None, typer.Argument(help="Such as binding, barriers, or a figure (5b); else all.")
    ] = None,
    profile: StoredProfile = None,
    engine: EngineName = None,
    database: DatabaseName = None,
    fmt: Annotated[str, typer.Option("--format", help="text, csv, json or latex.")] = "text",
    as_json: AsJson = False,
    anew: Annotated[
        bool,
        typer.Option("--anew", help="Derive them first, also of a study that is not finished."),
    ] = False,
) -> None:
    """Print a study's derived numbers with engine, method, unit and reference."""
    from .reporting import derive_anew, print_table
    from .shown_studies import project_to_show

    project, shown = project_to_show(study, profile, engine, database)
    with project:
        if anew:
            derive_anew(project, study, shown)
        print_table(project, study, shown, "json" if as_json else fmt, name)


@app.command(epilog="Example: heterofire compare potassium-anode")
def compare(
    study: StudyName,
    profile: StoredProfile = None,
    engine: EngineName = None,
    database: DatabaseName = None,
    fmt: Annotated[str, typer.Option("--format", help="text, csv, json or latex.")] = "text",
    as_json: AsJson = False,
) -> None:
    """Print the paper's numbers beside the computed ones, with the doubts about each."""
    from .reporting import print_comparison
    from .shown_studies import project_to_show

    project, shown = project_to_show(study, profile, engine, database)
    with project:
        print_comparison(project, study, shown, "json" if as_json else fmt)


app.command(epilog="Example: heterofire figure potassium-anode 5b -o figures")(figure)


app.command(
    epilog="Example: heterofire rebuild --db reference --random 3 --cheap",
)(rebuild)


app.command(epilog="Example: heterofire report potassium-anode -o report.html")(report)


app.command(
    name="query",
    epilog="Example: heterofire query 'elements HAS K AND value < -1' --sort value --limit 10",
)(query)


@app.command(epilog="Example: heterofire bader run_folder --algorithm near-grid -o ACF.dat")
def bader(
    folder: Annotated[Path, typer.Argument(help="Holds CHGCAR, AECCAR0 and AECCAR2 (or .gz).")],
    algorithm: Annotated[
        list[str] | None,
        typer.Option(help="near-grid (default), on-grid or weight; may be repeated."),
    ] = None,
    reference: Annotated[
        Path | None, typer.Option(help="Density of the volumes; default: AECCAR0 + AECCAR2.")
    ] = None,
    vacuum: Annotated[
        float | None, typer.Option(help="Density in e/Angstrom^3 below which all is vacuum.")
    ] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="ACF.dat to write.")] = None,
    as_json: AsJson = False,
) -> None:
    """Print the Bader charge, volume and moment of each atom of a VASP folder."""
    from .charging import print_bader

    names = algorithm or ["near-grid"]
    print_bader(folder, names, reference=reference, vacuum=vacuum, acf=output, as_json=as_json)


app.command(
    name="init",
    epilog="Example: heterofire init --cluster slurm --cores 32 --vasp-std 'srun vasp_std'",
)(init)
app.add_typer(db)
app.add_typer(setup)
register_export(app)


@app.command(epilog="Example: heterofire doctor potassium-anode --profile paper")
def doctor(
    study: Annotated[str | None, typer.Argument(help="Check its POTCARs, too.")] = None,
    profile: ProfileName = "quick",
    engine: EngineName = None,
    test_job: Annotated[
        bool, typer.Option("--test-job", help="Send a one-minute job through the queue.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check everything before a job is wasted."""
    from .listing import print_doctor
    from .settings import load_settings

    settings = load_settings(engine=engine)
    asked: Any = {"study": study, "profile": profile, "test_job": test_job}
    raise typer.Exit(print_doctor(settings, as_json=as_json, **asked))


@app.command(name="engine", epilog="Example: cd run_folder && heterofire engine xtb")
def run_engine_here(
    name: Annotated[str, typer.Argument(help="xtb or gpaw.")],
    folder: Annotated[Path, typer.Option(help="The run folder.")] = Path(),
    processes: Annotated[
        str | None, typer.Option(help="That share the images of a band: 1, 2 ... or auto.")
    ] = None,
) -> None:
    """Stand in for VASP in the current folder."""
    # Before numpy starts its threads: two were slower than one at these sizes.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    from .engines.run import run_engine

    raise typer.Exit(run_engine(name, folder, processes))


_PASS_ON: dict[str, Any] = {
    "context_settings": {"allow_extra_args": True, "ignore_unknown_options": True},
    "add_help_option": False,
}


@app.command(epilog="Example: heterofire lpad get_fws", **_PASS_ON)
def lpad(context: typer.Context) -> None:
    """FireWorks' own lpad, on this project's LaunchPad."""
    _fireworks("lpad", context.args)


@app.command(epilog="Example: heterofire rlaunch singleshot", **_PASS_ON)
def rlaunch(context: typer.Context) -> None:
    """FireWorks' own rlaunch, on this project's LaunchPad."""
    _fireworks("rlaunch", context.args)


@app.command(epilog="Example: heterofire qlaunch -r rapidfire", **_PASS_ON)
def qlaunch(context: typer.Context) -> None:
    """FireWorks' own qlaunch, on this project's LaunchPad."""
    _fireworks("qlaunch", context.args)


def _fireworks(command: Any, arguments: list[str]) -> None:
    """Hand the arguments to FireWorks' command with the right store chosen."""
    from .launchpads import run_fireworks_command
    from .settings import load_settings

    settings = load_settings()
    code = run_fireworks_command(
        command, arguments, my_launchpad=settings.my_launchpad, embedded=settings.launchpad
    )
    raise typer.Exit(code)


@app.callback(invoke_without_command=True)
def _options(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        from .. import __version__

        print(f"heterofire {__version__}")
        raise typer.Exit


_INTERRUPTED = 130  # exit code of a shell's command after Ctrl-C


def main() -> None:
    """Run the command line; a foreseen failure is one message and its exit code."""
    # Planning has thousands of small minimisations: BLAS threads would only wait for each other.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    logging.basicConfig(format="%(message)s")
    logging.getLogger().handlers[0].setLevel(logging.WARNING)  # FireWorks' loggers are at DEBUG
    try:
        app()
    except HeteroError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except SystemExit as end:
        if end.code == _INTERRUPTED:  # typer makes this of Ctrl-C, and says nothing
            print("stopped; the same command goes on from here", file=sys.stderr)
        raise
    except BrokenPipeError:
        sys.exit(1)
    except Exception as error:
        if not type(error).__module__.startswith("pymongo."):  # imported only where it is used
            raise
        print(f"error: lost the MongoDB server: {str(error)[:300]}", file=sys.stderr)
        print("nothing is lost: run the same command again", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
