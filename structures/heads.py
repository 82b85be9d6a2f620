"""What of a molecule can look at a place on another: atoms, pairs, its plane, any side."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull, QhullError

from .anchors import Anchor, find_anchors, unit
from .errors import InputError
from .rings import plane_normal
from .species import Species
from .touching import lone_pairs

Floats = NDArray[np.float64]

PLANE = "plane"  # the head of a molecule that lies flat
ANY = "any"  # the head of a molecule of which any side may look at the anchor
_BITE = (2.0, 4.2)  # Angstrom between two atoms that hold one metal together


@dataclass(frozen=True, kw_only=True)
class Head:
    """What of a guest looks at the anchor."""

    label: str  # "O", "O+O", "plane", "any"
    atoms: tuple[int, ...]
    point: Floats  # (3,) Angstrom
    axis: Floats  # (3,) unit vector away from the guest


def guest_heads(guest: Species, anchor: Anchor, heads: Sequence[str] | None) -> list[Head]:
    """Return what of a guest may look at an anchor.

    Parameters
    ----------
    heads
        Elements ("O", "N", "Li"), "plane", "any"; None takes what suits the anchor: lone pairs for
        metals and amines, else the guest's plane, else any side.

    Raises
    ------
    InputError
        The guest has no such head.

    Examples
    --------
    >>> from heterofire.structures.anchors import pick_anchor
    >>> from heterofire.structures.molecules import build_species
    >>> water, ring = build_species("H2O"), pick_anchor(build_species("C6H6"), "pi")
    >>> [head.label for head in guest_heads(water, ring, ("O",))]
    ['O']
    """
    known = find_anchors(guest)
    asked = list(heads) if heads else _suitable(guest, anchor, known)
    found = list[Head]()
    for name in asked:
        if name == PLANE:
            found += [h for a in known if a.kind == "pi" for h in _both_ways(a, PLANE)]
        elif name == ANY:
            found += _sides(guest)
        else:
            found += _atoms_of(guest, known, name)
    if not found:
        raise InputError(
            f"{guest.name} has no head {' or '.join(map(repr, asked))}: give elements of it "
            f"({', '.join(sorted(set(guest.symbols)))}), 'plane' if it has flat rings, or 'any'"
        )
    return found


def _suitable(guest: Species, anchor: Anchor, known: Sequence[Anchor]) -> list[str]:
    """Return heads for an anchor when none are asked for."""
    pairs = lone_pairs(guest)
    if anchor.kind in ("open metal", "metal centre", "amine") and pairs:
        best = max(pairs.values())
        return sorted({guest.symbols[i] for i, share in pairs.items() if share == best})
    return [PLANE] if any(a.kind == "pi" for a in known) else [ANY]


def _both_ways(anchor: Anchor, label: str) -> list[Head]:
    """Return the heads on one or both sides of an anchor of the guest."""
    signs = (1, -1) if anchor.two_sided else (1,)
    return [
        Head(label=label, atoms=anchor.atoms, point=anchor.point, axis=sign * anchor.direction)
        for sign in signs
    ]


def _atoms_of(guest: Species, known: Sequence[Anchor], name: str) -> list[Head]:
    """Return the single atoms of an element or label, and pairs that may hold on together."""
    singles = [
        head
        for a in known
        if a.kind == "atom" and name in (guest.symbols[a.atoms[0]], a.name)
        for head in _both_ways(a, guest.symbols[a.atoms[0]])
    ]
    return [*singles, *_pairs(singles)]


def _pairs(singles: Sequence[Head]) -> Iterator[Head]:
    """Yield two atoms that look the same way and are as far apart as a metal can hold."""
    for one, other in combinations(singles, 2):
        total = one.axis + other.axis
        bite = float(np.linalg.norm(one.point - other.point))
        if _BITE[0] < bite < _BITE[1] and np.linalg.norm(total) > 1.0:
            yield Head(
                label=f"{one.label}+{other.label}",
                atoms=(*one.atoms, *other.atoms),
                point=(one.point + other.point) / 2,
                axis=unit(total),
            )


def _sides(guest: Species) -> list[Head]:
    """Return the middle of a molecule with each face of its hull looking out."""
    atoms = tuple(range(len(guest.symbols)))
    middle = guest.positions.mean(axis=0)
    return [
        Head(label=ANY, atoms=atoms, point=middle, axis=axis)
        for axis in hull_directions(guest.positions)
    ]


def hull_directions(positions: Floats, *, apart: float = 20.0) -> list[Floats]:
    """Return unit vectors to the faces of the hull of some atoms, alike ones once.

    Parameters
    ----------
    apart
        Degrees below which two faces are one.

    Examples
    --------
    >>> flat = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0]])
    >>> len(hull_directions(flat))
    2
    """
    centred = positions - positions.mean(axis=0)
    try:
        hull = ConvexHull(centred)
    except (QhullError, ValueError):  # flat, or too few atoms
        if len(centred) == 1:
            return [np.array([0.0, 0, 1])]
        normal = plane_normal(centred)
        return [normal, -normal]
    areas = _areas(centred[hull.simplices])
    order = np.argsort(-areas.round(6), kind="stable")
    kept = list[Floats]()
    for normal in hull.equations[order, :3]:
        if all(normal @ other < np.cos(np.radians(apart)) for other in kept):
            kept.append(normal)
    return kept


def _areas(triangles: Floats) -> Floats:
    """Return the areas of triangles (n, 3, 3)."""
    sides = triangles[:, 1:] - triangles[:, :1]
    found: Floats = np.linalg.norm(np.cross(sides[:, 0], sides[:, 1]), axis=1) / 2
    return found
