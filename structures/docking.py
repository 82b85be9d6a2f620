"""One molecule put on another: at an open metal, an amine, a metal's face, a ring or any atom.

Heads of the guest, turns, tilts and shifts are sampled at the anchor, the guest is lowered until
it touches, the best are moved as rigid bodies to the best contacts near by (`touching`), and those
that are alike are named once. What comes out is a start for a relaxation.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import Element

from .anchors import find_anchors, pick_anchors
from .complexes import join
from .errors import InputError, StructureError
from .heads import ANY, PLANE
from .internal_coordinates import atom_names
from .poses import Approach, Pose, approaches, poses
from .settling import settle
from .species import Species
from .touching import Contacts, pair_contacts
from .tries import Try, anchor_distance, facing, holds, is_clear

Floats = NDArray[np.float64]

ALIKE = 0.3  # Angstrom, root mean square over all distances between host and guest
_RISES = np.array([0.0, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0])  # Angstrom above touching
_LOOSE = 1.2  # of the best distance: beyond this a contact is none
_POOL = 16  # placements at least that are settled before they are ranked
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
    chosen = _different(host, found, max(_POOL, 2 * sampling.n), sampling)
    if sampling.distance is None:
        chosen = [settle(host, t) for t in chosen]
    chosen = [t for t in chosen if is_clear(host, t) and holds(host, t)]
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
    flat = np.array([pose.placed(guest.positions) for pose in chunk])  # (k, m, 3)
    paths = np.array([pose.path for pose in chunk])
    along = np.einsum("kmx,kx->km", flat, paths)[:, None] - (paths @ host.positions.T)[:, :, None]
    squared = (
        (flat * flat).sum(axis=2)[:, None]
        + (host.positions * host.positions).sum(axis=1)[None, :, None]
        - 2 * host.positions @ flat.transpose(0, 2, 1)
    )
    if distance is None:
        rises = _first_touch(along, squared - along**2, contacts)[:, None] + _RISES
    else:
        rises = np.array([[_rise(pose, guest.positions, distance)] for pose in chunk])
    scores = _scores(squared, along, rises, contacts)
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


def _scores(squared: Floats, along: Floats, rises: Floats, contacts: Contacts) -> Floats:
    """Return the scores (k, r) of poses at their rises; single precision ranks them as well."""
    small = contacts.rounded()
    squared, twice = squared.astype(np.float32), (2 * along).astype(np.float32)
    found = list[Floats]()
    for t in rises.T.astype(np.float32)[:, :, None, None]:
        found.append(small.score(np.sqrt(np.maximum(squared + t * (twice + t), 0.01))))
    scores: Floats = np.array(found).T
    return scores


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


def _different(host: Species, tried: Sequence[Try], n: int, sampling: Sampling) -> list[Try]:
    """Return the n best that hold and of which no two are alike, by distances of host and guest."""
    kept, prints = list[Try](), list[Floats]()
    for one in sorted(tried, key=lambda t: -t.score):
        if not holds(host, one):
            continue
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
        near, reach = facing(host, tried)
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
