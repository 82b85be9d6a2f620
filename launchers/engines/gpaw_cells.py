"""Cells that GPAW does not repeat: molecules in a box, slabs with a dipole layer in the vacuum.

Where the cell ends nothing may be: the atoms are moved as a whole to its middle, by whole steps of
the coarse grid, so that densities can be put back where the POSCAR has the atoms.
"""

from dataclasses import dataclass, replace

import numpy as np

from ...structures.errors import EngineError
from ...structures.gaps import widest_gap
from .potentials import FloatArray
from .tags import Settings

MIN_GAP = 5.0  # Angstrom of vacuum along a direction without periodic images
_DIRECTIONS = {1: (0,), 2: (1,), 3: (2,), 4: (0, 1, 2)}  # IDIPOL


def open_axes(settings: Settings) -> tuple[int, ...]:
    """Return the axes along which the cell is not repeated.

    Examples
    --------
    >>> open_axes(Settings(idipol=3)), open_axes(Settings(lmono=True)), open_axes(Settings())
    ((2,), (0, 1, 2), ())
    """
    return _DIRECTIONS[4] if settings.is_isolated else _DIRECTIONS.get(settings.idipol, ())


@dataclass(frozen=True, kw_only=True)
class Placement:
    """How far the atoms are moved, in fractions of the cell, and in which images they are."""

    shift: FloatArray  # (3,), 0 along periodic axes
    wrap: FloatArray  # (n_atoms, 3), whole numbers

    def positions(self, fractional: FloatArray) -> FloatArray:
        """Return fractional positions with the atoms together in the middle of the cell."""
        placed: FloatArray = fractional + self.wrap + self.shift
        return placed

    def moved_as(self, shift: FloatArray) -> "Placement":
        """Return the placement that an earlier run began with, of atoms in any images of theirs.

        Examples
        --------
        >>> low = Placement(shift=np.array([0.0, 0.0, 0.55]), wrap=np.zeros((1, 3)))
        >>> low.moved_as(np.array([0.0, 0.0, -0.45])).shift.tolist()  # the atom crossed the wall
        [0.0, 0.0, 0.55]
        """
        return replace(self, shift=shift + np.round(self.shift - shift))

    def rolled_back(self, values: FloatArray) -> FloatArray:
        """Return values on a grid (n1, n2, n3) as they lie around the POSCAR's atoms.

        Raises
        ------
        EngineError
            The atoms were not moved by whole steps of this grid: the values would lie beside them.
        """
        steps = self.shift * values.shape
        whole = np.round(steps)
        if not np.allclose(steps, whole, atol=1e-6):
            raise EngineError(
                f"GPAW's grid has {'x'.join(map(str, values.shape))} points, by whose whole steps "
                f"the atoms were not moved ({steps.round(3).tolist()} steps): densities would lie "
                "beside them. Please report this."
            )
        rolled: FloatArray = np.roll(values, -whole.astype(int), axis=(0, 1, 2))
        return rolled


def placement(
    fractional: FloatArray, lattice: FloatArray, axes: tuple[int, ...], grid: tuple[int, int, int]
) -> Placement:
    """Return how atoms come to lie in the middle of a cell that is open along some axes.

    Parameters
    ----------
    fractional, lattice
        (n_atoms, 3) and (3, 3), rows, Angstrom.
    axes
        Those without periodic images.
    grid
        Points of the coarse grid; the move is a whole number of its steps.

    Raises
    ------
    EngineError
        Less than `MIN_GAP` of vacuum along one of the axes.

    Examples
    --------
    >>> pair = np.array([[0.0, 0.0, 0.02], [0.0, 0.0, 0.98]])
    >>> move = placement(pair, 20 * np.eye(3), (2,), (80, 80, 80))
    >>> move.positions(pair)[:, 2].round(6).tolist()
    [0.52, 0.48]
    """
    heights = 1 / np.linalg.norm(np.linalg.inv(lattice), axis=0)
    shift, wrap = np.zeros(3), np.zeros_like(fractional)
    for axis in axes:
        gap = widest_gap(fractional[:, axis])
        if gap.width * heights[axis] < MIN_GAP:
            raise EngineError(
                f"INCAR: IDIPOL (or LMONO) asks for no periodic images along axis {axis + 1}, but "
                f"only {gap.width * heights[axis]:.1f} Angstrom are empty there; {MIN_GAP:.1f} "
                "are wanted. Enlarge the box, or drop the tag."
            )
        together = gap.unfolded(fractional[:, axis]) + gap.above
        wrap[:, axis] = np.round(together - fractional[:, axis])
        middle = (together.max() + together.min()) / 2
        shift[axis] = round((0.5 - middle) * grid[axis]) / grid[axis]
    return Placement(shift=shift, wrap=wrap)
