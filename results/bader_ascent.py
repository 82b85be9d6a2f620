"""Bader volumes by steepest ascent on a grid: on-grid, and near-grid with refined edges.

Each point of the grid is led uphill to a maximum of the density; the points that reach the same
maximum are its Bader volume.
"""

from collections.abc import Callable

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from .records import Floats

Labels = NDArray[np.int32]
Points = NDArray[np.int32]

_ON_PATH = -1  # label of a point that the present path has gone through
_VACUUM = -2
_MAX_PASSES = 200  # of refinement; a 240^3 grid needs 5 to 10


def ascend(
    density: Floats,
    lattice: Floats,
    *,
    near_grid: bool = True,
    floor: float = -np.inf,
    merge: Callable[[Points], Labels] | None = None,
) -> tuple[Labels, Points]:
    """Return to which maximum each grid point belongs, and where the maxima are.

    Parameters
    ----------
    density
        (n1, n2, n3), any positive scale; periodic.
    lattice
        (3, 3), rows, of the whole cell.
    near_grid
        Follow the gradient between the grid points: a correction for the part of each step that
        the grid cannot take is carried along, and edges are led uphill again until no point
        changes its volume (Tang, Sanville and Henkelman, J. Phys.: Condens. Matter 21, 084204
        (2009)). Otherwise each step goes to the steepest of the 26 neighbours (Henkelman,
        Arnaldsson and Jonsson, Comput. Mater. Sci. 36, 354 (2006)).
    floor
        Points with a lower density belong to no maximum: vacuum, label 0.
    merge
        Gets all maxima and returns the label that each shall have, such as one for all around a
        nucleus, so that only edges that matter are refined.

    Returns
    -------
    tuple
        (n1, n2, n3) labels from 1 on, 0 in vacuum, and (n_maxima, 3) grid indices: label m
        belongs to row m - 1.

    Examples
    --------
    >>> x = np.cos(2 * np.pi * np.arange(8) / 8)
    >>> wave = 2.1 + x[:, None, None] * np.ones((8, 4, 4)) + 0.1 * x[None, ::2, None]
    >>> labels, maxima = ascend(wave + 0.1 * x[None, None, ::2], np.eye(3))
    >>> labels.max(), maxima.tolist()
    (np.int32(1), [[0, 0, 0]])
    """
    steps = np.asarray(lattice) / np.array(density.shape)[:, None]
    metric = np.linalg.inv(steps @ steps.T)
    inverse = _inverse_distances(steps)
    labels = np.where(density < floor, np.int32(_VACUUM), np.int32(0))
    found = _first_pass(density, metric, inverse, labels, near_grid)
    maxima = np.array(found, dtype=np.int32).reshape(-1, 3)
    if merge is not None:
        _relabel(labels, merge(maxima))
    if near_grid:
        _refine(density, metric, inverse, labels)
    labels[labels == _VACUUM] = 0
    return labels, maxima


def _inverse_distances(steps: Floats) -> Floats:
    """Return 1/distance to each of the 26 neighbours, 0 at the centre, (3, 3, 3)."""
    offsets = np.stack(np.meshgrid(*[[-1, 0, 1]] * 3, indexing="ij"), axis=-1)
    distances = np.linalg.norm(offsets @ steps, axis=-1)
    distances[1, 1, 1] = np.inf
    inverse: Floats = 1.0 / distances
    return inverse


def _refine(density: Floats, metric: Floats, inverse: Floats, labels: Labels) -> None:
    """Lead the points at edges uphill again until none changes its volume."""
    edge = np.zeros(labels.shape, dtype=np.bool_)
    _mark_edges(labels, edge)
    points = np.flatnonzero(edge)
    points = points[labels.reshape(-1)[points] != _VACUUM]
    for _ in range(_MAX_PASSES):
        if not len(points):
            return
        new = np.empty(len(points), dtype=np.int32)
        _ascend_again(density, metric, inverse, labels, edge, points, new)
        flat = labels.reshape(-1)
        changed = points[new != flat[points]]
        flat[points] = new
        near = np.zeros(labels.shape, dtype=np.bool_)
        _mark_around(changed, near)
        points = np.flatnonzero(near)
        _update_edges(labels, edge, points)
        points = points[edge.reshape(-1)[points] & (flat[points] != _VACUUM)]


@njit(cache=True)
def _steepest(density, inverse, i, j, k):  # type: ignore[no-untyped-def]
    """Return the neighbour with the steepest rise, the point itself at a maximum."""
    n1, n2, n3 = density.shape
    here = density[i, j, k]
    steepest = 0.0
    bi, bj, bk = i, j, k
    for a in range(-1, 2):
        ii = (i + a) % n1
        for b in range(-1, 2):
            jj = (j + b) % n2
            for c in range(-1, 2):
                kk = (k + c) % n3
                rise = (density[ii, jj, kk] - here) * inverse[a + 1, b + 1, c + 1]
                if rise > steepest:
                    steepest = rise
                    bi, bj, bk = ii, jj, kk
    return bi, bj, bk


@njit(cache=True)
def _slope(here, before, after):  # type: ignore[no-untyped-def]
    """Return the central difference along one axis; across a maximum of the axis there is none."""
    if before < here and after < here:
        return 0.0
    return 0.5 * (after - before)


@njit(cache=True)
def _along_gradient(density, metric, i, j, k, r1, r2, r3):  # type: ignore[no-untyped-def]
    """Return the next point along the gradient, and what the grid could not take of the way.

    The gradient in grid units becomes a displacement in grid units by the inverse metric of the
    grid steps: cells need not be orthogonal. Its largest component is one step; ``r`` is what
    was left over by the steps before.
    """
    n1, n2, n3 = density.shape
    here = density[i, j, k]
    g1 = _slope(here, density[i - 1, j, k], density[i + 1 if i + 1 < n1 else 0, j, k])
    g2 = _slope(here, density[i, j - 1, k], density[i, j + 1 if j + 1 < n2 else 0, k])
    g3 = _slope(here, density[i, j, k - 1], density[i, j, k + 1 if k + 1 < n3 else 0])
    u1 = metric[0, 0] * g1 + metric[0, 1] * g2 + metric[0, 2] * g3
    u2 = metric[1, 0] * g1 + metric[1, 1] * g2 + metric[1, 2] * g3
    u3 = metric[2, 0] * g1 + metric[2, 1] * g2 + metric[2, 2] * g3
    largest = max(abs(u1), abs(u2), abs(u3))
    if largest == 0.0:
        return i, j, k, r1, r2, r3
    u1, u2, u3 = u1 / largest, u2 / largest, u3 / largest
    s1, s2, s3 = np.rint(u1), np.rint(u2), np.rint(u3)
    r1, r2, r3 = r1 + u1 - s1, r2 + u2 - s2, r3 + u3 - s3
    t1, t2, t3 = np.rint(r1), np.rint(r2), np.rint(r3)
    ii, jj, kk = i + int(s1 + t1), j + int(s2 + t2), k + int(s3 + t3)
    return ii % n1, jj % n2, kk % n3, r1 - t1, r2 - t2, r3 - t3


@njit(cache=True)
def _first_pass(density, metric, inverse, labels, near_grid):  # type: ignore[no-untyped-def]
    """Label every point by the first labelled point or maximum its path meets."""
    n2, n3 = density.shape[1:]
    path = np.empty((1024, 3), np.int32)
    maxima = [(0, 0, 0)]
    maxima.pop()
    for start in range(density.size):
        i, j, k = start // (n2 * n3), start // n3 % n2, start % n3
        if labels[i, j, k] != 0:
            continue
        r1, r2, r3 = 0.0, 0.0, 0.0
        n = 0
        while True:
            if n == len(path):
                longer = np.empty((2 * n, 3), np.int32)
                longer[:n] = path
                path = longer
            path[n, 0], path[n, 1], path[n, 2] = i, j, k
            n += 1
            labels[i, j, k] = _ON_PATH
            ii, jj, kk = i, j, k
            if near_grid:
                ii, jj, kk, r1, r2, r3 = _along_gradient(density, metric, i, j, k, r1, r2, r3)
            if labels[ii, jj, kk] == _ON_PATH:
                ii, jj, kk = _steepest(density, inverse, i, j, k)
                r1, r2, r3 = 0.0, 0.0, 0.0
            if ii == i and jj == j and kk == k:
                maxima.append((i, j, k))
                found = len(maxima)
                break
            found = labels[ii, jj, kk]
            if found > 0:
                break
            i, j, k = ii, jj, kk
        for m in range(n):
            labels[path[m, 0], path[m, 1], path[m, 2]] = found
    return maxima


@njit(cache=True)
def _is_edge(labels, i, j, k):  # type: ignore[no-untyped-def]
    """Return whether one of the 26 neighbours belongs to another volume."""
    n1, n2, n3 = labels.shape
    mine = labels[i, j, k]
    after = k + 1 if k + 1 < n3 else 0
    for a in range(-1, 2):
        ii = i + a if i + a < n1 else 0  # -1 is the last point
        for b in range(-1, 2):
            jj = j + b if j + b < n2 else 0
            if (
                labels[ii, jj, k] != mine
                or labels[ii, jj, k - 1] != mine
                or labels[ii, jj, after] != mine
            ):
                return True
    return False


@njit(cache=True, parallel=True)
def _mark_edges(labels, edge):  # type: ignore[no-untyped-def]
    """Mark every point at an edge."""
    n1, n2, n3 = labels.shape
    for i in prange(n1):
        for j in range(n2):
            for k in range(n3):
                edge[i, j, k] = _is_edge(labels, i, j, k)


@njit(cache=True, parallel=True)
def _ascend_again(density, metric, inverse, labels, edge, points, new):  # type: ignore[no-untyped-def]
    """Lead points uphill until they are inside a volume; labels stay as they are meanwhile."""
    n2, n3 = density.shape[1:]
    for p in prange(len(points)):
        r1, r2, r3 = 0.0, 0.0, 0.0
        i, j, k = points[p] // (n2 * n3), points[p] // n3 % n2, points[p] % n3
        while True:
            ii, jj, kk, r1, r2, r3 = _along_gradient(density, metric, i, j, k, r1, r2, r3)
            if density[ii, jj, kk] <= density[i, j, k]:  # a path never goes down: it always ends
                ii, jj, kk = _steepest(density, inverse, i, j, k)
                r1, r2, r3 = 0.0, 0.0, 0.0
                if ii == i and jj == j and kk == k:
                    break
            i, j, k = ii, jj, kk
            if not edge[i, j, k]:
                break
        new[p] = labels[i, j, k]


@njit(cache=True)
def _mark_around(points, near):  # type: ignore[no-untyped-def]
    """Mark points and their 26 neighbours."""
    n1, n2, n3 = near.shape
    for point in points:
        i, j, k = point // (n2 * n3), point // n3 % n2, point % n3
        for a in range(-1, 2):
            ii = i + a if i + a < n1 else 0
            for b in range(-1, 2):
                jj = j + b if j + b < n2 else 0
                near[ii, jj, k - 1] = True
                near[ii, jj, k] = True
                near[ii, jj, k + 1 if k + 1 < n3 else 0] = True


@njit(cache=True, parallel=True)
def _update_edges(labels, edge, points):  # type: ignore[no-untyped-def]
    """Mark anew which of some points are at an edge."""
    n2, n3 = labels.shape[1:]
    for p in prange(len(points)):
        i, j, k = points[p] // (n2 * n3), points[p] // n3 % n2, points[p] % n3
        edge[i, j, k] = _is_edge(labels, i, j, k)


@njit(cache=True, parallel=True)
def _relabel(labels, new):  # type: ignore[no-untyped-def]
    """Give each point the new label of its maximum; vacuum stays."""
    for i in prange(labels.shape[0]):
        for j in range(labels.shape[1]):
            for k in range(labels.shape[2]):
                if labels[i, j, k] > 0:
                    labels[i, j, k] = new[labels[i, j, k] - 1]
