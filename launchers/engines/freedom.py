"""Directions in which atoms may move: selective dynamics along the lattice vectors."""

import numpy as np

from .poscars import Poscar
from .potentials import FloatArray


class Freedom:
    """Projects positions and forces onto the free directions of a cell.

    Parameters
    ----------
    poscar
        Its flags free each atom along each lattice vector, as in VASP; without flags all
        atoms are free.
    """

    def __init__(self, poscar: Poscar) -> None:
        n_atoms = len(poscar.symbols)
        movable = poscar.movable
        if movable is None:
            movable = np.ones((n_atoms, 3), dtype=bool)
        columns = [_directions(poscar.lattice[flags]) for flags in movable]
        n_free = sum(len(rows) for rows in columns)
        self._basis = np.zeros((3 * n_atoms, n_free))
        start = 0
        for i, rows in enumerate(columns):
            self._basis[3 * i : 3 * i + 3, start : start + len(rows)] = rows.T
            start += len(rows)
        self._all_free = n_free == 3 * n_atoms

    @property
    def n_free(self) -> int:
        """Return the number of free directions."""
        return int(self._basis.shape[1])

    def reduce(self, vectors: FloatArray) -> FloatArray:
        """Return the free components (n_free,) of vectors (n_atoms, 3)."""
        return vectors.ravel() if self._all_free else self._basis.T @ vectors.ravel()

    def expand(self, reduced: FloatArray) -> FloatArray:
        """Return vectors (n_atoms, 3) from free components (n_free,)."""
        flat = reduced if self._all_free else self._basis @ reduced
        return flat.reshape(-1, 3)

    def moves_of(self, atom: int) -> FloatArray:
        """Return unit moves of an atom along x, y and z as free components, (3, n_free)."""
        moves: FloatArray = self._basis[3 * atom : 3 * atom + 3]
        return moves

    def reduce_matrix(self, hessian: FloatArray) -> FloatArray:
        """Return the free block (n_free, n_free) of a Hessian (3 n_atoms, 3 n_atoms)."""
        return hessian if self._all_free else self._basis.T @ hessian @ self._basis

    def largest_force(self, forces: FloatArray) -> float:
        """Return the largest force on an atom along its free directions, eV/Angstrom."""
        if self.n_free == 0:
            return 0.0
        free = self.expand(self.reduce(forces))
        return float(np.sqrt((free**2).sum(axis=1)).max())


def _directions(vectors: FloatArray) -> FloatArray:
    """Return orthonormal rows that span the given lattice vectors."""
    if len(vectors) == 0:
        return np.zeros((0, 3))
    if len(vectors) == 3:
        return np.eye(3)
    q, _ = np.linalg.qr(vectors.T)
    return np.asarray(q.T)
