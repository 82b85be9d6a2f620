"""The command line: parse, call one library function, print. Everything works from Python too."""

import logging
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from ..structures.errors import HeteroError
from .cli_init import init

app = typer.Typer(
    name="heterofire",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Build battery heterostructures, run their DFT, get back the table and the figure.",
    epilog="Example: heterofire run potassium-anode --profile quick",
)

StudyName = Annotated[str, typer.Argument(help="A study's name, or a YAML file of your own.")]
ProfileName = Annotated[str, typer.Option("--profile", help="quick, paper or converged.")]
EngineName = Annotated[
    str | None, typer.Option("--engine", help="xtb or vasp; default: what my_fworker.yaml has.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for a script to read.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would happen; change nothing.")]
Workers = Annotated[int, typer.Option("-j", "--workers", min=1, help="Calculations at a time.")]
FaceSpec = Annotated[
    str, typer.Argument(help="A crystal's name or file, with its plane: NAME:hkl; else (001).")
]
MaxStrain = Annotated[float, typer.Option(help="Largest principal strain, 0.03 is 3 %.")]
MaxArea = Annotated[float | None, typer.Option(help="Angstrom^2; default 200.")]
MaxAtoms = Annotated[int | None, typer.Option(help="Atoms of both faces together.")]
Twist = Annotated[
    tuple[float, float] | None, typer.Option(help="Smallest and largest twist, degrees.")
]
Share = Annotated[float, typer.Option(help="Of the mismatch, what the top takes; 0 to 1.")]
Vacuum = Annotated[float, typer.Option(help="Angstrom above the uppermost atom.")]
StructureFile = Annotated[
    Path | None, typer.Option("-o", "--output", help="POSCAR, *.cif or *.xyz.")
]
Folder = Annotated[Path, typer.Option("-o", "--output", help="Folder to write into.")]


@app.command(epilog="Example: heterofire studies")
def studies(as_json: AsJson = False) -> None:
    """List the studies that come along."""
    from .listing import print_studies

    print_studies(as_json=as_json)


@app.command(epilog="Example: heterofire models")
def models(as_json: AsJson = False) -> None:
    """List the models, crystals and molecules that can be built."""
    from .listing import print_models

    print_models(as_json=as_json)


@app.command(epilog="Example: heterofire build MoSSe@NC -o POSCAR")
def build(
    model: Annotated[str, typer.Argument(help="A name from 'heterofire models'.")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="POSCAR, *.cif or *.xyz.")
    ] = None,
    size: Annotated[str, typer.Option(help="quick, paper or converged.")] = "quick",
    kind: Annotated[
        str | None, typer.Option(help="model, crystal or molecule, where a name is of two.")
    ] = None,
    padding: Annotated[
        float, typer.Option(help="Angstrom between a molecule and its images.")
    ] = 12.0,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Build one model, crystal or molecule; print atoms, cell, strain, charge and checks."""
    from .building import build_and_print

    options: Any = {"size": size, "kind": kind, "padding": padding}
    build_and_print(model, **options, output=None if dry_run else output, as_json=as_json)


@app.command(epilog="Example: heterofire match graphite_2H MoS2_2H --max-area 120 -o matches.png")
def match(
    bottom: FaceSpec,
    top: FaceSpec,
    layers: Annotated[tuple[int, int], typer.Option(help="Layers of bottom and top.")] = (1, 1),
    max_strain: MaxStrain = 0.03,
    max_area: MaxArea = None,
    max_atoms: MaxAtoms = None,
    twist: Twist = None,
    share: Share = 1.0,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Drawing: *.png.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the common supercells of two faces, each once."""
    from .matches import print_matches
    from .surfaces import load_face, match_limits

    limits = match_limits(max_strain, max_area, max_atoms, twist)
    faces = [load_face(s, n_layers=n) for s, n in zip((bottom, top), layers, strict=True)]
    print_matches(faces[0], faces[1], limits=limits, share=share, drawing=output, as_json=as_json)


@app.command(epilog="Example: heterofire slab Ni2Mo3N:221 --thickness 8 --freeze 2 -o POSCAR")
def slab(
    crystal: FaceSpec,
    thickness: Annotated[float | None, typer.Option(help="At least so many Angstrom.")] = None,
    layers: Annotated[int | None, typer.Option(help="Or so many layers; default 1.")] = None,
    termination: Annotated[int, typer.Option(min=1, help="From --list.")] = 1,
    upside_down: Annotated[bool, typer.Option(help="Its lower face on top.")] = False,
    symmetric: Annotated[bool, typer.Option(help="The same face above and below.")] = False,
    freeze: Annotated[float, typer.Option(help="Lowest layers to hold.")] = 0.0,
    vacuum: Vacuum = 20.0,
    listing: Annotated[bool, typer.Option("--list", help="Only list the terminations.")] = False,
    output: StructureFile = None,
    as_json: AsJson = False,
) -> None:
    """Cut a slab of any plane, or list its distinct terminations."""
    from .surfaces import print_slab

    if thickness is None and layers is None:
        layers = 1
    options: Any = {"thickness": thickness, "n_layers": layers, "termination": termination - 1}
    options |= {"upside_down": upside_down, "symmetric": symmetric}
    options |= {"n_frozen_layers": freeze, "vacuum": vacuum}
    print_slab(crystal, output=output, as_json=as_json, listing=listing, **options)


@app.command(epilog="Example: heterofire interface MoN_delta3 MoS2_2H --layers 2 1 -o POSCAR")
def interface(
    bottom: FaceSpec,
    top: FaceSpec,
    layers: Annotated[tuple[int, int], typer.Option(help="Layers of bottom and top.")] = (1, 1),
    terminations: Annotated[tuple[int, int], typer.Option(help="See slab --list.")] = (1, 1),
    max_strain: MaxStrain = 0.03,
    max_area: MaxArea = None,
    max_atoms: MaxAtoms = None,
    twist: Twist = None,
    pick: Annotated[int, typer.Option(help="Which of the matches that match marks *.")] = 1,
    share: Share = 1.0,
    gap: Annotated[float | None, typer.Option(help="Angstrom; default: by atomic radii.")] = None,
    vacuum: Vacuum = 20.0,
    freeze: Annotated[float, typer.Option(help="Hold the lowest atoms up to here, A.")] = 0.0,
    registry: Annotated[int, typer.Option(help="Try shifts in the plane, keep the best n.")] = 0,
    rank: Annotated[str, typer.Option(help="Rank shifts by: radii, or engine.")] = "radii",
    output: StructureFile = None,
    as_json: AsJson = False,
) -> None:
    """Lay one face on another: match, strain, gap, register."""
    from .surfaces import Placing, load_faces, match_limits, print_interface

    limits = match_limits(max_strain, max_area, max_atoms, twist)
    faces = load_faces((bottom, top), layers, terminations)
    placing = Placing(share, gap, vacuum, freeze, registry, rank)
    print_interface(
        faces, limits=limits, pick=pick, placing=placing, output=output, as_json=as_json
    )


@app.command(epilog="Example: heterofire dock H2O C6H6 --anchor 'C6 ring' -n 3 -o placements")
def dock(
    guest: Annotated[str, typer.Argument(help="A molecule's name or XYZ file.")],
    host: Annotated[
        str, typer.Argument(help="A molecule or cluster, or a slab: a model's name or a file.")
    ],
    anchor: Annotated[str | None, typer.Option(help="Where on the host, from --list.")] = None,
    head: Annotated[
        list[str] | None,
        typer.Option(help="What looks at it: O, N, Li, plane, any; may be repeated."),
    ] = None,
    number: Annotated[int, typer.Option("-n", "--number", min=1, help="How many to keep.")] = 1,
    angle: Annotated[float, typer.Option(min=5, max=120, help="Degrees between turns.")] = 30.0,
    distance: Annotated[
        float | None, typer.Option(min=1, help="Angstrom to the anchor; default: touching.")
    ] = None,
    padding: Annotated[float, typer.Option(help="Angstrom around it in a POSCAR.")] = 12.0,
    listing: Annotated[bool, typer.Option("--list", help="Only list the host's anchors.")] = False,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="A folder, POSCAR, *.cif or *.xyz.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Put a molecule on another one, a cluster or a slab; rank the ways it fits."""
    from .docking import Request, print_anchors, print_docked

    if listing:
        print_anchors(host, as_json=as_json)
        return
    request = Request(anchor, tuple(head or ()), number, angle, distance, padding)
    print_docked(guest, host, request, output=output, as_json=as_json)


@app.command(epilog="Example: heterofire cut MOF.cif --metal Fe --linkers 1 -o cluster.xyz")
def cut(
    file: Annotated[Path, typer.Argument(help="The crystal: *.cif, POSCAR, *.xyz.")],
    metal: Annotated[str, typer.Option(help="An element, or an atom of the file such as Fe12.")],
    linkers: Annotated[int, typer.Option(min=0, help="Linkers to keep whole.")] = 1,
    shells: Annotated[int, typer.Option(min=1, help="Cut the others at this C-C bond.")] = 1,
    keep: Annotated[
        list[str] | None, typer.Option(help="Keep the linker of this atom; may be repeated.")
    ] = None,
    charge: Annotated[int | None, typer.Option(help="In e; default: by rule.")] = None,
    multiplicity: Annotated[
        int | None, typer.Option(help="2S+1; default: high-spin metals, coupled to the least.")
    ] = None,
    oxidation: Annotated[
        list[str] | None,
        typer.Option(help="Such as Fe=3; default: what makes the crystal neutral."),
    ] = None,
    padding: Annotated[float, typer.Option(help="Angstrom of vacuum around it.")] = 12.0,
    output: StructureFile = None,
    as_json: AsJson = False,
) -> None:
    """Cut a cluster out of a metal-organic framework, with H where bonds are cut."""
    from ..structures.cluster_cutting import CutRequest
    from .cutting import oxidation_of, print_cluster

    options: Any = {"centre": metal, "n_linkers": linkers, "shells": shells, "charge": charge}
    options |= {"multiplicity": multiplicity, "oxidation": oxidation_of(oxidation or [])}
    shown: Any = {"keep": keep or (), "padding": padding, "output": output, "as_json": as_json}
    print_cluster(file, CutRequest(**options), **shown)


@app.command(epilog="Example: heterofire identify Ni2Mo3N Ni3Mo3N_eta6 --peaks 40.70,43.01,45.23")
def identify(
    peaks: Annotated[str, typer.Option(help="Measured 2theta in degrees, with commas between.")],
    crystals: Annotated[
        list[str] | None, typer.Argument(help="Names or structure files; default: all known.")
    ] = None,
    wavelength: Annotated[
        str, typer.Option(help="Such as CuKa (Ka1 and Ka2 weighted), CuKa1, or Angstrom.")
    ] = "CuKa",
    fix_ratio: Annotated[
        bool, typer.Option("--fix-ratio", help="Refine the scale of the lattice only.")
    ] = False,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Drawing: *.png, *.svg or *.pdf.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Index X-ray powder peaks, refine the lattice, and say which crystal fits."""
    from .identification import print_identification

    options: Any = {"wavelength": wavelength, "fix_ratio": fix_ratio}
    print_identification(crystals or [], peaks, **options, drawing=output, as_json=as_json)


@app.command(epilog="Example: heterofire plan potassium-anode --profile paper")
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


@app.command(epilog="Example: heterofire submit potassium-anode --profile paper")
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


@app.command(epilog="Example: heterofire collect")
def collect(dry_run: DryRun = False, as_json: AsJson = False) -> None:
    """Take in the results of compute nodes that reach no database."""
    from .collecting import print_collected
    from .project import Project

    with Project.here(None) as project:
        raise typer.Exit(print_collected(project, dry_run=dry_run, as_json=as_json))


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


@app.command(epilog="Example: heterofire table potassium-anode --format csv")
def table(
    study: StudyName,
    profile: ProfileName = "quick",
    engine: EngineName = None,
    fmt: Annotated[str, typer.Option("--format", help="text, csv, json or latex.")] = "text",
    as_json: AsJson = False,
) -> None:
    """Print a study's derived numbers with engine, method, unit and reference."""
    from .project import Project
    from .reporting import print_table

    with Project.here(engine) as project:
        print_table(project, study, profile, "json" if as_json else fmt)


@app.command(epilog="Example: heterofire compare potassium-anode")
def compare(
    study: StudyName,
    profile: ProfileName = "quick",
    engine: EngineName = None,
    fmt: Annotated[str, typer.Option("--format", help="text, csv, json or latex.")] = "text",
    as_json: AsJson = False,
) -> None:
    """Print the paper's numbers beside the computed ones, with the doubts about each."""
    from .project import Project
    from .reporting import print_comparison

    with Project.here(engine) as project:
        print_comparison(project, study, profile, "json" if as_json else fmt)


@app.command(epilog="Example: heterofire figure potassium-anode 5b -o figures")
def figure(
    study: StudyName,
    names: Annotated[list[str] | None, typer.Argument(help="Such as 5b; default: all.")] = None,
    output: Folder = Path("figures"),
    profile: ProfileName = "quick",
    engine: EngineName = None,
    dry_run: DryRun = False,
) -> None:
    """Redraw a study's figures from the result store alone."""
    from .project import Project
    from .reporting import draw_figures

    with Project.here(engine) as project:
        draw_figures(project, study, profile, names or [], output, dry_run=dry_run)


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
    name: Annotated[str, typer.Argument(help="xtb")],
    folder: Annotated[Path, typer.Option(help="The run folder.")] = Path(),
) -> None:
    """Stand in for VASP in the current folder."""
    # Before numpy starts its threads: two were slower than one at these sizes.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    from .engines.run import run_engine

    raise typer.Exit(run_engine(name, folder))


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
    except KeyboardInterrupt:
        print("stopped; the same command goes on from here", file=sys.stderr)
        sys.exit(130)
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
