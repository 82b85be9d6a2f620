"""Orbitals on a grid: block by block, with the functions that reach the block and no others."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
from numba import njit
from numpy.typing import NDArray

from .orbitals import Shell
from .potentials import FloatArray

_BLOCK = 16  # points along each edge of a block
_TERMS = 2  # radial terms of a shell, see `orbitals`


@dataclass(frozen=True, kw_only=True)
class Block:
    """A box of grid points and the basis functions there."""

    place: tuple[slice, slice, slice]
    shape: tuple[int, int, int]
    columns: NDArray[np.int64]  # basis functions that reach the block
    values: FloatArray  # (n_points, n_columns), Bohr^-3/2
    gradients: FloatArray | None  # (3, n_points, n_columns), Bohr^-5/2


class OrbitalGrid:
    """The basis functions of a cell on a regular grid.

    Parameters
    ----------
    shells
        Those of each atom.
    centres
        (n_atoms, 3), Bohr.
    lattice
        (3, 3), rows, Bohr.
    shape
        Points along each lattice vector.
    is_periodic
        Each function stands for itself and all its images (the Gamma point). Otherwise images
        are copies of their own: densities add up, functions do not.
    """

    def __init__(
        self,
        shells: list[tuple[Shell, ...]],
        centres: FloatArray,
        lattice: FloatArray,
        shape: tuple[int, int, int],
        *,
        is_periodic: bool,
    ) -> None:
        self._lattice = lattice
        self._shape = shape
        self._is_periodic = is_periodic
        flat = [(atom, shell) for atom, own in enumerate(shells) for shell in own]
        sizes = np.array([2 * shell.ell + 1 for _, shell in flat])
        self._first = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        self.n_functions = int(sizes.sum())
        self._ell = np.array([shell.ell for _, shell in flat])
        self._radial = _radial_table([shell for _, shell in flat])
        self._reach = np.array([shell.reach for _, shell in flat])
        self._centres = centres[[atom for atom, _ in flat]]  # (n_shells, 3)
        self._images = self._translations()

    def _translations(self) -> FloatArray:
        """Return the lattice translations from which a function may reach the cell, Bohr."""
        heights = 1 / np.linalg.norm(np.linalg.inv(self._lattice), axis=0)
        # Centres may lie up to one cell outside; the cell itself is one more.
        n = np.ceil(self._reach.max() / heights).astype(int) + 1
        steps = product(*(range(-m, m + 1) for m in n))
        return np.array(list(steps), dtype=float) @ self._lattice

    def blocks(self, *, with_gradients: bool = False) -> Iterator[Block]:
        """Yield each block of the grid; of an isolated molecule once per image that reaches it."""
        starts = product(*(range(0, n, _BLOCK) for n in self._shape))
        for start in starts:
            ends = tuple(min(s + _BLOCK, n) for s, n in zip(start, self._shape, strict=True))
            groups = [self._images] if self._is_periodic else self._images[:, None]
            for images in groups:
                block = self._block(start, ends, images, with_gradients)
                if block is not None:
                    yield block

    def _block(
        self,
        start: tuple[int, ...],
        ends: tuple[int, ...],
        images: FloatArray,
        with_gradients: bool,
    ) -> Block | None:
        """Return the functions in one block, or None where there are none."""
        axes = [np.arange(a, b) / n for a, b, n in zip(start, ends, self._shape, strict=True)]
        shape = (len(axes[0]), len(axes[1]), len(axes[2]))
        fractions = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
        points = fractions @ self._lattice
        middle = points.mean(axis=0)
        radius = float(np.linalg.norm(points - middle, axis=1).max())
        away = self._centres[:, None] + images[None] - middle  # (n_shells, n_images, 3)
        shell, image = np.nonzero((away**2).sum(axis=2) < (self._reach[:, None] + radius) ** 2)
        if not len(shell):
            return None
        near = np.unique(shell)
        sizes = 2 * self._ell[near] + 1
        columns = np.concatenate(
            [np.arange(f, f + n) for f, n in zip(self._first[near], sizes, strict=True)]
        )
        first = np.zeros(len(self._ell), dtype=np.int64)
        first[near] = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        values = np.zeros((len(points), len(columns)))
        gradients = np.zeros((3 if with_gradients else 0, len(points), len(columns)))
        _fill(
            points,
            self._centres[shell] + images[image],
            first[shell],
            self._ell[shell],
            self._radial[shell],
            self._reach[shell],
            values,
            gradients,
        )
        return Block(
            place=(slice(start[0], ends[0]), slice(start[1], ends[1]), slice(start[2], ends[2])),
            shape=shape,
            columns=columns,
            values=values,
            gradients=gradients if with_gradients else None,
        )


def _radial_table(shells: list[Shell]) -> FloatArray:
    """Return n - 1, zeta and c of each term of each shell, (n_shells, _TERMS, 3)."""
    table = np.zeros((len(shells), _TERMS, 3))
    for row, shell in zip(table, shells, strict=True):
        for t, (n, zeta, c) in enumerate(zip(shell.n, shell.zeta, shell.c, strict=True)):
            row[t] = n - 1, zeta, c
    return table


@njit(cache=True, fastmath=True)
def _fill(points, centres, first, ell_of, radial, reach, values, gradients):  # type: ignore[no-untyped-def]
    """Add each shell's functions at each point; real harmonics in tblite's order."""
    harmonics = np.empty(5)
    slopes = np.empty((5, 3))
    for s in range(len(centres)):
        limit = reach[s] ** 2
        size = 2 * ell_of[s] + 1
        for p in range(len(points)):
            x = points[p, 0] - centres[s, 0]
            y = points[p, 1] - centres[s, 1]
            z = points[p, 2] - centres[s, 2]
            r2 = x * x + y * y + z * z
            if r2 > limit:
                continue
            r = max(np.sqrt(r2), 1e-8)
            # Solid harmonics r^l Y_lm have no poles; the radial part is divided by r^l instead.
            value, slope = 0.0, 0.0
            for t in range(radial.shape[1]):
                c = radial[s, t, 2]
                if c == 0.0:
                    continue
                power = radial[s, t, 0] - ell_of[s]
                term = c * r**power * np.exp(-radial[s, t, 1] * r)
                value += term
                slope += term * (power / r - radial[s, t, 1])
            _solid(ell_of[s], x, y, z, harmonics, slopes)
            for m in range(size):
                values[p, first[s] + m] += value * harmonics[m]
            if len(gradients):
                for m in range(size):
                    radial_part = slope * harmonics[m] / r
                    gradients[0, p, first[s] + m] += radial_part * x + value * slopes[m, 0]
                    gradients[1, p, first[s] + m] += radial_part * y + value * slopes[m, 1]
                    gradients[2, p, first[s] + m] += radial_part * z + value * slopes[m, 2]


@njit(cache=True, fastmath=True)
def _solid(ell, x, y, z, h, d):  # type: ignore[no-untyped-def]
    """Write real solid harmonics and their gradients: s | y z x | xy yz z2 xz x2-y2."""
    if ell == 0:
        h[0] = 0.28209479177387814  # sqrt(1/4 pi)
        d[0, 0], d[0, 1], d[0, 2] = 0.0, 0.0, 0.0
    elif ell == 1:
        c = 0.4886025119029199  # sqrt(3/4 pi)
        h[0], h[1], h[2] = c * y, c * z, c * x
        d[:3] = 0.0
        d[0, 1], d[1, 2], d[2, 0] = c, c, c
    else:
        c = 1.0925484305920792  # sqrt(15/4 pi)
        e = 0.31539156525252005  # sqrt(5/16 pi)
        h[0], h[1], h[3] = c * x * y, c * y * z, c * x * z
        h[2] = e * (2 * z * z - x * x - y * y)
        h[4] = c / 2 * (x * x - y * y)
        d[0, 0], d[0, 1], d[0, 2] = c * y, c * x, 0.0
        d[1, 0], d[1, 1], d[1, 2] = 0.0, c * z, c * y
        d[2, 0], d[2, 1], d[2, 2] = -2 * e * x, -2 * e * y, 4 * e * z
        d[3, 0], d[3, 1], d[3, 2] = c * z, 0.0, c * x
        d[4, 0], d[4, 1], d[4, 2] = c * x, -c * y, 0.0
