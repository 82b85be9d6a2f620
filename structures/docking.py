"""One molecule put on another: at an open metal, an amine, a metal's face, a ring or any atom.

Heads of the guest, turns, tilts and shifts are sampled at the anchor, the guest is lowered until
it touches, the best are moved as rigid bodies to the best contacts near by (`touching`), and those
that are alike are named once. What comes out is a start for a relaxation.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import Element

from .anchors import Anchor, atom_labels, find_anchors, pick_anchors
from .complexes import join
from .errors import InputError, StructureError
from .poses import PLANE, Head, Pose, guest_heads, poses
from .species import Species
from .touching import Contacts, pair_contacts

Floats = NDArray[np.float64]

ALIKE = 0.3  # Angstrom, root mean square over all distances between host and guest
_RISES = np.array([0.0, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0])  # Angstrom above touching
_REACHES = 1.35  # of the best distance: how near a head must come to hold on to its anchor
_STACKED = 4.2  # Angstrom between planes that still lie on each other
_SLIDE, _TURN, _ROCK = 0.8, 0.35, 0.05  # Angstrom and radians that settling may add
_WALL = 100.0  # score per Angstrom^2 that atoms are too near
_CHUNK = 128  # poses at a time, so that memory stays small


@dataclass(frozen=True, kw_only=True)
class Docked:
    """A guest on a host."""

    species: Species  # the host's atoms, then the guest's, with both as parts
    score: float  # contacts, in bonds of a lone pair to a metal, see `touching`
    anchor: str
    head: str  # "O", "O+O", "plane" ...
    distance: float  # Angstrom from anchor to head; between planes for what lies flat
    clearance: float  # closest contact of host and guest over the sum of covalent radii
    words: str  # what holds them together


@dataclass(frozen=True, kw_only=True)
class _Try:
    """A pose at a height, and how well it touches."""

    pose: Pose
    positions: Floats
    score: float
    contacts: Contacts


def dock(
    host: Species,
    guest: Species,
    *,
    anchor: str,
    heads: Sequence[str] | None = None,
    n: int = 1,
    spacing: float = 0.7,
    angle: float = 30.0,
    distance: float | None = None,
) -> list[Docked]:
    """Return the best placements of a guest on a host, best first, no two alike, none clashing.

    Parameters
    ----------
    anchor
        Name or kind of a place on the host, see `find_anchors`; all that bear it are tried.
    heads
        What of the guest looks at it: elements ("O", "N", "Li"), atoms ("O2"), "plane" or "any".
        By default what suits the anchor.
    n
        How many to return at most.
    spacing, angle
        Angstrom between shifts over a ring, and degrees between turns.
    distance
        Angstrom from the anchor to the head instead of touching; nothing is moved after that.

    Raises
    ------
    InputError
        There is no such anchor or head.
    StructureError
        Nothing reaches the anchor without a clash.

    Examples
    --------
    >>> from heterofire.structures.molecules import build_species
    >>> benzene = build_species("C6H6")
    >>> best = dock(benzene, benzene, anchor="C6 ring", heads=("plane",))[0]
    >>> 3.2 < best.distance < 3.6, list(best.species.fragments)
    (True, ['C6H6', 'C6H6 2'])
    """
    if n < 1:
        raise InputError(f"{n} placements of {guest.name} on {host.name}: ask for 1 or more")
    found = list[_Try]()
    for place in pick_anchors(host, anchor):
        for head in guest_heads(guest, place, heads):
            contacts = _contacts(host, guest, place, head)
            ways = poses(host, guest, place, head, spacing=spacing, angle=angle)
            while chunk := list(islice(ways, _CHUNK)):
                found += _lowered(host, guest, chunk, contacts, distance)
    holding = [t for t in found if _holds(host, t)]
    if not holding:
        raise StructureError(_no_place(host, guest, anchor, found))
    chosen = _different(host, holding, max(24, 4 * n))
    if distance is None:
        chosen = [_settled(host, guest, t) for t in chosen]
    chosen = [t for t in chosen if _is_clear(host, t) and _holds(host, t)]
    if not chosen:
        raise StructureError(_no_place(host, guest, anchor, found))
    return [_docked(host, guest, t) for t in _different(host, chosen, n)]


def _contacts(host: Species, guest: Species, anchor: Anchor, head: Head) -> Contacts:
    """Return how the atoms touch; metals bind lone pairs unless the guest lies flat on them."""
    if anchor.kind == "pi" or head.label == PLANE:
        return pair_contacts(host, guest)
    open_ones = {a.atoms[0] for a in find_anchors(host) if a.kind == "open metal"}
    own = {i for i in anchor.atoms if Element(host.symbols[i]).is_metal}
    return pair_contacts(
        host,
        guest,
        free_metals=open_ones | own,
        faces=own if anchor.kind == "metal centre" else (),
        guest_metals=[i for i in head.atoms if Element(guest.symbols[i]).is_metal],
    )


def _lowered(
    host: Species,
    guest: Species,
    chunk: Sequence[Pose],
    contacts: Contacts,
    distance: float | None,
) -> list[_Try]:
    """Return each pose at its best height between touching and 1 Angstrom above."""
    flat = np.array([pose.placed(guest.positions) for pose in chunk])
    paths = np.array([pose.path for pose in chunk])
    if distance is None:
        rises = _first_touch(host, flat, paths, contacts)[:, None] + _RISES
    else:
        rises = np.array([[_rise(pose, guest.positions, distance)] for pose in chunk])
    steps = flat[:, None] + rises[..., None, None] * paths[:, None, None]
    distances = np.linalg.norm(host.positions[None, None, :, None] - steps[:, :, None], axis=-1)
    scores = contacts.score(distances)
    best = scores.argmax(axis=1)
    return [
        _Try(
            pose=pose,
            positions=steps[k, i],
            score=float(scores[k, i]),
            contacts=contacts,
        )
        for k, (pose, i) in enumerate(zip(chunk, best, strict=True))
    ]


def _rise(pose: Pose, atoms: Floats, distance: float) -> float:
    """Return the height of the start at which the head is at a distance from the anchor."""
    if pose.head.label == PLANE:
        return distance
    # The two atoms of a pair straddle the anchor.
    aside = float(np.linalg.norm(atoms[list(pose.head.atoms)] - pose.head.point, axis=1).max())
    return float(np.sqrt(max(distance**2 - aside**2, 0.0)))


def _first_touch(host: Species, flat: Floats, paths: Floats, contacts: Contacts) -> Floats:
    """Return how far up each path (k, 3) atoms (k, m, 3) first touch when they come down it."""
    steps = flat[:, None] - host.positions[None, :, None]  # (k, n, m, 3)
    along = np.einsum("knmx,kx->knm", steps, paths)
    beside = np.einsum("knmx,knmx->knm", steps, steps) - along**2
    room = contacts.least**2 - beside
    tops = np.where(room > 0, np.sqrt(np.maximum(room, 0)) - along, -np.inf)
    found: Floats = tops.max(axis=(1, 2))
    return np.where(np.isfinite(found), found, 0.0)


def _distance(host: Species, tried: _Try) -> float:
    """Return how far the head is from its anchor: planes by height, atoms by the nearest pair."""
    anchor, head = tried.pose.anchor, tried.pose.head
    if head.label == PLANE:
        middle = tried.positions[list(head.atoms)].mean(axis=0)
        return abs(float((middle - anchor.point) @ anchor.direction))
    steps = host.positions[list(anchor.atoms)][:, None] - tried.positions[list(head.atoms)]
    return float(np.linalg.norm(steps, axis=2).min())


def _holds(host: Species, tried: _Try) -> bool:
    """Return whether the head has come near enough to its anchor."""
    if tried.pose.head.label == PLANE and tried.pose.anchor.kind in ("pi", "metal centre"):
        return _distance(host, tried) < _STACKED
    own, heads = list(tried.pose.anchor.atoms), list(tried.pose.head.atoms)
    steps = host.positions[own][:, None] - tried.positions[heads]
    reach = tried.contacts.reach[np.ix_(own, heads)]
    return bool((np.linalg.norm(steps, axis=2) < _REACHES * reach).any())


def _is_clear(host: Species, tried: _Try) -> bool:
    """Return whether no two atoms are nearer than they may be, but for what settling leaves."""
    distances = np.linalg.norm(host.positions[:, None] - tried.positions[None], axis=2)
    return bool((distances > tried.contacts.least - 0.1).all())


def _different(host: Species, tried: Sequence[_Try], n: int) -> list[_Try]:
    """Return the n best of which no two are alike, by all distances between host and guest."""
    kept, prints = list[_Try](), list[Floats]()
    for one in sorted(tried, key=lambda t: -t.score):
        mark = _fingerprint(host, one)
        if all(np.sqrt(np.mean((mark - other) ** 2)) > ALIKE for other in prints):
            kept.append(one)
            prints.append(mark)
        if len(kept) == n:
            break
    return kept


def _fingerprint(host: Species, tried: _Try) -> Floats:
    """Return the distances between host and guest, sorted for each pair of elements.

    The same for mirror images, and for places that the symmetry of either makes the same.
    """
    distances = np.linalg.norm(host.positions[:, None] - tried.positions[None], axis=2)
    radii = tried.contacts.radii
    order = np.lexsort([distances.ravel(), radii.ravel().round(4)])
    found: Floats = distances.ravel()[order]
    return found


def _settled(host: Species, guest: Species, tried: _Try) -> _Try:
    """Return the best touching pose near one, the guest moved and turned as a rigid body."""
    from scipy.optimize import minimize  # slow to import
    from scipy.spatial.transform import Rotation

    pose, contacts = tried.pose, tried.contacts
    middle = tried.positions.mean(axis=0)
    rock = _ROCK if pose.head.label == PLANE else _TURN

    def moved(move: Floats) -> Floats:
        turn = Rotation.from_rotvec(pose.frame @ move[3:]).as_matrix()
        places: Floats = (tried.positions - middle) @ turn.T + middle + pose.frame @ move[:3]
        return places

    def cost(move: Floats) -> float:
        steps = host.positions[:, None] - moved(move)[None]
        distances = np.sqrt((steps * steps).sum(axis=2))
        excess = np.maximum(contacts.least - distances, 0.0)
        return float(_WALL * (excess * excess).sum() - contacts.score(distances))

    limits = [_SLIDE] * 3 + [rock, rock, _TURN]
    best = minimize(cost, np.zeros(6), method="L-BFGS-B", bounds=[(-x, x) for x in limits])
    if best.fun > cost(np.zeros(6)):
        return tried
    return replace(tried, positions=moved(best.x), score=float(-best.fun))


def _docked(host: Species, guest: Species, tried: _Try) -> Docked:
    """Return a placement as a species of both."""
    distances = np.linalg.norm(host.positions[:, None] - tried.positions[None], axis=2)
    return Docked(
        species=join(host, guest, tried.positions),
        score=tried.score,
        anchor=tried.pose.anchor.name,
        head=tried.pose.head.label,
        distance=_distance(host, tried),
        clearance=float((distances / tried.contacts.radii).min()),
        words=_words(host, guest, tried, distances),
    )


def _words(host: Species, guest: Species, tried: _Try, distances: Floats) -> str:
    """Return the bonds and hydrogen bonds between the two, or the gap between planes."""
    contacts = tried.contacts
    strong = (contacts.worth > 0.1) & (distances < 1.15 * contacts.reach)
    labels = [atom_labels(s.symbols) for s in (host, guest)]
    bonds = [f"{labels[0][i]}-{labels[1][j]} {distances[i, j]:.2f}" for i, j in np.argwhere(strong)]
    if tried.pose.head.label == PLANE:
        bonds.insert(0, f"planes {_distance(host, tried):.2f} apart")
    return ", ".join(bonds) or "van der Waals contacts only"


def _no_place(host: Species, guest: Species, anchor: str, found: Sequence[_Try]) -> str:
    """Return why nothing could be placed."""
    nearest = min(found, key=lambda t: _distance(host, t))
    return (
        f"{guest.name} finds no place at {anchor!r} of {host.name}: of {len(found)} ways its "
        f"{nearest.pose.head.label} comes within {_distance(host, nearest):.2f} Angstrom at best "
        "before other atoms touch. Use another head, another anchor, or a smaller angle"
    )
