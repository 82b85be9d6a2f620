"""A guest moved and turned as a rigid body to the best contacts near by."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from .heads import PLANE
from .species import Species
from .touching import Contacts
from .tries import Try

Floats = NDArray[np.float64]

_SLIDE, _TURN, _ROCK = 0.8, 0.35, 0.05  # Angstrom and radians that settling may add
_WALL = 100.0  # score per Angstrom^2 that atoms are too near
_FELT = 7.0  # Angstrom; atoms of the host farther from the guest do not count in settling


def settle(host: Species, tried: Try) -> Try:
    """Return the best touching pose near one, the guest moved and turned as a rigid body."""
    from scipy.optimize import minimize  # slow to import

    frame, middle = tried.pose.frame, tried.positions.mean(axis=0)
    arms = tried.positions - middle
    apart = np.linalg.norm(host.positions[:, None] - tried.positions[None], axis=2)
    felt = apart.min(axis=1) < _FELT
    contacts, places = tried.contacts.of_host(felt), host.positions[felt]

    def cost(move: Floats) -> tuple[float, Floats]:
        slide, turn = frame @ move[:3], frame @ move[3:]
        turned = arms @ rotation(turn).T
        value, pull = cost_of_touching(contacts, places, turned + middle + slide)
        torque = np.cross(turned, pull).sum(axis=0)
        gradient = [pull.sum(axis=0) @ frame, torque @ turn_rates(turn) @ frame]
        return value, np.concatenate(gradient)

    rock = _ROCK if tried.pose.head.label == PLANE else _TURN
    limits = [(-x, x) for x in (_SLIDE, _SLIDE, _SLIDE, rock, rock, _TURN)]
    best = minimize(cost, np.zeros(6), jac=True, method="L-BFGS-B", bounds=limits)
    if best.fun > cost(np.zeros(6))[0]:
        return tried
    turned = arms @ rotation(frame @ best.x[3:]).T
    moved = turned + middle + frame @ best.x[:3]
    return replace(tried, positions=moved, score=float(-best.fun))


def cost_of_touching(contacts: Contacts, host: Floats, guest: Floats) -> tuple[float, Floats]:
    """Return what contacts (n, m) cost, and its slope by the guest's positions (m, 3).

    The cost is minus the score, and grows where atoms are nearer than they may be.
    """
    steps = guest[None] - host[:, None]
    distances = np.sqrt((steps * steps).sum(axis=2))
    excess = np.maximum(contacts.least - distances, 0.0)
    cost = _WALL * (excess * excess).sum() - contacts.score(distances)
    slopes = -2 * _WALL * excess - contacts.slopes(distances)
    pull: Floats = np.einsum("nm,nmx->mx", slopes / distances, steps)
    return float(cost), pull


def rotation(turn: Floats) -> Floats:
    """Return the matrix (3, 3) that turns by a vector's length, in radians, about it.

    Examples
    --------
    >>> rotation(np.array([0, 0, np.pi / 2])).round(12).tolist()[0]
    [0.0, -1.0, 0.0]
    """
    from scipy.spatial.transform import Rotation  # slow to import

    found: Floats = Rotation.from_rotvec(turn).as_matrix()
    return found


def turn_rates(turn: Floats) -> Floats:
    """Return how a small change of a turning vector turns: the left Jacobian (3, 3) of SO(3).

    J. Sola et al., A micro Lie theory for state estimation in robotics, arXiv:1812.01537, eq. 145.

    Examples
    --------
    >>> turn_rates(np.zeros(3)).tolist()[0]
    [1.0, 0.0, 0.0]
    """
    angle = float(np.linalg.norm(turn))
    x, y, z = turn
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    if angle < 1e-4:
        return np.eye(3) + cross / 2
    first = (1 - np.cos(angle)) / angle**2
    second = (angle - np.sin(angle)) / angle**3
    rates: Floats = np.eye(3) + first * cross + second * cross @ cross
    return rates
