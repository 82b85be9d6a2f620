"""Densities and the electron localization function of a wavefunction, on a grid."""

from dataclasses import dataclass
from math import pi

import numpy as np

from .orbital_grids import OrbitalGrid
from .orbitals import Shell
from .potentials import FloatArray

_EMPTY = 1e-10  # occupation below which an orbital is left out
# Becke and Edgecombe's ratio is 0/0 where there are no electrons; this much in the numerator,
# of the size that Multiwfn's manual gives, lets ELF go to 0 there.
_FLOOR = 2.871e-5  # Hartree/Bohr^3


@dataclass(frozen=True, kw_only=True)
class Wavefunction:
    """Occupied orbitals at Gamma over the functions of `orbitals`."""

    symbols: tuple[str, ...]
    shells: tuple[tuple[Shell, ...], ...]  # of each atom
    centres: FloatArray  # (n_atoms, 3), Bohr
    lattice: FloatArray  # (3, 3), rows, Bohr
    is_periodic: bool
    coefficients: FloatArray  # (n_spins, n_functions, n_orbitals)
    occupations: FloatArray  # (n_spins, n_orbitals), electrons

    def grid(self, shape: tuple[int, int, int]) -> OrbitalGrid:
        """Return the basis functions on a grid."""
        return OrbitalGrid(
            list(self.shells), self.centres, self.lattice, shape, is_periodic=self.is_periodic
        )

    def weighted(self) -> list[FloatArray]:
        """Return occupied orbitals times the root of their occupation, one array per spin."""
        return [
            np.ascontiguousarray(c[:, f > _EMPTY] * np.sqrt(f[f > _EMPTY]))
            for c, f in zip(self.coefficients, self.occupations, strict=True)
        ]


def valence_densities(wavefunction: Wavefunction, shape: tuple[int, int, int]) -> FloatArray:
    """Return the density of each spin channel; without spin one that holds both.

    Returns
    -------
    numpy.ndarray
        (n_spins, n1, n2, n3), e/Bohr^3.
    """
    orbitals = wavefunction.weighted()
    density = np.zeros((len(orbitals), *shape))
    for block in wavefunction.grid(shape).blocks():
        for spin, weighted in enumerate(orbitals):
            psi = block.values @ weighted[block.columns]
            density[(spin, *block.place)] += np.einsum("po,po->p", psi, psi).reshape(block.shape)
    return density


def electron_localization(wavefunction: Wavefunction, shape: tuple[int, int, int]) -> FloatArray:
    """Return Becke and Edgecombe's ELF of each spin channel, 0 to 1.

    J. Chem. Phys. 92, 5397 (1990), eqs 8 to 10: 1 where electrons of one spin are alone or
    paired, 1/2 in the uniform electron gas.

    Returns
    -------
    numpy.ndarray
        (n_spins, n1, n2, n3), dimensionless.
    """
    orbitals = wavefunction.weighted()
    n_spins = len(orbitals)
    sums = np.zeros((n_spins, 5, *shape))  # density, its gradient / 2, twice the kinetic energy
    for block in wavefunction.grid(shape).blocks(with_gradients=True):
        if block.gradients is None:
            continue
        for spin, weighted in enumerate(orbitals):
            chosen = weighted[block.columns]
            psi = block.values @ chosen
            parts = [np.einsum("po,po->p", psi, psi)]
            twice_kinetic = np.zeros(len(psi))
            for gradient in block.gradients:
                slope = gradient @ chosen
                parts.append(np.einsum("po,po->p", psi, slope))
                twice_kinetic += np.einsum("po,po->p", slope, slope)
            for row, values in enumerate((*parts, twice_kinetic)):
                sums[(spin, row, *block.place)] += values.reshape(block.shape)
    # Without spin each channel holds half of everything: rho/2 with the gradient of rho/2.
    share = 1.0 if n_spins == 2 else 0.5
    return np.stack([_localization(share * channel) for channel in sums])


def _localization(sums: FloatArray) -> FloatArray:
    """Return ELF of one spin channel from density, half its gradient and twice its tau."""
    density = np.maximum(sums[0], 1e-30)
    squared_gradient = 4 * (sums[1:4] ** 2).sum(axis=0)
    excess = sums[4] - squared_gradient / (4 * density)
    uniform = 0.6 * (6 * pi**2) ** (2 / 3) * density ** (5 / 3)
    ratio = (np.maximum(excess, 0.0) + _FLOOR) / uniform
    elf: FloatArray = 1 / (1 + np.minimum(ratio, 1e100) ** 2)
    return elf
