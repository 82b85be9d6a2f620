"""Which atoms, sets of atoms and positions a symmetry operation carries into each other."""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import spglib
from numpy.typing import NDArray
from pymatgen.core import Structure

from .errors import StructureError

Item = TypeVar("Item", bound=Hashable)
Operations = tuple[NDArray[np.int64], NDArray[np.float64]]  # rotations (n, 3, 3), shifts (n, 3)


def symmetry_operations(structure: Structure, *, symprec: float = 0.01) -> Operations:
    """Return the space-group operations of a structure in fractional coordinates.

    Parameters
    ----------
    symprec
        How far, in Angstrom, an atom may lie from its ideal position.

    Returns
    -------
    tuple
        Rotations (n, 3, 3) and shifts (n, 3): a position x goes to ``rotation @ x + shift``.

    Examples
    --------
    >>> from heterofire.structures.crystals import build_crystal
    >>> len(symmetry_operations(build_crystal("K_bcc", primitive=True))[0])
    48
    """
    found = _dataset(structure, symprec)
    return np.asarray(found["rotations"]), np.asarray(found["translations"])


def atom_permutations(structure: Structure, *, symprec: float = 0.01) -> NDArray[np.int64]:
    """Return where each symmetry operation sends each atom.

    Returns
    -------
    numpy.ndarray
        (n_operations, n_atoms): row k, column i is the atom on which operation k puts atom i.

    Examples
    --------
    >>> from heterofire.structures.crystals import build_crystal
    >>> sorted(int(i) for i in set(atom_permutations(build_crystal("LiF", primitive=True))[:, 0]))
    [0]
    """
    rotations, shifts = symmetry_operations(structure, symprec=symprec)
    rows = [
        match_positions(structure, structure.frac_coords @ rotation.T + shift, symprec=5 * symprec)
        for rotation, shift in zip(rotations, shifts, strict=True)
    ]
    unique: NDArray[np.int64] = np.unique(np.array(rows), axis=0)
    return unique


def _dataset(structure: Structure, symprec: float) -> Mapping[str, NDArray[Any]]:
    """Return spglib's operations and equivalent atoms."""
    cell = (structure.lattice.matrix, structure.frac_coords, structure.atomic_numbers)
    found: Mapping[str, NDArray[Any]] | None = spglib.get_symmetry(cell, symprec=symprec)
    if found is None:
        raise StructureError(
            f"spglib finds no symmetry in {structure.composition.formula}, not even the identity: "
            "two atoms may be at the same place"
        )
    return found


def primitive_lattice(
    structure: Structure, *, symprec: float = 0.01
) -> tuple[NDArray[np.float64], tuple[str, ...], NDArray[np.float64]]:
    """Return lattice (unturned), symbols and fractional coordinates of the primitive cell.

    Examples
    --------
    >>> from heterofire.structures.crystals import build_crystal
    >>> primitive_lattice(build_crystal("LiF"))[1]
    ('Li', 'F')
    """
    cell = (structure.lattice.matrix, structure.frac_coords, structure.atomic_numbers)
    found = spglib.standardize_cell(cell, to_primitive=True, no_idealize=True, symprec=symprec)
    if found is None:
        raise StructureError(f"spglib finds no primitive cell of {structure.composition.formula}")
    lattice, fractions, numbers = found
    symbols = {site.specie.Z: site.specie.symbol for site in structure}
    return np.asarray(lattice), tuple(symbols[int(z)] for z in numbers), np.asarray(fractions)


def primitive_cells(structure: Structure, *, symprec: float = 0.01) -> int:
    """Return how many primitive cells a cell holds.

    Examples
    --------
    >>> from heterofire.structures.crystals import build_crystal
    >>> primitive_cells(build_crystal("LiF"))
    4
    """
    return len(structure) // len(primitive_lattice(structure, symprec=symprec)[1])


def match_positions(
    structure: Structure, frac_coords: NDArray[np.float64], *, symprec: float
) -> NDArray[np.int64]:
    """Return the atom at each position, by the nearest periodic image."""
    difference = frac_coords[:, None, :] - structure.frac_coords[None, :, :]
    difference -= np.round(difference)
    distance = np.linalg.norm(difference @ structure.lattice.matrix, axis=2)
    if np.any(distance.min(axis=1) > symprec):
        raise StructureError("a symmetry operation sends an atom to an empty place; lower symprec")
    nearest: NDArray[np.int64] = distance.argmin(axis=1)
    return nearest


def equivalent_groups(
    structure: Structure, atoms: Sequence[int], *, symprec: float = 0.01
) -> list[list[int]]:
    """Split atoms into groups that symmetry carries into each other.

    Examples
    --------
    >>> from heterofire.structures.crystals import build_crystal
    >>> equivalent_groups(build_crystal("MoS2_2H"), [2, 3, 4, 5])
    [[2, 3, 4, 5]]
    """
    labels = _dataset(structure, symprec)["equivalent_atoms"]
    return orbits(atoms, lambda atom: (other for other in atoms if labels[other] == labels[atom]))


def orbits(items: Iterable[Item], images: Callable[[Item], Iterable[Item]]) -> list[list[Item]]:
    """Split items into groups whose members are images of each other.

    Parameters
    ----------
    items
        All choices, each once.
    images
        Gives every image of a choice under the symmetry group, itself among them.

    Returns
    -------
    list
        Groups in the order of their first member; their sizes sum to the number of items.

    Examples
    --------
    >>> orbits(range(6), lambda i: [i, (i + 2) % 6, (i + 4) % 6])
    [[0, 2, 4], [1, 3, 5]]
    """
    left = dict.fromkeys(items)
    groups = []
    while left:
        first = next(iter(left))
        members = set(images(first)) | {first}
        groups.append([item for item in left if item in members])
        for item in groups[-1]:
            del left[item]
    return groups
