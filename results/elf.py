"""ELFCAR: the electron localization function, checked and summed up by planes."""

import warnings
from pathlib import Path

import numpy as np
from pymatgen.core import Structure

from ..structures.errors import RunError
from .compatibility import is_isolated
from .planar import normal_height
from .records import ElfProfile, Floats
from .run_files import find_file, read_chunks

_SPACING = 0.25  # Angstrom, largest distance of the points that are kept
_LEVELS = 4096
_ROUNDING = 1e-3  # beyond 0 and 1: the file's digits, and interpolation in VASP


def load_elf(folder: Path) -> ElfProfile:
    """Return mean and largest ELF of each plane of a run's ELFCAR, spin channels averaged.

    Raises
    ------
    RunError
        There is no ELFCAR, it is cut, or it holds values outside 0 to 1.

    Examples
    --------
    >>> load_elf(Path("no such folder"))
    Traceback (most recent call last):
    heterofire.structures.errors.RunError: no such folder: no ELFCAR. Run it with LELF = .TRUE.
    """
    from pymatgen.io.vasp.outputs import Elfcar  # slow to import

    path = find_file(folder, "ELFCAR")
    if path is None:
        raise RunError(f"{folder}: no ELFCAR. Run it with LELF = .TRUE.")
    for _ in read_chunks(path):
        pass  # to the end once: checks gzip's CRC
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            elfcar = Elfcar.from_file(str(path))
        channels = [np.asarray(v, dtype=np.float64) for v in elfcar.data.values()]
        values: Floats = np.mean(channels, axis=0)
    except (ValueError, LookupError, TypeError, AttributeError, EOFError) as error:
        raise RunError(f"{path}: cut or damaged: {error}. Run the calculation again.") from error
    if not (values.min() > -_ROUNDING and values.max() < 1 + _ROUNDING):  # NaN fails both
        raise RunError(
            f"{path}: values from {values.min():.4g} to {values.max():.4g}, which is no ELF (0 to "
            "1). Run the calculation again."
        )
    n1, n2, n3 = values.shape
    height = normal_height(elfcar.structure)
    return ElfProfile(
        z=np.arange(n3) * height / n3,
        mean=values.mean(axis=(0, 1)),
        largest=values.max(axis=(0, 1)),
        grid=(n1, n2, n3),
        coarse=_coarse(values, elfcar.structure) if is_isolated(elfcar.structure) else None,
    )


def _coarse(values: Floats, structure: Structure) -> Floats:
    """Return the function on points about 0.2 Angstrom apart, for slices through a molecule.

    Points are left out, not averaged: near a nucleus the function jumps, and what fits on the
    coarser grid would swing beyond 0 to 1. Steps of 1/4096 are far below what is seen, and
    compress to a third.
    """
    spacing = np.array(structure.lattice.abc) / values.shape
    every = np.maximum(1, np.floor(_SPACING / spacing + 1e-9)).astype(int)
    steps = [
        max(k for k in range(1, e + 1) if n % k == 0)
        for e, n in zip(every, values.shape, strict=True)
    ]
    kept = values[:: steps[0], :: steps[1], :: steps[2]]
    return np.clip(np.round(kept * _LEVELS) / _LEVELS, 0.0, 1.0)
