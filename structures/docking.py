"""One molecule put on another: at an open metal, an amine, a metal's face, a ring or any atom.

Heads of the guest, turns, tilts and shifts are sampled at the anchor, the guest is lowered until
it touches, the best are moved as rigid bodies to the best contacts near by (`touching`), and those
that are alike are named once. What comes out is a start for a relaxation.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import Element

from .anchors import find_anchors, pick_anchors
from .complexes import join
from .errors import InputError, StructureError
from .internal_coordinates import atom_names
from .poses import ANY, PLANE, Approach, Pose, approaches, poses
from .species import Species
from .touching import Contacts, pair_contacts

Floats = NDArray[np.float64]

ALIKE = 0.3  # Angstrom, root mean square over all distances between host and guest
_RISES = np.array([0.0, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0])  # Angstrom above touching
# Of the best distance: how near a head must come to hold on to its anchor. Wide, since a rigid
# guest's own arms can keep its head off a metal that it reaches once they turn.
_REACHES = 1.6
_LOOSE = 1.2  # of the best distance: beyond this a contact is none
_STACKED = 4.2  # Angstrom between planes that still lie on each other
_SLIDE, _TURN, _ROCK = 0.8, 0.35, 0.05  # Angstrom and radians that settling may add
_WALL = 100.0  # score per Angstrom^2 that atoms are too near
_POOL = 16  # placements at least that are settled before they are ranked
_FELT = 7.0  # Angstrom; atoms of the host farther from the guest do not count in settling
_CHUNK = 64  # poses at a time, so that memory stays small


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
class Try:
    """A pose at a height, and how well it touches."""

    pose: Pose
    positions: Floats  # of the guest, (n, 3) Angstrom
    score: float
    contacts: Contacts

    def clearance(self, host: Species) -> float:
        """Return the closest contact over the sum of covalent radii."""
        steps = np.linalg.norm(host.positions[:, None] - self.positions[None], axis=2)
        return float((steps / self.contacts.radii).min())


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
    ways = approaches(host, guest, pick_anchors(host, anchor), heads)
    sampling = Sampling(n=n, spacing=spacing, angle=angle, distance=distance)
    tries = search(host, guest, ways, sampling, f"{anchor!r} of {host.name}")
    return [_docked(host, guest, one) for one in tries]


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How finely is looked, and for how many placements."""

    n: int
    spacing: float  # Angstrom between shifts of what lies flat
    angle: float  # degrees between turns
    distance: float | None = None  # Angstrom from anchor to head, instead of touching
    compared: float = np.inf  # Angstrom; contacts beyond this do not tell placements apart
    fits: Callable[[Floats], bool] = lambda _: True  # of the guest's positions: may it be there


def search(
    host: Species, guest: Species, ways: Iterable[Approach], sampling: Sampling, where: str
) -> list[Try]:
    """Return the best settled tries of all approaches, no two alike.

    Raises
    ------
    StructureError
        Nothing reaches its anchor without a clash.
    """
    found = list[Try]()
    for approach in ways:
        contacts = _contacts(host, guest, approach)
        one_by_one = poses(approach, spacing=sampling.spacing, angle=sampling.angle)
        while chunk := list(islice(one_by_one, _CHUNK)):
            found += _lowered(host, guest, chunk, contacts, sampling.distance)
    holding = [t for t in found if _holds(host, t)]
    chosen = _different(host, holding, max(_POOL, 2 * sampling.n), sampling)
    if sampling.distance is None:
        chosen = [_settled(host, t) for t in chosen]
    chosen = [t for t in chosen if _is_clear(host, t) and _holds(host, t)]
    if not chosen:
        raise StructureError(_no_place(host, guest, where, found))
    return _different(host, chosen, sampling.n, sampling)


def _contacts(host: Species, guest: Species, approach: Approach) -> Contacts:
    """Return how the atoms touch; metals bind what looks at them unless the guest lies flat."""
    anchor, head = approach.anchor, approach.head
    if anchor.kind == "pi" or head.label == PLANE:
        return pair_contacts(host, guest)
    open_ones = {a.atoms[0] for a in find_anchors(host) if a.kind == "open metal"}
    own = {i for i in anchor.atoms if Element(host.symbols[i]).is_metal}
    return pair_contacts(
        host,
        guest,
        free_metals=open_ones | own,
        faces=own if anchor.kind == "metal centre" else (),
        givers={guest.symbols[i] for i in head.atoms},
        guest_metals=[i for i in head.atoms if Element(guest.symbols[i]).is_metal],
    )


def _lowered(
    host: Species,
    guest: Species,
    chunk: Sequence[Pose],
    contacts: Contacts,
    distance: float | None,
) -> list[Try]:
    """Return each pose at its best height between touching and 1 Angstrom above."""
    flat = np.array([pose.placed(guest.positions) for pose in chunk])
    paths = np.array([pose.path for pose in chunk])
    steps = flat[:, None] - host.positions[None, :, None]  # (k, n, m, 3)
    along = np.einsum("knmx,kx->knm", steps, paths)
    beside = np.maximum(np.einsum("knmx,knmx->knm", steps, steps) - along**2, 0.0)
    if distance is None:
        rises = _first_touch(along, beside, contacts)[:, None] + _RISES
    else:
        rises = np.array([[_rise(pose, guest.positions, distance)] for pose in chunk])
    scores = np.array(
        [contacts.score(np.sqrt(beside + (along + t[:, None, None]) ** 2)) for t in rises.T]
    ).T
    best = scores.argmax(axis=1)
    return [
        Try(
            pose=pose,
            positions=flat[k] + rises[k, i] * paths[k],
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


def _first_touch(along: Floats, beside: Floats, contacts: Contacts) -> Floats:
    """Return how far up its path each pose (k) first touches when it comes down.

    Parameters
    ----------
    along, beside
        (k, n, m) steps between atoms along the path, and squared across it.
    """
    room = contacts.least**2 - beside
    tops = np.where(room > 0, np.sqrt(np.maximum(room, 0.0)) - along, -np.inf)
    found: Floats = tops.max(axis=(1, 2))
    return np.where(np.isfinite(found), found, 0.0)


def anchor_distance(host: Species, tried: Try) -> float:
    """Return how far the head is from its anchor: planes by height, atoms by the nearest pair."""
    anchor, head = tried.pose.anchor, tried.pose.head
    if head.label == PLANE:
        middle = tried.positions[list(head.atoms)].mean(axis=0)
        return abs(float((middle - anchor.point) @ anchor.direction))
    return float(_facing(host, tried)[0].min())


def _facing(host: Species, tried: Try) -> tuple[Floats, Floats]:
    """Return distances of the pairs of anchor and head that hold best, and their best ones."""
    own, heads = list(tried.pose.anchor.atoms), list(tried.pose.head.atoms)
    pairs = np.ix_(own, heads)
    distances = np.linalg.norm(host.positions[own][:, None] - tried.positions[heads], axis=2)
    worth = tried.contacts.worth[pairs]
    # The hydrogens of an amine look at oxygen, its nitrogen at lithium.
    hold = worth >= worth.max() / 2 if tried.pose.head.label != ANY else worth > -1
    return distances[hold], tried.contacts.reach[pairs][hold]


def _holds(host: Species, tried: Try) -> bool:
    """Return whether the head has come near enough to its anchor."""
    if tried.pose.head.label == PLANE:
        return anchor_distance(host, tried) < _STACKED
    distances, reach = _facing(host, tried)
    return bool((distances < _REACHES * reach).any())


def _is_clear(host: Species, tried: Try) -> bool:
    """Return whether no two atoms are nearer than they may be, but for what settling leaves."""
    distances = np.linalg.norm(host.positions[:, None] - tried.positions[None], axis=2)
    return bool((distances > tried.contacts.least - 0.1).all())


def _different(host: Species, tried: Sequence[Try], n: int, sampling: Sampling) -> list[Try]:
    """Return the n best of which no two are alike, by all distances between host and guest."""
    kept, prints = list[Try](), list[Floats]()
    for one in sorted(tried, key=lambda t: -t.score):
        mark = np.minimum(_fingerprint(host, one), sampling.compared)
        if all(_apart(mark, other, sampling.compared) > ALIKE for other in prints) and (
            sampling.fits(one.positions)
        ):
            kept.append(one)
            prints.append(mark)
        if len(kept) == n:
            break
    return kept


def _apart(one: Floats, other: Floats, compared: float) -> float:
    """Return the root mean square of the differences of distances that are compared."""
    near = (one < compared) | (other < compared)
    return float(np.sqrt(np.mean((one - other)[near] ** 2))) if near.any() else 0.0


def _fingerprint(host: Species, tried: Try) -> Floats:
    """Return the distances between host and guest, sorted for each pair of elements.

    The same for mirror images, and for places that the symmetry of either makes the same.
    """
    distances = np.linalg.norm(host.positions[:, None] - tried.positions[None], axis=2)
    radii = tried.contacts.radii
    order = np.lexsort([distances.ravel(), radii.ravel().round(4)])
    found: Floats = distances.ravel()[order]
    return found


def _settled(host: Species, tried: Try) -> Try:
    """Return the best touching pose near one, the guest moved and turned as a rigid body."""
    from scipy.optimize import minimize  # slow to import
    from scipy.spatial.transform import Rotation

    pose = tried.pose
    apart = np.linalg.norm(host.positions[:, None] - tried.positions[None], axis=2)
    felt = apart.min(axis=1) < _FELT
    contacts, places = tried.contacts.of_host(felt), host.positions[felt]
    middle = tried.positions.mean(axis=0)
    rock = _ROCK if pose.head.label == PLANE else _TURN

    def moved(move: Floats) -> Floats:
        turn = Rotation.from_rotvec(pose.frame @ move[3:]).as_matrix()
        found: Floats = (tried.positions - middle) @ turn.T + middle + pose.frame @ move[:3]
        return found

    def cost(move: Floats) -> float:
        steps = places[:, None] - moved(move)[None]
        distances = np.sqrt((steps * steps).sum(axis=2))
        excess = np.maximum(contacts.least - distances, 0.0)
        return float(_WALL * (excess * excess).sum() - contacts.score(distances))

    limits = [_SLIDE] * 3 + [rock, rock, _TURN]
    best = minimize(cost, np.zeros(6), method="L-BFGS-B", bounds=[(-x, x) for x in limits])
    if best.fun > cost(np.zeros(6)):
        return tried
    return replace(tried, positions=moved(best.x), score=float(-best.fun))


def _docked(host: Species, guest: Species, tried: Try) -> Docked:
    """Return a placement as a species of both."""
    return Docked(
        species=join(host, guest, tried.positions),
        score=tried.score,
        anchor=tried.pose.anchor.name,
        head=tried.pose.head.label,
        distance=anchor_distance(host, tried),
        clearance=tried.clearance(host),
        words=contact_words(host, guest, tried),
    )


def contact_words(host: Species, guest: Species, tried: Try) -> str:
    """Return the bonds and hydrogen bonds between the two, or the gap between planes."""
    contacts = tried.contacts
    distances = np.linalg.norm(host.positions[:, None] - tried.positions[None], axis=2)
    strong = (contacts.worth > 0.1) & (distances < _LOOSE * contacts.reach)
    labels = [atom_names(s.symbols) for s in (host, guest)]
    bonds = [f"{labels[0][i]}-{labels[1][j]} {distances[i, j]:.2f}" for i, j in np.argwhere(strong)]
    if tried.pose.head.label == PLANE:
        bonds.insert(0, f"planes {anchor_distance(host, tried):.2f} apart")
    elif tried.pose.head.label != ANY:
        near, reach = _facing(host, tried)
        if (near > _LOOSE * reach).all():
            bonds.insert(
                0,
                f"{tried.pose.head.label} held off by other atoms: {near.min():.2f} where a "
                f"contact has {reach[near.argmin()]:.2f}",
            )
    return ", ".join(bonds) or "van der Waals contacts only"


def _no_place(host: Species, guest: Species, where: str, found: Sequence[Try]) -> str:
    """Return why nothing could be placed."""
    nearest = min(found, key=lambda t: anchor_distance(host, t))
    return (
        f"{guest.name} finds no place at {where}: of {len(found)} ways its "
        f"{nearest.pose.head.label} comes within {anchor_distance(host, nearest):.2f} Angstrom at "
        "best before other atoms touch. Use another head, another anchor, or a smaller angle"
    )
