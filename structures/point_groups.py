"""The point group of a molecule, as a Schoenflies symbol."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import InputError

TOLERANCE = 0.1  # Angstrom; how far an atom may be from where symmetry puts it
# How far moments of inertia (their sum is 2) may be apart for pymatgen to count them as equal. By
# its default of 0.01 it looks for the axes of a ball in a molecule nearly like one (LiCF3),
# and misses those there are. No operation counts that does not hold: the largest group is right.
_EIGEN_TOLERANCES = (1e-2, 5e-3, 2e-3, 1e-3, 1e-4)


def point_group(symbols: Sequence[str], positions: ArrayLike, tolerance: float = TOLERANCE) -> str:
    """Return the point group of atoms.

    Parameters
    ----------
    positions
        (n, 3), Angstrom.
    tolerance
        Angstrom that an atom may be off.

    Returns
    -------
    str
        Schoenflies symbol such as ``D4h``; ``Kh`` of one atom, ``C*v`` and ``D*h`` of a line.

    Raises
    ------
    InputError
        There are no atoms, or the tolerance is not positive.

    Examples
    --------
    >>> point_group(["S", "O", "O"], [[0, 0, 0], [1.24, 0, 0.72], [-1.24, 0, 0.72]])
    'C2v'
    """
    from pymatgen.core import Molecule  # slow to import
    from pymatgen.symmetry.analyzer import PointGroupAnalyzer

    places: NDArray[np.float64] = np.asarray(positions, dtype=float)
    if not len(symbols) or places.shape != (len(symbols), 3):
        raise InputError(f"{places.shape} positions for {len(symbols)} elements have no symmetry")
    if tolerance <= 0:
        raise InputError(f"a tolerance of {tolerance:g} Angstrom; it must be positive")
    if len(symbols) == 1:
        return "Kh"
    # Ions and radicals have a point group, too: the check of electrons is `Species`'s.
    molecule = Molecule(list(symbols), places, charge_spin_check=False)
    found = [
        PointGroupAnalyzer(molecule, tolerance=tolerance, eigen_tolerance=close)
        for close in _EIGEN_TOLERANCES
    ]
    line = _is_line(places, tolerance)
    sane = [group for group in found if ("*" in group.sch_symbol) == line]
    return str(
        max(sane or found, key=lambda group: len(group.get_symmetry_operations())).sch_symbol
    )


def _is_line(positions: NDArray[np.float64], tolerance: float) -> bool:
    """Return whether all atoms are on a line."""
    centred = positions - positions.mean(axis=0)
    axis = np.linalg.svd(centred, full_matrices=True)[2][0]
    return bool(np.linalg.norm(centred - np.outer(centred @ axis, axis), axis=1).max() < tolerance)
