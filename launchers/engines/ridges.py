"""Is the top of a band a saddle, or a point on a ridge? A look aside tells.

Forces across the path vanish on a line of symmetry, however high it lies: a band that starts
there meets EDIFFG at once, with the barrier of the ridge instead of the saddle beside it.
"""

from dataclasses import dataclass

import numpy as np

from .elastic import Pull
from .potentials import FloatArray

ASIDE = 0.15  # Angstrom, how far the hopping atom is moved to look
LOWER = 0.002  # eV; less is within what the self-consistent field leaves open
_LEFT = 0.3  # of a unit vector: what must be left of a direction without the path


@dataclass(frozen=True, kw_only=True)
class Aside:
    """Lower ground beside the top of a band."""

    image: int
    way: FloatArray  # there, (n_free,), Angstrom
    fall: float  # eV

    def __str__(self) -> str:
        return (
            f"the top of the band lay on a ridge: {1000 * self.fall:.1f} meV lower {ASIDE:g} "
            "Angstrom beside the path, where the band went on"
        )


def way_aside(moves: FloatArray, hessian: FloatArray, pull: Pull) -> FloatArray | None:
    """Return the softest way of an atom across the path of its image, downhill if anywhere.

    Parameters
    ----------
    moves
        (3, n_free), unit moves of the atom along x, y and z; see `Freedom.moves_of`.
    hessian
        (n_free, n_free) of the image, eV/Angstrom^2.
    pull
        What the band does to the image: its tangent, and the force across it.

    Returns
    -------
    ndarray or None
        (n_free,), largest component `ASIDE`; None where the atom is free along the path only.

    Examples
    --------
    >>> pull = Pull(tangent=np.array([1.0, 0, 0]), real=0.0, spring=0.0,
    ...             across=np.array([0.0, -0.01, 0]), climbs=True)
    >>> (way_aside(np.eye(3), np.diag([1.0, 2.0, 9.0]), pull) + 0.0).tolist()
    [0.0, -0.15, 0.0]
    """
    across = moves - np.outer(moves @ pull.tangent, pull.tangent)
    _, sizes, ways = np.linalg.svd(across, full_matrices=False)
    ways = ways[sizes > _LEFT]
    if not len(ways):
        return None
    _, vectors = np.linalg.eigh(ways @ hessian @ ways.T)
    way: FloatArray = vectors[:, 0] @ ways
    way = way * ASIDE / np.abs(way).max()
    return -way if way @ pull.across < 0 else way
