"""What `heterofire engine gpaw` gives beside published PBE values: lattices, gap, ion, molecule.

    python benchmarks/gpaw_trust.py trust --only graphene LiF

Every energy is that of a run folder, kept in the folder named; a second call computes only what is
missing. Plane waves converge the crystals; the K atom is done with atomic orbitals, too.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.build import bulk, graphene, mx2
from ase.eos import EquationOfState
from ase.units import GPa
from gpaw_runs import Runs

from heterofire.results.published_pbe import reference_value
from heterofire.results.records import Run
from heterofire.workflows.potcars import valence_electrons

LCAO = {"PREC": "Normal"}
ALONE = {"IDIPOL": 4, "LMONO": "T"}


Row = tuple[str, float, str, str]  # what, value, unit, name of the published value


def lattice(
    runs: Runs,
    name: str,
    make: Callable[[float], Atoms],
    guesses: np.ndarray,
    mesh: tuple[int, int, int],
    **incar: object,
) -> tuple[float, float]:
    """Return the lattice constant in Angstrom and E'' with respect to it in eV/Angstrom^2."""
    energies = [runs.run(f"{name}-{a:.3f}", make(a), mesh, **incar).e0 for a in guesses]
    third, second, first, _ = np.polyfit(guesses, energies, 3)
    roots = np.roots([3 * third, 2 * second, first])
    best = min((r.real for r in roots if abs(r.imag) < 1e-9), key=lambda r: abs(r - guesses.mean()))
    return float(best), float(6 * third * best + 2 * second)


def of_graphene(runs: Runs) -> Iterator[Row]:
    """Lattice constant of graphene."""
    a, _ = lattice(
        runs,
        "graphene",
        lambda a: graphene(a=a, vacuum=5.0),
        np.array([2.43, 2.45, 2.47, 2.49, 2.51]),
        (15, 15, 1),
        ENCUT=500,
    )
    yield "graphene, a, PW 500 eV", a, "Angstrom", "graphite, a, PBE"


def of_mos2(runs: Runs) -> Iterator[Row]:
    """Lattice constant, sulphur relaxed, and gap of the monolayer."""

    def sheet(a: float) -> Atoms:
        return mx2("MoS2", a=a, thickness=3.13, vacuum=5.0)

    relaxed = {"ENCUT": 450, "NSW": 8, "IBRION": 2, "EDIFFG": -0.01}
    guesses = np.array([3.14, 3.17, 3.20, 3.23])
    a, _ = lattice(runs, "MoS2", sheet, guesses, (9, 9, 1), **relaxed)
    yield "MoS2 monolayer, a, PW 450 eV", a, "Angstrom", "MoS2 monolayer, a, PBE"
    run = runs.run(f"MoS2-at-{a:.3f}", sheet(a), (9, 9, 1), **relaxed, LORBIT=11)
    gap = direct_gap(run)
    name = "MoS2 monolayer, gap without spin-orbit coupling, PBE"
    yield "MoS2 monolayer, direct gap, no spin-orbit, PW 450 eV", gap, "eV", name


def direct_gap(run: Run) -> float:
    """Return the smallest gap at one k-point; the mesh holds K where it is a multiple of 3."""
    bands = run.bands
    filled = bands.occupations[0] > 0.5
    top = np.where(filled, bands.eigenvalues[0], -np.inf).max(axis=1)
    bottom = np.where(filled, np.inf, bands.eigenvalues[0]).min(axis=1)
    return float((bottom - top).min())


def of_potassium(runs: Runs) -> Iterator[Row]:
    """Lattice constant and bulk modulus of bcc K."""
    guesses = np.array([5.15, 5.22, 5.29, 5.36, 5.43])
    energies, volumes = [], []
    for a in guesses:
        run = runs.run(f"K-{a:.3f}", bulk("K", "bcc", a=a), (10, 10, 10), ENCUT=350, SIGMA=0.1)
        energies.append(run.e0)
        volumes.append(run.structure.volume)
    v0, _, modulus = EquationOfState(volumes, energies, eos="birchmurnaghan").fit(warn=False)
    yield "bcc K, a, PW 350 eV", (2 * v0) ** (1 / 3), "Angstrom", "bcc K, a, PBE all-electron"
    name = "bcc K, bulk modulus, PBE all-electron"
    yield "bcc K, bulk modulus, PW 350 eV", modulus / GPa, "GPa", name


def of_lif(runs: Runs) -> Iterator[Row]:
    """Lattice constant of rock salt LiF."""
    a, _ = lattice(
        runs,
        "LiF",
        lambda a: bulk("LiF", "rocksalt", a=a),
        np.array([3.98, 4.03, 4.08, 4.13, 4.18]),
        (6, 6, 6),
        ENCUT=600,
    )
    yield "LiF, a, PW 600 eV", a, "Angstrom", "LiF, a, PBE PAW"


def of_ion(runs: Runs) -> Iterator[Row]:
    """Ionisation energy of K: atom with its spin, ion with its charge, no images of either."""
    for basis, incar in (("LCAO dzp, h 0.22 A", LCAO), ("PW 350 eV", {"ENCUT": 350})):
        size = 11.0
        atom = Atoms("K", [[size / 2] * 3], cell=[size] * 3)
        alone = ALONE | incar | {"SIGMA": 0.01}
        mesh, name = (1, 1, 1), basis.split()[0]
        neutral = runs.run(f"K-atom-{name}", atom, mesh, **alone, ISPIN=2, MAGMOM=1)
        nelect = neutral.n_electrons - 1
        ion = runs.run(f"K-ion-{name}", atom, mesh, **alone, NELECT=nelect)
        value = ion.e0 - neutral.e0
        yield (
            f"K atom, ionisation energy, {basis}",
            value,
            "eV",
            ("K atom, first ionisation energy, measured"),
        )


def of_tfsi(runs: Runs) -> Iterator[Row]:
    """C-F bonds of the free ion, shortest first."""
    from heterofire.structures.molecules import build_species

    species = build_species("TFSI-")
    atoms = Atoms(species.symbols, species.positions)
    atoms.set_cell(np.ptp(atoms.positions, axis=0) + 9.0)
    atoms.center()
    relaxed = {"NSW": 40, "IBRION": 2, "EDIFFG": -0.03, "EDIFF": "1E-5"}
    for basis, incar in (
        ("LCAO dzp, h 0.18 A", {"PREC": "Accurate"}),
        ("PW 400 eV", {"ENCUT": 400}),  # as in the paper
    ):
        tags = ALONE | relaxed | incar
        electrons = valence_electrons(atoms.get_chemical_symbols()) + 1
        name = "TFSI" if basis.startswith("LCAO") else "TFSI-PW"
        run = runs.run(name, atoms, (1, 1, 1), **tags, NELECT=electrons)
        bonds = sorted(cf_bonds(run))
        for i, name in enumerate(("first", "second", "third")):
            yield (
                f"TFSI-, {name} C-F bond, {basis}",
                bonds[i],
                "Angstrom",
                (f"TFSI-, {name} C-F bond, PBE-D3"),
            )


def cf_bonds(run: Run) -> list[float]:
    """Return the distance of each F from its C in Angstrom."""
    structure = run.structure
    carbons = [i for i, site in enumerate(structure) if site.specie.symbol == "C"]
    fluorines = [i for i, site in enumerate(structure) if site.specie.symbol == "F"]
    return [min(structure.get_distance(f, c) for c in carbons) for f in fluorines]


CASES: dict[str, Callable[[Runs], Iterator[Row]]] = {
    "graphene": of_graphene,
    "K": of_potassium,
    "LiF": of_lif,
    "K-ion": of_ion,
    "MoS2": of_mos2,
    "TFSI": of_tfsi,
}


def main() -> None:
    """Compute what is missing and print it beside the published values."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="run folders are kept here")
    parser.add_argument("--only", nargs="+", choices=CASES, default=list(CASES))
    arguments = parser.parse_args()
    found = []
    print(f"{'what':55s} {'here':>9s} {'published':>10s} {'difference':>11s}  unit")
    for case in arguments.only:
        for what, value, unit, name in CASES[case](Runs(arguments.folder)):
            item = reference_value(name)
            published = item.value_in(unit)
            print(f"{what:55s} {value:9.4f} {published:10.4f} {value - published:+11.4f}  {unit}")
            sys.stdout.flush()
            found.append({"what": what, "value": value, "unit": unit, "beside": name})
    (arguments.folder / "trust.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
