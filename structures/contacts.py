"""How near two atoms that are not bonded by choice may come: radii, gaps and clashes.

A pair with a metal touches at the sum of covalent radii (Cordero et al., Dalton Trans. (2008)
2832), any other pair at the sum of van der Waals radii (Alvarez, Dalton Trans. (2013) 8617), as
ASE has them: S on Mo at 2.59 Angstrom, S on C at 3.66.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product

import numpy as np
from ase.data import atomic_numbers, covalent_radii
from ase.data.vdw_alvarez import vdw_radii
from numpy.typing import ArrayLike, NDArray
from pymatgen.core import Element, Structure

from .errors import InputError

Floats = NDArray[np.float64]
SOFTNESS = 0.37  # Angstrom, the universal constant of the bond-valence method
CUTOFF = 7.0  # Angstrom along the plane and along the normal


@cache
def contact_distance(one: str, other: str) -> float:
    """Return the distance in Angstrom at which two atoms of different layers touch.

    Examples
    --------
    >>> round(contact_distance("S", "Mo"), 2), round(contact_distance("S", "C"), 2)
    (2.59, 3.66)
    """
    has_metal = Element(one).is_metal or Element(other).is_metal
    return bonding_distance(one, other) if has_metal else _radii_sum(vdw_radii, one, other)


@cache
def bonding_distance(one: str, other: str) -> float:
    """Return the sum of two covalent radii in Angstrom.

    Examples
    --------
    >>> round(bonding_distance("P", "S"), 2)
    2.12
    """
    return _radii_sum(covalent_radii, one, other)


@dataclass(frozen=True, kw_only=True)
class Nesting:
    """How two layers lie on each other when only radii count."""

    gap: float  # Angstrom between highest atom below and lowest above, at the best score
    score: float  # ideal contacts per cell; the more, the better they nest


def nest(
    cell: ArrayLike, lower: Structure, upper: Structure, shift: Sequence[float] = (0.0, 0.0)
) -> Nesting:
    """Return the gap at which two layers touch best.

    The score is the sum of ``2 exp(x) - exp(2 x)`` with ``x = (R - d) / 0.37`` over all pairs, the
    Morse form that ranks sites of ions, too: a pair at its contact distance R counts 1.

    Parameters
    ----------
    cell
        (2, 2) common cell in the plane, rows, Angstrom.
    lower, upper
        Layers with that cell in the plane and c along z.
    shift
        In-plane move of the upper layer, in fractions of the cell.

    Examples
    --------
    >>> from heterofire.structures.layers import graphene
    >>> sheet = graphene()
    >>> plane = sheet.lattice.matrix[:2, :2]
    >>> on_top, nested = nest(plane, sheet, sheet), nest(plane, sheet, sheet, (1 / 3, 2 / 3))
    >>> round(nested.gap, 2), nested.score > on_top.score
    (3.25, True)
    """
    cell = np.asarray(cell, dtype=float)
    below = lower.cart_coords[:, 2].max() - lower.cart_coords[:, 2]
    above = upper.cart_coords[:, 2] - upper.cart_coords[:, 2].min()
    faces = np.flatnonzero(below < CUTOFF), np.flatnonzero(above < CUTOFF)
    radii = np.array(
        [
            [contact_distance(lower[i].specie.symbol, upper[j].specie.symbol) for j in faces[1]]
            for i in faces[0]
        ]
    )
    steps = upper.frac_coords[None, faces[1], :2] - lower.frac_coords[faces[0], None, :2]
    squared = _squared_distances(steps + np.asarray(shift), cell)
    rise = below[faces[0], None] + above[None, faces[1]]
    near = squared < CUTOFF**2
    pairs = np.nonzero(near)
    flat, high, radius = squared[near], rise[pairs[:2]], radii[pairs[:2]]
    gaps = np.arange(0.5, CUTOFF, 0.05)
    bond = np.exp((radius - np.sqrt(flat + (high + gaps[:, None]) ** 2)) / SOFTNESS)
    scores = (2 * bond - bond**2).sum(axis=1)
    best = int(scores.argmax())
    return Nesting(gap=float(gaps[best]), score=float(scores[best]))


def _squared_distances(steps: Floats, cell: Floats) -> Floats:
    """Return squared in-plane distances (n, m, images) of fractional steps (n, m, 2)."""
    heights = abs(np.linalg.det(cell)) / np.linalg.norm(cell, axis=1)[::-1]
    reach = [range(-n, n + 1) for n in (math.ceil(CUTOFF / h + 0.5) for h in heights)]
    images = np.array(list(product(*reach)))
    wrapped = steps - np.round(steps)
    found: Floats = (((wrapped[..., None, :] + images) @ cell) ** 2).sum(axis=-1)
    return found


def closest_ratio(structure: Structure, atoms: Sequence[int]) -> tuple[float, int, int]:
    """Return the tightest contact between some atoms and all the others.

    Returns
    -------
    tuple
        Distance divided by the sum of covalent radii, the atom of ``atoms``, the other one.

    Raises
    ------
    InputError
        There are no other atoms.
    """
    others = [i for i in range(len(structure)) if i not in set(atoms)]
    if not others or not len(atoms):
        raise InputError("contacts are between some atoms and others; one side is empty")
    distances = structure.lattice.get_all_distances(
        structure.frac_coords[list(atoms)], structure.frac_coords[others]
    )
    symbols = [site.specie.symbol for site in structure]
    sums = np.array([[bonding_distance(symbols[i], symbols[j]) for j in others] for i in atoms])
    ratios = distances / sums
    i, j = divmod(int(ratios.argmin()), len(others))
    return float(ratios[i, j]), int(atoms[i]), others[j]


def _radii_sum(radii: Floats, one: str, other: str) -> float:
    """Return the sum of two tabulated radii."""
    values = [float(radii[atomic_numbers[symbol]]) for symbol in (one, other)]
    if not np.isfinite(values).all():
        raise InputError(f"no radius for {one} or {other}; give the gap in Angstrom instead")
    return sum(values)
