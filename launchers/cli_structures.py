"""Commands that build structures: named models, slabs, interfaces, placements, clusters."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from .cli_options import AsJson, DryRun

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


def models(as_json: AsJson = False) -> None:
    """List the models, crystals and molecules that can be built."""
    from .listing import print_models

    print_models(as_json=as_json)


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


_EXAMPLES: dict[Callable[..., None], str] = {
    models: "models",
    build: "build MoSSe@NC -o POSCAR",
    match: "match graphite_2H MoS2_2H --max-area 120 -o matches.png",
    slab: "slab Ni2Mo3N:221 --thickness 8 --freeze 2 -o POSCAR",
    interface: "interface MoN_delta3 MoS2_2H --layers 2 1 -o POSCAR",
    dock: "dock H2O C6H6 --anchor 'C6 ring' -n 3 -o placements",
    cut: "cut MOF.cif --metal Fe --linkers 1 -o cluster.xyz",
    identify: "identify Ni2Mo3N Ni3Mo3N_eta6 --peaks 40.70,43.01,45.23",
}


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command, example in _EXAMPLES.items():
        app.command(epilog=f"Example: heterofire {example}")(command)
