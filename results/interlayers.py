"""The distance between two stacked layers."""

from collections.abc import Sequence

import numpy as np

from .records import Floats

_PLANE = 0.8  # Angstrom: atoms this close to the outermost one belong to its plane


def interlayer_distance(
    lattice: Floats, fractional: Floats, bottom: Sequence[int], top: Sequence[int]
) -> float:
    """Return the distance between the facing atom planes of two layers in Angstrom.

    A plane is the mean height of the atoms within 0.8 Angstrom of the layer's outermost one,
    measured along the normal of the first two lattice vectors.

    Parameters
    ----------
    lattice
        (3, 3), rows, in Angstrom.
    fractional
        (n_atoms, 3); layers may be wrapped through the cell boundary.
    bottom, top
        Atom indices of each layer.

    Examples
    --------
    >>> lattice = np.diag([3.0, 3.0, 20.0])
    >>> atoms = np.array([[0, 0, 0.95], [0.3, 0, 0.05], [0, 0, 0.25], [0, 0, 0.35]])
    >>> round(interlayer_distance(lattice, atoms, [0, 1], [2, 3]), 6)
    4.0
    """
    normal = np.cross(lattice[0], lattice[1])
    height = abs(float(np.linalg.det(lattice))) / float(np.linalg.norm(normal))
    low = _unwrapped(fractional[list(bottom), 2]) * height
    high = _unwrapped(fractional[list(top), 2]) * height
    high = high - np.floor((high.mean() - low.mean()) / height) * height
    facing_low = low[low > low.max() - _PLANE].mean()
    facing_high = high[high < high.min() + _PLANE].mean()
    return float(facing_high - facing_low)


def _unwrapped(positions: Floats) -> Floats:
    """Return fractional positions of one layer without the jump at the cell boundary."""
    centre = np.angle(np.exp(2j * np.pi * positions).mean()) / (2 * np.pi)
    offsets: Floats = positions - centre
    unwrapped: Floats = centre + offsets - np.round(offsets)
    return unwrapped
