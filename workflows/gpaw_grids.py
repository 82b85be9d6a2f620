"""Grids of GPAW: what PREC stands for, and how much finer densities are written."""

from collections.abc import Mapping
from math import pi, sqrt
from typing import Any

from ase.units import Bohr, Hartree

from ..structures.errors import InputError

# Real-space grid in Angstrom by the first letter of PREC. VASP's Single and Medium sit between
# Low and Accurate as Normal does.
_SPACINGS = {"L": 0.25, "M": 0.22, "N": 0.22, "S": 0.22, "A": 0.18, "H": 0.18}
# Plane waves: how far the grid reaches in reciprocal space, in radii of the waves' own sphere; VASP
# has 3/2 and 2. On GPAW's 1.41 the energy of a layer of N-graphene changes by 24 meV as it moves
# between the points of the grid (400 eV, 24 atoms); 1.7 leaves 0.03 meV for an atom of O or F.
_REACHES = {"L": 1.5, "M": 1.5, "N": 1.5, "S": 1.5, "A": 1.7, "H": 1.7}
_REFINEMENTS = (1, 2, 3, 4)  # of GPAW's own grid
_FINE_ENOUGH = 1.02  # a grid that is coarser by 2 % still is the one that was asked for


def grid_spacing(tags: Mapping[str, Any]) -> float:
    """Return the largest step of the grid that PREC stands for, in Angstrom.

    With plane waves it follows their cut-off, with atomic orbitals it is what it is.

    Parameters
    ----------
    tags
        INCAR: PREC (Normal without it) and ENCUT.

    Raises
    ------
    InputError
        PREC is none of VASP's.

    Examples
    --------
    >>> [grid_spacing({"PREC": prec}) for prec in ("Low", "Normal", "Accurate")]
    [0.25, 0.22, 0.18]
    >>> [round(grid_spacing({"PREC": p, "ENCUT": 400}), 3) for p in ("Normal", "Accurate")]
    [0.204, 0.18]
    """
    prec = str(tags.get("PREC") or "Normal").strip()
    letter = prec[:1].upper()
    if letter not in _SPACINGS:
        raise InputError(f"PREC = {prec}: use Low (h 0.25 A), Normal (0.22) or Accurate (0.18)")
    if tags.get("ENCUT") is None:
        return _SPACINGS[letter]
    longest = sqrt(2 * float(tags["ENCUT"]) / Hartree)  # of the waves, 1/Bohr
    return float(pi / (_REACHES[letter] * longest) * Bohr)


def refinement(own: float, wanted: float) -> int:
    """Return how much finer than GPAW's own grid densities are written: 1 to 4 times.

    Parameters
    ----------
    own, wanted
        Largest steps in Angstrom, of GPAW's grid and of the one that INCAR asks for.

    Examples
    --------
    >>> refinement(0.2, 0.05), refinement(0.2, 0.07), refinement(0.2, 0.11), refinement(0.2, 0.01)
    (4, 3, 2, 4)
    """
    enough = [factor for factor in _REFINEMENTS if own / factor <= _FINE_ENOUGH * wanted]
    return (enough or _REFINEMENTS[-1:])[0]
