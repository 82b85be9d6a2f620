"""What the electrostatics of a cell depend on: vacuum, centre, and whether two faces differ."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import Structure

from ..structures.checks import vacuum_of

_SAME_HEIGHT = 0.05  # Angstrom; planes closer than this count as one when faces are compared


@dataclass(frozen=True, kw_only=True)
class SlabShape:
    """The shape of a slab along the normal of its a-b plane."""

    vacuum: float  # Angstrom, largest empty interval
    is_asymmetric: bool  # its two faces differ, so that it may carry a dipole
    centre: tuple[float, float, float]  # centre of mass, fractional; a half along a and b


def slab_shape(structure: Structure) -> SlabShape:
    """Return vacuum, faces and centre of mass of a slab.

    Two faces count as equal when turning the slab upside down leaves every element at the same
    heights, to 0.05 Angstrom.

    Examples
    --------
    >>> from heterofire.structures.layers import mx2_monolayer
    >>> shape = slab_shape(mx2_monolayer(c=20.0))
    >>> shape.is_asymmetric, round(shape.vacuum, 2)
    (False, 16.83)
    """
    heights = _unwrapped(structure.frac_coords[:, 2]) * _normal_height(structure)
    middle = (heights.min() + heights.max()) / 2
    elements = np.array([site.specie.symbol for site in structure])
    return SlabShape(
        vacuum=vacuum_of(structure),
        is_asymmetric=any(
            not _is_mirrored(heights[elements == element] - middle) for element in set(elements)
        ),
        # along a and b a slab has no centre, and IDIPOL 3 does not use one
        centre=(0.5, 0.5, centre_of_mass(structure)[2]),
    )


def centre_of_mass(structure: Structure) -> tuple[float, float, float]:
    """Return the fractional centre of mass, each axis cut open at its largest gap.

    Cutting at the gap makes a slab or molecule that straddles the cell's border one piece.

    Examples
    --------
    >>> from pymatgen.core import Lattice
    >>> h2 = Structure(Lattice.cubic(10), ["H", "H"], [[0.98, 0.5, 0.5], [0.04, 0.5, 0.5]])
    >>> centre_of_mass(h2)
    (0.01, 0.5, 0.5)
    """
    masses = np.array([float(site.specie.atomic_mass) for site in structure])
    axes = [_unwrapped(axis) for axis in structure.frac_coords.T]
    centre = [np.average(axis, weights=masses) % 1.0 for axis in axes]
    # five decimals: what is left of rounding errors must not change a calculation's identity
    x, y, z = (round(float(value), 5) % 1.0 for value in centre)
    return (x, y, z)


def _unwrapped(fractions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return fractional positions along one axis with the largest gap outside of them."""
    wrapped = np.mod(fractions, 1.0)
    order = np.sort(wrapped)
    gaps = np.diff(np.append(order, order[0] + 1.0))
    start = order[(int(gaps.argmax()) + 1) % len(order)]
    # a hair below the first atom, so that rounding does not send it to the far end
    unwrapped: NDArray[np.float64] = np.mod(wrapped - start + 1e-9, 1.0) + start - 1e-9
    return unwrapped


def _normal_height(structure: Structure) -> float:
    """Return the cell's height along the normal of the a-b plane, in Angstrom."""
    a, b, _ = structure.lattice.matrix
    return float(structure.volume / np.linalg.norm(np.cross(a, b)))


def _is_mirrored(heights: NDArray[np.float64]) -> bool:
    """Return whether heights about the middle are the same upside down."""
    return bool(np.allclose(np.sort(heights), np.sort(-heights), atol=_SAME_HEIGHT))
