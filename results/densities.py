"""Densities on VASP's grid: read whole, checked, with the atoms they belong to."""

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pymatgen.core import Structure

from ..structures.errors import RunError
from .records import Floats
from .run_files import read_chunks


@dataclass(frozen=True, kw_only=True)
class Density:
    """One density and its atoms, as CHGCAR, AECCAR0 and AECCAR2 hold them."""

    path: Path
    structure: Structure
    values: Floats  # (n1, n2, n3), density times cell volume, in electrons
    spin: Floats | None  # (n1, n2, n3), up minus down in the same units; None without spin

    @property
    def n_electrons(self) -> float:
        """Return the sum over the grid: the mean, as values hold density times volume."""
        return float(self.values.mean())

    @property
    def grid(self) -> tuple[int, int, int]:
        """Return the number of points along each lattice vector."""
        n1, n2, n3 = self.values.shape
        return n1, n2, n3


_ELECTRONS_TOLERANCE = 1e-3  # absolute; VASP's CHGCAR sums to NELECT within 1e-6


def load_density(path: str | Path, *, n_electrons: float | None = None) -> Density:
    """Return a density with its atoms.

    Parameters
    ----------
    path
        CHGCAR, AECCAR0, AECCAR2 or a difference of such, plain or gzip.
    n_electrons
        NELECT, when the density is one that must sum to it within 1e-3 (CHGCAR).

    Raises
    ------
    RunError
        The file is cut or damaged, holds NaN or ``****``, or does not sum to NELECT.

    Examples
    --------
    >>> load_density("CHGCAR.missing")
    Traceback (most recent call last):
    heterofire.structures.errors.RunError: CHGCAR.missing: cannot be read: No such file ...
    """
    from pymatgen.io.vasp.outputs import Chgcar  # slow to import

    path = Path(path)
    for _ in read_chunks(path):
        pass  # to the end once: pymatgen stops where the grid is full, before gzip's CRC
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            chgcar = Chgcar.from_file(str(path))
        values = np.ascontiguousarray(chgcar.data["total"], dtype=np.float64)
        spin = None
        if chgcar.is_spin_polarized:
            spin = np.ascontiguousarray(chgcar.data["diff"], dtype=np.float64)
    except (ValueError, LookupError, TypeError, AttributeError, EOFError) as error:
        raise RunError(
            f"{path}: the density is cut or damaged: {error}. Run the calculation again."
        ) from error
    for part in (values, spin):
        if part is not None and (part.ndim != 3 or not part.size or not np.isfinite(part).all()):
            raise RunError(f"{path}: NaN or **** in the density. Run the calculation again.")
    found = float(values.mean())
    if n_electrons is not None and abs(found - n_electrons) > _ELECTRONS_TOLERANCE:
        raise RunError(
            f"{path}: sums to {found:.5f} electrons, NELECT is {n_electrons:g}. Integrate CHGCAR, "
            "not AECCAR2; if this is CHGCAR, run the calculation again."
        )
    return Density(path=path, structure=chgcar.structure, values=values, spin=spin)
