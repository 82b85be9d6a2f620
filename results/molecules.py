"""A molecule in its box: in one piece, its shape, its rotations, its own vibrations."""

from dataclasses import dataclass

import numpy as np
from ase import Atoms
from pymatgen.core import Molecule, Structure

from ..structures.errors import RunError
from ..structures.gaps import in_one_piece
from .records import Floats, Vibrations

_FLAT = 1e-3  # of the largest; a smaller singular value is no motion of its own
_SHAPES = {3: "monatomic", 5: "linear", 6: "nonlinear"}  # by rigid motions
_SAME_PLACE = 0.1  # Angstrom; a relaxed geometry is symmetric within it


@dataclass(frozen=True, kw_only=True)
class FreeMolecule:
    """What an ideal gas needs to know of a molecule."""

    atoms: Atoms  # without a cell
    shape: str  # "monatomic", "linear", "nonlinear"
    symmetry_number: int
    wavenumbers: Floats  # (n,) in 1/cm without translations and rotations; imaginary ones negative


def free_molecule(structure: Structure, vibrations: Vibrations | None) -> FreeMolecule:
    """Return a molecule without its box, its motion as a whole taken out of its vibrations.

    Rotations come out of finite differences at some 10 1/cm, real or imaginary, and mix with soft
    vibrations; so they are projected out of the dynamical matrix instead of dropping the lowest.

    Parameters
    ----------
    structure
        All of it one molecule.
    vibrations
        Of all its atoms; None for a single atom.

    Raises
    ------
    RunError
        The atoms were not all free, or more than one atom has no vibrations.
    """
    symbols = [site.specie.symbol for site in structure]
    atoms = Atoms(symbols, positions=in_one_piece(structure.frac_coords) @ structure.lattice.matrix)
    rigid = rigid_motions(atoms)
    found = np.zeros(0)
    if len(atoms) > 1:
        n_modes = 0 if vibrations is None else len(vibrations.wavenumbers)
        if vibrations is None or n_modes != 3 * len(atoms):
            raise RunError(
                f"{structure.formula} has {n_modes} vibrations of {3 * len(atoms)}: free every "
                "atom of a molecule, and run it as task vibrations."
            )
        found = inner_vibrations(vibrations, rigid)
    return FreeMolecule(
        atoms=atoms,
        shape=_SHAPES[len(rigid)],
        symmetry_number=_symmetry_number(atoms),
        wavenumbers=found,
    )


def rigid_motions(atoms: Atoms) -> Floats:
    """Return orthonormal rows (n, 3 n_atoms) of mass-weighted translations and rotations.

    Examples
    --------
    >>> [len(rigid_motions(Atoms("CO2", [[0, 0, 0], [0, 0, 1.2], [0, 0.0, -1.2]]))),
    ...  len(rigid_motions(Atoms("CO2", [[0, 0, 0], [0, 0, 1.2], [0, 0.9, -1.2]])))]
    [5, 6]
    """
    root = np.sqrt(atoms.get_masses())[:, None]
    arms = atoms.positions - atoms.get_center_of_mass()
    moves = [root * axis for axis in np.eye(3)]
    turns = [root * np.cross(axis, arms) for axis in np.eye(3)]
    _, sizes, rows = np.linalg.svd(np.reshape(turns, (3, -1)), full_matrices=False)
    turning = rows[sizes > _FLAT * max(sizes.max(), 1e-6)] if len(atoms) > 1 else rows[:0]
    moving = np.reshape(moves, (3, -1)) / np.sqrt(atoms.get_masses().sum())
    return np.vstack([moving, turning])


def inner_vibrations(vibrations: Vibrations, rigid: Floats) -> Floats:
    """Return the wavenumbers in 1/cm, ascending, of the modes at right angles to rigid motions."""
    vectors = vibrations.vectors.reshape(len(vibrations.wavenumbers), -1)
    squared = np.sign(vibrations.wavenumbers) * vibrations.wavenumbers**2
    matrix = vectors.T @ (squared[:, None] * vectors)
    # The last right singular vectors span what is at right angles to the rows.
    inner = np.linalg.svd(rigid, full_matrices=True)[2][len(rigid) :]
    values = np.linalg.eigvalsh(inner @ matrix @ inner.T)
    return np.asarray(np.sign(values) * np.sqrt(np.abs(values)))


def _symmetry_number(atoms: Atoms) -> int:
    """Return how many rotations leave the molecule as it is."""
    from pymatgen.symmetry.analyzer import PointGroupAnalyzer  # slow to import

    if len(atoms) == 1:
        return 1
    molecule = Molecule(atoms.get_chemical_symbols(), atoms.positions)
    group = PointGroupAnalyzer(molecule, tolerance=_SAME_PLACE)
    return int(group.get_rotational_symmetry_number())
