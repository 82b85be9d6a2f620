"""Single atoms and molecules in a box, as references."""

import math

import numpy as np
from pymatgen.core import Element, Lattice, Structure

from .errors import InputError

# S8, crown, D4d: S-S 2.05 Angstrom and S-S-S 108 degrees, the means of alpha sulfur
# (Rettig and Trotter, Acta Cryst. C43 (1987) 2260).
_S8_BOND, _S8_ANGLE = 2.05, 108.0
MOLECULES = ("S8",)


def atom_in_box(element: str, edge: float = 12.0, *, noncubic: bool = True) -> Structure:
    """Put one atom into the middle of a box.

    Parameters
    ----------
    edge
        Shortest edge in Angstrom, at least 8.
    noncubic
        Make the edges differ by 0.3 and 0.6 Angstrom: a cubic box can hold a free atom's open
        shell in a state of too high symmetry.

    Examples
    --------
    >>> atom_in_box("K").lattice.abc
    (12.0, 12.3, 12.6)
    """
    if not Element.is_valid_symbol(element):
        raise InputError(f"no element {element!r}")
    if edge < 8.0:
        raise InputError(
            f"a box of {edge} Angstrom lets the images of an atom touch; use 8 or more"
        )
    step = 0.3 if noncubic else 0.0
    box = Lattice.orthorhombic(edge, edge + step, edge + 2 * step)
    return Structure(box, [element], [[0.5, 0.5, 0.5]])


def molecule_in_box(name: str = "S8", padding: float = 12.0) -> Structure:
    """Put a molecule into the middle of a box.

    Parameters
    ----------
    name
        ``S8``.
    padding
        Distance in Angstrom between the molecule and its periodic images, at least 6.

    Examples
    --------
    >>> box = molecule_in_box("S8")
    >>> len(box), round(float(box.get_distance(0, 1)), 3)
    (8, 2.05)
    """
    if name not in MOLECULES:
        raise InputError(f"no molecule {name!r}; there are {', '.join(MOLECULES)}")
    if padding < 6.0:
        raise InputError(f"a padding of {padding} Angstrom lets the images touch; use 6 or more")
    coords = s8_coordinates()
    box = np.ptp(coords, axis=0) + padding
    middle = (coords.max(axis=0) + coords.min(axis=0)) / 2
    return Structure(
        Lattice.orthorhombic(*box),
        ["S"] * len(coords),
        coords - middle + box / 2,
        coords_are_cartesian=True,
    )


def s8_coordinates() -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Return the (8, 3) coordinates of the S8 crown in Angstrom, its axis along z.

    Examples
    --------
    >>> s8_coordinates().shape
    (8, 3)
    """
    second = 2 * _S8_BOND * math.sin(math.radians(_S8_ANGLE / 2))  # distance of next neighbours
    radius = second / math.sqrt(2)  # they are a quarter turn apart
    rise = math.sqrt(_S8_BOND**2 - (2 * radius * math.sin(math.pi / 8)) ** 2)
    rows = []
    for i in range(8):
        angle = math.pi / 4 * i
        z = rise / 2 * (-1) ** i
        rows.append([radius * math.cos(angle), radius * math.sin(angle), z])
    return np.array(rows)
