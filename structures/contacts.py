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
_OVERLAP = 0.85  # of the contact distance; nothing is pushed nearer
_BESIDE = 1.3  # of the length of a bond: how near atoms may come that do not bind
_RISES = np.arange(0.0, 1.0, 0.05)  # Angstrom
CLASH = 0.8  # of the sum of covalent radii; closer atoms of two molecules overlap
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
    cell: ArrayLike,
    lower: Structure,
    upper: Structure,
    shifts: ArrayLike = (0.0, 0.0),
    *,
    heads: Sequence[int] = (),
    hosts: Sequence[int] | None = None,
) -> list[Nesting]:
    """Return the gap at which two layers touch best when the upper one is lowered.

    The score is the sum of ``2 exp(x) - exp(2 x)`` with ``x = (R - d) / 0.37`` over all pairs, the
    Morse form that ranks sites of ions, too: a pair at its contact distance R counts 1. Lowering
    ends where two atoms come to 0.85 R.

    Parameters
    ----------
    cell
        (2, 2) common cell in the plane, rows, Angstrom.
    lower, upper
        Layers with that cell in the plane and c along z.
    shifts
        (n, 2) or (2,) in-plane moves of the upper layer, in fractions of the cell.
    heads
        Atoms of the upper layer that bind, if any: their contact distance is that of a bond, only
        their contacts count, one of each with a non-metal, and all others keep 1.3 times the
        length of a bond.
    hosts
        Atoms of the lower layer that heads may bind to; by default all.

    Returns
    -------
    list of Nesting
        One for each shift.

    Examples
    --------
    >>> from heterofire.structures.layers import graphene
    >>> sheet = graphene()
    >>> plane = sheet.lattice.matrix[:2, :2]
    >>> on_top, nested = nest(plane, sheet, sheet, [(0, 0), (1 / 3, 2 / 3)])
    >>> round(nested.gap, 1), nested.score > on_top.score
    (3.3, True)
    """
    cell = np.asarray(cell, dtype=float)
    below = lower.cart_coords[:, 2].max() - lower.cart_coords[:, 2]
    above = upper.cart_coords[:, 2] - upper.cart_coords[:, 2].min()
    faces = np.flatnonzero(below < CUTOFF), np.flatnonzero(above < CUTOFF)
    radii, weights, single = _contact_radii(lower, upper, faces, heads, hosts)
    rise = below[faces[0], None] + above[None, faces[1]]
    steps = upper.frac_coords[None, faces[1], :2] - lower.frac_coords[faces[0], None, :2]
    found = []
    for shift in np.asarray(shifts, dtype=float).reshape(-1, 2):
        squared = _squared_distances(steps + shift, cell)
        near = squared < CUTOFF**2
        pairs = np.nonzero(near)[:2]
        reach, share = radii[pairs], weights[pairs]
        if single.any():
            beside = single[pairs] & ~_nearest(np.where(single[:, :, None], squared, np.inf))[near]
            reach = np.where(beside, _BESIDE / _OVERLAP * reach, reach)
            share = np.where(beside, 0.0, share)
        found.append(_lowered(squared[near], rise[pairs], reach, share))
    return found


def _nearest(squared: Floats) -> NDArray[np.bool_]:
    """Return which one entry of (n, m, images) is least for each of the m: a head bonds once."""
    n, m, images = squared.shape
    best = squared.transpose(1, 0, 2).reshape(m, -1).argmin(axis=1)
    chosen = np.zeros((m, n * images), dtype=bool)
    chosen[np.arange(m), best] = True
    return chosen.reshape(m, n, images).transpose(1, 0, 2)


def _contact_radii(
    lower: Structure,
    upper: Structure,
    faces: Sequence[NDArray[np.int64]],
    heads: Sequence[int],
    hosts: Sequence[int] | None,
) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Return (n, m) contact distances, weights, and which pairs are of a head and a non-metal."""
    symbols = [
        [layer[int(i)].specie.symbol for i in face]
        for layer, face in zip((lower, upper), faces, strict=True)
    ]
    bonds, contacts = (
        np.array([[distance(a, b) for b in symbols[1]] for a in symbols[0]])
        for distance in (bonding_distance, contact_distance)
    )
    if not heads:
        return contacts, np.ones_like(contacts), np.zeros(contacts.shape, dtype=bool)
    may_bind = np.isin(faces[0], range(len(lower)) if hosts is None else hosts)
    is_head = np.isin(faces[1], heads)[None] & may_bind[:, None]
    is_metal = np.array([[Element(a).is_metal] for a in symbols[0]])
    radii = np.where(is_head, bonds, _BESIDE / _OVERLAP * bonds)
    return radii, is_head.astype(float), is_head & ~is_metal


def _lowered(squared: Floats, rise: Floats, radii: Floats, weights: Floats) -> Nesting:
    """Return the best score between touching at 0.85 R and 1 Angstrom above that."""
    spheres = (_OVERLAP * radii) ** 2 - squared
    touching = spheres > 0
    first = (np.sqrt(spheres[touching]) - rise[touching]).max(initial=-CUTOFF)
    gaps = first + _RISES
    bond = np.exp((radii - np.sqrt(squared + (rise + gaps[:, None]) ** 2)) / SOFTNESS)
    scores = (2 * bond - bond**2) @ weights
    best = int(scores.argmax())
    return Nesting(gap=float(gaps[best]), score=float(scores[best]))


def _squared_distances(steps: Floats, cell: Floats) -> Floats:
    """Return squared in-plane distances (n, m, images) of fractional steps (n, m, 2).

    No image is left out that lies within the cutoff.
    """
    heights = abs(np.linalg.det(cell)) / np.linalg.norm(cell, axis=1)[::-1]
    reach = [range(-n, n + 1) for n in (math.floor(CUTOFF / h + 0.5) for h in heights)]
    images = np.array(list(product(*reach))) @ cell
    wrapped = (steps - np.round(steps)) @ cell
    x, y = (wrapped[..., i, None] + images[:, i] for i in (0, 1))
    found: Floats = x * x + y * y
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
