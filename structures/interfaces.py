"""Any two crystals or layers into an interface: faces, match, stack, register."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from pymatgen.core import Structure

from .checks import check_structure, vacuum_of
from .contacts import nest
from .errors import InputError
from .matching import Match, match_lattices
from .slabs import MOST_VACUUM, Slab, build_slab, hold_lowest
from .stacking import Stack, shift_top, stack_layers
from .sublattices import Floats
from .symmetry import primitive_cells


@dataclass(frozen=True, kw_only=True)
class Face:
    """A layer or slab that can be laid on another one."""

    name: str
    structure: Structure  # c along z, vacuum above and below
    slab: Slab | None = None  # where it was cut from a crystal

    @property
    def cell(self) -> Floats:
        """Return the cell in the plane, (2, 2) rows in Angstrom."""
        cell: Floats = self.structure.lattice.matrix[:2, :2]
        return cell


def make_face(
    name: str,
    structure: Structure,
    *,
    miller: Sequence[int] = (0, 0, 1),
    n_layers: int = 1,
    thickness: float | None = None,
    termination: int = 0,
    upside_down: bool = False,
) -> Face:
    """Return a crystal cut along a plane, or a layer as it is.

    Parameters
    ----------
    name
        For messages and labels.
    structure
        A bulk crystal, or a layer in a cell with vacuum along c: that one is not cut.
    miller, n_layers, thickness, termination, upside_down
        See `build_slab`; ``thickness`` wins over ``n_layers``.

    Raises
    ------
    InputError
        Partial occupancy, no periodicity in the plane, or a cell that holds several primitive
        ones.

    Examples
    --------
    >>> from heterofire.structures.crystals import build_crystal
    >>> make_face("MoN", build_crystal("MoN_delta3"), n_layers=2).structure.composition.formula
    'Mo8 N8'
    """
    _check_periodicity(name, structure)
    if vacuum_of(structure) > MOST_VACUUM:
        return Face(name=name, structure=_upright(name, structure))
    slab = build_slab(
        structure,
        miller,
        n_layers=None if thickness is not None else n_layers,
        thickness=thickness,
        termination=termination,
        upside_down=upside_down,
    )
    return Face(name=name, structure=slab.structure, slab=slab)


def match_faces(bottom: Face, top: Face, **limits: Any) -> list[Match]:
    """Return the common supercells of two faces; limits as in `match_lattices`."""
    atoms = (len(bottom.structure), len(top.structure))
    return match_lattices(bottom.cell, top.cell, atoms=atoms, **limits)


def build_interface(
    bottom: Face,
    top: Face,
    match: Match,
    *,
    share: float = 1.0,
    gap: float | None = None,
    vacuum: float = 20.0,
    shift: tuple[float, float] = (0.0, 0.0),
    frozen_height: float = 0.0,
) -> Stack:
    """Lay one face on another on a common supercell.

    Parameters
    ----------
    match
        From `match_faces` of these faces.
    share
        How much of the mismatch the top takes, from 0 (none) to 1 (all).
    gap
        Angstrom between the highest atom below and the lowest above; by default the one at which
        the atoms' spheres touch best, see `nest`.
    shift
        In-plane move of the top, in fractions of the common cell.
    frozen_height
        Atoms up to so many Angstrom above the lowest one are held by selective dynamics.

    Examples
    --------
    >>> from heterofire.structures.crystals import build_crystal
    >>> bottom = make_face("MoN", build_crystal("MoN_delta3"), n_layers=2)
    >>> top = make_face("MoS2", build_crystal("MoS2_2H"))
    >>> match = match_faces(bottom, top, max_atoms=110)[0]
    >>> stack = build_interface(bottom, top, match)
    >>> len(stack.structure), f"{stack.top_strain.largest:+.2%}"
    (103, '+0.69%')
    """
    stack = stack_layers(
        bottom.structure,
        top.structure,
        bottom_matrix=match.bottom,
        top_matrix=match.top,
        gap=3.0 if gap is None else gap,
        vacuum=vacuum,
        share=share,
    )
    if gap is None:
        lower, upper = layers_of(stack)
        gap = nest(stack.structure.lattice.matrix[:2, :2], lower, upper, shift)[0].gap
    stack = shift_top(stack, shift, gap=gap)
    check_structure(stack.structure)
    return replace(stack, structure=hold_lowest(stack.structure, frozen_height)[0])


def layers_of(stack: Stack) -> tuple[Structure, Structure]:
    """Return bottom and top of a stack alone, strained as they are, in its cell."""
    lower, upper = (
        Structure.from_sites([stack.structure[i] for i in atoms])
        for atoms in (stack.bottom, stack.top)
    )
    return lower, upper


def _check_periodicity(name: str, structure: Structure) -> None:
    """Refuse molecules, ribbons and disordered cells."""
    if not structure.is_ordered:
        raise InputError(
            f"{name} has partially occupied sites. Order them first, for instance with pymatgen's "
            "OrderDisorderedStructureTransformation, and give that file."
        )
    for axis, letter in ((0, "a"), (1, "b")):
        order = [i for i in range(3) if i != axis] + [axis]
        cell = Structure(
            structure.lattice.matrix[order], structure.species, structure.frac_coords[:, order]
        )
        if (empty := vacuum_of(cell)) > MOST_VACUUM:
            raise InputError(
                f"{name} has {empty:.1f} Angstrom of vacuum along {letter}: it is a molecule or a "
                "ribbon, which no lattice in the plane repeats. Give a crystal or a layer."
            )
    cells = primitive_cells(structure)
    if cells > 1 and vacuum_of(structure) > MOST_VACUUM:
        raise InputError(
            f"{name} holds {cells} primitive cells ({len(structure)} atoms): matches would miss "
            f"smaller supercells. Give the primitive cell of {len(structure) // cells} atoms."
        )


def _upright(name: str, layer: Structure) -> Structure:
    """Return a layer with a along x, b in the plane and c along z, its atoms in one piece."""
    matrix = layer.lattice.matrix
    a, b = matrix[:2]
    normal = np.cross(a, b)
    if normal @ matrix[2] < 0:
        raise InputError(f"{name}: the lattice is left-handed; swap its first two vectors")
    x = a / np.linalg.norm(a)
    z = normal / np.linalg.norm(normal)
    frame = np.array([x, np.cross(z, x), z])
    places = layer.cart_coords @ frame.T
    height = float(matrix[2] @ z)
    z_frac = places[:, 2] / height % 1.0
    order = np.sort(z_frac)
    steps = np.diff(np.append(order, order[0] + 1))
    start = order[(int(steps.argmax()) + 1) % len(order)]
    places[:, 2] = ((z_frac - start + 1e-9) % 1.0 - 1e-9) * height + 2.0
    cell = np.zeros((3, 3))
    cell[:2, :2], cell[2, 2] = (matrix[:2] @ frame.T)[:, :2], height
    return Structure(cell, layer.species, places, coords_are_cartesian=True, to_unit_cell=False)
