"""Two layers on one cell, with the strain of each and the twist between them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pymatgen.core import Lattice, Structure

from .errors import InputError, StructureError
from .strain import Strain, fold_angle, rotation_between, rotation_period, strain_between

Floats = NDArray[np.float64]
Strained = Literal["top", "bottom", "both"]
FLOOR = 2.0  # Angstrom below the stack, so that relaxing atoms do not wrap to the top of the cell


@dataclass(frozen=True, kw_only=True)
class Stack:
    """Two layers in one cell; the atoms of the bottom layer come first."""

    structure: Structure
    bottom: tuple[int, ...]  # atoms of the bottom layer
    top: tuple[int, ...]  # atoms of the top layer
    bottom_strain: Strain
    top_strain: Strain
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
    strained: Strained = "top",
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
    strained
        Which layer takes the mismatch; ``both`` averages the two metric tensors.

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
    common = _common_cell(wide[0], wide[1], strained)
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
        bottom_strain=strain_between(wide[0], common),
        top_strain=strain_between(wide[1], common),
        twist_deg=_twist(cells, wide, common),
        gap=gap,
        vacuum=vacuum,
    )


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


def _common_cell(bottom: Floats, top: Floats, strained: Strained) -> Floats:
    """Return the cell both layers share, a along x."""
    kept: dict[str, Floats] = {"top": bottom @ bottom.T, "bottom": top @ top.T}
    metrics = kept | {"both": (kept["top"] + kept["bottom"]) / 2}
    if strained not in metrics:
        raise InputError(f"strained must be top, bottom or both, not {strained!r}")
    return np.asarray(np.linalg.cholesky(metrics[strained]), dtype=np.float64)


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
    turns = [
        rotation_between(own, common) + float(np.degrees(np.arctan2(cell[0, 1], cell[0, 0])))
        for own, cell in zip(wide, cells, strict=True)
    ]
    period = np.gcd(rotation_period(cells[0]), rotation_period(cells[1]))
    return fold_angle(turns[1] - turns[0], float(period))
