"""CHGCAR, AECCAR0, AECCAR2, ELFCAR and LOCPOT of GPAW, as VASP has them."""

from pathlib import Path
from typing import Any

import numpy as np

from ...structures.errors import EngineError
from ...workflows.gpaw_grids import refinement
from .density_writing import DensityFiles
from .gpaw_cells import Placement
from .gpaw_spheres import corrections_near_atoms
from .grids import Grid, coarse_grid, fine_grid, largest_step
from .potentials import FloatArray
from .tags import Settings, wants_potential

_MISCOUNT = 1e-3  # electrons per atom that a grid may be off before it is refused
_EMPTY = 1e-6  # electrons per Bohr^3 below which nothing is localized; GPAW's own
NOTE = (
    "CHGCAR: pseudo density and compensation charges, all valence electrons; AECCAR2: all-electron "
    "valence density; AECCAR0: core, what is missing of its peaks put on the nearest grid point"
)


def write_densities(
    calculator: Any, placement: Placement, settings: Settings, folder: Path, head: str
) -> dict[str, Any]:
    """Write the files on grids that INCAR asks for and return what engine.json says of them.

    Parameters
    ----------
    calculator
        GPAW's, after convergence.
    placement
        How the atoms were moved; files have them where the POSCAR has them.
    settings
        LCHARG, LAECHG, LELF, LVHAR, and what sets the grid.
    folder
        Where the files go.
    head
        POSCAR of the geometry.

    Raises
    ------
    EngineError
        The density does not hold the electrons; the message says which grid to use.
    """
    files = DensityFiles(folder, head, "GPAW")

    def write(name: str, what: str, *blocks: FloatArray) -> None:
        files.write(name, what, *(placement.rolled_back(values) for values in blocks))

    if settings.lcharg or settings.laechg:
        finer = _refinement(calculator, settings)
        files.report |= _report(calculator, finer)
        valence = _smooth_density(calculator, finer)
        files.report["miscount_before_scaling_e"] = _make_exact(valence, calculator)
        if settings.lcharg:
            spin = [valence[0] - valence[1]] if len(valence) == 2 else []
            write("CHGCAR", "valence density", valence.sum(axis=0), *spin)
        if settings.laechg:
            all_electron, core = _all_electron(calculator, finer)
            write("AECCAR0", "core density", core)
            write("AECCAR2", "all-electron valence density", all_electron)
            files.report["core"] = f"{core.mean():.4f} electrons on the grid"
    if settings.lelf:
        write("ELFCAR", "electron localization", *_localization(calculator))
    if wants_potential(settings):
        write("LOCPOT", "electrostatic potential", calculator.get_electrostatic_potential())
    return files.finish()


def _refinement(calculator: Any, settings: Settings) -> int:
    """Return how much finer than GPAW's own the grid is: as fine as INCAR asks for, or 4 times."""
    lattice = np.array(calculator.atoms.cell)
    wanted = fine_grid(
        coarse_grid(lattice, settings.encut, settings.prec, settings.ngx),
        settings.prec,
        settings.ngxf,
    )
    own = largest_step(lattice, _own_grid(calculator))
    return refinement(own, largest_step(lattice, wanted))


def _own_grid(calculator: Any) -> Grid:
    """Return GPAW's coarse grid with the points that an open cell leaves out."""
    n1, n2, n3 = calculator.dft.density.nt_sR.desc.size_c
    return int(n1), int(n2), int(n3)


def _report(calculator: Any, refinement: int) -> dict[str, Any]:
    n1, n2, n3 = (refinement * n for n in _own_grid(calculator))
    lattice = np.array(calculator.atoms.cell)
    return {
        "grid": [n1, n2, n3],
        "spacing_angstrom": round(largest_step(lattice, (n1, n2, n3)), 4),
        "density": NOTE,
    }


def _smooth_density(calculator: Any, refinement: int) -> FloatArray:
    """Return pseudo density and compensation charges times volume, (n_spins, n1, n2, n3)."""
    found = calculator.dft.densities().pseudo_densities(grid_refinement=refinement)
    values: FloatArray = found.data * calculator.atoms.get_volume()
    return values


def _make_exact(valence: FloatArray, calculator: Any) -> float:
    """Scale each channel to its electrons in place; return how many there were too many."""
    wanted = _electrons(calculator)
    found = valence.mean(axis=(1, 2, 3))
    worst = float(np.abs(found - wanted).max())
    if worst > _MISCOUNT * len(calculator.atoms):
        raise EngineError(
            f"on the grid {'x'.join(map(str, valence.shape[1:]))} the valence density has "
            f"{found.sum():.4f} electrons instead of {wanted.sum():.4f}. Set a finer NGXF, NGYF, "
            "NGZF or PREC = Accurate."
        )
    factors = [w / f if w > 1e-6 else 1.0 for w, f in zip(wanted, found, strict=True)]
    valence *= np.array(factors)[:, None, None, None]
    return round(float((found - wanted).sum()), 6)


def _electrons(calculator: Any) -> FloatArray:
    """Return the electrons of each spin channel, (n_spins,)."""
    occupations = calculator.occupations()
    weights = np.array(calculator.get_k_point_weights())
    per_level = 3 - len(occupations)
    electrons: FloatArray = per_level * np.einsum("skb,k->s", occupations, weights)
    return electrons


def _all_electron(calculator: Any, refinement: int) -> tuple[FloatArray, FloatArray]:
    """Return all-electron valence and core densities times volume, (n1, n2, n3) each."""
    densities = calculator.dft.densities()
    volume = calculator.atoms.get_volume()
    with corrections_near_atoms():
        every = densities.all_electron_densities(grid_refinement=refinement).data.sum(axis=0)
        valence = densities.all_electron_densities(grid_refinement=refinement, skip_core=True)
    of_valence: FloatArray = valence.data.sum(axis=0)
    return of_valence * volume, (every - of_valence) * volume


def _localization(calculator: Any) -> tuple[FloatArray, ...]:
    """Return the electron localization function on GPAW's coarse grid; spins together."""
    from gpaw.elf import elf
    from gpaw.fd_operators import Gradient

    density, ibzwfs = calculator.dft.density, calculator.dft.ibzwfs
    nt_sr = density.nt_sR
    kinetic = nt_sr.new(zeroed=True)
    for wfs in ibzwfs:
        _on_grid(wfs, nt_sr.desc).add_to_ked(kinetic)
    kinetic.data[: density.ndensities] += density.tauct_R.data
    symmetries = ibzwfs.ibz.symmetries
    kinetic.symmetrize(symmetries.rotation_scc, symmetries.translation_sc)
    squares = nt_sr.new(zeroed=True)
    slopes = [Gradient(nt_sr.desc._gd, axis, n=2) for axis in range(3)]
    for square, channel in zip(squares, nt_sr, strict=True):
        for slope in slopes:
            square.data += slope(channel).data ** 2
    found = nt_sr.desc.empty()
    found.data[:] = elf(nt_sr.data, squares.data, kinetic.data, _EMPTY)
    return (found.to_pbc_grid().data,)


def _on_grid(wfs: Any, grid: Any) -> Any:
    """Return wave functions whose kinetic energy GPAW can put on a grid: those of LCAO made so."""
    if not hasattr(wfs, "C_nM"):
        return wfs
    on_grid = wfs.to_uniform_grid_wave_functions(grid, wfs.basis)
    on_grid._occ_n = wfs.occ_n
    return on_grid
