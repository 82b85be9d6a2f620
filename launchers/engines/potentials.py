"""What every engine's calculator gives back, so that drivers and writers know no method."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

# Order of the projections in VASP's files (LORBIT = 11) and in `Evaluation.weights`.
ORBITALS = ("s", "py", "pz", "px", "dxy", "dyz", "dz2", "dxz", "x2-y2")
DENSITY_FILES = ("CHGCAR", "AECCAR0", "AECCAR1", "AECCAR2", "ELFCAR")
N_ORBITALS = len(ORBITALS)


@dataclass(frozen=True, kw_only=True)
class ScfCycle:
    """One cycle of the self-consistent field."""

    energy: float  # free energy, eV
    change: float  # since the cycle before, eV
    density_error: float  # root mean square, e


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Energies, forces and levels of one geometry."""

    free_energy: float  # F = E - TS, what the forces are the gradient of, eV
    entropy_term: float  # TS of the electrons, eV, never negative
    forces: FloatArray  # (n_atoms, 3), eV/Angstrom
    stress: FloatArray  # (3, 3), dE/d(strain)/volume, eV/Angstrom^3
    eigenvalues: FloatArray  # (n_spins, n_bands), eV
    occupations: FloatArray  # (n_spins, n_bands), 0 to 1
    fermi_level: float  # eV
    weights: FloatArray  # (n_spins, n_atoms, 9, n_bands), Mulliken, each band sums to 1
    charges: FloatArray  # (n_atoms,), e
    cycles: tuple[ScfCycle, ...]  # at least one

    @property
    def energy_without_entropy(self) -> float:
        """Return E = F + TS in eV."""
        return self.free_energy + self.entropy_term

    @property
    def energy_zero(self) -> float:
        """Return E0 = (E + F) / 2, VASP's energy(sigma->0), in eV."""
        return self.free_energy + self.entropy_term / 2

    @property
    def spin_populations(self) -> FloatArray:
        """Return Mulliken electrons, shape (n_spins, n_atoms, 9); one spin holds both."""
        per_level = 3 - len(self.occupations)
        electrons: FloatArray = np.einsum("sb,saob->sao", self.occupations, self.weights)
        return per_level * electrons

    @property
    def valences(self) -> FloatArray:
        """Return the valence electrons of each neutral atom in this method, (n_atoms,)."""
        electrons: FloatArray = self.spin_populations.sum(axis=(0, 2))
        return self.charges + electrons

    @property
    def n_electrons(self) -> float:
        """Return the number of electrons the method treats."""
        return float(self.occupations.sum()) * (3 - len(self.occupations))

    @property
    def magnetization(self) -> float:
        """Return spin-up minus spin-down electrons, 0 without spin."""
        if len(self.occupations) == 1:
            return 0.0
        return float(self.occupations[0].sum() - self.occupations[1].sum())


class Potential(Protocol):
    """A calculator bound to one set of atoms, cell, charge and spin."""

    def evaluate(self, positions: FloatArray) -> Evaluation:
        """Return everything for Cartesian positions (n_atoms, 3) in Angstrom."""
        ...

    def write_densities(self, folder: Path, head: str) -> dict[str, Any]:
        """Write CHGCAR, AECCAR0/2 and ELFCAR of the last positions, as far as asked for.

        ``head`` is their POSCAR. Returns what engine.json says of them, nothing without any.
        """
        ...
