"""Where one layer can lie on another: shifts in the plane that symmetry does not make alike.

A shift by a lattice vector of either layer changes nothing, so that all registers lie in one
small cell of the lattice that both generate together (the displacement shift complete lattice of
Bollmann). Where that cell is small, as in most twisted cells, the register hardly matters.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import Structure

from .contacts import Nesting, nest
from .errors import InputError
from .stacking import Stack, shift_top
from .sublattices import generated_basis, reduced
from .symmetry import orbits, symmetry_operations

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_SAME = 1e-3  # in fractions of the common cell
MOST_SHIFTS = 144  # of a grid, before symmetry


@dataclass(frozen=True, kw_only=True)
class Register:
    """One symmetry-unique place of the top layer on the bottom one."""

    shift: tuple[float, float]  # fractions of the common cell, added to the stack's own
    multiplicity: int  # grid points that are the same by symmetry
    gap: float  # Angstrom at which the layers touch best, see `nest`
    score: float  # ideal contacts per cell there; the more, the better they nest
    energy: float | None = None  # eV per cell, where one was asked for


def shift_cell(stack: Stack) -> Floats:
    """Return the cell of all registers, (2, 2) rows in fractions of the common cell."""
    n_bottom, n_top = (
        round(abs(np.linalg.det(m))) for m in (stack.bottom_matrix, stack.top_matrix)
    )
    scale = n_bottom * n_top
    rows = [np.linalg.inv(m) * scale for m in (stack.bottom_matrix, stack.top_matrix)]
    whole = np.rint(np.vstack(rows)).astype(np.int64)
    basis = generated_basis(whole)
    cell = basis / scale @ stack.structure.lattice.matrix[:2, :2]
    if np.linalg.det(cell) < 0:
        basis = basis[::-1]
        cell = cell[::-1]
    change = reduced(cell, np.eye(2, dtype=np.int64)[None])[0]
    found: Floats = change @ basis / scale
    return found


def find_registers(
    stack: Stack,
    *,
    spacing: float = 0.4,
    energy: Callable[[Structure], float] | None = None,
    max_registers: int | None = None,
) -> list[Register]:
    """Return the symmetry-unique registers of two layers, the best first.

    Parameters
    ----------
    stack
        From `stack_layers`; its own shift is the origin.
    spacing
        Largest step of the grid in Angstrom.
    energy
        Gives the energy in eV of a structure; without it registers are ranked by how deep the
        layers nest into each other, which knows no electrons.
    max_registers
        Only the best of them, by nesting, get an energy and are returned.

    Returns
    -------
    list of Register
        By energy, or by score.

    Examples
    --------
    >>> from heterofire.structures.layers import graphene
    >>> from heterofire.structures.stacking import stack_layers
    >>> bilayer = stack_layers(graphene(), graphene(), bottom_matrix=[[1, 0], [0, 1]],
    ...                        top_matrix=[[1, 0], [0, 1]])
    >>> found = find_registers(bilayer)
    >>> [round(3 * abs(x)) for x in found[0].shift], found[-1].shift  # AB nests best, AA worst
    ([1, 2], (0.0, 0.0))
    """
    if spacing <= 0:
        raise InputError(f"a grid spacing of {spacing} Angstrom is none")
    points, lattice = _grid(stack, spacing)
    groups = orbits(range(len(points)), _images(stack, points, lattice))
    shifts = [points[group[0]] for group in groups]
    found = [
        Register(
            shift=(float(shift[0]), float(shift[1])),
            multiplicity=len(group),
            gap=nesting.gap,
            score=nesting.score,
        )
        for group, shift, nesting in zip(groups, shifts, _nestings(stack, shifts), strict=True)
    ]
    found.sort(key=lambda r: (-round(r.score, 4), r.shift))
    found = found[:max_registers]
    if energy is None:
        return found
    ranked = [
        replace(r, energy=energy(shift_top(stack, r.shift, gap=r.gap).structure)) for r in found
    ]
    return sorted(ranked, key=lambda r: r.energy if r.energy is not None else math.inf)


def _nestings(stack: Stack, shifts: Sequence[Floats]) -> list[Nesting]:
    """Return how the two layers of a stack nest at each shift."""
    lower, upper = (
        Structure.from_sites([stack.structure[i] for i in atoms])
        for atoms in (stack.bottom, stack.top)
    )
    return nest(stack.structure.lattice.matrix[:2, :2], lower, upper, np.array(shifts))


def _grid(stack: Stack, spacing: float) -> tuple[Floats, Floats]:
    """Return grid points (n, 2) and the cell of registers, both in fractions of the cell."""
    cell = shift_cell(stack)
    lengths = np.linalg.norm(cell @ stack.structure.lattice.matrix[:2, :2], axis=1)
    # Multiples of 6 hold the threefold and twofold places that symmetry singles out.
    n1, n2 = (6 * math.ceil(length / spacing / 6 - 1e-9) for length in lengths)
    if n1 * n2 > MOST_SHIFTS:
        factor = math.sqrt(n1 * n2 / MOST_SHIFTS)
        n1, n2 = (6 * max(1, round(n / factor / 6)) for n in (n1, n2))
    steps = np.array([[i / n1, j / n2] for i in range(n1) for j in range(n2)])
    return steps @ cell, cell


def _images(stack: Stack, points: Floats, cell: Floats) -> Callable[[int], list[int]]:
    """Return what gives every grid point that a common symmetry of both layers makes alike."""
    operations = _common_operations(stack)
    inverse = np.linalg.inv(cell)

    def images(i: int) -> list[int]:
        found = [i]
        for w, t in operations:
            steps = (points - (w @ points[i] + t)) @ inverse
            distance = np.abs(steps - np.rint(steps)).max(axis=1)
            found += [int(j) for j in np.flatnonzero(distance < _SAME)]
        return found

    return images


def _common_operations(stack: Stack) -> list[tuple[Ints, Floats]]:
    """Return rotations and shifts under which a register is the same as its image.

    With g_b = {W|b} of the bottom and g_t = {W|t} of the top, the shift s is like W s + b - t.
    """
    layers = []
    for atoms in (stack.bottom, stack.top):
        layer = Structure.from_sites([stack.structure[i] for i in atoms])
        rotations, shifts = symmetry_operations(layer)
        upright = rotations[:, 2, 2] == 1
        table = dict[tuple[int, ...], Floats]()
        for w, t in zip(rotations[upright], shifts[upright], strict=True):
            table.setdefault(tuple(int(x) for x in w[:2, :2].ravel()), t[:2])
        layers.append(table)
    return [
        (np.array(w).reshape(2, 2), layers[0][w] - layers[1][w])
        for w in layers[0]
        if w in layers[1]
    ]
