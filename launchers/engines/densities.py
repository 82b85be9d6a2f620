"""CHGCAR, AECCAR0, AECCAR2 and ELFCAR of the embedded engine."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ase.data import atomic_numbers
from ase.units import Bohr

from ...structures.errors import EngineError
from .cores import core_density, core_shells, proton, resolved
from .density_writing import DensityFiles
from .grids import Grid, coarse_grid, fine_grid, largest_step
from .orbitals import parameters
from .potentials import FloatArray
from .tags import Settings
from .wavefunctions import Wavefunction, electron_localization, valence_densities

_COARSEST = 0.25  # Angstrom; beyond, a grid shows neither the core nor the shape of an orbital
_MISCOUNT = 5e-3  # electrons per atom that a grid may be off before it is refused
CORE_NOTE = (
    "model core: Slater's rules for all electrons the method does not treat, no narrower than the "
    "grid shows, 0.1 e at a proton; it only places the maxima and surfaces of Bader volumes"
)


@dataclass(frozen=True, kw_only=True)
class _Valence:
    """The valence density on the fine grid, scaled to the exact number of electrons."""

    total: FloatArray  # (n1, n2, n3), density times cell volume, electrons
    spin: FloatArray | None  # up minus down
    scale: list[float]  # factor of each channel
    miscount: float  # electrons that the grid had too many before it was scaled

    @property
    def blocks(self) -> tuple[FloatArray, ...]:
        """Return what CHGCAR holds: the density, and with spin up minus down."""
        return (self.total,) if self.spin is None else (self.total, self.spin)

    def report(self, lattice: FloatArray) -> dict[str, Any]:
        """Return what engine.json says of the density; the lattice in Angstrom."""
        grid = (self.total.shape[0], self.total.shape[1], self.total.shape[2])
        return {
            "grid": list(grid),
            "spacing_angstrom": round(largest_step(lattice, grid), 4),
            "scale_to_nelect": [round(factor, 9) for factor in self.scale],
            "miscount_before_scaling_e": round(self.miscount, 6),
            "density": "of the valence orbitals, Slater functions of the method",
        }


def write_densities(
    wavefunction: Wavefunction, method: str, settings: Settings, folder: Path, head: str
) -> dict[str, Any]:
    """Write the density files that INCAR asks for and return what engine.json says of them.

    Parameters
    ----------
    wavefunction
        Of the geometry in ``head``.
    method
        GFN1-xTB or GFN2-xTB.
    settings
        LCHARG, LAECHG, LELF, and what sets the grids.
    folder
        Where the files go.
    head
        POSCAR of the geometry.

    Raises
    ------
    EngineError
        The grid is too coarse; the message says which one to use.
    """
    lattice = wavefunction.lattice * Bohr
    coarse = coarse_grid(lattice, settings.encut, settings.prec, settings.ngx)
    fine = fine_grid(coarse, settings.prec, settings.ngxf)
    files = DensityFiles(folder, head, method)
    if settings.lcharg or settings.laechg:
        _check_spacing(lattice, fine)
        valence = _valence(wavefunction, fine)
        files.report |= valence.report(lattice)
        if settings.lcharg:
            files.write("CHGCAR", "valence density", *valence.blocks)
        if settings.laechg:
            core = _core(wavefunction, method, fine)
            files.write("AECCAR0", CORE_NOTE, core)
            files.write("AECCAR2", "valence density, the same as CHGCAR", valence.total)
            files.report["core"] = f"{CORE_NOTE}; {core.mean():.4f} electrons on the grid"
    if settings.lelf:
        _check_spacing(lattice, coarse)
        values = electron_localization(wavefunction, coarse)
        files.write("ELFCAR", "electron localization", *values)
        files.report["elf_grid"] = list(coarse)
    return files.finish()


def _valence(wavefunction: Wavefunction, grid: Grid) -> _Valence:
    """Return the valence density with its electrons counted and made exact."""
    volume = float(abs(np.linalg.det(wavefunction.lattice)))
    channels = valence_densities(wavefunction, grid) * volume
    wanted = wavefunction.occupations.sum(axis=1)
    found = channels.mean(axis=(1, 2, 3))
    miscount = float((found - wanted).sum())
    worst = float(np.abs(found - wanted).max())
    n_atoms = len(wavefunction.symbols)
    if worst > _MISCOUNT * n_atoms:
        spacing = largest_step(wavefunction.lattice * Bohr, grid) / 1.5
        raise EngineError(
            f"INCAR: on the grid {'x'.join(map(str, grid))} the density has {found.sum():.4f} "
            f"electrons instead of {wanted.sum():.4f}. "
            f"{_grid_for(wavefunction.lattice * Bohr, spacing)}"
        )
    scale = [float(w / f) if w > 1e-6 else 1.0 for w, f in zip(wanted, found, strict=True)]
    channels *= np.array(scale)[:, None, None, None]
    return _Valence(
        total=channels.sum(axis=0),
        spin=channels[0] - channels[1] if len(channels) == 2 else None,
        scale=scale,
        miscount=miscount,
    )


def _core(wavefunction: Wavefunction, method: str, grid: Grid) -> FloatArray:
    """Return the model core, density times cell volume in electrons."""
    spacing = largest_step(wavefunction.lattice, grid)
    by_symbol = {}
    for symbol in dict.fromkeys(wavefunction.symbols):
        number = atomic_numbers[symbol]
        n_valence = round(sum(parameters(method)[symbol]["refocc"]))
        shells = resolved(core_shells(number, number - n_valence), spacing)
        by_symbol[symbol] = shells or proton(spacing)
    atoms = [by_symbol[symbol] for symbol in wavefunction.symbols]
    volume = float(abs(np.linalg.det(wavefunction.lattice)))
    density = core_density(atoms, wavefunction.centres, wavefunction.lattice, grid)
    return density * volume


def _check_spacing(lattice: FloatArray, grid: Grid) -> None:
    """Refuse a grid that shows no density worth the name."""
    step = largest_step(lattice, grid)
    if step > _COARSEST:
        raise EngineError(
            f"INCAR: the grid {'x'.join(map(str, grid))} has steps of {step:.3f} Angstrom, too "
            f"coarse for densities (at most {_COARSEST}). {_grid_for(lattice, 0.12)}"
        )


def _grid_for(lattice: FloatArray, spacing: float) -> str:
    """Return the tags that give a spacing in Angstrom."""
    counts: Sequence[int] = [int(np.ceil(x / spacing)) for x in np.linalg.norm(lattice, axis=1)]
    tags = ", ".join(f"NG{axis}F = {n}" for axis, n in zip("XYZ", counts, strict=True))
    return f"Set {tags} ({spacing:.3f} Angstrom) or a larger ENCUT."
