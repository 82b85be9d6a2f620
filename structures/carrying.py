"""What lies on a host goes along when the host's atoms move: each piece as a rigid body."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import Structure
from scipy.spatial.transform import Rotation

from .bonding import bonds, parts
from .contacts import CLASH, bonding_distance

Floats = NDArray[np.float64]

_TOUCHES = 4.0  # Angstrom: a piece goes along with the host's atoms this near
_ENOUGH = 4  # atoms that tell how a piece turns; fewer only tell how it shifts
_SINGLE = 0.95  # of a bond: how near a single atom may come, which nothing else holds off
_AWAY = 0.1  # Angstrom by which a piece that overlaps is lifted off at a time
_FARTHEST = 15  # times


def carry_along(structure: Structure, host: Sequence[int], places: Floats) -> Floats:
    """Return the positions of all atoms once the host's have moved.

    Parameters
    ----------
    structure
        The host with what lies on it, as planned.
    host
        Its atoms.
    places
        (n_host, 3) where these are now, in Angstrom.

    Returns
    -------
    numpy.ndarray
        (n_atoms, 3), Angstrom. Each bonded piece beside the host follows the host's atoms within
        4 Angstrom: it shifts with their mean, and turns with them where there are four or more.
        A piece that overlaps then is lifted off.

    Examples
    --------
    >>> from pymatgen.core import Lattice
    >>> pair = Structure(Lattice.cubic(20), ["Co", "F"], [[0.5, 0.5, 0.5], [0.6, 0.5, 0.5]])
    >>> carry_along(pair, [0], np.array([[10.0, 11.0, 10.0]]))[1].round(6).tolist()
    [12.0, 11.0, 10.0]
    """
    result: Floats = structure.cart_coords.copy()
    own = np.array(host, dtype=int)
    result[own] = places
    others = np.setdiff1d(np.arange(len(structure)), own)
    symbols = [structure[int(i)].specie.symbol for i in others]
    before = structure.cart_coords
    for piece in parts(bonds(symbols, before[others], cell=structure.lattice.matrix), len(others)):
        atoms = others[list(piece)]
        near = structure.lattice.get_all_distances(
            structure.frac_coords[atoms], structure.frac_coords[own]
        ).min(axis=0)
        touched = own[near < max(_TOUCHES, float(near.min()) + 1e-6)]
        images = _beside(structure, touched, int(atoms[0]))
        moved = _follow(before[atoms], images, images + result[touched] - before[touched])
        result[atoms] = _lifted(structure, atoms, own, moved, result)
    return result


def _beside(structure: Structure, touched: NDArray[np.int64], atom: int) -> Floats:
    """Return where the images of host atoms are that lie beside an atom of the piece."""
    steps = structure.frac_coords[touched] - structure.frac_coords[atom]
    nearest: Floats = structure.lattice.get_cartesian_coords(
        structure.frac_coords[atom] + steps - np.round(steps)
    )
    return nearest


def _follow(piece: Floats, before: Floats, after: Floats) -> Floats:
    """Return a piece moved as the atoms that it touches have moved."""
    shift = after.mean(axis=0) - before.mean(axis=0)
    if len(piece) == 1 or len(before) < _ENOUGH:
        shifted: Floats = piece + shift
        return shifted
    centre = before.mean(axis=0)
    turn, _ = Rotation.align_vectors(after - after.mean(axis=0), before - centre)
    turned: Floats = turn.apply(piece - centre) + centre + shift
    return turned


def _lifted(
    structure: Structure,
    atoms: NDArray[np.int64],
    host: NDArray[np.int64],
    moved: Floats,
    result: Floats,
) -> Floats:
    """Return a piece lifted off the host until nothing overlaps."""
    symbols = [site.specie.symbol for site in structure]
    least = _room(len(atoms)) * np.array(
        [[bonding_distance(symbols[i], symbols[j]) for j in host] for i in atoms]
    )
    fractions = structure.lattice.get_fractional_coords(result[host])
    for n in range(_FARTHEST):
        steps = structure.lattice.get_fractional_coords(moved)[:, None] - fractions
        vectors = structure.lattice.get_cartesian_coords(steps - np.round(steps))
        distances = np.linalg.norm(vectors, axis=-1)
        overlap = distances < least
        if not overlap.any() or n == _FARTHEST - 1:
            break
        away = (vectors[overlap] / np.maximum(distances[overlap], 1e-3)[:, None]).mean(axis=0)
        moved = moved + _AWAY * away / max(float(np.linalg.norm(away)), 1e-3)
    return moved


def _room(n_atoms: int) -> float:
    """Return how near a piece may come, in lengths of a bond."""
    return _SINGLE if n_atoms == 1 else CLASH
