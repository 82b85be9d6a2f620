"""Two layers on one cell, with the strain of each and the twist between them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pymatgen.core import Lattice, Structure

from .errors import InputError, StructureError
from .strain import (
    Strain,
    deformation,
    fold_angle,
    rotation_between,
    strain_between,
)
from .sublattices import point_group, reduced

Floats = NDArray[np.float64]
FLOOR = 2.0  # Angstrom below the stack, so that relaxing atoms do not wrap to the top of the cell


@dataclass(frozen=True, kw_only=True)
class Stack:
    """Two layers in one cell; the atoms of the bottom layer come first."""

    structure: Structure
    bottom: tuple[int, ...]  # atoms of the bottom layer
    top: tuple[int, ...]  # atoms of the top layer
    bottom_matrix: NDArray[np.int64]  # (2, 2) rows: the cell in vectors of the bottom layer
    top_matrix: NDArray[np.int64]
    bottom_strain: Strain
    top_strain: Strain
    bottom_cell: Floats  # (2, 2) rows: the same supercell of the layer's own lattice, Angstrom
    top_cell: Floats
    twist_deg: float  # between the a axes of the layers' own cells, folded by symmetry
    gap: float  # Angstrom between the facing atom planes
    vacuum: float  # Angstrom from the top of the stack to the next image


def stack_layers(
    bottom: Structure,
    top: Structure,
    *,
    bottom_matrix: ArrayLike,
    top_matrix: ArrayLike,
    gap: float = 3.4,
    vacuum: float = 20.0,
    shift: tuple[float, float] = (0.0, 0.0),
    share: float = 1.0,
) -> Stack:
    """Put one layer on another on a common supercell.

    Parameters
    ----------
    bottom, top
        One cell of each layer, c along z, not cut by the cell's lower or upper face.
    bottom_matrix, top_matrix
        (2, 2) whole numbers; rows are the supercell vectors in units of the layer's a and b.
    gap, vacuum
        In Angstrom; positive.
    shift
        In-plane move of the top layer, in fractions of the common cell.
    share
        How much of the mismatch the top layer takes, from 0 (none) to 1 (all).

    Returns
    -------
    Stack
        The bottom layer lies 2 Angstrom above the floor of the cell, a along x.

    Raises
    ------
    InputError
        A matrix, the gap or the vacuum makes no sense.

    Examples
    --------
    >>> from heterofire.structures.layers import graphene, mx2_monolayer
    >>> stack = stack_layers(graphene(), mx2_monolayer(), bottom_matrix=[[4, 2], [-2, 2]],
    ...                      top_matrix=[[3, 1], [-1, 2]])
    >>> len(stack.structure), round(stack.twist_deg, 1), f"{stack.top_strain.largest:+.2%}"
    (45, 10.9, '+2.08%')
    """
    if gap <= 0 or vacuum <= 0:
        raise InputError(f"gap and vacuum must be positive, not {gap} and {vacuum} Angstrom")
    cells = [_plane(bottom), _plane(top)]
    matrices = [_whole_matrix(bottom_matrix), _whole_matrix(top_matrix)]
    wide: list[Floats] = [matrix @ cell for matrix, cell in zip(matrices, cells, strict=True)]
    common = _common_cell(wide[0], wide[1], share)
    low, high = _heights(bottom) + FLOOR, _heights(top) + FLOOR + gap
    high += np.ptp(low)
    c = float(high.max()) - FLOOR + vacuum
    lower = _repeat(bottom, matrices[0], low / c, (0.0, 0.0))
    upper = _repeat(top, matrices[1], high / c, shift)
    matrix = np.zeros((3, 3))
    matrix[:2, :2], matrix[2, 2] = common, c
    n_bottom, n_all = len(lower[0]), len(lower[0]) + len(upper[0])
    return Stack(
        structure=Structure(Lattice(matrix), lower[0] + upper[0], lower[1] + upper[1]),
        bottom=tuple(range(n_bottom)),
        top=tuple(range(n_bottom, n_all)),
        bottom_matrix=matrices[0],
        top_matrix=matrices[1],
        bottom_strain=strain_between(wide[0], common),
        top_strain=strain_between(wide[1], common),
        bottom_cell=wide[0],
        top_cell=wide[1],
        twist_deg=_twist(cells, wide, common),
        gap=gap,
        vacuum=vacuum,
    )


def shift_top(stack: Stack, shift: Sequence[float], *, gap: float | None = None) -> Stack:
    """Return the stack with its top layer moved in the plane, and to another gap if one is given.

    Parameters
    ----------
    shift
        In fractions of the common cell.
    gap
        In Angstrom; the vacuum stays.
    """
    new_gap = stack.gap if gap is None else gap
    structure = stack.structure
    rise = new_gap - stack.gap
    places = structure.cart_coords.copy()
    places[list(stack.top), 2] += rise
    places[list(stack.top)] += np.array([*shift, 0.0]) @ structure.lattice.matrix
    matrix = structure.lattice.matrix.copy()
    matrix[2, 2] += rise
    fractions = places @ np.linalg.inv(matrix)
    fractions[:, :2] %= 1.0
    fractions[fractions > 1 - 1e-9] = 0.0
    moved = Structure(
        Lattice(matrix), structure.species, fractions, site_properties=structure.site_properties
    )
    return replace(stack, structure=moved, gap=new_gap)


def _plane(layer: Structure) -> Floats:
    """Return the (2, 2) in-plane cell of a layer whose c is along z."""
    matrix = layer.lattice.matrix
    if np.abs(matrix[:2, 2]).max() > 1e-6 or np.abs(matrix[2, :2]).max() > 1e-6:
        raise StructureError(
            f"layer {layer.composition.formula}: a and b must lie in the x-y plane and c along z, "
            f"not {matrix.round(4).tolist()}"
        )
    cell: Floats = matrix[:2, :2]
    return cell


def _whole_matrix(matrix: ArrayLike) -> NDArray[np.int64]:
    """Check a supercell matrix."""
    given = np.asarray(matrix, dtype=float)
    whole: NDArray[np.int64] = np.rint(given).astype(np.int64)
    if given.shape != (2, 2) or np.abs(given - whole).max() > 1e-9 or np.linalg.det(whole) < 0.5:
        raise InputError(
            f"a supercell matrix is 2x2 of whole numbers with a positive determinant, "
            f"not {np.asarray(matrix).tolist()}"
        )
    return whole


def _common_cell(bottom: Floats, top: Floats, share: float) -> Floats:
    """Return the cell both layers share, a along x: the top's, stretched by a power of U.

    U is the stretch that makes the top's cell the bottom's; U^share is done to the top and
    U^(share - 1) to the bottom, so that swapping the layers and the shares changes nothing.
    """
    if not 0 <= share <= 1:
        raise InputError(f"share {share} of the mismatch must lie between 0 and 1")
    values, vectors = np.linalg.eigh(deformation(top, bottom) @ deformation(top, bottom).T)
    stretch = vectors @ np.diag(values ** (share / 2)) @ vectors.T
    common = top @ stretch
    return np.asarray(np.linalg.cholesky(common @ common.T), dtype=np.float64)


def _heights(layer: Structure) -> Floats:
    """Return the height of each atom above the layer's lowest one, in Angstrom."""
    z = layer.frac_coords[:, 2] * layer.lattice.c
    heights: Floats = z - z.min()
    return heights


def _repeat(
    layer: Structure,
    matrix: NDArray[np.int64],
    z: Floats,
    shift: Sequence[float],
) -> tuple[list[str], list[Floats]]:
    """Return symbols and fractional coordinates of a layer repeated into the supercell."""
    reach = int(np.abs(matrix).sum())
    steps = np.array([[i, j] for i in range(-reach, reach + 1) for j in range(-reach, reach + 1)])
    origins = np.linalg.solve(matrix.T, steps.T).T  # lattice points in supercell fractions
    inside = np.all((origins > -1e-9) & (origins < 1 - 1e-9), axis=1)
    species, coords = [], []
    for i, site in enumerate(layer):
        place = np.linalg.solve(matrix.T, site.frac_coords[:2])
        for origin in origins[inside]:
            plane = (place + origin + np.asarray(shift)) % 1.0
            plane[plane > 1 - 1e-9] = 0.0
            coords.append(np.array([*plane, z[i]]))
            species.append(site.specie.symbol)
    return species, coords


def _twist(cells: list[Floats], wide: list[Floats], common: Floats) -> float:
    """Return the angle between the a axes of the two layers, up to the lattices' symmetry."""
    turns, orders = [], []
    for own, cell in zip(wide, cells, strict=True):
        # The shortest vectors name the lattice's direction whichever vectors are given.
        short = reduced(cell, np.eye(2, dtype=np.int64)[None])[0] @ cell
        angle = float(np.degrees(np.arctan2(short[0, 1], short[0, 0])))
        turns.append(rotation_between(own, common) + angle)
        orders.append(len(point_group(cell)[0]))
    return fold_angle(turns[1] - turns[0], 360 / math.lcm(*orders))
