"""Where a molecule or cluster can hold another one: open metals, amines, rings and planes.

An anchor is a point and a direction away from it, found from elements and geometry alone, so that
it turns with the molecule and does not depend on the order of its atoms.
"""

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import Element

from .errors import InputError
from .internal_coordinates import atom_names
from .rings import flatness, neighbours, planar_rings, plane_normal
from .species import Species

Floats = NDArray[np.float64]
Kind = Literal["open metal", "metal centre", "amine", "pi", "atom", "surface"]

KINDS: tuple[Kind, ...] = ("open metal", "metal centre", "amine", "pi", "atom")
_ONE_SIDED = 0.35  # length of the sum of unit vectors to the neighbours; a square pyramid has 1
# Degrees from a free direction to the nearest ligand: 90 in a square pyramid, 70.5 at most in a
# tetrahedron and 54.7 in an octahedron, both of which are full.
_FREE_ANGLE = 75.0
_PLANAR = 0.3  # Angstrom that atoms of one plane are off it, at most
# H...acceptor in Angstrom up to which a hydrogen bond inside the molecule holds an amine's
# hydrogen; those of moderate strength have 1.5-2.2 (Steiner, Angew. Chem. Int. Ed. 41 (2002) 48).
_HELD = 2.3


@dataclass(frozen=True, kw_only=True)
class Anchor:
    """A place on a molecule that can hold another one."""

    kind: Kind
    name: str  # such as "open Fe", "amine N", "ring of the linker", "Co face", "S1"
    atoms: tuple[int, ...]  # the metal, the nitrogen, the ring ...
    point: Floats  # (3,) Angstrom
    direction: Floats  # (3,) unit vector away from the molecule
    two_sided: bool = False  # the opposite direction is as free: faces of a plane


def find_anchors(species: Species) -> list[Anchor]:
    """Return the places of a molecule that can hold another one, single atoms last.

    Anchors that share a name are numbered: "C6 ring 1", "C6 ring 2".

    Examples
    --------
    >>> from heterofire.structures.molecules import build_species
    >>> [anchor.name for anchor in find_anchors(build_species("C6H6"))][:3]
    ['C6 ring', 'C1', 'C2']
    """
    near = neighbours(species.symbols, species.positions)
    rings = planar_rings(species.symbols, species.positions, near)
    found = [*_metals(species, near), *_amines(species, near), *_planes(species, near, rings)]
    return [*_numbered(found), *_atoms(species, near)]


def pick_anchors(species: Species, name: str) -> list[Anchor]:
    """Return the anchors of a name: one, all that are numbered under it, or all of a kind.

    Raises
    ------
    InputError
        There is none; the message lists those there are.

    Examples
    --------
    >>> from heterofire.structures.molecules import build_species
    >>> len(pick_anchors(build_species("C6H6"), "pi"))
    1
    """
    known = find_anchors(species)
    stems = [a.name.rpartition(" ")[0] if a.name[-1].isdigit() else "" for a in known]
    ways = ([a.name for a in known], stems, [a.kind for a in known])
    for labels in ways:
        if found := [a for a, label in zip(known, labels, strict=True) if label == name]:
            return found
    names = [a.name for a in known if a.kind != "atom"]
    close = difflib.get_close_matches(name, [*names, *KINDS], n=1, cutoff=0.6)
    hint = f"did you mean {close[0]!r}? " if close else ""
    atoms = [a.name for a in known if a.kind == "atom"]
    span = f"{atoms[0]} to {atoms[-1]}" if len(atoms) > 1 else atoms[0]
    raise InputError(
        f"{species.name} has no anchor {name!r}: {hint}There are {', '.join([*names, ''])}"
        f"single atoms ({span}), and the kinds {', '.join(KINDS)}"
    )


def pick_anchor(species: Species, name: str) -> Anchor:
    """Return the first anchor of a name, see `pick_anchors`.

    Examples
    --------
    >>> from heterofire.structures.molecules import build_species
    >>> pick_anchor(build_species("C6H6"), "C6 ring").atoms
    (0, 1, 2, 3, 4, 5)
    """
    return pick_anchors(species, name)[0]


def unit(vector: Floats) -> Floats:
    """Return a vector of length 1."""
    found: Floats = vector / np.linalg.norm(vector)
    return found


def _bonds_of(species: Species, atom: int, others: Sequence[int]) -> Floats:
    """Return unit vectors from an atom to others, (n, 3)."""
    steps = species.positions[list(others)] - species.positions[atom]
    found: Floats = steps / np.linalg.norm(steps, axis=1)[:, None]
    return found


def _metals(species: Species, near: Sequence[Sequence[int]]) -> Iterator[Anchor]:
    """Yield metals with a free direction, or free on both sides of their ligands' plane."""
    for i, symbol in enumerate(species.symbols):
        if not Element(symbol).is_metal or not near[i]:
            continue
        place, bonds = species.positions[i], _bonds_of(species, i, near[i])
        total = bonds.sum(axis=0)
        if np.linalg.norm(total) > _ONE_SIDED:
            direction, kind, name = -unit(total), "open metal", f"open {symbol}"
        else:
            around = species.positions[[i, *near[i]]]
            if len(bonds) < 3 or flatness(around) > _PLANAR:
                continue
            direction, kind, name = plane_normal(around), "metal centre", f"{symbol} face"
        # Ligands opposite to the free direction do not count, those beside it do.
        if np.degrees(np.arccos(np.clip(bonds @ direction, -1, 1))).min() < _FREE_ANGLE:
            continue
        yield Anchor(
            kind="open metal" if kind == "open metal" else "metal centre",
            name=name,
            atoms=(i,),
            point=place,
            direction=direction,
            two_sided=kind == "metal centre",
        )


def _amines(species: Species, near: Sequence[Sequence[int]]) -> Iterator[Anchor]:
    """Yield nitrogens with hydrogens to give, along those that no other atom of theirs holds."""
    acceptors = [i for i, s in enumerate(species.symbols) if s in ("N", "O", "F")]
    for i, symbol in enumerate(species.symbols):
        hydrogens = [j for j in near[i] if species.symbols[j] == "H"]
        if symbol != "N" or len(hydrogens) < 2 or len(near[i]) > 3:
            continue
        others = species.positions[[j for j in acceptors if j != i]]
        free = [
            j
            for j in hydrogens
            if not (np.linalg.norm(others - species.positions[j], axis=1) < _HELD).any()
        ]
        total = _bonds_of(species, i, free or hydrogens).sum(axis=0)
        yield Anchor(
            kind="amine",
            name="amine N",
            atoms=(i, *hydrogens),
            point=species.positions[i],
            direction=unit(total),
        )


def _planes(
    species: Species, near: Sequence[Sequence[int]], rings: Sequence[tuple[int, ...]]
) -> Iterator[Anchor]:
    """Yield the whole flat system around a metal or of fused rings, then each ring."""
    symbols, positions = species.symbols, species.positions
    taken = set[int]()
    for plane in _flat_systems(species, near, rings):
        metal = any(Element(symbols[i]).is_metal for i in plane)
        taken |= set(plane)
        yield _plane_anchor("macrocycle" if metal else "fused rings", plane, positions)
    on_metal = any(Element(s).is_metal for i, s in enumerate(symbols) if i not in taken)
    for ring in rings:
        formula = "".join(
            f"{s}{len(list(group))}".removesuffix("1")
            for s, group in groupby(sorted(symbols[i] for i in ring))
        )
        linker = on_metal and not set(ring) & taken
        yield _plane_anchor("ring of the linker" if linker else f"{formula} ring", ring, positions)


def _plane_anchor(name: str, atoms: Sequence[int], positions: Floats) -> Anchor:
    """Return the anchor over the middle of some atoms in a plane."""
    places = positions[list(atoms)]
    return Anchor(
        kind="pi",
        name=name,
        atoms=tuple(atoms),
        point=places.mean(axis=0),
        direction=plane_normal(places),
        two_sided=True,
    )


def _flat_systems(
    species: Species, near: Sequence[Sequence[int]], rings: Sequence[tuple[int, ...]]
) -> Iterator[tuple[int, ...]]:
    """Yield connected flat parts with several rings: their atoms without hydrogen, sorted."""
    left = {i for ring in rings for i in ring}
    while left:
        first = min(left)
        own = next(ring for ring in rings if first in ring)
        middle, normal = (
            species.positions[list(own)].mean(axis=0),
            plane_normal(species.positions[list(own)]),
        )
        part, edge = set(own), set(own)
        while edge:
            reached = {j for i in edge for j in near[i] if species.symbols[j] != "H"} - part
            edge = {j for j in reached if abs((species.positions[j] - middle) @ normal) < _PLANAR}
            part |= edge
        left -= part
        # Groups that hang on a ring, such as a carboxylate, are not what a plane lies on.
        members = _without_ends(part, near, rings)
        if sum(set(ring) <= members for ring in rings) > 1:
            yield tuple(sorted(members))


def _without_ends(
    part: set[int], near: Sequence[Sequence[int]], rings: Sequence[tuple[int, ...]]
) -> set[int]:
    """Return a connected part without the chains that end in nothing."""
    members = set(part)
    while ends := {i for i in members if len(members & set(near[i])) < 2}:
        members -= ends
    return members


def _atoms(species: Species, near: Sequence[Sequence[int]]) -> Iterator[Anchor]:
    """Yield every atom, away from its neighbours; on both sides of them where they surround it."""
    middle = species.positions.mean(axis=0)
    for i, label in enumerate(atom_names(species.symbols)):
        place = species.positions[i]
        total = _bonds_of(species, i, near[i]).sum(axis=0) if near[i] else middle - place
        surrounded = len(near[i]) > 1 and bool(np.linalg.norm(total) < _ONE_SIDED)
        if surrounded:
            direction = plane_normal(species.positions[[i, *near[i]]])
        else:
            direction = -unit(total) if np.linalg.norm(total) > 1e-6 else np.array([0, 0, 1.0])
        yield Anchor(
            kind="atom",
            name=label,
            atoms=(i,),
            point=place,
            direction=direction,
            two_sided=surrounded,
        )


def _numbered(anchors: Sequence[Anchor]) -> list[Anchor]:
    """Return anchors with a number behind a name that several have."""
    names = [anchor.name for anchor in anchors]
    return [
        replace(a, name=f"{a.name} {names[: i + 1].count(a.name)}")
        if names.count(a.name) > 1
        else a
        for i, a in enumerate(anchors)
    ]
