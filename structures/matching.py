"""Coincidence supercells of two two-dimensional lattices: all of them, each once.

Supercells of both are listed, two of nearly the same shape are laid on each other, and what is
the same interface again, turned by a symmetry of the lattices or repeated in a larger cell, is
dropped. The idea is Zur and McGill's (J. Appl. Phys. 55, 378 (1984)); shapes are compared by a
k-d tree instead of pair by pair.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

from .errors import InputError, NoMatchError
from .strain import Strain, strain_of
from .sublattices import (
    Floats,
    Ints,
    checked_cell,
    hermite,
    point_group,
    sublattices,
    without_half_turns,
)

IntMatrix = NDArray[np.int64]

# Changes between the bases that a nearly symmetric cell has: entries -1, 0, 1, determinant 1.
_TURNS = np.array(
    [
        t
        for t in product((-1, 0, 1), repeat=4)
        if t[0] * t[3] - t[1] * t[2] == 1 and t > (0, 0, 0, 0)
    ]
).reshape(-1, 2, 2)
_CLOSEST = 0.3  # strain up to which a match is looked for when there is none within the limit


@dataclass(frozen=True, kw_only=True)
class Match:
    """Two supercells that fit on each other within the allowed strain."""

    bottom: IntMatrix  # (2, 2) rows: supercell vectors in cells of the bottom lattice
    top: IntMatrix  # (2, 2) rows: in cells of the top lattice
    n_bottom: int  # cells of the bottom lattice
    n_top: int
    n_atoms: int
    area: float  # Angstrom^2, of the bottom's supercell
    twist_deg: float  # between the first vectors of the two cells, folded by their symmetry
    strain: Strain  # of the top lattice pulled onto the bottom one, all of the mismatch
    lengths: tuple[float, float]  # relative differences of the two supercell vectors
    angle_deg: float  # difference of the angle between them

    def shared(self, share: float) -> tuple[Strain, Strain]:
        """Return the strains of bottom and top when the top takes a share of the mismatch.

        Parameters
        ----------
        share
            1: the top takes all; 0: the bottom does; between, stretches are shared as powers.
        """
        if not 0 <= share <= 1:
            raise InputError(f"share {share} of the mismatch must lie between 0 and 1")
        return self._powered(share - 1), self._powered(share)

    def _powered(self, power: float) -> Strain:
        low, high = sorted((1 + s) ** power for s in self.strain.principal)
        return strain_of(low, high)


def match_lattices(
    bottom: ArrayLike,
    top: ArrayLike,
    *,
    max_strain: float = 0.03,
    max_area: float | None = None,
    max_atoms: int | None = None,
    atoms: tuple[int, int] = (1, 1),
    twist_range: tuple[float, float] | None = None,
) -> list[Match]:
    """Return every common supercell of two lattices within limits, each once.

    Parameters
    ----------
    bottom, top
        (2, 2) in Angstrom, rows are the lattice vectors in the plane, right-handed.
    max_strain
        Largest size of a principal strain of the top when it takes all of the mismatch.
    max_area
        Largest area of the bottom's supercell, Angstrom^2.
    max_atoms
        Largest number of atoms in both layers together; one of the two limits is needed.
    atoms
        Atoms in one cell of the bottom and of the top layer.
    twist_range
        Smallest and largest twist in degrees, folded by the symmetry of the lattices.

    Returns
    -------
    list of Match
        By number of atoms, then by strain.

    Raises
    ------
    StructureError
        A cell has no area or is left-handed.
    InputError
        A limit is missing or not positive.
    NoMatchError
        Nothing fits; the message names what comes closest.

    Examples
    --------
    >>> hexagonal = np.array([[1, 0], [-0.5, 3**0.5 / 2]])
    >>> best = match_lattices(2.46 * hexagonal, 3.16 * hexagonal, max_area=70, atoms=(2, 3),
    ...                       max_strain=0.022)[0]
    >>> best.n_bottom, best.n_top, best.n_atoms, round(best.strain.von_mises, 3)
    (12, 7, 45, 0.013)
    """
    cells = checked_cell(bottom, "bottom"), checked_cell(top, "top")
    sizes = _max_indices(cells, atoms, max_area, max_atoms, max_strain)
    lists = [sublattices(cell, n) for cell, n in zip(cells, sizes, strict=True)]
    found = _fitting(cells, lists, max_strain)
    limits = _Limits(
        max_strain,
        max_area or math.inf,
        max_atoms or math.inf,
        _checked_range(twist_range),
    )
    matches = _described(cells, found, atoms, limits)
    if not matches:
        raise NoMatchError(_nothing(cells, lists, atoms, limits))
    return sorted(matches, key=lambda m: (m.n_atoms, abs(m.strain.largest)))


def pareto(matches: Sequence[Match]) -> list[Match]:
    """Return the matches that no other beats in both atoms and largest strain.

    Examples
    --------
    >>> square = np.eye(2)
    >>> found = match_lattices(square, 1.02 * square, max_area=20.5, max_strain=0.05)
    >>> [match.n_atoms for match in pareto(found)][0]
    2
    """
    best, front = math.inf, []
    for match in sorted(matches, key=lambda m: (m.n_atoms, abs(m.strain.largest))):
        if abs(match.strain.largest) < best - 1e-9:
            best = abs(match.strain.largest)
            front.append(match)
    return front


def _checked_range(twist: tuple[float, float] | None) -> tuple[float, float]:
    """Return smallest and largest twist, all there are without any."""
    if twist is None:
        return (-math.inf, math.inf)
    if not twist[0] <= twist[1]:
        raise InputError(
            f"twist: the smallest, {twist[0]:g} degrees, comes first; it is above {twist[1]:g}"
        )
    return twist


def _max_indices(
    cells: tuple[Floats, Floats],
    atoms: tuple[int, int],
    max_area: float | None,
    max_atoms: int | None,
    max_strain: float,
) -> tuple[int, int]:
    """Return how many cells of each lattice a supercell may have."""
    if max_area is None and max_atoms is None:
        raise InputError("give max_area in Angstrom^2, max_atoms, or both")
    for name, value in (("max_area", max_area), ("max_atoms", max_atoms)):
        if value is not None and value <= 0:
            raise InputError(f"{name} = {value} must be positive")
    if not 0 < max_strain < _CLOSEST:
        raise InputError(f"max_strain = {max_strain} must lie between 0 and {_CLOSEST}")
    areas = [float(np.linalg.det(cell)) for cell in cells]
    largest = math.inf if max_area is None else max_area
    if max_atoms is not None:
        # Both layers cover the same area, but for the strain.
        density = atoms[0] / areas[0] + atoms[1] / areas[1] * (1 - max_strain) ** 2
        largest = min(largest, max_atoms / density)
    n_bottom = int(largest / areas[0] + 1e-9)
    n_top = int(largest / (1 - max_strain) ** 2 / areas[1] + 1e-9)
    if min(n_bottom, n_top) < 1:
        raise InputError(
            f"an area of {largest:.1f} Angstrom^2 holds no cell: they have {areas[0]:.2f} and "
            f"{areas[1]:.2f} Angstrom^2. Raise max_area or max_atoms."
        )
    return n_bottom, n_top


def _shapes(bases: Floats) -> Floats:
    """Return (n, 3) numbers that a strain e changes by about e: log a, log height, tilt."""
    a = np.linalg.norm(bases[:, 0], axis=1)
    height = np.linalg.det(bases) / a
    tilt = np.einsum("ni,ni->n", bases[:, 0], bases[:, 1]) / a / height
    return np.stack([np.log(a), np.log(height), tilt / 3], axis=1)


def _fitting(
    cells: tuple[Floats, Floats], lists: Sequence[Ints], max_strain: float
) -> tuple[Ints, Ints]:
    """Return the supercells of both lattices that fit on each other, each interface once."""
    bottom = lists[0]
    top = _nearly_reduced(cells[1], lists[1], 6 * max_strain)
    trees = [cKDTree(_shapes(m @ cell)) for m, cell in zip((bottom, top), cells, strict=True)]
    radius = 1.3 * max_strain + 1e-9
    near: Any = trees[0].sparse_distance_matrix(trees[1], radius, p=np.inf, output_type="ndarray")
    # In order, so that the same one of several alike is kept whatever the tree looks like.
    first, second = np.divmod(np.sort(near["i"] * len(top) + near["j"]), len(top))
    pairs = bottom[first], top[second]
    stretch, _ = _stretches(pairs[1] @ cells[1], pairs[0] @ cells[0])
    fits = np.abs(stretch - 1).max(axis=1) <= max_strain + 1e-12
    pairs = pairs[0][fits], pairs[1][fits]
    joint = np.concatenate(pairs, axis=2)  # (n, 2, 4)
    smallest = _minors_gcd(joint) == 1
    joint = joint[smallest]
    names = _canonical(joint, point_group(cells[0]), point_group(cells[1]))
    _, chosen = np.unique(names, axis=0, return_index=True)
    return joint[chosen][:, :, :2], joint[chosen][:, :, 2:]


def _nearly_reduced(cell: Floats, reduced_bases: Ints, slack: float) -> Ints:
    """Return every basis of each supercell that a strain of a sixth of slack can make shortest."""
    lengths = np.linalg.norm(reduced_bases @ cell, axis=2)
    # A small shear moves the end of a long second vector by several of the first.
    moves = np.floor(1 + slack * lengths[:, 1] / lengths[:, 0]).astype(int)
    found = [(_TURNS[None] @ reduced_bases[:, None]).reshape(-1, 2, 2)]
    for k in range(2, int(moves.max()) + 1):
        found += [np.array([[1, 0], [sign * k, 1]]) @ reduced_bases[moves >= k] for sign in (-1, 1)]
    bases = np.concatenate(found)
    dot = bases @ (cell @ cell.T) @ bases.transpose(0, 2, 1)
    short = dot[:, 0, 0] <= dot[:, 1, 1] * (1 + slack)
    reach = dot[:, 0, 0] * (1 + slack) + slack * np.sqrt(dot[:, 0, 0] * dot[:, 1, 1])
    kept: Ints = bases[short & (2 * np.abs(dot[:, 0, 1]) <= reach)]
    return kept


def _stretches(own: Floats, common: Floats) -> tuple[Floats, Floats]:
    """Return principal stretches (n, 2) and rotation in degrees (n,) of own onto common."""
    f = np.linalg.solve(own, common)
    half_sum = np.hypot(f[:, 0, 0] + f[:, 1, 1], f[:, 0, 1] - f[:, 1, 0]) / 2
    half_difference = np.hypot(f[:, 0, 0] - f[:, 1, 1], f[:, 0, 1] + f[:, 1, 0]) / 2
    stretches = np.stack([half_sum - half_difference, half_sum + half_difference], axis=1)
    turn = np.degrees(np.arctan2(f[:, 0, 1] - f[:, 1, 0], f[:, 0, 0] + f[:, 1, 1]))
    return stretches, turn


def _minors_gcd(joint: Ints) -> Ints:
    """Return the greatest common divisor of all 2 x 2 minors: above 1, a smaller match repeats."""
    minors = [
        joint[:, 0, i] * joint[:, 1, j] - joint[:, 0, j] * joint[:, 1, i]
        for i in range(4)
        for j in range(i)
    ]
    result: Ints = np.gcd.reduce(np.array(minors), axis=0)
    return result


def _canonical(joint: Ints, bottom: tuple[Ints, Ints], top: tuple[Ints, Ints]) -> Ints:
    """Return (n, 4) names of the matches, the same for all that symmetries make alike.

    Each is the smallest Hermite form, two of its numbers in one. Rotations act on each lattice by
    itself, mirrors on both at once.
    """
    best: Ints | None = None
    for kind in (0, 1):
        # Both lattices turned by 180 degrees are the same rows again, so half of these will do.
        for one in without_half_turns(bottom[kind]):
            form = hermite(np.concatenate([joint[:, :, :2] @ one, joint[:, :, 2:]], axis=2))
            for other in top[kind]:  # the form depends on the bottom alone, so this keeps it
                turned = np.stack([form[:, :, :2], form[:, :, 2:] @ other], axis=2)
                name = ((turned[..., 0] << 32) + turned[..., 1]).reshape(-1, 4)
                best = name if best is None else _smaller(name, best)
    if best is None:
        raise InputError("the lattices have no symmetry at all, not even a turn by 180 degrees")
    return best


def _smaller(one: Ints, other: Ints) -> Ints:
    """Return the smaller of each pair of rows; the first number that differs decides."""
    first = (one != other).argmax(axis=1)[:, None]
    smaller = np.take_along_axis(one, first, 1) < np.take_along_axis(other, first, 1)
    return np.where(smaller, one, other)


@dataclass(frozen=True)
class _Limits:
    """What a match must keep."""

    strain: float
    area: float = math.inf
    atoms: float = math.inf
    twist: tuple[float, float] = (-math.inf, math.inf)


def _described(
    cells: tuple[Floats, Floats], found: tuple[Ints, Ints], atoms: tuple[int, int], limits: _Limits
) -> list[Match]:
    """Return the matches within the limits with their numbers."""
    one, other = (matrices @ cell for matrices, cell in zip(found, cells, strict=True))
    sizes = [np.rint(np.abs(np.linalg.det(matrices))).astype(int) for matrices in found]
    n_atoms = sizes[0] * atoms[0] + sizes[1] * atoms[1]
    area = np.abs(np.linalg.det(one))
    stretches, turns = _stretches(other, one)
    period = 360 / math.lcm(*(len(point_group(cell)[0]) for cell in cells))
    twist = np.minimum(turns % period, -turns % period)
    ratios = np.linalg.norm(one, axis=2) / np.linalg.norm(other, axis=2) - 1
    angle = _angles(one) - _angles(other)
    kept = (n_atoms <= limits.atoms) & (area <= limits.area * (1 + 1e-9))
    kept &= np.abs(stretches - 1).max(axis=1) <= limits.strain + 1e-12
    kept &= (twist >= limits.twist[0]) & (twist <= limits.twist[1])
    return [
        Match(
            bottom=found[0][i],
            top=found[1][i],
            n_bottom=int(sizes[0][i]),
            n_top=int(sizes[1][i]),
            n_atoms=int(n_atoms[i]),
            area=float(area[i]),
            twist_deg=float(twist[i]),
            strain=strain_of(*stretches[i]),
            lengths=(float(ratios[i, 0]), float(ratios[i, 1])),
            angle_deg=float(angle[i]),
        )
        for i in np.flatnonzero(kept)
    ]


def _angles(bases: Floats) -> Floats:
    """Return the angle between the two vectors of each of (n, 2, 2) cells, in degrees."""
    dot = np.einsum("ni,ni->n", bases[:, 0], bases[:, 1])
    angles: Floats = np.degrees(np.arctan2(np.linalg.det(bases), dot))
    return angles


def _nothing(
    cells: tuple[Floats, Floats], lists: Sequence[Ints], atoms: tuple[int, int], limits: _Limits
) -> str:
    """Return what to say when nothing fits: the limits, and the closest that there is."""
    inside: list[Match] = []
    strain = limits.strain / 2
    while not inside and strain < _CLOSEST:  # all at once, millions of pairs fit within 30 %
        strain = min(2 * strain, _CLOSEST)
        wide = _Limits(strain, limits.area, limits.atoms)
        inside = _described(cells, _fitting(cells, lists, strain), atoms, wide)
    words = f"{100 * limits.strain:g}% strain"
    words += "" if math.isinf(limits.area) else f", {limits.area:g} Angstrom^2"
    words += "" if math.isinf(limits.atoms) else f", {limits.atoms:g} atoms"
    if not inside:
        return f"no common supercell within {words}. Raise max_strain, max_area or max_atoms."
    best = min(inside, key=lambda m: abs(m.strain.largest))
    return (
        f"no common supercell within {words} and the twists asked for; closest is "
        f"{best.n_bottom} on {best.n_top} cells with {best.n_atoms} atoms, {best.area:.1f} "
        f"Angstrom^2, {best.twist_deg:.2f} degrees and {abs(best.strain.largest):.2%} strain. "
        "Raise max_strain, max_area or max_atoms, or widen the twist range."
    )
