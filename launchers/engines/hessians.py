"""A model Hessian: springs between neighbours, to start a quasi-Newton search from.

A unit matrix treats a C-C bond and a K atom that slides over a layer alike and costs dozens
of extra steps. Bond stiffness falls as 1/r^3 (Badger, J. Chem. Phys. 2, 128 (1934)); beyond
the sum of covalent radii it fades exponentially, as in Lindh et al., CPL 241, 423 (1995). Layers
that only touch have springs of their own, without which a whole layer would leap.
"""

import numpy as np
from ase.data import atomic_numbers, covalent_radii
from ase.data.vdw_alvarez import vdw_radii

from .poscars import Poscar
from .potentials import FloatArray

BOND = 130.0  # eV Angstrom: 45 eV/Angstrom^2 at the 1.42 Angstrom of graphene
FADE = 6.0  # per unit of r / (sum of covalent radii)
# eV/Angstrom^2 of a pair that touches: graphite's c33 of 36.5 GPa is 0.068 eV/Angstrom^4 a layer.
CONTACT = 0.08
DECAY = 3.5  # 1/Angstrom, beyond the sum of van der Waals radii (Alvarez, Dalton 42, 8617 (2013))
ACROSS = 0.12  # stiffness across a bond (bending) as a part of that along it
REACH = 6.0  # Angstrom
SOFTEST = 0.1  # eV/Angstrom^2, smallest curvature of the model: layers slide easily


def model_hessian(poscar: Poscar, positions: FloatArray) -> FloatArray:
    """Return a positive definite Hessian (3 n, 3 n) in eV/Angstrom^2.

    Parameters
    ----------
    poscar
        Elements and cell.
    positions
        Cartesian, (n, 3), Angstrom.
    """
    n_atoms = len(positions)
    numbers = [atomic_numbers[symbol] for symbol in poscar.symbols]
    bonded, touching = covalent_radii[numbers], vdw_radii[numbers]
    hessian = np.zeros((n_atoms, 3, n_atoms, 3))
    for shift in _shifts(poscar.lattice):
        vectors = positions[None] + shift - positions[:, None]
        distance = np.linalg.norm(vectors, axis=2)
        near = (distance > 0.1) & (distance < REACH)
        for i, j in np.argwhere(near):
            r = distance[i, j]
            stretch = max(0.0, r / (bonded[i] + bonded[j]) - 1)
            apart = max(0.0, r - touching[i] - touching[j])
            stiffness = BOND / r**3 * np.exp(-FADE * stretch) + CONTACT * np.exp(-DECAY * apart)
            unit = vectors[i, j] / r
            block = stiffness * (ACROSS * np.eye(3) + (1 - ACROSS) * np.outer(unit, unit))
            hessian[i, :, i, :] += block
            hessian[i, :, j, :] -= block
    flat = hessian.reshape(3 * n_atoms, 3 * n_atoms)
    return (flat + flat.T) / 2 + SOFTEST * np.eye(3 * n_atoms)


def _shifts(lattice: FloatArray) -> FloatArray:
    """Return all lattice translations that can bring atoms of two cells within reach."""
    heights = 1 / np.linalg.norm(np.linalg.inv(lattice), axis=0)
    ranges = [range(-n, n + 1) for n in np.ceil(REACH / heights).astype(int) + 1]
    grid = np.array(np.meshgrid(*ranges, indexing="ij")).reshape(3, -1).T
    return np.asarray(grid @ lattice)
