"""Neighbours, planar rings and planes of a molecule, from its geometry and elements alone."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import Element

from .bonding import bonds

Floats = NDArray[np.float64]

_FLAT = 0.15  # Angstrom from the common plane, largest; puckered rings are off by 0.2 and more
_RING_SIZES = (5, 6)


def neighbours(symbols: Sequence[str], positions: Floats) -> tuple[tuple[int, ...], ...]:
    """Return the atoms that each atom is bonded to; metals are not bonded to each other.

    Examples
    --------
    >>> from heterofire.structures.molecules import build_species
    >>> water = build_species("H2O")
    >>> neighbours(water.symbols, water.positions)
    ((1, 2), (0,), (0,))
    """
    near = [list[int]() for _ in symbols]
    for i, j in sorted(bonds(symbols, positions)):
        near[i].append(j)
        near[j].append(i)
    return tuple(tuple(sorted(others)) for others in near)


def planar_rings(
    symbols: Sequence[str], positions: Floats, near: Sequence[Sequence[int]]
) -> list[tuple[int, ...]]:
    """Return the flat five- and six-membered rings without a metal, each as its sorted atoms.

    Examples
    --------
    >>> from heterofire.structures.molecules import build_species
    >>> benzene = build_species("C6H6")
    >>> planar_rings(benzene.symbols, benzene.positions, neighbours(benzene.symbols,
    ...     benzene.positions))
    [(0, 1, 2, 3, 4, 5)]
    """
    carried = {
        i: [j for j in near[i] if not Element(symbols[j]).is_metal and symbols[j] != "H"]
        for i in range(len(symbols))
        if not Element(symbols[i]).is_metal and symbols[i] != "H"
    }
    found = set[tuple[int, ...]]()
    for start in carried:
        _walk(carried, [start], found)
    rings = [ring for ring in sorted(found) if flatness(positions[list(ring)]) < _FLAT]
    return [ring for ring in rings if all(len(near[i]) <= 3 for i in ring)]


def _walk(
    carried: Mapping[int, Sequence[int]], path: list[int], found: set[tuple[int, ...]]
) -> None:
    """Add the rings without a chord that start on a path, whose first atom is the lowest one."""
    for following in carried[path[-1]]:
        if following == path[0] and len(path) in _RING_SIZES and _is_chordless(carried, path):
            found.add(tuple(sorted(path)))
        elif following > path[0] and following not in path and len(path) < max(_RING_SIZES):
            _walk(carried, [*path, following], found)


def _is_chordless(carried: Mapping[int, Sequence[int]], path: Sequence[int]) -> bool:
    """Return whether each atom of a closed path is bonded to its two neighbours in it alone."""
    members = set(path)
    return all(len(members & set(carried[i])) == 2 for i in path)


def plane_normal(positions: Floats) -> Floats:
    """Return the unit normal of the plane through some points that fits best.

    Examples
    --------
    >>> abs(plane_normal(np.array([[0.0, 0, 1], [1, 0, 1], [0, 1, 1]]))).round(6).tolist()
    [0.0, 0.0, 1.0]
    """
    normal: Floats = np.linalg.svd(positions - positions.mean(axis=0))[2][2]
    return normal


def flatness(positions: Floats) -> float:
    """Return how far in Angstrom the farthest point is from the plane that fits best."""
    centred = positions - positions.mean(axis=0)
    return float(abs(centred @ plane_normal(positions)).max())
