"""Normal modes in OUTCAR."""

import re
from pathlib import Path

import numpy as np

from ..structures.errors import RunError
from .records import Floats, Vibrations

_AGAIN = "Run the calculation again."
_START = b"Eigenvectors and eigenvalues of the dynamical matrix"
_DIVIDED = b"Eigenvectors after division by SQRT(mass)"  # the same modes again, with NWRITE = 3
_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?(?![\d.*])")  # VASP writes 0 for what it holds
_MODE = re.compile(
    rb"^ *(\d+) f( {0,2}|/i) *= *(\S+) THz +\S+ 2PiTHz +(\S+) cm-1 +\S+ meV *\n.*\n", re.MULTILINE
)


def read_modes(path: Path, data: bytes, n_atoms: int) -> Vibrations | None:
    """Return the normal modes that OUTCAR lists, None where it lists none.

    Parameters
    ----------
    path
        Named in errors.
    data
        The whole file.
    n_atoms
        Rows of each mode.

    Raises
    ------
    RunError
        Modes are missing in between, or hold what is no number.
    """
    start = data.find(_START)
    if start < 0:
        return None
    end = data.find(_DIVIDED, start)
    block = data[start : end if end > 0 else len(data)]
    modes = list(_MODE.finditer(block))
    if not modes or [int(mode[1]) for mode in modes] != list(range(1, len(modes) + 1)):
        raise RunError(f"{path}: the list of vibrations has gaps or is empty. {_AGAIN}")
    signs = np.array([-1.0 if mode[2] == b"/i" else 1.0 for mode in modes])
    try:
        wavenumbers = signs * np.array([float(mode[4]) for mode in modes])
        vectors = np.array([_vector(block, mode.end(), n_atoms) for mode in modes])
    except ValueError as error:
        raise RunError(f"{path}: a vibration is damaged: {error}. {_AGAIN}") from error
    if not (np.isfinite(wavenumbers).all() and np.isfinite(vectors).all()):
        raise RunError(f"{path}: NaN or **** in the vibrations. {_AGAIN}")
    return Vibrations(wavenumbers=wavenumbers, vectors=vectors)


def _vector(block: bytes, start: int, n_atoms: int) -> Floats:
    """Return dx, dy and dz of each atom from the rows below a mode's headings."""
    rows = block[start : start + 120 * n_atoms].split(b"\n", n_atoms)[:n_atoms]
    numbers = [_NUMBER.findall(row) for row in rows]
    if [len(row) for row in numbers] != [6] * n_atoms:
        raise ValueError(f"{n_atoms} rows of six numbers are wanted")
    return np.array(numbers, dtype=np.float64)[:, 3:]
