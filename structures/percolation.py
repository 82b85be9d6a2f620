"""The lowest height at which links between places of a periodic plane lead on for ever."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Shift = tuple[int, int]  # cells along the two lattice vectors of the plane


@dataclass(frozen=True, kw_only=True)
class Link:
    """A way from one place to another, whose cell may be a neighbouring one."""

    first: int
    second: int
    shift: Shift  # cell of the second place, seen from the first
    height: float  # what has to be climbed, on one scale for all links


@dataclass(frozen=True, kw_only=True)
class Percolation:
    """The lowest height that leads through the crystal in some number of directions."""

    directions: int  # 1: along a line; 2: everywhere in the plane
    height: float
    places: tuple[int, ...]  # all that are connected at this height


def percolate(n_places: int, links: Sequence[Link]) -> list[Percolation]:
    """Return the lowest heights at which the links reach from cell to cell.

    Links are added from the lowest up (Kruskal); where one closes a ring whose shifts do not add
    up to zero, the connected places reach their own periodic images.

    Parameters
    ----------
    n_places
        Number of places in one cell.
    links
        Each link once; it can be gone both ways.

    Returns
    -------
    list of Percolation
        For one direction, then for two, as far as the links lead.

    Examples
    --------
    >>> rows = [Link(first=0, second=0, shift=(1, 0), height=0.2)]
    >>> rows += [Link(first=0, second=0, shift=(0, 1), height=0.7)]
    >>> [(p.directions, p.height) for p in percolate(1, rows)]
    [(1, 0.2), (2, 0.7)]
    """
    root = list(range(n_places))
    offset = np.zeros((n_places, 2), dtype=int)  # cell of each place, seen from its root
    reached: dict[int, list[tuple[int, ...]]] = {i: [] for i in range(n_places)}
    found: list[Percolation] = []
    for link in sorted(links, key=lambda link: link.height):
        one, two = root[link.first], root[link.second]
        across = offset[link.first] + link.shift - offset[link.second]
        if one == two:
            reached[one].append(tuple(across.tolist()))
        else:
            moved = [i for i in range(n_places) if root[i] == two]
            offset[moved] += across
            for i in moved:
                root[i] = one
            reached[one] += reached.pop(two)
        rank = int(np.linalg.matrix_rank(np.array(reached[one]))) if reached[one] else 0
        places = tuple(i for i in range(n_places) if root[i] == one)
        found += [
            Percolation(directions=n, height=link.height, places=places)
            for n in range(len(found) + 1, rank + 1)
        ]
    return found
