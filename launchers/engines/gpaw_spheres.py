"""All-electron densities of GPAW in seconds: each atom's sphere on the grid points around it.

GPAW adds the corrections of its PAW spheres with distances from every atom, and eight of its
images, to every point of the grid: 8 minutes for 24 atoms on 160 x 160 x 384 points. The
corrections are still GPAW's own here; they are only asked for on the points they can reach.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .potentials import FloatArray


@dataclass(kw_only=True)
class _Box:
    """Grid points around an atom, as much like GPAW's grid and array as `add` asks for."""

    points: FloatArray  # (n1, n2, n3, 3), Bohr
    dv: float  # volume of a point, Bohr^3
    cell_cv: FloatArray
    data: FloatArray  # (n_components, n1, n2, n3)

    @property
    def desc(self) -> "_Box":
        return self

    @property
    def pbc(self) -> NDArray[np.int_]:
        return np.zeros(3, dtype=int)  # images have boxes' points of their own

    @property
    def dims(self) -> tuple[int]:
        return (len(self.data),)

    def xyz(self) -> FloatArray:
        return self.points


@contextmanager
def corrections_near_atoms() -> Iterator[None]:
    """Let GPAW compute its PAW corrections near the atoms only; the sums are the same."""
    from gpaw import densities

    everywhere = densities.add

    def near(center: FloatArray, density: Any, *about: Any) -> FloatArray:
        *_, radius, _ = about
        indices, box = _box_around(center, radius, density)
        electrons: FloatArray = everywhere(center, box, *about)
        # A sphere that is wider than the cell reaches the same point twice.
        for values, corrections in zip(density.data, box.data, strict=True):
            np.add.at(values, np.ix_(*indices), corrections)
        return electrons

    densities.add = near
    try:
        yield
    finally:
        densities.add = everywhere


def _box_around(
    center: FloatArray, radius: float, density: Any
) -> tuple[list[NDArray[np.int_]], _Box]:
    """Return which points of each axis are near a center, and a box of them without density."""
    grid = density.desc
    heights = 1 / np.linalg.norm(np.linalg.inv(grid.cell_cv), axis=0)
    middle = np.linalg.solve(grid.cell_cv.T, center)
    indices, fractions = [], []
    for axis in range(3):
        n, reach = grid.size_c[axis], radius / heights[axis]
        near = np.arange(
            np.floor((middle[axis] - reach) * n), np.ceil((middle[axis] + reach) * n) + 1, dtype=int
        )
        if not grid.pbc[axis]:
            near = near[(near >= grid.start_c[axis]) & (near < grid.end_c[axis])]
        fractions.append(near / n)
        indices.append(near % n - grid.start_c[axis])
    mesh = np.stack(np.meshgrid(*fractions, indexing="ij"), axis=-1)
    data = np.zeros((len(density.data), *mesh.shape[:3]))
    return indices, _Box(points=mesh @ grid.cell_cv, dv=grid.dv, cell_cv=grid.cell_cv, data=data)
