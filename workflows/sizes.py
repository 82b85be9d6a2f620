"""How large a VASP calculation is, before it runs and without VASP."""

import math
from dataclasses import dataclass

from .calculations import Calculation
from .parallelism import irreducible_points, vasp_build
from .potcars import potential

_HBAR2_OVER_2M = 3.80998212  # eV Angstrom^2, CODATA 2018
_BYTES = 16  # of a complex coefficient in double precision


@dataclass(frozen=True, kw_only=True)
class Size:
    """How large a VASP calculation is."""

    irreducible_points: int
    bands: int
    plane_waves: int  # at one k-point; twice as many for spinors
    memory_gb: float  # of the wavefunctions alone, all ranks together; VASP needs more


def size_of(calculation: Calculation) -> Size:
    """Return k-points, bands, plane waves and the memory of the wavefunctions.

    Plane waves are those inside the cutoff sphere, one for each (2 pi)^3 / V of its volume:
    V k^3 / (6 pi^2) with k = sqrt(2 m E) / hbar.

    Parameters
    ----------
    calculation
        ENCUT comes from the INCAR, else from the potentials.
    """
    incar = calculation.incar
    points, build = irreducible_points(calculation), vasp_build(calculation)
    waves = plane_waves(calculation.structure.volume, _cutoff(calculation))
    waves *= 2 if build == "ncl" else 1
    n_bands = int(incar.get("NBANDS") or calculation.n_bands * (2 if build == "ncl" else 1))
    spins = 2 if incar.get("ISPIN") == 2 and build != "ncl" else 1
    coefficients = waves / 2 if build == "gam" else waves  # real in space: half of them suffice
    images = max(calculation.n_images, 1)
    memory = coefficients * _BYTES * n_bands * points * spins * images
    return Size(
        irreducible_points=points,
        bands=n_bands,
        plane_waves=round(waves),
        memory_gb=memory / 1e9,
    )


def plane_waves(volume: float, cutoff: float) -> float:
    """Return how many plane waves a cutoff admits in a cell.

    Parameters
    ----------
    volume
        In Angstrom^3.
    cutoff
        In eV.

    Examples
    --------
    >>> round(plane_waves(volume=1000.0, cutoff=400.0))
    18166
    """
    return float(volume * (cutoff / _HBAR2_OVER_2M) ** 1.5 / (6 * math.pi**2))


def _cutoff(calculation: Calculation) -> float:
    """Return ENCUT, or what VASP takes without it: the largest ENMAX of the potentials."""
    given = calculation.incar.get("ENCUT")
    if given is not None:
        return float(given)
    largest = max(potential(symbol).enmax for symbol in calculation.potcar_symbols)
    return largest * (1.3 if str(calculation.incar.get("PREC", "")).lower().startswith("h") else 1)
