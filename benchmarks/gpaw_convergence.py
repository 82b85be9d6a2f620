"""How converged profile gpaw is: binding energy (basis, k-points) and Bader charges (grid).

    python benchmarks/gpaw_convergence.py FOLDER --db reference --model MoS2@NC --site gallery-1

Geometries are those of a result database. Basis and grid are tried at Gamma: they matter little
more or less on a mesh. A second call computes only what is missing.
"""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

from ase import Atoms
from gpaw_runs import Runs

from heterofire.results.bader_folder import bader_folder
from heterofire.results.records import Run
from heterofire.results.store import ResultStore

GAMMA = (1, 1, 1)
BASIS = "HETEROFIRE_GPAW_BASIS"
STATIC = {"NSW": 0, "IBRION": -1, "EDIFF": "1E-5"}
BASES: dict[str, tuple[dict[str, object], dict[str, str]]] = {
    "PW 300 eV": ({"ENCUT": 300}, {}),
    "PW 400 eV": ({"ENCUT": 400}, {}),
    "PW 500 eV": ({"ENCUT": 500}, {}),
    "PW 600 eV": ({"ENCUT": 600}, {}),
    "LCAO dzp, h 0.22 A": ({"ENCUT": None, "PREC": "Normal"}, {BASIS: "dzp"}),
    "LCAO szp(dzp), h 0.22 A": ({"ENCUT": None, "PREC": "Normal"}, {BASIS: "szp(dzp)"}),
}
MESHES = {"2x2x1 off Gamma": (2, 2, 1), "4x4x1 off Gamma": (4, 4, 1)}  # beside the study's 3x3x1
PARTS = ("binding", "kpoints", "charges")
GRIDS = {"0.18 A": 1, "0.09 A": 2, "0.045 A": 4}  # of 400 eV and finer; the study has 3


def stored(store: ResultStore, name: str) -> Run:
    """Return the stored run of a name such as "MoS2@NC/relax"."""
    return store.get_run(key_of(store, name))


def key_of(store: ResultStore, name: str) -> str:
    """Return the key of the newest calculation of a name."""
    table = store.calculations(study="potassium-anode", profile="gpaw", name=name)
    if table.empty:
        sys.exit(f"{store.name} has no {name} of potassium-anode/gpaw: run the study first")
    return str(table["key"].iloc[-1])


def ase_atoms(run: Run) -> Atoms:
    """Return the last geometry of a run."""
    return run.structure.to_ase_atoms(msonable=False)


def tags_of(run: Run, *left_out: str) -> dict[str, object]:
    """Return the INCAR of a stored run as text, static."""
    kept = {tag: value for tag, value in run.incar.items() if tag not in left_out}
    return {tag: _text(value) for tag, value in kept.items()} | STATIC


def _text(value: object) -> str:
    if isinstance(value, bool):
        return ".TRUE." if value else ".FALSE."
    return " ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def binding(runs: Runs, parts: Mapping[str, Run]) -> None:
    """Print the binding energy of K against the atom in each basis."""
    print(f"{'basis':25s} {'E_b (eV)':>9s} {'less PW 600 eV':>15s}")
    found = {}
    for name, (tags, environment) in BASES.items():
        energies = {
            part: runs.run(
                f"{part}-{name.split(',')[0].replace(' ', '-')}",
                ase_atoms(run), GAMMA, environment, **tags_of(run) | tags,
            ).e0
            for part, run in parts.items()
        }  # fmt: skip
        found[name] = energies["with-K"] - energies["host"] - energies["atom"]
    for name, value in found.items():
        print(f"{name:25s} {value:9.4f} {value - found['PW 600 eV']:+15.4f}")


def kpoints(runs: Runs, parts: Mapping[str, Run], of_study: Mapping[str, Run]) -> None:
    """Print the binding energy of K against the atom on each mesh."""
    print(f"{'k-points':25s} {'E_b (eV)':>9s} {'less 3x3x1':>15s}")
    study = of_study["with-K"].e0 - of_study["host"].e0 - parts["atom"].e0
    print(f"{'3x3x1 (the study)':25s} {study:9.4f} {0:+15.4f}")
    for name, mesh in MESHES.items():
        energies = {
            part: runs.run(
                f"{part}-{name.replace(' ', '-')}",
                ase_atoms(parts[part]),
                mesh,
                style="Monkhorst-Pack",
                **tags_of(parts[part]),
            ).e0
            for part in ("with-K", "host")
        }
        value = energies["with-K"] - energies["host"] - parts["atom"].e0
        print(f"{name:25s} {value:9.4f} {value - study:+15.4f}")


def charges(runs: Runs, with_ion: Run) -> None:
    """Print the Bader charge of K and of the layers' carbon on ever finer grids."""
    print(f"{'grid':25s} {'K, near-grid (e)':>17s} {'K, weight (e)':>14s} {'all C (e)':>10s}")
    lattice = with_ion.structure.lattice
    for name, factor in GRIDS.items():
        step = 0.178 / factor
        points = [max(1, round(length / step)) for length in lattice.abc]
        grid = dict(zip(("NGXF", "NGYF", "NGZF"), points, strict=True))
        densities = {"LCHARG": ".TRUE.", "LAECHG": ".TRUE."}
        folder = f"charges-{name.replace(' ', '-')}"
        tags = tags_of(with_ion) | densities | grid
        run = runs.run(folder, ase_atoms(with_ion), GAMMA, **tags)
        near, weight = bader_folder(runs.folder / folder, algorithms=("near-grid", "weight"))
        if near.net is None or weight.net is None:
            sys.exit(f"{runs.folder / folder} does not say how many electrons an atom has")
        symbols = [site.specie.symbol for site in run.structure]
        carbon = sum(net for net, symbol in zip(near.net, symbols, strict=True) if symbol == "C")
        ion = symbols.index("K")
        print(f"{name:25s} {near.net[ion]:17.4f} {weight.net[ion]:14.4f} {carbon:10.4f}")


def main() -> None:
    """Compute what is missing and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="run folders are kept here")
    parser.add_argument("--db", default="reference", help="where the geometries are")
    parser.add_argument("--model", default="MoS2@NC")
    parser.add_argument("--site", default="gallery-1")
    parser.add_argument("--only", choices=PARTS)
    arguments = parser.parse_args()
    with ResultStore.open(arguments.db) as store:
        folders = {"with-K": f"{arguments.model}/K-{arguments.site}", "host": arguments.model}
        parts = {part: stored(store, f"{folder}/refine") for part, folder in folders.items()}
        of_study = {part: stored(store, f"{folder}/charge") for part, folder in folders.items()}
        parts["atom"] = stored(store, "K atom/molecule")
    runs = Runs(arguments.folder, {})
    if arguments.only in (None, "binding"):
        binding(runs, parts)
    if arguments.only in (None, "kpoints"):
        kpoints(runs, parts, of_study)
    if arguments.only in (None, "charges"):
        charges(runs, parts["with-K"])


if __name__ == "__main__":
    main()
