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
    columns: NDArray[np.int64]  # basis functions that reach the block
    values: FloatArray  # (n_points, n_columns), Bohr^-3/2
    gradients: FloatArray | None  # (3, n_points, n_columns), Bohr^-5/2

    @property
    def shape(self) -> tuple[int, int, int]:
        """Return the number of points along each axis."""
        n1, n2, n3 = (axis.stop - axis.start for axis in self.place)
        return n1, n2, n3


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
        inverse = np.linalg.inv(self._lattice)
        heights = 1 / np.linalg.norm(inverse, axis=0)
        fractions = self._centres @ inverse
        margin = self._reach.max() / heights
        low = np.floor(-fractions.max(axis=0) - margin).astype(int)
        high = np.ceil(1 - fractions.min(axis=0) + margin).astype(int)
        steps = product(*(range(a, b + 1) for a, b in zip(low, high, strict=True)))
        return np.array(list(steps), dtype=float) @ self._lattice

    def blocks(self, *, with_gradients: bool = False) -> Iterator[Block]:
        """Yield each block of the grid; of an isolated molecule once per image that reaches it."""
        starts = product(*(range(0, n, _BLOCK) for n in self._shape))
        for start in starts:
            place = tuple(
                slice(s, min(s + _BLOCK, n)) for s, n in zip(start, self._shape, strict=True)
            )
            points = self._points(place)
            shell, image = self._near(points)
            # Functions of one periodic wavefunction add up before they are squared.
            groups = [image >= 0] if self._is_periodic else [image == i for i in np.unique(image)]
            for chosen in groups:
                if chosen.any():
                    near = (shell[chosen], image[chosen])
                    yield self._block(place, points, near, with_gradients)

    def _points(self, place: tuple[slice, ...]) -> FloatArray:
        """Return the points of a block, (n_points, 3), Bohr."""
        axes = [np.arange(s.start, s.stop) / n for s, n in zip(place, self._shape, strict=True)]
        fractions = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
        points: FloatArray = fractions @ self._lattice
        return points

    def _near(self, points: FloatArray) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return shell and image of each centre whose functions reach the block."""
        middle = points.mean(axis=0)
        radius = float(np.linalg.norm(points - middle, axis=1).max())
        away = self._centres[:, None] + self._images[None] - middle  # (n_shells, n_images, 3)
        reach = (self._reach[:, None] + radius) ** 2
        shell, image = np.nonzero(np.einsum("six,six->si", away, away) < reach)
        return shell, image

    def _block(
        self,
        place: tuple[slice, ...],
        points: FloatArray,
        near: tuple[NDArray[np.int64], NDArray[np.int64]],
        with_gradients: bool,
    ) -> Block:
        """Return the functions of some centres in one block."""
        shell, image = near
        present = np.unique(shell)
        sizes = 2 * self._ell[present] + 1
        columns = np.concatenate(
            [np.arange(f, f + n) for f, n in zip(self._first[present], sizes, strict=True)]
        )
        first = np.zeros(len(self._ell), dtype=np.int64)
        first[present] = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        values = np.zeros((len(points), len(columns)))
        gradients = np.zeros((3 if with_gradients else 0, len(points), len(columns)))
        _fill(
            points,
            self._centres[shell] + self._images[image],
            first[shell],
            self._ell[shell],
            self._radial[shell],
            self._reach[shell],
            values,
            gradients,
        )
        return Block(
            place=(place[0], place[1], place[2]),
            values=values,
            columns=columns,
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
