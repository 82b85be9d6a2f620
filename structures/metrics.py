"""Reciprocal metrics: the lattice parameters that symmetry leaves free and that peaks give."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pymatgen.core import Lattice, Structure
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer, SymmetryUndeterminedError

from .errors import StructureError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Cell = tuple[float, float, float, float, float, float]  # a, b, c (Angstrom), angles (degree)

_INDEPENDENT = 1e-6  # relative; smaller singular values mean that a parameter is undetermined
_PAIRS = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))


def metric_of(structure: Structure) -> Floats:
    """Return the reciprocal metric G* of a structure: 1/d^2 of hkl is ``h @ G* @ h``.

    Returns
    -------
    numpy.ndarray
        (3, 3), symmetric, in Angstrom^-2, without the factor (2 pi)^2.

    Examples
    --------
    >>> from heterofire.structures.crystals import build_crystal
    >>> float(round(metric_of(build_crystal("Mo_bcc"))[0, 0] ** -0.5, 3))
    3.147
    """
    vectors = np.asarray(structure.lattice.reciprocal_lattice_crystallographic.matrix)
    return np.asarray(vectors @ vectors.T, dtype=float)


def cell_of(metric: ArrayLike) -> Cell:
    """Return a, b, c (Angstrom) and the angles (degree) of a reciprocal metric.

    Examples
    --------
    >>> cell_of(np.diag([0.25, 0.25, 0.04]))
    (2.0, 2.0, 5.0, 90.0, 90.0, 90.0)
    """
    direct = np.linalg.inv(np.asarray(metric, dtype=float))
    lengths = np.sqrt(np.diag(direct))
    angles = [
        np.degrees(np.arccos(direct[i, j] / (lengths[i] * lengths[j])))
        for i, j in ((1, 2), (0, 2), (0, 1))
    ]
    a, b, c, alpha, beta, gamma = (float(round(value, 9)) for value in (*lengths, *angles))
    return a, b, c, alpha, beta, gamma


def with_metric(structure: Structure, metric: ArrayLike) -> Structure:
    """Return a copy of the structure in the cell of another metric, fractions kept."""
    lattice = Lattice.from_parameters(*cell_of(metric))
    return Structure(lattice, structure.species_and_occu, structure.frac_coords)


def conventional_cell(structure: Structure, *, symprec: float = 0.01) -> Structure:
    """Return a crystal in its conventional cell, to which published indices refer.

    A cell that is as large as that one is kept as it is.

    Examples
    --------
    >>> from heterofire.structures.crystals import build_crystal
    >>> len(conventional_cell(build_crystal("LiF", primitive=True)))
    8
    """
    found = _analyzer(structure, symprec).get_conventional_standard_structure()
    is_same = abs(found.volume / structure.volume - 1) < 0.01
    return structure.copy() if is_same else found


def metric_basis(structure: Structure, *, symprec: float = 0.01) -> Floats:
    """Return the reciprocal metrics that the crystal's point group leaves free.

    Every metric of this symmetry is a sum of them, whatever the setting of the cell: one for a
    cubic crystal, two for a tetragonal, hexagonal or trigonal one, three for an orthorhombic, four
    for a monoclinic and six for a triclinic one.

    Parameters
    ----------
    symprec
        How far, in Angstrom, an atom may lie from its ideal position.

    Returns
    -------
    numpy.ndarray
        (n, 3, 3), orthonormal.

    Raises
    ------
    StructureError
        The structure has no symmetry at all: two atoms are at one place.

    Examples
    --------
    >>> from heterofire.structures.crystals import build_crystal
    >>> [len(metric_basis(build_crystal(name))) for name in ("LiF", "graphite_2H", "S8_alpha")]
    [1, 2, 3]
    """
    operations = _analyzer(structure, symprec).get_symmetry_operations()
    rotations = np.array([operation.rotation_matrix for operation in operations])
    averages = []
    for i, j in _PAIRS:
        unit = np.zeros((3, 3))
        unit[i, j] = unit[j, i] = 1.0
        averages.append((rotations @ unit @ rotations.transpose(0, 2, 1)).mean(axis=0).ravel())
    _, sizes, rows = np.linalg.svd(np.array(averages))
    return np.asarray(rows[: int(np.sum(sizes > _INDEPENDENT))].reshape(-1, 3, 3), dtype=float)


def inverse_squares(metric: ArrayLike, indices: ArrayLike) -> Floats:
    """Return 1/d^2 in Angstrom^-2 of reflections, (n,) for indices (n, 3)."""
    hkl = np.asarray(indices, dtype=float)
    return np.asarray(np.einsum("ni,ij,nj->n", hkl, np.asarray(metric), hkl), dtype=float)


def refine_metric(
    basis: ArrayLike, indices: ArrayLike, observed: ArrayLike, weights: ArrayLike
) -> Floats | None:
    """Return the metric that reproduces 1/d^2 best, or None if the reflections leave it open.

    The method is Cohen's, Rev. Sci. Instrum. 6 (1935) 68: 1/d^2 is linear in the metric.

    Parameters
    ----------
    basis
        (n_parameters, 3, 3): see `metric_basis`.
    indices, observed
        (n, 3) reflections and their measured 1/d^2 (n,) in Angstrom^-2.
    weights
        (n,) by which each difference of 1/d^2 is multiplied before it is squared.

    Returns
    -------
    numpy.ndarray or None
        (3, 3) in Angstrom^-2, positive definite. None as well where no real lattice fits.

    Examples
    --------
    >>> cubic = np.eye(3)[None]
    >>> refined = refine_metric(cubic, [[1, 0, 0], [2, 0, 0]], [0.25, 1.0], [1, 1])
    >>> float(round(refined[0, 0], 9))
    0.25
    """
    tensors = np.asarray(basis, dtype=float)
    columns = np.stack([inverse_squares(tensor, indices) for tensor in tensors], axis=1)
    weight = np.asarray(weights, dtype=float)
    parameters, _, rank, _ = np.linalg.lstsq(
        columns * weight[:, None], np.asarray(observed, dtype=float) * weight, rcond=_INDEPENDENT
    )
    metric = np.tensordot(parameters, tensors, axes=1)
    if rank < len(tensors) or np.linalg.eigvalsh(metric)[0] <= 0:
        return None
    return np.asarray(metric, dtype=float)


def largest_change(metric: ArrayLike, reference: ArrayLike) -> float:
    """Return by how much a metric's lattice is stretched at most against another, 0.01 is 1 %.

    Examples
    --------
    >>> round(largest_change(np.eye(3) / 1.02**2, np.eye(3)), 6)
    0.02
    """
    ratio = np.linalg.solve(np.asarray(metric, dtype=float), np.asarray(reference, dtype=float))
    stretches = np.sqrt(np.abs(np.linalg.eigvals(ratio)))
    return float(np.max(np.abs(stretches - 1)))


def _analyzer(structure: Structure, symprec: float) -> SpacegroupAnalyzer:
    """Return the symmetry of a structure, or say that it has none."""
    try:
        return SpacegroupAnalyzer(structure, symprec=symprec)
    except (SymmetryUndeterminedError, TypeError, ValueError) as error:
        raise StructureError(
            f"spglib finds no symmetry in {structure.composition.formula}, not even the identity: "
            "two atoms may be at the same place"
        ) from error
