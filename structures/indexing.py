"""Indexing: which line each measured peak is, and the lattice that this makes the best.

Angles are 2theta in degrees, intensities in % of the strongest line.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from .metrics import Floats, Ints, largest_change, refine_metric
from .reflections import Pattern

PENALTY: Final = 1.2  # degrees that a peak counts which no line explains
EXPLAINED: Final = 0.5  # degrees between a peak and its line after the refinement
VISIBLE: Final = 1.0  # % of the strongest line; a weaker one is not taken for a measured peak
STRONG: Final = 30.0  # % of the strongest line between the peaks; it has to be measured as well
PRINTED: Final = 0.01  # degrees to which peaks are printed; a better agreement is chance
LARGEST_CHANGE: Final = 0.05  # of any length in the lattice; beyond it is another crystal

_STARTS = 101  # scales between 1 - LARGEST_CHANGE and 1 + LARGEST_CHANGE: steps of 0.1 %
_ROUNDS = 15  # of reweighting
_WEAK_COST = 0.3  # degrees that a visible line may be further away than an invisible one
_FORBIDDEN = 1e3

Refined = tuple[Floats, int]  # a metric, and how many parameters were refined in it


def search_lattice(
    pattern: Pattern, measured: Floats, own: Floats, basis: Floats, tolerance: float
) -> Refined:
    """Return the refined metric that explains measured peaks best.

    Parameters
    ----------
    pattern
        The crystal's reflections.
    measured
        (n,) peaks in degrees, sorted.
    own
        (3, 3) reciprocal metric of the crystal as given, in Angstrom^-2.
    basis
        (n_free, 3, 3) metrics that are free: see `metric_basis`.
    tolerance
        Degrees between a peak and a line at the start.

    Returns
    -------
    tuple
        Metric (3, 3) and the number of parameters refined in it: all of basis, or 1 for the scale
        where the explained peaks determine no more, or 0 where no peak is explained.
    """
    unrefined = (*_score(pattern, measured, own, own)[:3], np.inf)  # the last of equals
    best: tuple[_Score, Refined] = unrefined, (own, 0)
    seen: dict[tuple[int, ...], Refined | None] = {}
    for scale in 1 + LARGEST_CHANGE * np.linspace(-1, 1, _STARTS):
        found = _settle(pattern, measured, own, basis, (tolerance, scale), seen)
        if found is not None:
            best = min(best, (_score(pattern, measured, found[0], own), found), key=lambda b: b[0])
    return best[1]


def assign_peaks(measured: Floats, angles: Floats, intensities: Floats, width: float) -> Ints:
    """Return the line of each peak, each line at most once.

    Parameters
    ----------
    measured
        (n,) peaks.
    angles, intensities
        (m,) of the lines; an infinite angle is none.
    width
        Degrees that a peak and its line may be apart.

    Returns
    -------
    numpy.ndarray
        (n,) indices of lines, -1 where none is left within width.

    Examples
    --------
    >>> assign_peaks(np.array([40.0, 40.2]), np.array([40.1, 40.3]), np.array([9, 9]), 0.5).tolist()
    [0, 1]
    """
    distances = np.abs(measured[:, None] - angles[None, :])
    near = np.flatnonzero((distances <= width).any(axis=0))
    assigned = np.full(len(measured), -1, dtype=np.int64)
    if len(near) == 0:
        return assigned
    costs = distances[:, near] + _WEAK_COST * (intensities[near] < VISIBLE)
    costs = np.where(distances[:, near] <= width, costs, _FORBIDDEN)
    for row, column in zip(*linear_sum_assignment(costs), strict=True):
        if costs[row, column] < _FORBIDDEN:
            assigned[row] = near[column]
    return assigned


def absent_lines(measured: Floats, angles: Floats, intensities: Floats) -> NDArray[np.bool_]:
    """Tell which lines are strong, between the first and last peak, and have no peak near.

    Examples
    --------
    >>> angles, intensities = np.array([40, 45, 60]), np.array([99, 50, 70])
    >>> absent_lines(np.array([40.0, 50.0]), angles, intensities).tolist()
    [False, True, False]
    """
    inside = (angles > measured[0] - EXPLAINED) & (angles < measured[-1] + EXPLAINED)
    strong = intensities > STRONG / 100 * intensities[inside].max(initial=0.0)
    alone = np.abs(measured[:, None] - angles[None, :]).min(axis=0) > EXPLAINED
    return np.asarray(inside & strong & alone)


_Score = tuple[float, int, float, float]


def _settle(
    pattern: Pattern,
    measured: Floats,
    own: Floats,
    basis: Floats,
    start: tuple[float, float],
    seen: dict[tuple[int, ...], Refined | None],
) -> Refined | None:
    """Assign and refine by turns from one tolerance and scale; None where that leads nowhere."""
    tolerance, scale = start
    metric, n_refined = own / scale**2, 0
    # The tolerance shrinks, so that a peak far from its line does not distort the lattice.
    for width in (tolerance, max(tolerance / 2, EXPLAINED), *4 * (EXPLAINED,)):
        assigned = assign_peaks(measured, pattern.angles(metric), pattern.intensities, width)
        key = tuple(assigned)
        if key not in seen:
            seen[key] = _refine(pattern, measured, assigned, own, basis)
        found = seen[key]
        if found is None:
            return None
        metric, n_refined = found
    return metric, n_refined


def _refine(
    pattern: Pattern, measured: Floats, assigned: Ints, own: Floats, basis: Floats
) -> Refined | None:
    """Return the metric refined to assigned peaks, or its scale where they allow no more."""
    used = assigned >= 0
    if not used.any():
        return None
    for tensors in (basis, own[None]):
        metric = _least_deviation(pattern, measured[used], assigned[used], tensors)
        if metric is not None:
            break
    if metric is None or largest_change(metric, own) > LARGEST_CHANGE + 1e-9:
        return None
    return metric, len(tensors)


def _least_deviation(
    pattern: Pattern, measured: Floats, assigned: Ints, basis: Floats
) -> Floats | None:
    """Return the metric with the smallest mean |difference| of peaks from their lines."""
    theta = np.radians(measured / 2)
    observed = (2 * np.sin(theta) / pattern.wavelength) ** 2
    # 1/d^2 changes with 2theta as sin(2theta); near 180 degrees it would weigh without bound.
    even = 1 / np.maximum(np.sin(2 * theta), 0.05)
    indices = pattern.indices[assigned]
    metric = refine_metric(basis, indices, observed, even)
    for _ in range(_ROUNDS if len(measured) > len(basis) else 0):
        if metric is None:
            break
        off = np.abs(measured - pattern.angles(metric)[assigned])
        off = np.minimum(np.maximum(off, PRINTED / 5), PENALTY)
        metric = refine_metric(basis, indices, observed, even / np.sqrt(off))
    return metric


def _score(pattern: Pattern, measured: Floats, metric: Floats, own: Floats) -> _Score:
    """Return what the best metric has least of.

    That is the mean deviation as far as it can be measured, strong lines absent and invisible ones
    used, the deviation itself, the change of the lattice.
    """
    angles, intensities = pattern.angles(metric), pattern.intensities
    assigned = assign_peaks(measured, angles, intensities, EXPLAINED)
    used = assigned >= 0
    sizes = np.full(len(measured), PENALTY)
    sizes[used] = np.abs(measured[used] - angles[assigned[used]])
    deviation = float(sizes.mean())
    n_doubtful = int(np.sum(intensities[assigned[used]] < VISIBLE))
    n_doubtful += int(absent_lines(measured, angles, intensities).sum())
    rough = max(round(deviation, 2), PRINTED)
    return rough, n_doubtful, round(deviation, 3), largest_change(metric, own)
