"""What every engine's calculator gives back, so that drivers and writers know no method."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

# Order of the projections in VASP's files (LORBIT = 11) and in `Evaluation.weights`.
ORBITALS = ("s", "py", "pz", "px", "dxy", "dyz", "dz2", "dxz", "x2-y2")
DENSITY_FILES = ("CHGCAR", "AECCAR0", "AECCAR1", "AECCAR2", "ELFCAR", "LOCPOT")
N_ORBITALS = len(ORBITALS)


@dataclass(frozen=True, kw_only=True)
class KPoints:
    """Where the Brillouin zone is sampled: what KPOINTS asks for, or what an engine computed.

    An engine that leaves out points equal by symmetry replaces points and weights and keeps the
    rest, which says how they came about.
    """

    points: FloatArray  # (n_kpoints, 3), fractions of the reciprocal lattice vectors
    weights: FloatArray  # (n_kpoints,), not negative, sum to 1
    mesh: tuple[int, int, int] | None = None  # divisions; None for a list of points
    shift: tuple[float, float, float] = (0.0, 0.0, 0.0)  # as in KPOINTS, in steps of the mesh
    style: str = "Gamma"  # Gamma | Monkhorst-Pack | list
    source: str = "KPOINTS"  # what asks for them, for messages

    @property
    def is_gamma(self) -> bool:
        """Return whether the Gamma point is the only one."""
        return len(self.points) == 1 and not self.points.any()

    @property
    def title(self) -> str:
        """Return one phrase for the output files.

        Examples
        --------
        >>> GAMMA.title
        'Gamma point'
        """
        if self.is_gamma:
            return "Gamma point"
        if self.mesh is None:
            return f"list of {len(self.points)} points"
        off = ", shifted by {:g} {:g} {:g} steps".format(*self.shift) if any(self.shift) else ""
        return f"{self.style} mesh {'x'.join(map(str, self.mesh))}{off}"

    @property
    def multiplicities(self) -> FloatArray:
        """Return how many points of the mesh, or of the list, each one stands for."""
        n_points = len(self.points) if self.mesh is None else int(np.prod(self.mesh))
        counts: FloatArray = self.weights * n_points
        return counts


GAMMA = KPoints(points=np.zeros((1, 3)), weights=np.ones(1), mesh=(1, 1, 1))


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
    entropy_term: float  # TS of the electrons, eV; negative only with Methfessel and Paxton
    forces: FloatArray  # (n_atoms, 3), eV/Angstrom
    stress: FloatArray | None  # (3, 3), dE/d(strain)/volume, eV/Angstrom^3; None if not computed
    eigenvalues: FloatArray  # (n_spins, n_kpoints, n_bands), eV
    occupations: FloatArray  # (n_spins, n_kpoints, n_bands), 0 to 1
    fermi_level: float  # eV
    weights: FloatArray  # (n_spins, n_kpoints, n_atoms, 9, n_bands); Mulliken's sum to 1 per band
    charges: FloatArray  # (n_atoms,), e
    cycles: tuple[ScfCycle, ...]  # at least one
    kpoints: KPoints = GAMMA
    order: int = 0  # of Methfessel and Paxton's smearing; 0 for Gauss and Fermi
    remarks: tuple[str, ...] = ()  # what did not go as planned, for engine.json

    @property
    def energy_without_entropy(self) -> float:
        """Return E = F + TS in eV."""
        return self.free_energy + self.entropy_term

    @property
    def energy_zero(self) -> float:
        """Return E0 = ((N + 1) F + E) / (N + 2), VASP's energy(sigma->0), in eV.

        N is the order of Methfessel and Paxton (Phys. Rev. B 40, 3616 (1989)).
        """
        return self.free_energy + self.entropy_term / (self.order + 2)

    @property
    def spin_populations(self) -> FloatArray:
        """Return projected electrons, shape (n_spins, n_atoms, 9); one spin holds both."""
        per_level = 3 - len(self.occupations)
        electrons: FloatArray = sum(
            weight * np.einsum("sb,saob->sao", self.occupations[:, k], self.weights[:, k])
            for k, weight in enumerate(self.kpoints.weights)
        )
        return per_level * electrons

    @property
    def valences(self) -> FloatArray:
        """Return the valence electrons of each neutral atom in this method, (n_atoms,)."""
        electrons: FloatArray = self.spin_populations.sum(axis=(0, 2))
        return self.charges + electrons

    @property
    def n_electrons(self) -> float:
        """Return the number of electrons the method treats."""
        return float(self._filled.sum()) * (3 - len(self.occupations))

    @property
    def magnetization(self) -> float:
        """Return spin-up minus spin-down electrons, 0 without spin."""
        if len(self.occupations) == 1:
            return 0.0
        up, down = self._filled
        return float(up - down)

    @property
    def _filled(self) -> FloatArray:
        """Return the filled levels of each spin channel, (n_spins,)."""
        levels: FloatArray = self.occupations.sum(axis=2) @ self.kpoints.weights
        return levels


class Potential(Protocol):
    """A calculator bound to one set of atoms, cell, charge and spin."""

    def evaluate(self, positions: FloatArray) -> Evaluation:
        """Return everything for Cartesian positions (n_atoms, 3) in Angstrom."""
        ...

    def write_densities(self, folder: Path, head: str) -> dict[str, Any]:
        """Write those of DENSITY_FILES that INCAR asks for, of the last positions.

        ``head`` is their POSCAR. Returns what engine.json says of them, nothing without any.
        """
        ...
