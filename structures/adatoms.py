"""Places of an adatom on the face of a metal slab, bare or beside something that lies on it.

A ball of the adatom's size is lowered onto the face all over the cell. Where it comes to rest in a
hollow, lower than all around, is a site.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from math import ceil

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import Element, Structure

from .contacts import bonding_distance
from .errors import StructureError

Floats = NDArray[np.float64]

_STEP = 0.15  # Angstrom between the places that are tried
_SAME_SITE = 0.6  # Angstrom: two rests this near are one
_TOUCHES = 0.25  # Angstrom beyond the contact: counts as a neighbour
_LEAST_NEIGHBOURS = 3
_LONGEST_HOP = 6.0  # Angstrom
# Nearer than this to what lies on the slab, in lengths of a bond, an adatom binds to that.
_COVERED = 1.25


@dataclass(frozen=True, kw_only=True)
class AdatomSite:
    """A hollow in which an adatom comes to rest."""

    frac_coords: tuple[float, float, float]
    height: float  # Angstrom above the highest atom of the face
    n_neighbours: int  # atoms of the slab that it touches
    to_others: float  # Angstrom to the nearest atom that is not of the slab; inf without any

    @property
    def name(self) -> str:
        """Return the site by its neighbours."""
        return f"{self.n_neighbours}-fold hollow"


def adatom_sites(
    structure: Structure, adatom: str, slab: Sequence[int] | None = None
) -> list[AdatomSite]:
    """Return the sites of an adatom on the upper face of a slab, deepest first.

    Parameters
    ----------
    structure
        Slab with c along z and vacuum above, with or without something on it.
    adatom
        Element.
    slab
        Atoms of the slab; by default all. Sites that the other atoms cover are left out.

    Raises
    ------
    StructureError
        The face has no hollow.

    Examples
    --------
    >>> from heterofire.structures.crystals import build_crystal
    >>> from heterofire.structures.slabs import build_slab
    >>> lithium = build_slab(build_crystal("Li_bcc"), (0, 0, 1), n_layers=3).structure
    >>> [site.name for site in adatom_sites(lithium, "Li")]
    ['4-fold hollow']
    """
    own = np.arange(len(structure)) if slab is None else np.array(sorted(slab))
    grid, heights = _landscape(structure, adatom, own)
    top = structure.cart_coords[own, 2].max()
    others = np.setdiff1d(np.arange(len(structure)), own)
    found = list[AdatomSite]()
    for place in sorted(_minima(heights), key=lambda p: round(float(heights[p]), 3)):
        z = float(heights[place])
        coords = np.array([*grid[place], z])
        n_neighbours = _n_touched(structure, adatom, coords, own)
        if n_neighbours < _LEAST_NEIGHBOURS:
            continue
        site = AdatomSite(
            frac_coords=tuple(structure.lattice.get_fractional_coords(coords)),
            height=z - float(top),
            n_neighbours=n_neighbours,
            to_others=_clearance(structure, adatom, coords, others),
        )
        is_new = all(_apart(structure, site, other) > _SAME_SITE for other in found)
        if is_new and site.to_others > 0:
            found.append(site)
    if not found:
        raise StructureError(
            f"no hollow for {adatom} on the face of {structure.composition.formula}: all of it is "
            "covered, or it is flat at the size of the atom"
        )
    return found


def hop_sites(structure: Structure, sites: Sequence[AdatomSite]) -> tuple[AdatomSite, AdatomSite]:
    """Return two neighbouring sites of one kind: beside what lies on the slab, if anything does.

    Raises
    ------
    StructureError
        There is no second site within 6 Angstrom.
    """
    pairs = [
        (a.to_others + b.to_others if np.isfinite(a.to_others) else 0.0, distance, i, j)
        for i, a in enumerate(sites)
        for j, b in enumerate(sites)
        if i < j
        and a.name == b.name
        and _SAME_SITE < (distance := _apart(structure, a, b)) < _LONGEST_HOP
    ]
    if not pairs:
        raise StructureError(
            f"no two sites of one kind within {_LONGEST_HOP:g} Angstrom on "
            f"{structure.composition.formula}: repeat the cell, or let less of it be covered"
        )
    shortest = min(distance for _, distance, _, _ in pairs)
    near = [pair for pair in pairs if pair[1] < shortest + 0.3]
    _, _, i, j = min(near, key=lambda pair: (round(pair[0], 2), pair[2], pair[3]))
    return sites[i], sites[j]


def put_adatom(structure: Structure, site: AdatomSite, adatom: str) -> Structure:
    """Return the structure with an adatom on a site, as its last atom."""
    result: Structure = structure.copy()
    flags = "selective_dynamics" in structure.site_properties
    properties = {"selective_dynamics": [True] * 3} if flags else None
    result.append(adatom, site.frac_coords, properties=properties)
    return result


def _landscape(structure: Structure, adatom: str, own: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Return places in the plane (n, m, 2), and the heights at which a ball rests there."""
    matrix = structure.lattice.matrix
    n, m = (ceil(np.linalg.norm(matrix[i]) / _STEP) for i in (0, 1))
    u, v = np.meshgrid(np.arange(n) / n, np.arange(m) / m, indexing="ij")
    grid: Floats = u[..., None] * matrix[0, :2] + v[..., None] * matrix[1, :2]
    rest = np.full((n, m), -np.inf)
    for place, reach in _balls(structure, adatom, own):
        away = ((grid - place[:2]) ** 2).sum(axis=-1)
        height = place[2] + np.sqrt(np.clip(reach**2 - away, 0, None))
        rest = np.fmax(rest, np.where(away < reach**2, height, -np.inf))
    return grid, rest


def _n_touched(structure: Structure, adatom: str, coords: Floats, own: NDArray[np.int64]) -> int:
    """Return how many atoms of the face an adatom touches."""
    return sum(
        float(np.linalg.norm(coords - place)) < reach + _TOUCHES
        for place, reach in _balls(structure, adatom, own)
    )


def _balls(
    structure: Structure, adatom: str, own: NDArray[np.int64]
) -> Iterator[tuple[Floats, float]]:
    """Give place and reach of each atom of the face and of its images around the cell."""
    matrix = structure.lattice.matrix
    top = structure.cart_coords[own, 2].max()
    for i in own:
        reach = _reach(adatom, structure[int(i)].specie.symbol)
        if structure[int(i)].coords[2] + reach < top:
            continue  # too deep to be touched
        for j, k in product((-1, 0, 1), repeat=2):
            yield structure[int(i)].coords + j * matrix[0] + k * matrix[1], reach


def _reach(adatom: str, other: str) -> float:
    """Return the distance at which an adatom rests on an atom: that of metals between metals."""
    radii = [Element(symbol).metallic_radius for symbol in (adatom, other)]
    if all(radius is not None for radius in radii):
        return float(sum(radii))
    return bonding_distance(adatom, other)


def _minima(heights: Floats) -> list[tuple[int, int]]:
    """Return the places that no neighbour on the grid lies below."""
    neighbours = [
        np.roll(heights, (i, j), axis=(0, 1)) for i in (-1, 0, 1) for j in (-1, 0, 1) if i or j
    ]
    lowest = np.isfinite(heights) & (heights <= np.min(neighbours, axis=0) + 1e-9)
    return [(int(i), int(j)) for i, j in np.argwhere(lowest)]


def _clearance(
    structure: Structure, adatom: str, coords: Floats, others: NDArray[np.int64]
) -> float:
    """Return the distance to the nearest other atom; 0 where it would bind to it."""
    if not len(others):
        return float("inf")
    place = structure.lattice.get_fractional_coords(coords)
    distances = structure.lattice.get_all_distances(place, structure.frac_coords[others])[0]
    least = [_COVERED * bonding_distance(adatom, structure[int(i)].specie.symbol) for i in others]
    return 0.0 if (distances < least).any() else float(distances.min())


def _apart(structure: Structure, one: AdatomSite, other: AdatomSite) -> float:
    """Return the distance of two sites, in Angstrom."""
    lattice = structure.lattice
    return float(lattice.get_all_distances([one.frac_coords], [other.frac_coords])[0, 0])
