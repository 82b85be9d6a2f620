"""Strain and twist of a layer that is pulled onto a common two-dimensional cell."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import StructureError

DEFINITION = (
    "change relative to the layer's own cell (Biot strain U - 1): principal values, area, and "
    "von Mises equivalent sqrt(2/3 e':e') of the deviator e' with no strain along the normal"
)


@dataclass(frozen=True, kw_only=True)
class Strain:
    """In-plane strain of one layer; all numbers are dimensionless, positive when stretched."""

    principal: tuple[float, float]  # smallest and largest stretch minus 1
    von_mises: float  # equivalent strain, see DEFINITION
    area: float  # change of area divided by the layer's own area

    @property
    def largest(self) -> float:
        """Return the principal strain of the largest size, with its sign."""
        return max(self.principal, key=abs)

    @property
    def von_mises_green_lagrange(self) -> float:
        """Return the von Mises strain of E = (F F^T - 1) / 2, which pymatgen's interfaces print."""
        low, high = ((1 + s) ** 2 / 2 - 0.5 for s in self.principal)
        return _von_mises(low, high)


def deformation(own: ArrayLike, common: ArrayLike) -> NDArray[np.float64]:
    """Return the (2, 2) matrix F with ``common = own @ F``; rows are lattice vectors."""
    own, common = np.asarray(own, dtype=float), np.asarray(common, dtype=float)
    if own.shape != (2, 2) or common.shape != (2, 2):
        raise StructureError(f"two 2x2 cells are needed, not {own.shape} and {common.shape}")
    if abs(np.linalg.det(own)) < 1e-10 or np.linalg.det(own) * np.linalg.det(common) <= 0:
        raise StructureError("the two cells have no area or different handedness; swap two vectors")
    f: NDArray[np.float64] = np.linalg.solve(own, common)
    return f


def strain_between(own: ArrayLike, common: ArrayLike) -> Strain:
    """Return the strain of a layer whose cell `own` is made into `common`.

    Parameters
    ----------
    own, common
        (2, 2) in Angstrom, rows are the in-plane lattice vectors of the same supercell before and
        after; each may be rotated freely.

    Examples
    --------
    >>> strain = strain_between([[1.0, 0.0], [0.0, 1.0]], [[1.02, 0.0], [0.0, 1.0]])
    >>> [round(value, 6) for value in (*strain.principal, strain.area)]
    [0.0, 0.02, 0.02]
    """
    stretches = np.linalg.svd(deformation(own, common), compute_uv=False)
    return strain_of(stretches[1], stretches[0])


def strain_of(smallest: float, largest: float) -> Strain:
    """Return the strain that two principal stretches (new length over old) make."""
    low, high = float(smallest) - 1, float(largest) - 1
    return Strain(
        principal=(low, high),
        von_mises=_von_mises(low, high),
        area=(1 + high) * (1 + low) - 1,
    )


def _von_mises(low: float, high: float) -> float:
    """Return sqrt(2/3 e':e') of a strain with two principal values in the plane, none along z."""
    return 2 / 3 * math.sqrt(high**2 + low**2 - high * low)


def rotation_between(own: ArrayLike, common: ArrayLike) -> float:
    """Return the angle, in degrees, by which the layer turns, apart from its strain.

    Examples
    --------
    >>> round(rotation_between([[2.0, 0.0], [0.0, 2.0]], [[0.0, 2.0], [-2.0, 0.0]]), 6)
    90.0
    """
    left, _, right = np.linalg.svd(deformation(own, common))
    turn = left @ right  # rows are vectors: x_new = x_old @ turn
    return math.degrees(math.atan2(turn[0, 1], turn[0, 0]))


def fold_angle(angle: float, period: float) -> float:
    """Return the smallest angle, in degrees, that is the same twist up to the lattice's symmetry.

    Examples
    --------
    >>> fold_angle(-49.0, 60), fold_angle(349.0, 60)
    (11.0, 11.0)
    """
    rest = angle % period
    return min(rest, period - rest)
