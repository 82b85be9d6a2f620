"""HESSIAN.npz: what a search has learnt of its atoms, so that its next part need not again.

A relaxation keeps it in its folder, a band in that of each image.

It lies beside WAVECAR and, like it, only shortens the way: a file that is missing, torn or of
other atoms means a start from the model Hessian. VASP has no such file and does not look at it.
"""

import io
import sys
import zipfile
from pathlib import Path

import numpy as np

from ...structures.files import write_atomic
from .potentials import FloatArray

NAME = "HESSIAN.npz"


def remember(folder: Path, hessian: FloatArray, radius: float) -> None:
    """Write Hessian (eV/Angstrom^2) and longest step (Angstrom) of a search, by temp and rename."""
    content = io.BytesIO()
    np.savez(content, hessian=hessian, radius=radius)
    write_atomic(folder / NAME, content.getvalue())


def forget(folder: Path) -> None:
    """Remove what was remembered: the search is at its end, the next one may be another."""
    (folder / NAME).unlink(missing_ok=True)


def recall(folder: Path, model: FloatArray, radius: float) -> tuple[FloatArray, float]:
    """Return Hessian and longest step that an earlier part learnt, else those given.

    Parameters
    ----------
    folder
        Of the run, or of the image of a band.
    model
        (n, n), eV/Angstrom^2, the Hessian to start from where nothing is remembered.
    radius
        Angstrom, the longest step to start with.
    """
    path = folder / NAME
    try:
        with np.load(path, allow_pickle=False) as content:
            hessian, learnt = np.array(content["hessian"]), float(content["radius"])
        if hessian.shape != model.shape or not (np.isfinite(hessian).all() and 0 < learnt < np.inf):
            raise ValueError("of other atoms, or not finite")
    except FileNotFoundError:
        pass
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        sys.stderr.write(f"note: {path} is not used ({error}); the model Hessian takes its place\n")
    else:
        return hessian, learnt
    return model, radius
