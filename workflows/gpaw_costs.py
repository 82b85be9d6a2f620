"""What a calculation costs GPAW: seconds and memory of one core, fitted to a few measured runs.

Measured on one core, Fermi 0.1 eV, plane waves of 400 eV, K on 45 atoms of MoS2/N-graphene in
1,298 Angstrom^3, PREC = Accurate (48x48x120 points): Gamma 131 s for the first field (22 cycles),
60 s for the next one (13); 0.89 GB, 1.1 GB on 2x2x1, 2.3 GB for a band of three images. Charges
(3x3x1, densities on 7.5 million points): 1.04 GB for N-graphene, 1.37 for MoSSe, 1.72 for both.
LCAO, dzp at h = 0.22 Angstrom, 178,000 points: 150 s (30 cycles), 10 s for the forces, 790 MB. In
szp(dzp): MoS2 of three atoms with 6x6x1 k-points 16 to 23 s; a K atom with spin in a box of 2,730
Angstrom^3 940 MB.
"""

from collections.abc import Mapping
from math import ceil, prod
from typing import Any

from pymatgen.core import Lattice
from scipy.fft import next_fast_len

from .calculations import Calculation
from .gpaw_grids import grid_spacing, refinement
from .parallelism import irreducible_points
from .sizes import size_of

# Ionic steps; a charge run's densities take as long as its energy.
_STEPS = {"relax": 20.0, "molecule": 15.0, "neb": 20.0, "bulk": 8.0, "charge": 2.0}
_REFINING = 6.0  # steps of what is relaxed already, with other k-points
_BASIS = 14  # functions of an atom, dzp
_PROGRAM = 0.25  # GB
_DENSITIES = 6  # arrays on the fine grid while all-electron densities are written
_ISOLATED = 1800  # bytes for each plane wave: potentials of a molecule without images


def gpaw_seconds(calculation: Calculation) -> float:
    """Return the seconds that a calculation takes on one core, right within a factor 2."""
    n_kpoints, n_spins = irreducible_points(calculation), _spins(calculation)
    if is_lcao(calculation.incar):
        seconds = lcao_seconds_of_a_step(
            n_atoms=len(calculation.structure),
            n_points=grid_points(calculation.structure.lattice, calculation.incar),
            n_kpoints=n_kpoints,
            n_spins=n_spins,
        )
    else:
        size = size_of(calculation)
        seconds = pw_seconds_of_a_step(
            n_waves=size.plane_waves, n_bands=size.bands, n_kpoints=n_kpoints, n_spins=n_spins
        )
    return _steps(calculation) * max(calculation.n_images, 1) * seconds


def pw_seconds_of_a_step(*, n_waves: int, n_bands: int, n_kpoints: int, n_spins: int) -> float:
    """Return the seconds of one self-consistent field and its forces with plane waves.

    Between the square of the bands (orthogonality) and their number (transforms).

    Parameters
    ----------
    n_waves
        Plane waves at one k-point.

    Examples
    --------
    >>> round(pw_seconds_of_a_step(n_waves=18_930, n_bands=165, n_kpoints=1, n_spins=1))
    91
    """
    complex_waves = 1 if n_kpoints == 1 else 2
    waves = 2.2e-6 * n_bands**1.5 * n_waves * complex_waves
    return float(3.0 + n_spins * n_kpoints * waves)


def lcao_seconds_of_a_step(*, n_atoms: int, n_points: float, n_kpoints: int, n_spins: int) -> float:
    """Return the seconds of one self-consistent field and its forces with atomic orbitals.

    The density's share grows with the volume, that of the matrices with the atoms.

    Parameters
    ----------
    n_points
        Of the real-space grid.

    Examples
    --------
    >>> round(lcao_seconds_of_a_step(n_atoms=46, n_points=178_000, n_kpoints=1, n_spins=1))
    92
    >>> round(lcao_seconds_of_a_step(n_atoms=3, n_points=16_000, n_kpoints=20, n_spins=1))
    20
    """
    complex_matrices = 1 if n_kpoints == 1 else 2
    matrices = 0.6 + 50.0 * (n_atoms / 45) ** 2.5 * complex_matrices
    return float(3.0 + n_spins * (20.0 * n_points / 1e5 + n_kpoints * matrices))


def gpaw_memory_gb(calculation: Calculation, n_processes: int = 1) -> float:
    """Return the memory that a calculation needs, in GB.

    Parameters
    ----------
    n_processes
        That share the images of a band. Those whose turn it is not keep their fields: 50 MB each
        where the one at work needs 170 (64,000 points).
    """
    incar, n_spins = calculation.incar, _spins(calculation)
    one = _memory_of_one(calculation)
    # Orbitals on the grid are made again; plane waves of an image stay.
    kept = (one - _PROGRAM) * (1 / 3 if is_lcao(incar) else 1.0)
    n_images = max(calculation.n_images, 1)
    n_working = min(n_processes, n_images)
    memory = n_working * one + (n_images - n_working) * kept
    if incar.get("LAECHG"):
        memory += _fine_points(calculation) * 8 * _DENSITIES * n_spins / 1e9
    return memory


def _fine_points(calculation: Calculation) -> float:
    """Return how many points densities are written on: GPAW's own, refined until NGXF is met."""
    incar, lattice = calculation.incar, calculation.structure.lattice
    given = [int(incar.get(tag) or 0) for tag in ("NGXF", "NGYF", "NGZF")]
    wanted = max(a / n for a, n in zip(lattice.abc, given, strict=True)) if all(given) else 0.0
    finer = refinement(grid_spacing(incar), wanted)
    return grid_points(lattice, incar) * finer**3


def _memory_of_one(calculation: Calculation) -> float:
    """Return the memory in GB of a process that computes one geometry."""
    n_kpoints, n_spins = irreducible_points(calculation), _spins(calculation)
    n_points = grid_points(calculation.structure.lattice, calculation.incar)
    if is_lcao(calculation.incar):
        return memory_gb_of(
            n_atoms=len(calculation.structure),
            n_points=n_points,
            n_kpoints=n_kpoints,
            n_spins=n_spins,
        )
    size = size_of(calculation)
    is_alone = calculation.incar.get("IDIPOL") == 4 or bool(calculation.incar.get("LMONO"))
    return (is_alone * _ISOLATED * size.plane_waves) / 1e9 + pw_memory_gb_of(
        n_waves=size.plane_waves,
        n_points=n_points,
        n_bands=size.bands,
        n_kpoints=n_kpoints,
        n_spins=n_spins,
    )


def pw_memory_gb_of(
    *, n_waves: int, n_points: float, n_bands: int, n_kpoints: int, n_spins: int
) -> float:
    """Return the memory of one process in GB with plane waves: the program, grids, wave functions.

    Those of all k-points stay; the one at work has more arrays of its size, and projectors.

    Examples
    --------
    >>> of_46_atoms = {"n_waves": 23_100, "n_points": 48 * 48 * 120, "n_bands": 165}
    >>> round(pw_memory_gb_of(**of_46_atoms, n_kpoints=1, n_spins=1), 2)  # measured 0.89
    0.86
    """
    grids = n_points * (200 + 900 * n_spins)
    one = (8 if n_kpoints == 1 else 16) * n_waves * n_bands
    return _PROGRAM + (grids + one * (n_kpoints * n_spins + 9)) / 1e9


def memory_gb_of(*, n_atoms: int, n_points: float, n_kpoints: int, n_spins: int) -> float:
    """Return the memory of one process in GB: the program, arrays on grids, matrices.

    Examples
    --------
    >>> round(memory_gb_of(n_atoms=46, n_points=178_000, n_kpoints=1, n_spins=1), 2)
    0.75
    >>> round(memory_gb_of(n_atoms=1, n_points=256_000, n_kpoints=1, n_spins=2), 2)
    1.12
    """
    grids = n_points * (1900 + 750 * n_spins)
    matrices = 5 * 16 * (_BASIS * n_atoms) ** 2 * n_kpoints * n_spins
    return _PROGRAM + (grids + matrices) / 1e9


def is_lcao(incar: Mapping[str, Any]) -> bool:
    """Return whether GPAW takes atomic orbitals: without ENCUT."""
    return incar.get("ENCUT") is None


def grid_points(lattice: Lattice, incar: Mapping[str, Any]) -> float:
    """Return how many points the grid of a cell has: of edges that long, or planes that far apart.

    Examples
    --------
    >>> round(grid_points(Lattice.hexagonal(11.0, 19.85), {"PREC": "Normal"}), -3)  # LCAO
    195000.0
    >>> grid_points(Lattice.hexagonal(8.54, 20.57), {"PREC": "Accurate", "ENCUT": 400})
    276480
    """
    given = [incar.get(tag) for tag in ("NGX", "NGY", "NGZ")]
    if all(given):
        return prod(int(n) for n in given if n)
    step = grid_spacing(incar)
    if is_lcao(incar):
        return float(lattice.volume / step**3)
    return prod(int(next_fast_len(ceil(edge / step))) for edge in lattice.abc)


def _steps(calculation: Calculation) -> float:
    """Return the expected ionic steps."""
    task, nsw = calculation.label.task, int(calculation.incar.get("NSW") or 0)
    if task == "vibrations":
        flags = calculation.structure.site_properties.get("selective_dynamics")
        free = 3 * len(calculation.structure) if flags is None else sum(map(sum, flags))
        return 1.0 + 2.0 * float(free)
    goes_on = {"relax": "structure", "neb": "band"}  # from a geometry that is nearly at rest
    is_refined = goes_on.get(task) in calculation.parents
    usual = _REFINING if is_refined else _STEPS.get(task, 1.0)
    return usual if task == "charge" else min(usual, max(nsw, 1))


def _spins(calculation: Calculation) -> int:
    return 2 if calculation.incar.get("ISPIN") == 2 else 1
