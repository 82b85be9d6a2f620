"""A pose of a guest at a height over its host: how well it touches, and whether it holds."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .heads import ANY, PLANE
from .poses import Pose
from .species import Species
from .touching import Contacts

Floats = NDArray[np.float64]

# Of the best distance: how near a head must come to hold on to its anchor. Wide, since a rigid
# guest's own arms can keep its head off a metal that it reaches once they turn.
_REACHES = 1.6
_STACKED = 4.2  # Angstrom between planes that still lie on each other


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


def anchor_distance(host: Species, tried: Try) -> float:
    """Return how far the head is from its anchor: planes by height, atoms by the nearest pair."""
    anchor, head = tried.pose.anchor, tried.pose.head
    if head.label == PLANE:
        middle = tried.positions[list(head.atoms)].mean(axis=0)
        return abs(float((middle - anchor.point) @ anchor.direction))
    return float(facing(host, tried)[0].min())


def facing(host: Species, tried: Try) -> tuple[Floats, Floats]:
    """Return distances of the pairs of anchor and head that hold best, and their best ones."""
    own, heads = list(tried.pose.anchor.atoms), list(tried.pose.head.atoms)
    pairs = np.ix_(own, heads)
    distances = np.linalg.norm(host.positions[own][:, None] - tried.positions[heads], axis=2)
    worth = tried.contacts.worth[pairs]
    # The hydrogens of an amine look at oxygen, its nitrogen at lithium.
    hold = worth >= worth.max() / 2 if tried.pose.head.label != ANY else worth > -1
    return distances[hold], tried.contacts.reach[pairs][hold]


def holds(host: Species, tried: Try) -> bool:
    """Return whether the head has come near enough to its anchor."""
    if tried.pose.head.label == PLANE:
        return anchor_distance(host, tried) < _STACKED
    distances, reach = facing(host, tried)
    return bool((distances < _REACHES * reach).any())


def is_clear(host: Species, tried: Try) -> bool:
    """Return whether no two atoms are nearer than they may be, but for what settling leaves."""
    distances = np.linalg.norm(host.positions[:, None] - tried.positions[None], axis=2)
    return bool((distances > tried.contacts.least - 0.1).all())
