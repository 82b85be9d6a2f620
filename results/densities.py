"""Densities on VASP's grid."""

import warnings
from pathlib import Path

import numpy as np
from pymatgen.io.vasp.outputs import Chgcar

from ..structures.errors import RunError
from .records import Floats
from .run_files import read_chunks

_ELECTRONS_TOLERANCE = 5e-4  # relative; a CHGCAR sums to NELECT within 1e-7


def read_density(path: str | Path, *, n_electrons: float | None = None) -> tuple[Floats, float]:
    """Return the values of CHGCAR, AECCAR0 or AECCAR2, and how many electrons they sum to.

    Parameters
    ----------
    path
        The file, plain or gzip.
    n_electrons
        NELECT, when the density is one that must sum to it (CHGCAR).

    Returns
    -------
    tuple
        (n1, n2, n3) values, density times cell volume in electrons; and their mean, which is the
        number of electrons. AECCAR2 does not sum to NELECT: never integrate it, only CHGCAR.

    Raises
    ------
    RunError
        The file is cut or damaged, holds NaN or ``****``, or does not sum to NELECT.

    Examples
    --------
    >>> read_density("CHGCAR.missing")
    Traceback (most recent call last):
    heterofire.structures.errors.RunError: CHGCAR.missing: cannot be read: No such file ...
    """
    path = Path(path)
    for _ in read_chunks(path):
        pass  # to the end once: pymatgen stops where the grid is full, before gzip's CRC
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            chgcar = Chgcar.from_file(str(path))
        values = np.asarray(chgcar.data["total"], dtype=np.float64)
    except (ValueError, LookupError, TypeError, AttributeError, EOFError) as error:
        raise RunError(
            f"{path}: the density is cut or damaged: {error}. Run the calculation again."
        ) from error
    if values.ndim != 3 or not values.size or not np.isfinite(values).all():
        raise RunError(f"{path}: NaN or **** in the density. Run the calculation again.")
    found = float(values.mean())
    if n_electrons is not None and abs(found - n_electrons) > _ELECTRONS_TOLERANCE * n_electrons:
        raise RunError(
            f"{path}: sums to {found:.5f} electrons, NELECT is {n_electrons:g}. Integrate CHGCAR, "
            "not AECCAR2; if this is CHGCAR, run the calculation again."
        )
    return values, found
