"""How near the surfaces of Bader volumes come to their nuclei."""

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import Structure

from .bader_ascent import Labels
from .records import Floats


def surface_distances(labels: Labels, atom: NDArray[np.int64], structure: Structure) -> Floats:
    """Return the distance of each nucleus to the nearest point at the edge of its volume.

    Parameters
    ----------
    labels
        (n1, n2, n3), attractor m has label m + 1; 0 in vacuum.
    atom
        (n_attractors,), the atom each attractor belongs to.
    structure
        Atoms and cell.

    Returns
    -------
    numpy.ndarray
        (n_atoms,), Angstrom; NaN for an atom without a volume.
    """
    # Two bytes a point where they do: memory is what limits the size of a grid.
    kind = np.int16 if len(structure) < np.iinfo(np.int16).max else np.int32
    owner = np.concatenate([[-1], atom]).astype(kind)[labels]
    edge = np.zeros(owner.shape, dtype=np.bool_)
    for axis in range(3):
        along, marks = np.moveaxis(owner, axis, 0), np.moveaxis(edge, axis, 0)
        differs = along[1:] != along[:-1]
        marks[1:] |= differs
        marks[:-1] |= differs
        around = along[0] != along[-1]
        marks[0] |= around
        marks[-1] |= around
    points = np.argwhere(edge)
    of = owner[edge]
    lattice = np.asarray(structure.lattice.matrix)
    found = np.full(len(structure), np.nan)
    for i, place in enumerate(structure.frac_coords):
        mine = points[of == i] / np.array(labels.shape) - place
        if len(mine):
            # The nearest image by rounding is the nearest one for what is nearest of all.
            found[i] = np.linalg.norm((mine - np.round(mine)) @ lattice, axis=1).min()
    if not edge.any():  # one atom in its cell: its surface is half way to its nearest image
        found[:] = _half_way_to_image(structure)
    return found


def _half_way_to_image(structure: Structure) -> float:
    """Return half the shortest lattice vector in Angstrom."""
    return float(min(structure.lattice.get_niggli_reduced_lattice().abc)) / 2
