"""The grids that VASP would put densities on."""

import math
from collections.abc import Sequence

import numpy as np

from .potentials import FloatArray

Grid = tuple[int, int, int]

_HBAR2_2M = 3.80998212  # eV Angstrom^2
_DEFAULT_ENCUT = 400.0  # eV, where INCAR has none and POTCARs are not there to tell
# VASP manual, PREC: multiples of the cutoff sphere's radius that the coarse grid spans.
_SPAN = {"A": 4.0, "H": 4.0, "N": 3.0, "S": 3.0, "M": 3.0, "L": 3.0}
_SINGLE = "S"  # PREC = Single: the fine grid is the coarse one


def coarse_grid(lattice: FloatArray, encut: float | None, prec: str, given: Sequence[int]) -> Grid:
    """Return NGX, NGY, NGZ: as given, else what ENCUT and PREC ask for.

    Parameters
    ----------
    lattice
        (3, 3), rows, Angstrom.
    encut
        Plane-wave cutoff in eV; 400 without one.
    prec
        Accurate, Normal ...; its first letter counts.
    given
        NGX, NGY, NGZ of the INCAR; 0 where it has none.

    Examples
    --------
    >>> coarse_grid(10.0 * np.eye(3), 400.0, "Accurate", (0, 0, 48))
    (70, 70, 48)
    """
    radius = math.sqrt((encut or _DEFAULT_ENCUT) / _HBAR2_2M)
    span = _SPAN.get(prec.strip().upper()[:1], 3.0)
    lengths = np.linalg.norm(lattice, axis=1)
    wanted = [math.ceil(span * radius * length / (2 * math.pi)) for length in lengths]
    n1, n2, n3 = (n or _smooth(m) for n, m in zip(given, wanted, strict=True))
    return n1, n2, n3


def fine_grid(coarse: Grid, prec: str, given: Sequence[int]) -> Grid:
    """Return NGXF, NGYF, NGZF: as given, else twice the coarse grid (the same for PREC = Single).

    Examples
    --------
    >>> fine_grid((70, 70, 48), "Accurate", (0, 96, 0))
    (140, 96, 96)
    """
    factor = 1 if prec.strip().upper()[:1] == _SINGLE else 2
    n1, n2, n3 = (n or factor * m for n, m in zip(given, coarse, strict=True))
    return n1, n2, n3


def _smooth(n: int) -> int:
    """Return the next even number with no prime factor above 7."""
    n += n % 2
    while not _is_smooth(n):
        n += 2
    return n


def _is_smooth(n: int) -> bool:
    for prime in (2, 3, 5, 7):
        while n % prime == 0:
            n //= prime
    return n == 1


def largest_step(lattice: FloatArray, grid: Grid) -> float:
    """Return the longest step of a grid, in the unit of the lattice."""
    return float((np.linalg.norm(lattice, axis=1) / np.array(grid)).max())
