"""How one molecule can come up to a place on another: points, directions and turns to try.

Frames are laid by atoms, not by axes of space: the nearest atom beside an axis gives the zero of
all angles, and where several are alike by symmetry each gives one. So what is tried turns with the
molecules and does not depend on the order of their atoms.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TypeVar

import numpy as np
from ase.data import atomic_numbers
from numpy.typing import NDArray
from scipy.spatial import ConvexHull, QhullError

from .anchors import Anchor, find_anchors, unit
from .errors import InputError
from .rings import plane_normal
from .species import Species
from .touching import lone_pairs

Floats = NDArray[np.float64]
_Of = TypeVar("_Of", Anchor, "Head")

PLANE = "plane"  # the head of a molecule that lies flat
ANY = "any"  # the head of a molecule of which any side may look at the anchor
_BESIDE = 0.5  # Angstrom off an axis, so that an atom gives a direction around it
_ALIKE = 1e-3  # of a fingerprint; atoms nearer than that are alike by symmetry
_SAME = 0.02  # Angstrom between atoms of two views that show the same
_TILTS = (0.0, 30.0, 60.0)  # degrees of a head's axis off the direction it comes from
_LEAN = 25.0  # degrees of that direction off the anchor's own
_BITE = (2.0, 4.2)  # Angstrom between two atoms that hold one metal together
_FACING = np.diag([1.0, -1.0, -1.0])  # a guest's axis looks back at the host


@dataclass(frozen=True, kw_only=True)
class Head:
    """What of a guest looks at the anchor."""

    label: str  # "O", "O+O", "plane", "any"
    atoms: tuple[int, ...]
    point: Floats  # (3,) Angstrom
    axis: Floats  # (3,) unit vector away from the guest


@dataclass(frozen=True, kw_only=True)
class Approach:
    """A head that looks at an anchor; frames have the directions of both as third column."""

    anchor: Anchor
    head: Head
    frame: Floats  # (3, 3) of the host
    own: Floats  # (3, 3) of the guest


@dataclass(frozen=True, kw_only=True)
class Pose:
    """A turned guest before it is lowered onto an anchor."""

    anchor: Anchor
    head: Head
    turn: Floats  # (3, 3): a vector of the guest becomes turn @ vector
    start: Floats  # (3,) Angstrom, where the head's point comes down
    path: Floats  # (3,) unit vector from there to where it comes from
    frame: Floats  # (3, 3) columns: two directions beside the anchor's, then that

    def placed(self, positions: Floats, rise: float = 0.0) -> Floats:
        """Return the guest's atoms with its head so many Angstrom above the start."""
        found: Floats = (positions - self.head.point) @ self.turn.T + self.start + rise * self.path
        return found


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


def approaches(
    host: Species, guest: Species, anchors: Sequence[Anchor], heads: Sequence[str] | None
) -> Iterator[Approach]:
    """Yield each pair of an anchor and a head in frames, those alike by symmetry once.

    Raises
    ------
    InputError
        The guest has no such head.
    """
    places = [
        (anchor, frame)
        for anchor in anchors
        for sign in ((1, -1) if anchor.two_sided else (1,))
        for frame in _frames(host, anchor.point, sign * anchor.direction)
    ]
    for anchor, frame in _unlike(host, [(a, a.kind, a.point, f) for a, f in places]):
        for head, own in unlike_ends(guest, guest_heads(guest, anchor, heads)):
            yield Approach(anchor=anchor, head=head, frame=frame, own=own)


def unlike_ends(guest: Species, heads: Sequence[Head]) -> Iterator[tuple[Head, Floats]]:
    """Yield heads in their frames, those that the guest's own symmetry makes alike once."""
    return _unlike(
        guest,
        [(h, h.label, h.point, f) for h in heads for f in _frames(guest, h.point, h.axis)],
    )


def poses(approach: Approach, *, spacing: float, angle: float) -> Iterator[Pose]:
    """Yield the ways in which a head of the guest comes up to an anchor of the host.

    Parameters
    ----------
    spacing
        Angstrom between places beside the anchor's point, for what lies flat.
    angle
        Degrees between turns about the direction of approach.
    """
    frame, is_flat = approach.frame, approach.head.label == PLANE
    leans = [np.eye(3)]
    if approach.anchor.kind != "surface":  # a slab lets nothing in from the side
        leans += [_tilt(_LEAN, azimuth) for azimuth in range(0, 360, 60)]
    for lean, shift, turn in _moves(is_flat, leans, spacing, angle):
        leant = frame @ lean
        yield Pose(
            anchor=approach.anchor,
            head=approach.head,
            turn=leant @ turn @ _FACING @ approach.own.T,
            start=approach.anchor.point + frame @ shift,
            path=leant[:, 2],
            frame=frame,
        )


def _unlike(
    species: Species, places: Sequence[tuple[_Of, str, Floats, Floats]]
) -> Iterator[tuple[_Of, Floats]]:
    """Yield of places with a label, point and frame those that no rotation makes alike."""
    seen = list[tuple[str, Floats]]()
    for what, label, point, frame in places:
        mark = _view(species, point, frame)
        if any(label == other and _is_same(mark, view) for other, view in seen):
            continue
        seen.append((label, mark))
        yield what, frame


def _view(species: Species, point: Floats, frame: Floats) -> Floats:
    """Return elements and places (n, 4) of all atoms as seen in a frame."""
    numbers = [atomic_numbers[s] for s in species.symbols]
    return np.column_stack([numbers, (species.positions - point) @ frame])


def _is_same(one: Floats, other: Floats) -> bool:
    """Return whether two views show the same atoms, in any order."""
    steps = np.abs(one[:, None] - other[None]).max(axis=2)
    return bool((steps.min(axis=1) < _SAME).all())


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


def _frames(species: Species, point: Floats, axis: Floats) -> list[Floats]:
    """Return frames around an axis, columns: towards an atom beside it, across, along it."""
    steps = species.positions - point
    along = steps @ axis
    beside = steps - along[:, None] * axis
    off = np.linalg.norm(beside, axis=1)
    far = np.flatnonzero(off > _BESIDE)
    if not len(far):
        first = unit(np.cross(axis, np.eye(3)[abs(axis).argmin()]))
        return [np.column_stack([first, np.cross(axis, first), axis])]
    distances = np.linalg.norm(steps, axis=1)[far]
    far = far[distances < distances.min() + _ALIKE]
    prints = np.array([_fingerprint(species, int(i)) for i in far])
    alike = far[prints > prints.max() - _ALIKE]
    firsts = [beside[i] / off[i] for i in alike]
    return [np.column_stack([e, np.cross(axis, e), axis]) for e in firsts]


def _fingerprint(species: Species, atom: int) -> float:
    """Return a number that atoms alike by symmetry share."""
    charges = np.array([atomic_numbers[s] for s in species.symbols], dtype=float)
    distances = np.linalg.norm(species.positions - species.positions[atom], axis=1)
    return float(1000 * charges[atom] + charges @ np.exp(-distances / 3.0))


def _moves(
    is_flat: bool, leans: Sequence[Floats], spacing: float, angle: float
) -> Iterator[tuple[Floats, Floats, Floats]]:
    """Yield lean of the path, shift beside the point, and turn of the guest, in the frame."""
    turns = np.arange(0.0, 360.0, angle)
    if is_flat:
        for shift in _grid(spacing):
            for turn in turns:
                yield np.eye(3), shift, _about_z(turn)
        return
    for lean in leans:
        for tilt in _TILTS:
            for azimuth in np.arange(0.0, 360.0, 60.0 if tilt else 360.0):
                for turn in turns:
                    yield lean, np.zeros(3), _tilt(tilt, azimuth) @ _about_z(turn)


def _grid(spacing: float, reach: float = 2.0) -> list[Floats]:
    """Return shifts in the plane within a ring's reach, a square grid about zero."""
    n = int(reach / spacing)
    steps = spacing * np.arange(-n, n + 1) if n else np.zeros(1)
    return [np.array([x, y, 0.0]) for x in steps for y in steps if x * x + y * y <= reach**2]


def _about_z(degrees: float) -> Floats:
    """Return a turn about the third axis."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])


def _tilt(degrees: float, azimuth: float) -> Floats:
    """Return a tilt of the third axis towards an azimuth."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    lying = np.array([[c, 0, s], [0, 1.0, 0], [-s, 0, c]])
    found: Floats = _about_z(azimuth) @ lying @ _about_z(-azimuth)
    return found
