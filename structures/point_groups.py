"""The point group of a molecule, as a Schoenflies symbol."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import InputError

TOLERANCE = 0.1  # Angstrom; how far an atom may be from where symmetry puts it


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
    # Ions and radicals have a point group, too: the check of electrons is `Species`'s.
    molecule = Molecule(list(symbols), places, charge_spin_check=False)
    return str(PointGroupAnalyzer(molecule, tolerance=tolerance).sch_symbol)
