"""Bader sums with points at edges shared between volumes (Yu and Trinkle's weight method).

Density flows uphill from each grid point to its higher neighbours in proportion to the facets
of its Voronoi cell (J. Chem. Phys. 134, 064111 (2011), eqs 6 to 8). The weights are not kept:
points are taken from the lowest up, and each hands all that has gathered on it to its higher
neighbours; what arrives at the maxima are the sums over the volumes. That is the same sum in
another order, in memory that does not grow with the number of atoms.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.spatial import ConvexHull, QhullError, Voronoi

from .bader_ascent import Labels, Points
from .records import Floats


def flow_uphill(
    density: Floats, lattice: Floats, fields: Floats, floor: float
) -> tuple[Floats, Floats, Labels, Points]:
    """Return what gathers of each field at each maximum of a density.

    Parameters
    ----------
    density
        (n1, n2, n3), sets the flow.
    lattice
        (3, 3), rows.
    fields
        (n_fields, n1, n2, n3), what is summed; changed on the way.
    floor
        Points with a lower density keep what they have: vacuum.

    Returns
    -------
    tuple
        (n_maxima, n_fields) sums; (n_fields,) sums over the vacuum; (n1, n2, n3) labels of the
        maximum that most of each point goes to, 0 in vacuum; (n_maxima, 3) grid indices.
    """
    offsets, weights = voronoi_facets(np.asarray(lattice) / np.array(density.shape)[:, None])
    order = np.argsort(density, axis=None)
    flat = fields.reshape(len(fields), -1)
    labels = np.zeros(density.size, dtype=np.int32)
    n_low = int(np.searchsorted(density.reshape(-1), floor, sorter=order))
    vacuum = flat[:, order[:n_low]].sum(axis=1)
    maxima = _flow(density, offsets, weights, order[n_low:], flat)
    indices = np.array(maxima, dtype=np.int64)
    _label(density, offsets, weights, order[n_low:], labels)
    points = np.stack(np.unravel_index(indices, density.shape), axis=1).astype(np.int32)
    # Labels count the maxima from the highest down, the flow meets them from the lowest up.
    sums = flat[:, indices].T[::-1]
    return sums, vacuum, labels.reshape(density.shape), points[::-1]


def voronoi_facets(steps: Floats) -> tuple[NDArray[np.int64], Floats]:
    """Return the neighbours of a grid point and the area over distance of their facets.

    Parameters
    ----------
    steps
        (3, 3), rows: one step of the grid along each lattice vector, Angstrom.

    Returns
    -------
    tuple
        (n, 3) steps to each neighbour; (n,) facet area divided by distance, Angstrom.

    Examples
    --------
    >>> offsets, weights = voronoi_facets(np.diag([0.1, 0.1, 0.2]))
    >>> len(offsets), np.unique(weights.round(6)).tolist()  # 0.01/0.2 and 0.02/0.1
    (6, [0.05, 0.2])
    """
    reach = np.arange(-3, 4)
    around = np.stack(np.meshgrid(reach, reach, reach, indexing="ij"), axis=-1).reshape(-1, 3)
    centre = int(np.flatnonzero(~around.any(axis=1))[0])
    places = around @ steps
    cells = Voronoi(places)
    smallest = 1e-8 * np.linalg.norm(steps, axis=1).min() ** 2
    offsets, weights = [], []
    for (one, other), ridge in zip(cells.ridge_points, cells.ridge_vertices, strict=True):
        if centre not in (one, other) or -1 in ridge:
            continue
        neighbour = other if one == centre else one
        area = _facet_area(cells.vertices[ridge], places[neighbour])
        if area > smallest:  # neighbours that touch in a line or a point have no facet
            offsets.append(around[neighbour])
            weights.append(area / np.linalg.norm(places[neighbour]))
    return np.array(offsets, dtype=np.int64), np.array(weights)


def _facet_area(corners: Floats, normal: Floats) -> float:
    """Return the area of a flat convex polygon."""
    first = np.linalg.svd(normal[None])[2][1:]  # two directions in the plane
    try:
        return float(ConvexHull(corners @ first.T).volume)  # qhull's word for area in 2D
    except QhullError:
        return 0.0


@njit(cache=True)
def _flow(density, offsets, weights, order, fields):  # type: ignore[no-untyped-def]
    """Hand everything uphill, from the lowest point on; return the maxima."""
    n1, n2, n3 = density.shape
    share = np.empty(len(offsets))
    target = np.empty(len(offsets), np.int64)
    maxima = [0]
    maxima.pop()
    for point in order:
        i, j, k = point // (n2 * n3), point // n3 % n2, point % n3
        here = density[i, j, k]
        total = 0.0
        n = 0
        for m in range(len(offsets)):
            ii = (i + offsets[m, 0]) % n1
            jj = (j + offsets[m, 1]) % n2
            kk = (k + offsets[m, 2]) % n3
            rise = density[ii, jj, kk] - here
            if rise > 0.0:
                share[n] = rise * weights[m]
                target[n] = (ii * n2 + jj) * n3 + kk
                total += share[n]
                n += 1
        if n == 0:
            maxima.append(point)
            continue
        for m in range(n):
            part = share[m] / total
            for f in range(len(fields)):
                fields[f, target[m]] += part * fields[f, point]
    return maxima


@njit(cache=True)
def _label(density, offsets, weights, order, labels):  # type: ignore[no-untyped-def]
    """Label each point, from the highest down, like the neighbour it gives most to."""
    n1, n2, n3 = density.shape
    n_maxima = 0
    for p in range(len(order) - 1, -1, -1):
        point = order[p]
        i, j, k = point // (n2 * n3), point // n3 % n2, point % n3
        most = 0.0
        for m in range(len(offsets)):
            ii = (i + offsets[m, 0]) % n1
            jj = (j + offsets[m, 1]) % n2
            kk = (k + offsets[m, 2]) % n3
            given = (density[ii, jj, kk] - density[i, j, k]) * weights[m]
            if given > most:
                most = given
                labels[point] = labels[(ii * n2 + jj) * n3 + kk]
        if most == 0.0:
            n_maxima += 1
            labels[point] = n_maxima
