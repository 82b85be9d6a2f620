"""The widest empty stretch of a periodic axis: where slabs and molecules have their vacuum."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, kw_only=True)
class Gap:
    """An empty stretch along an axis, in fractions of the cell."""

    below: float  # of the atom that it begins at, 0 to 1
    above: float  # of the one that it ends at, 0 to 1
    width: float

    @property
    def middle(self) -> float:
        """Return its middle, 0 to 1."""
        return (self.below + self.width / 2) % 1.0

    def unfolded(self, fractions: ArrayLike) -> NDArray[np.float64]:
        """Return fractions counted from the atom above the gap, so that none lies across it.

        Examples
        --------
        >>> widest_gap([0.98, 0.02]).unfolded([0.98, 0.02]).round(6).tolist()
        [0.0, 0.04]
        """
        # An atom a rounding error below the first one stays beside it.
        return np.asarray((np.asarray(fractions) - self.above + 1e-9) % 1.0 - 1e-9, dtype=float)


def widest_gap(fractions: ArrayLike) -> Gap:
    """Return the widest stretch without atoms along a periodic axis.

    Parameters
    ----------
    fractions
        (n_atoms,), fractional coordinates along it; folded into the cell here.

    Examples
    --------
    >>> gap = widest_gap([0.9, 0.1, 0.2])
    >>> round(gap.below, 6), round(gap.above, 6), round(gap.width, 6), round(gap.middle, 6)
    (0.2, 0.9, 0.7, 0.55)
    >>> widest_gap([0.25]).width
    1.0
    """
    ordered = np.sort(np.asarray(fractions, dtype=float) % 1.0)
    widths = np.diff(ordered, append=ordered[0] + 1.0)
    widest = int(widths.argmax())
    return Gap(
        below=float(ordered[widest]),
        above=float(ordered[(widest + 1) % len(ordered)]),
        width=float(widths[widest]),
    )


def in_one_piece(fractions: ArrayLike) -> NDArray[np.float64]:
    """Return fractional coordinates of a molecule in a box, none on the far side of the box.

    Parameters
    ----------
    fractions
        (n_atoms, 3); each axis is cut at its own widest gap.

    Examples
    --------
    >>> in_one_piece([[0.98, 0.5, 0], [0.02, 0.5, 0]]).round(6)[:, 0].tolist()
    [0.0, 0.04]
    """
    columns = np.transpose(np.asarray(fractions, dtype=float))
    return np.transpose([widest_gap(column).unfolded(column) for column in columns])
