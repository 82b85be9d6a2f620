"""Is a structure sane: shortest distance, vacuum, gap between layers."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pymatgen.core import Structure

from .errors import StructureError
from .gaps import widest_gap

MIN_DISTANCE = 0.7  # Angstrom; below the shortest bond there is (H-H, 0.74)


@dataclass(frozen=True, kw_only=True)
class Contact:
    """The closest two atoms of a structure, periodic images included."""

    distance: float  # Angstrom
    atoms: tuple[int, int]  # counted from 0
    elements: tuple[str, str]

    def __str__(self) -> str:
        """Return the contact as a person would write it, atoms counted from 1 as in a POSCAR."""
        (i, j), (a, b) = self.atoms, self.elements
        return f"{a}{i + 1}-{b}{j + 1} {self.distance:.3f} Angstrom"


def shortest_distance(structure: Structure) -> Contact:
    """Return the closest two atoms, an atom's own periodic image included.

    Raises
    ------
    StructureError
        The structure has no atoms.

    Examples
    --------
    >>> from heterofire.structures.layers import graphene
    >>> print(shortest_distance(graphene()))
    C1-C2 1.423 Angstrom
    """
    if len(structure) == 0:
        raise StructureError("the structure has no atoms")
    radius = 2.0
    while True:
        first, second, _, distances = structure.get_neighbor_list(radius)
        if len(distances):
            # The smallest index wins a tie, so that the answer does not hang on the list's order.
            k = np.lexsort((second, first, np.round(distances, 6)))[0]
            i, j = int(first[k]), int(second[k])
            elements = (structure[i].specie.symbol, structure[j].specie.symbol)
            return Contact(distance=float(distances[k]), atoms=(i, j), elements=elements)
        radius *= 2


def check_structure(structure: Structure, *, min_distance: float = MIN_DISTANCE) -> None:
    """Refuse a structure in which two atoms are closer than `min_distance` (Angstrom).

    Raises
    ------
    StructureError
        Names the two atoms and their distance.

    Examples
    --------
    >>> from heterofire.structures.layers import graphene
    >>> check_structure(graphene())
    >>> check_structure(graphene(a=1.0))
    Traceback (most recent call last):
    ...
    heterofire.structures.errors.StructureError: atoms C1 and C2 of C2 are 0.577 Angstrom apart, ...
    """
    contact = shortest_distance(structure)
    if contact.distance < min_distance:
        (i, j), (a, b) = contact.atoms, contact.elements
        raise StructureError(
            f"atoms {a}{i + 1} and {b}{j + 1} of {structure.composition.formula} are "
            f"{contact.distance:.3f} Angstrom apart, less than {min_distance} Angstrom (counted "
            "from 1 in the order of the structure): check the cell, units and duplicated atoms"
        )


def vacuum_of(structure: Structure) -> float:
    """Return the largest empty interval along the normal of the a-b plane, in Angstrom.

    Examples
    --------
    >>> from heterofire.structures.layers import mx2_monolayer
    >>> round(vacuum_of(mx2_monolayer(c=20.0)), 3)
    16.828
    """
    a, b, c = structure.lattice.matrix
    normal = np.cross(a, b) / np.linalg.norm(np.cross(a, b))
    return widest_gap(structure.frac_coords[:, 2]).width * float(abs(c @ normal))


def facing_planes(
    structure: Structure, bottom: Sequence[int], top: Sequence[int], *, thickness: float = 0.6
) -> tuple[float, float]:
    """Return the heights, in Angstrom, of the planes of two layers that face each other.

    Parameters
    ----------
    bottom, top
        Atoms of each layer.
    thickness
        Atoms within this distance, in Angstrom, of a layer's outermost atom count as its plane.

    Returns
    -------
    tuple
        The median z of the bottom layer's upper plane and of the top layer's lower plane, so
        that one atom that sticks out does not set it.
    """
    z = structure.cart_coords[:, 2]
    low, high = z[list(bottom)], z[list(top)]
    below = np.median(low[low > low.max() - thickness])
    above = np.median(high[high < high.min() + thickness])
    return float(below), float(above)


def gap_between(structure: Structure, bottom: Sequence[int], top: Sequence[int]) -> float:
    """Return the vertical distance, in Angstrom, between the facing planes of two layers."""
    below, above = facing_planes(structure, bottom, top)
    return above - below
