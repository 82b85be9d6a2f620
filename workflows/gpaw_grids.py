"""Grids of GPAW: what PREC stands for, and how much finer densities are written."""

from collections.abc import Mapping
from typing import Any

from ..structures.errors import InputError

# Real-space grid in Angstrom by the first letter of PREC. VASP's Single and Medium sit between
# Low and Accurate as Normal does.
_SPACINGS = {"L": 0.25, "M": 0.22, "N": 0.22, "S": 0.22, "A": 0.18, "H": 0.18}
_REFINEMENTS = (1, 2, 4)  # of GPAW's own grid
_FINE_ENOUGH = 1.02  # a grid that is coarser by 2 % still is the one that was asked for


def grid_spacing(tags: Mapping[str, Any]) -> float:
    """Return the spacing of the real-space grid that PREC stands for, in Angstrom.

    Raises
    ------
    InputError
        PREC is none of VASP's.

    Examples
    --------
    >>> [grid_spacing({"PREC": prec}) for prec in ("Low", "Normal", "Accurate")]
    [0.25, 0.22, 0.18]
    """
    prec = str(tags.get("PREC") or "Normal").strip()
    if prec[:1].upper() not in _SPACINGS:
        raise InputError(f"PREC = {prec}: use Low (h 0.25 A), Normal (0.22) or Accurate (0.18)")
    return _SPACINGS[prec[:1].upper()]


def refinement(own: float, wanted: float) -> int:
    """Return how much finer than GPAW's own grid densities are written: 1, 2 or 4 times.

    Parameters
    ----------
    own, wanted
        Largest steps in Angstrom, of GPAW's grid and of the one that INCAR asks for.

    Examples
    --------
    >>> refinement(0.2, 0.05), refinement(0.2, 0.11), refinement(0.2, 0.01)
    (4, 2, 4)
    """
    enough = [factor for factor in _REFINEMENTS if own / factor <= _FINE_ENOUGH * wanted]
    return (enough or _REFINEMENTS[-1:])[0]
