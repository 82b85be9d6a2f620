"""Spins of the metals of a cluster: high spin, and which of them are up or down."""

from collections.abc import Sequence
from itertools import product

from pymatgen.core import Element


def unpaired(symbol: str, oxidation: int) -> int:
    """Return how many unpaired electrons an ion has: high spin in the 3d and 4f series.

    Heavier d metals are taken in low spin.

    Examples
    --------
    >>> ions = (("Fe", 3), ("Cu", 2), ("Zn", 2), ("Zr", 4), ("Al", 3), ("Eu", 3))
    >>> [unpaired(*ion) for ion in ions]
    [5, 1, 0, 0, 0, 6]
    """
    element = Element(symbol)
    if element.is_lanthanoid:
        n_f = max(0, element.Z - 54 - oxidation)
        return min(n_f, 14 - n_f) if n_f <= 14 else 0
    if not 3 <= element.group <= 12 or element.group == oxidation:
        return 0
    n_d = element.group - oxidation
    return min(n_d, 10 - n_d) if element.row == 4 else n_d % 2


def couple(spins: Sequence[int], total: int | None = None) -> tuple[int, ...] | None:
    """Return spins with signs: the least sum, or a given one; None if no signs give it.

    The first spin is up, and as few and as late ones as possible are down.

    Examples
    --------
    >>> couple([5, 5, 5]), couple([1, 1]), couple([5, 5, 5], 15), couple([5, 5, 5], 3)
    ((5, 5, -5), (1, -1), (5, 5, 5), None)
    """
    best: tuple[tuple[int, int], tuple[int, ...]] | None = None
    for signs in product((1, -1), repeat=max(0, len(spins) - 1)):
        signed = tuple(s * m for s, m in zip((1, *signs), spins, strict=True))
        rank = (abs(sum(signed)), signs.count(-1))
        if sum(signed) >= 0 and (total is None or total == sum(signed)):
            best = min(best, (rank, signed), key=lambda x: x[0]) if best else (rank, signed)
    return best[1] if best else None
