"""Forces of a nudged elastic band, and how far its images should move.

Improved tangent: Henkelman and Jonsson, J. Chem. Phys. 113, 9978 (2000), eqs. 8 to 12.
Climbing image: Henkelman, Uberuaga and Jonsson, J. Chem. Phys. 113, 9901 (2000), eq. 5.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .potentials import FloatArray
from .searching import bfgs_update

# eV/Angstrom^2; softer curvatures are taken as this: a band has no energy to guard its steps.
SOFTEST = 0.3
KEEPS_CLIMBING = 0.005  # eV, how much higher another image may be
MOSTLY_ACROSS = 0.5  # largest part of a step along the path, for it to teach softness across it


@dataclass(frozen=True, kw_only=True)
class Pull:
    """What a band does to one of its images."""

    tangent: FloatArray  # (n_free,), unit vector
    real: float  # force along the tangent, eV/Angstrom
    spring: float  # eV/Angstrom
    across: FloatArray  # (n_free,) force perpendicular to the tangent, eV/Angstrom
    climbs: bool

    @property
    def along(self) -> float:
        """Return the force of the band along the tangent, eV/Angstrom."""
        return -self.real if self.climbs else self.spring

    @property
    def force(self) -> FloatArray:
        """Return the force of the band (n_free,), eV/Angstrom."""
        return self.across + self.along * self.tangent


def band_pulls(
    points: Sequence[FloatArray],
    forces: Sequence[FloatArray],
    energies: Sequence[float],
    *,
    stiffness: float,
    climber: int | None,
) -> list[Pull]:
    """Return what the band does to each image between the ends.

    Parameters
    ----------
    points
        Free coordinates (n_free,) of all images, the ends included, Angstrom.
    forces
        Real forces (n_free,) on the images between the ends, eV/Angstrom.
    energies
        Of all images, eV.
    stiffness
        Of the springs, eV/Angstrom^2.
    climber
        The image that climbs, if any; see `climbing_image`.
    """
    pulls = []
    for i, force in enumerate(forces, start=1):
        ahead, behind = points[i + 1] - points[i], points[i] - points[i - 1]
        tangent = improved_tangent(ahead, behind, energies[i - 1 : i + 2])
        real = float(force @ tangent)
        pulls.append(
            Pull(
                tangent=tangent,
                real=real,
                spring=stiffness * float(np.linalg.norm(ahead) - np.linalg.norm(behind)),
                across=force - real * tangent,
                climbs=i == climber,
            )
        )
    return pulls


def climbing_image(energies: Sequence[float], before: int | None) -> int | None:
    """Return the image that climbs: the highest, where it is above both its neighbours.

    On a path that only goes uphill, or through a dip, it would climb out of the band. The one that
    climbed before goes on while no other is much higher: of two that are alike the band would
    take turns, and the springs pull back what the climb has gained.

    Examples
    --------
    >>> climbing_image([0.0, 0.2, 0.3, 0.1], None), climbing_image([0.0, 0.1, 0.2, 0.3], None)
    (2, None)
    >>> climbing_image([0.0, 0.300, 0.302, 0.1], 1), climbing_image([0.0, 0.290, 0.302, 0.1], 1)
    (1, 2)
    """
    top = 1 + int(np.argmax(energies[1:-1]))
    if before is not None:
        least = max(energies[0], energies[-1], energies[top] - KEEPS_CLIMBING)
        if energies[before] > least:
            return before
    return top if energies[top] > max(energies[top - 1], energies[top + 1]) else None


def moves_along(
    pulls: Sequence[Pull], hessians: Sequence[FloatArray], *, stiffness: float
) -> FloatArray:
    """Return how far each image goes along its tangent, Angstrom.

    The springs of all images are solved at once, which spaces them evenly in few steps; a
    climbing image follows its own curvature instead.
    """
    n, k = len(pulls), max(stiffness, 1e-3)
    matrix = k * (2 * np.eye(n) - np.eye(n, k=1) - np.eye(n, k=-1))
    force = np.array([pull.along for pull in pulls])
    for i, pull in enumerate(pulls):
        if pull.climbs:
            curvature = float(pull.tangent @ hessians[i] @ pull.tangent)
            matrix[i] = 0.0
            matrix[i, i] = max(abs(curvature), SOFTEST)
    return np.asarray(np.linalg.solve(matrix, force))


def across_step(hessian: FloatArray, pull: Pull) -> FloatArray:
    """Return the quasi-Newton step (n_free,) perpendicular to the tangent, Angstrom."""
    t = pull.tangent
    ht = hessian @ t
    projected = hessian - np.outer(ht, t) - np.outer(t, ht) + (t @ ht + 1.0) * np.outer(t, t)
    values, vectors = np.linalg.eigh(projected)
    values = np.maximum(np.abs(values), SOFTEST)
    step: FloatArray = vectors @ ((vectors.T @ pull.across) / values)
    return step - (step @ t) * t


def learned(hessian: FloatArray, s: FloatArray, y: FloatArray, tangent: FloatArray) -> FloatArray:
    """Return the Hessian of an image after the gradient changed by y along s.

    Along the path curvatures are negative near the top; learning from them, damped as in a
    relaxation or as they are, spoils the Hessian across the path: bands then diverged. Where a
    step across the path finds no positive curvature the image slides off a ridge, and learns
    (damped) that the way is soft: it would creep down with the stiffness of the model.
    """
    is_soft = s @ y < 0.1 * (s @ hessian @ s)
    if is_soft and abs(s @ tangent) > MOSTLY_ACROSS * np.linalg.norm(s):
        return hessian
    return bfgs_update(hessian, s, y)


def improved_tangent(
    ahead: FloatArray, behind: FloatArray, energies: Sequence[float]
) -> FloatArray:
    """Return the unit tangent from the neighbours and the energies of the three images.

    Parameters
    ----------
    ahead, behind
        Vectors to the next and from the last image, (n,).
    energies
        Of the last, this and the next image, eV.

    Examples
    --------
    >>> improved_tangent(np.array([1.0, 0.0]), np.array([0.0, 1.0]), [0.0, 1.0, 2.0]).tolist()
    [1.0, 0.0]
    """
    last, this, following = energies
    if following > this > last:
        tangent = ahead
    elif following < this < last:
        tangent = behind
    else:
        big = max(abs(following - this), abs(last - this))
        small = min(abs(following - this), abs(last - this))
        up, down = (big, small) if following > last else (small, big)
        tangent = up * ahead + down * behind
    length = float(np.linalg.norm(tangent))
    return tangent / length if length > 0 else (ahead + behind) / np.linalg.norm(ahead + behind)


def describe(pull: Pull) -> str:
    """Return the lines of OUTCAR about the band, in the wording of VASP and VTST."""
    lines = [
        f" NEB: projections on to tangent (spring, REAL) {pull.spring:16.6f} {pull.real:16.6f}",
        f" NEB: force perpendicular to the tangent {float(np.linalg.norm(pull.across)):16.6f}",
    ]
    if pull.climbs:
        lines.append(" NEB: this image climbs")
    return "\n".join([*lines, ""])
