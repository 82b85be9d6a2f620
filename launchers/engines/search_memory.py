"""HESSIAN.npz: what a relaxation has learnt of its atoms, so that its next part need not again.

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
from .searching import QuasiNewton

NAME = "HESSIAN.npz"


def remember(folder: Path, search: QuasiNewton) -> None:
    """Write Hessian and trust radius of a search, by temp and rename."""
    content = io.BytesIO()
    np.savez(content, hessian=search.hessian, radius=search.radius)
    write_atomic(folder / NAME, content.getvalue())


def forget(folder: Path) -> None:
    """Remove what was remembered: the relaxation is at its end, the next one may be another."""
    (folder / NAME).unlink(missing_ok=True)


def recall(folder: Path, model: FloatArray) -> QuasiNewton:
    """Return a search that goes on from what an earlier part learnt, else from the model.

    Parameters
    ----------
    folder
        Of the run.
    model
        (n, n), eV/Angstrom^2, the Hessian to start from where nothing is remembered.
    """
    path = folder / NAME
    try:
        with np.load(path, allow_pickle=False) as content:
            hessian, radius = np.array(content["hessian"]), float(content["radius"])
        if hessian.shape != model.shape or not (np.isfinite(hessian).all() and 0 < radius < np.inf):
            raise ValueError("of other atoms, or not finite")
    except FileNotFoundError:
        pass
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        sys.stderr.write(f"note: {path} is not used ({error}); the model Hessian takes its place\n")
    else:
        return QuasiNewton(hessian, radius=radius)
    return QuasiNewton(model)
