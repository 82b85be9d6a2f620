"""Molecules on surfaces: sites and orientations sampled, clashes filtered, ions added.

A molecule is turned so that each of its atoms, edges and faces looks down in turn, moved over a
grid of the surface cell, and lowered until it touches best (see `nest`). What comes out is a start
for a relaxation, ranked by contacts; it knows no electrons.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import Structure
from scipy.spatial.transform import Rotation

from .contacts import CLASH, SOFTNESS, Nesting, bonding_distance, closest_ratio, nest
from .errors import InputError, StructureError
from .heads import hull_directions
from .sites import HOST_RADII, ION_RADII
from .species import Species
from .sublattices import generated_basis
from .symmetry import symmetry_operations

Floats = NDArray[np.float64]

APART = 3.0  # Angstrom that a molecule needs to its own periodic image
ION_TO_ION = 2.8  # Angstrom between two counter-ions at least
_GRID = 200  # directions around an atom
_FEW = 8  # atoms without hydrogen of a molecule whose atoms, edges and faces are all tried


@dataclass(frozen=True, kw_only=True)
class Placement:
    """A molecule on a surface."""

    structure: Structure  # the surface's atoms in their order, then the molecule's in its own
    atoms: tuple[int, ...]  # of the molecule
    species: Species
    score: float  # contacts with the surface, see `nest`
    site: tuple[float, float]  # of the molecule's centre, fractions of the surface cell
    height: float  # Angstrom from the highest atom of the surface to the lowest of the molecule


def place_on_surface(
    surface: Structure,
    species: Species,
    *,
    spacing: float = 1.0,
    near: Sequence[float] | None = None,
    within: float = 4.0,
    hosts: Sequence[int] | None = None,
    max_placements: int = 1,
    directions: Sequence[Sequence[float]] | None = None,
) -> list[Placement]:
    """Return the best places and orientations of a molecule on a surface.

    Parameters
    ----------
    surface
        Slab with c along z and vacuum above, other molecules included.
    species
        What to place; its charge and multiplicity are carried along.
    spacing
        Step in Angstrom of the grid over the smallest cell that the surface repeats.
    near, within
        Keep to so many Angstrom in the plane around a place (fractions of a and b).
    hosts
        Atoms that a radical may bind to; by default all, other molecules included.
    directions
        (n, 3) in the molecule's own axes: what is to look down, such as a plane's normal. By
        default its atoms, edges and faces; for a large or flat molecule the faces of its hull.

    Raises
    ------
    InputError
        The molecule is larger than the cell however it is turned.
    StructureError
        Every place overlaps with what is there.

    Examples
    --------
    >>> from heterofire.structures.layers import mx2_monolayer
    >>> from heterofire.structures.molecules import build_species
    >>> layer = mx2_monolayer(c=25.0) * (3, 3, 1)
    >>> best = place_on_surface(layer, build_species("OH"))[0]
    >>> best.structure.composition.formula, best.species.charge
    ('Mo9 H1 S18 O1', 0)
    """
    plane = surface.lattice.matrix[:2, :2]
    shifts = surface_grid(surface, spacing, near, within)
    tried = list[tuple[Nesting, tuple[float, float], Structure]]()
    turned = [_in_cell(surface, species, t) for t in _orientations(species, directions)]
    for molecule in _fitting(surface, species, turned):
        nestings = nest(plane, surface, molecule, shifts, heads=species.heads, hosts=hosts)
        tried += [(n, shift, molecule) for n, shift in zip(nestings, shifts, strict=True)]
    tried.sort(key=lambda t: (-round(t[0].score, 4), t[1]))
    return _clear_ones(surface, species, tried, max_placements)


def _clear_ones(
    surface: Structure,
    species: Species,
    tried: Sequence[tuple[Nesting, tuple[float, float], Structure]],
    n: int,
) -> list[Placement]:
    """Return the best placements at different places that overlap with nothing."""
    kept, closest = list[Placement](), (0.0, 0, 0)
    for nesting, shift, molecule in tried:
        if len(kept) == n:
            break
        if any(shift == other.site for other in kept):
            continue
        placement = _placed(surface, species, molecule, shift, nesting)
        contact = closest_ratio(placement.structure, placement.atoms)
        if contact[0] >= CLASH:
            kept.append(placement)
        closest = max(closest, contact)
    if not kept:
        ratio, atom, other = closest
        raise StructureError(
            f"no place for {species.name}: the best overlaps, atoms {atom + 1} and {other + 1} at "
            f"{ratio:.0%} of the sum of their radii (at least {CLASH:.0%} is wanted). Use a larger "
            "cell, or another place"
        )
    return kept


def add_counter_ions(
    structure: Structure, around: Sequence[int], n: int, *, ion: str = "Li"
) -> Structure:
    """Return the structure with cations at the anions of a molecule, so that the cell is neutral.

    Parameters
    ----------
    around
        Atoms of the molecule; ions go where its S, O, Se and the like offer the best contacts.
    n
        How many; each is at least 2.8 Angstrom from the others.
    ion
        Li, Na or K.

    Raises
    ------
    StructureError
        There is no room for so many.

    Examples
    --------
    >>> from heterofire.structures.molecules import build_species
    >>> from heterofire.structures.species import species_in_box
    >>> box = species_in_box(build_species("PS4(3-)"))
    >>> add_counter_ions(box, range(5), 3).composition.formula
    'Li3 P1 S4'
    """
    if ion not in ION_RADII:
        raise InputError(f"no radius for ion {ion!r}; there are {', '.join(ION_RADII)}")
    anions = [i for i in around if structure[i].specie.symbol in HOST_RADII]
    result = structure.copy()
    flags = "selective_dynamics" in structure.site_properties
    for count in range(n):
        places = np.vstack([_shell(structure, i, ion) for i in anions] or [np.empty((0, 3))])
        scores = _ion_scores(result, places, ion)
        if not len(scores) or not np.isfinite(scores).any():
            raise StructureError(f"no room for {n} {ion} around the molecule: {count} fit")
        best = places[int(np.nanargmax(np.where(np.isfinite(scores), scores, np.nan)))]
        properties = {"selective_dynamics": [True] * 3} if flags else None
        result.append(ion, best, coords_are_cartesian=True, properties=properties)
    return result


def _orientations(species: Species, directions: Sequence[Sequence[float]] | None) -> list[Floats]:
    """Return positions with each direction looking down, turned about the normal."""
    centred = species.positions - species.positions.mean(axis=0)
    found, profiles = list[Floats](), set[tuple[tuple[str, float], ...]]()
    looking = _directions(species, centred) if directions is None else np.asarray(directions)
    for total in looking:
        if np.linalg.norm(total) < 0.3:
            continue
        down, _ = Rotation.align_vectors([[0, 0, -1]], [total])
        places = down.apply(centred)
        profile = tuple(sorted(zip(species.symbols, places[:, 2].round(1).tolist(), strict=True)))
        if profile in profiles:  # looks the same but for a turn, by the molecule's own symmetry
            continue
        profiles.add(profile)
        angles = (0, 45, 90, 135) if len(centred) > 2 else (0,)
        found += [Rotation.from_euler("z", a, degrees=True).apply(places) for a in angles]
    return found


def _directions(species: Species, centred: Floats) -> list[Floats]:
    """Return where each atom, edge and face is; for many atoms, the faces of their hull.

    Hydrogen never looks down: radicals bind by their heavy atom.
    """
    reach = np.linalg.norm(centred, axis=1)
    heavy = [i for i, s in enumerate(species.symbols) if s != "H" and reach[i] > 0.3]
    if len(heavy) > _FEW:  # their triples would be thousands
        return hull_directions(species.positions)
    groups = [list(g) for size in (1, 2, 3) for g in combinations(heavy, size)]
    return [centred[group].sum(axis=0) for group in groups] or [np.array([0, 0, -1.0])]


def _in_cell(surface: Structure, species: Species, positions: Floats) -> Structure:
    """Return the molecule alone in the surface's cell, its centre at the corner."""
    return Structure(
        surface.lattice,
        list(species.symbols),
        positions - [0, 0, positions[:, 2].min()],
        coords_are_cartesian=True,
        to_unit_cell=False,
    )


def _fitting(
    surface: Structure, species: Species, turned: Sequence[Structure]
) -> Sequence[Structure]:
    """Return the orientations whose periodic images stay apart; refuse if there is none."""
    nearest = [image_distance(surface, molecule.cart_coords) for molecule in turned]
    fitting = [m for m, distance in zip(turned, nearest, strict=True) if distance >= APART]
    if not fitting:
        a, b, _ = surface.lattice.abc
        raise InputError(
            f"{species.name} comes within {max(nearest):.2f} Angstrom of its own image in a cell "
            f"of {a:.2f} x {b:.2f} Angstrom (at least {APART} is wanted): repeat the cell"
        )
    return fitting


def image_distance(surface: Structure, places: Floats) -> float:
    """Return how near a molecule comes to its images along the plane, in Angstrom."""
    vectors = surface.lattice.matrix[:2]
    images = [
        i * vectors[0] + j * vectors[1] for i in (0, 1) for j in (-1, 0, 1) if (i, j) > (0, 0)
    ]
    return min(
        float(np.linalg.norm(places[:, None] - places[None] + image, axis=2).min())
        for image in images
    )


def surface_grid(
    surface: Structure, spacing: float, near: Sequence[float] | None = None, within: float = 0.0
) -> list[tuple[float, float]]:
    """Return grid points that no translation of the surface makes alike, or those near a place."""
    plane = surface.lattice.matrix[:2, :2]
    cell = np.eye(2) if near is not None else _smallest_cell(surface)
    lengths = np.linalg.norm(cell @ plane, axis=1)
    n = [max(1, math.ceil(length / spacing)) for length in lengths]
    points = np.array([[i / n[0], j / n[1]] for i in range(n[0]) for j in range(n[1])]) @ cell
    if near is not None:
        steps = points - np.asarray(near)[:2]
        steps -= np.round(steps)
        images = np.array([[i, j] for i in (-1, 0, 1) for j in (-1, 0, 1)])
        away = np.linalg.norm((steps[:, None] + images) @ plane, axis=2).min(axis=1)
        points = points[away <= within]
    return [(float(x), float(y)) for x, y in points % 1.0]


def _smallest_cell(surface: Structure) -> Floats:
    """Return the cell that repeats in a surface, (2, 2) rows in fractions of a and b."""
    rotations, translations = symmetry_operations(surface)
    own = translations[(rotations == np.eye(3, dtype=int)).all(axis=(1, 2)), :2]
    n = len(own)
    rows = np.vstack([n * np.eye(2), n * own])
    return generated_basis(np.rint(rows).astype(np.int64)) / n


def _placed(
    surface: Structure,
    species: Species,
    molecule: Structure,
    shift: tuple[float, float],
    nesting: Nesting,
) -> Placement:
    """Return the surface with the molecule over a place."""
    rise = surface.cart_coords[:, 2].max() + nesting.gap
    move = np.array([*shift, 0.0]) @ surface.lattice.matrix + np.array([0, 0, rise])
    result = with_molecule(surface, species, molecule.cart_coords + move)
    return Placement(
        structure=result,
        atoms=tuple(range(len(surface), len(result))),
        species=species,
        score=nesting.score,
        site=shift,
        height=nesting.gap,
    )


def with_molecule(surface: Structure, species: Species, places: Floats) -> Structure:
    """Return the surface with a molecule's atoms behind its own; they are free to move.

    Examples
    --------
    >>> from heterofire.structures.layers import graphene
    >>> from heterofire.structures.molecules import build_species
    >>> water = build_species("H2O")
    >>> with_molecule(graphene() * (2, 2, 1), water, water.positions + 3).composition.formula
    'H2 C8 O1'
    """
    result = surface.copy()
    flags = "selective_dynamics" in surface.site_properties
    for symbol, place in zip(species.symbols, places, strict=True):
        properties = {"selective_dynamics": [True] * 3} if flags else None
        result.append(symbol, place, coords_are_cartesian=True, properties=properties)
    return result


def _shell(structure: Structure, atom: int, ion: str) -> Floats:
    """Return places around an anion at the sum of the ionic radii."""
    radius = ION_RADII[ion] + HOST_RADII[structure[atom].specie.symbol]
    i = np.arange(_GRID) + 0.5
    height, angle = 1 - 2 * i / _GRID, np.pi * (1 + 5**0.5) * i
    ring = np.sqrt(1 - height**2)
    sphere = np.stack([ring * np.cos(angle), ring * np.sin(angle), height], axis=1)
    places: Floats = structure[atom].coords + radius * sphere
    return places


def _ion_scores(structure: Structure, places: Floats, ion: str) -> Floats:
    """Return contacts of an ion with anions at each place; -inf where it overlaps."""
    if not len(places):
        return np.empty(0)
    fractions = structure.lattice.get_fractional_coords(places)
    distances = structure.lattice.get_all_distances(fractions, structure.frac_coords)
    symbols = [site.specie.symbol for site in structure]
    radii = np.array([HOST_RADII.get(s, np.nan) for s in symbols])
    bond = np.exp(np.clip((radii + ION_RADII[ion] - distances) / SOFTNESS, None, 20))
    scores = np.nansum(2 * bond - bond**2, axis=1)
    least = np.array(
        [ION_TO_ION if s == ion else CLASH * bonding_distance(ion, s) for s in symbols]
    )
    scores[(distances < least).any(axis=1)] = -np.inf
    return np.asarray(scores, dtype=np.float64)
