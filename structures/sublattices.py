"""Sublattices of a two-dimensional lattice: every supercell, once, in its shortest vectors."""

from itertools import product

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import StructureError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_SAME = 1e-4  # relative; lattices that are symmetric within this count as symmetric


def checked_cell(cell: ArrayLike, name: str) -> Floats:
    """Return a (2, 2) cell, or say why it is none.

    Raises
    ------
    StructureError
        Not 2 x 2, not finite, without area, or left-handed.
    """
    found = np.asarray(cell, dtype=float)
    if found.shape != (2, 2) or not np.isfinite(found).all():
        raise StructureError(f"{name}: two vectors of two finite numbers are wanted, in Angstrom")
    lengths = np.linalg.norm(found, axis=1)
    if np.linalg.det(found) < 1e-6 * lengths.prod() or lengths.min() <= 0:
        raise StructureError(
            f"{name}: the vectors {found.round(4).tolist()} span no area, or are left-handed; swap "
            "them or give another pair"
        )
    return found


def reduced(cells: Floats, matrices: Ints) -> Ints:
    """Return supercells in their shortest vectors, right-handed (Gauss's reduction).

    Parameters
    ----------
    cells
        (2, 2), rows, Angstrom.
    matrices
        (n, 2, 2) whole numbers with positive determinants; rows are supercell vectors.

    Examples
    --------
    >>> reduced(np.eye(2), np.array([[[1, 5], [0, 1]]])).tolist()
    [[[0, 1], [-1, 0]]]
    """
    found = matrices.copy()
    active = np.arange(len(found))
    while len(active):
        part = found[active]
        first, second = np.moveaxis(part @ cells, 1, 0)
        swap = _dot(first, first) > _dot(second, second) * (1 + 1e-12)
        part[swap] = np.stack([part[swap, 1], -part[swap, 0]], axis=1)
        first, second = np.moveaxis(part @ cells, 1, 0)
        ratio = _dot(first, second) / _dot(first, first)
        step = np.rint(ratio * (1 - 1e-12)).astype(np.int64)
        part[:, 1] -= step[:, None] * part[:, 0]
        found[active] = part
        active = active[swap | (step != 0)]
    return found


def _dot(one: Floats, other: Floats) -> Floats:
    """Return the scalar products of (n, 2) vectors."""
    return one[:, 0] * other[:, 0] + one[:, 1] * other[:, 1]


def hermite(matrices: Ints) -> Ints:
    """Return the Hermite normal form of (n, 2, m) integer matrices: the rows' lattice, named.

    The first two columns must not be singular.

    Examples
    --------
    >>> hermite(np.array([[[2, 1], [0, 3]], [[2, 4], [0, 3]]])).tolist()
    [[[2, 1], [0, 3]], [[2, 1], [0, 3]]]
    """
    x, y = matrices[:, 0, 0], matrices[:, 1, 0]
    divisor, s, t = _bezout(x, y)
    change = np.stack([s, t, -y // divisor, x // divisor], axis=1).reshape(-1, 2, 2)
    found = change @ matrices  # the second row begins with 0 now
    found[:, 1] *= np.sign(found[:, 1, 1])[:, None]
    found[:, 0] -= (found[:, 0, 1] // found[:, 1, 1])[:, None] * found[:, 1]
    return found


def _bezout(x: Ints, y: Ints) -> tuple[Ints, Ints, Ints]:
    """Return d > 0, s and t with d = s x + t y, the greatest common divisors (Euclid)."""
    d, rest, s, next_s = x.copy(), y.copy(), np.ones_like(x), np.zeros_like(x)
    while len(active := np.flatnonzero(rest)):
        upper, lower, old_s, new_s = d[active], rest[active], s[active], next_s[active]
        factor = upper // lower
        d[active], rest[active] = lower, upper - factor * lower
        s[active], next_s[active] = new_s, old_s - factor * new_s
    sign = np.where(d < 0, -1, 1)
    d, s = d * sign, s * sign
    return d, s, (d - s * x) // np.where(y == 0, 1, y)


def point_group(cell: ArrayLike) -> tuple[Ints, Ints]:
    """Return the proper and the improper operations of a lattice as integer matrices.

    Returns
    -------
    tuple
        (n, 2, 2) each: the rows of ``W @ cell`` are the cell's vectors after the operation.

    Examples
    --------
    >>> proper, improper = point_group([[1, 0], [-0.5, 3**0.5 / 2]])
    >>> len(proper), len(improper)
    (6, 6)
    """
    cell = np.asarray(cell, dtype=float)
    short = reduced(cell, np.eye(2, dtype=np.int64)[None])[0]
    metric = short @ cell @ cell.T @ short.T
    tries = np.array(list(product((-1, 0, 1), repeat=4)), dtype=np.int64).reshape(-1, 2, 2)
    images = tries @ metric @ tries.transpose(0, 2, 1)
    same = np.abs(images - metric).max(axis=(1, 2)) < _SAME * metric.max()
    inverse = np.rint(np.linalg.inv(short)).astype(np.int64)
    operations = inverse @ tries[same] @ short
    signs = np.rint(np.linalg.det(operations)).astype(int)
    return operations[signs == 1], operations[signs == -1]


def sublattices(cell: ArrayLike, max_index: int) -> Ints:
    """Return every supercell up to a size, one of those that a rotation of the lattice makes alike.

    Parameters
    ----------
    cell
        (2, 2), rows, Angstrom.
    max_index
        Largest number of cells in a supercell.

    Returns
    -------
    numpy.ndarray
        (n, 2, 2) whole numbers; rows are the shortest vectors of each, right-handed.

    Examples
    --------
    >>> hexagonal = np.array([[1, 0], [-0.5, 3**0.5 / 2]])
    >>> [int(round(np.linalg.det(m))) for m in sublattices(hexagonal, 4)]  # 1, 2, 3, 3, 4, 4, 4
    [1, 2, 3, 3, 4, 4, 4]
    """
    cell = checked_cell(cell, "cell")
    forms = _hermite_forms(max_index)
    proper, _ = point_group(cell)
    names = _name(forms)
    kept = np.ones(len(forms), dtype=bool)
    for w in without_half_turns(proper)[1:]:
        kept &= names <= _name(hermite(forms @ w))
    return reduced(cell, forms[kept])


def without_half_turns(operations: Ints) -> Ints:
    """Return one of each pair W and -W, which give the same supercells; no turn comes first."""
    firsts = [next(number for number in w.ravel() if number) for w in operations]
    kept = operations[np.array(firsts) > 0]
    is_unit = (kept == np.eye(2, dtype=np.int64)).all(axis=(1, 2))
    return kept[np.argsort(~is_unit, kind="stable")]


def generated_basis(rows: Ints) -> Ints:
    """Return a basis (2, 2) of the lattice that whole-number rows (n, 2) generate (Euclid).

    Examples
    --------
    >>> abs(round(np.linalg.det(generated_basis(np.array([[4, 0], [0, 4], [2, 2]])))))
    8
    """
    left = [row.copy() for row in rows]
    basis = []
    for column in (0, 1):
        while len(heads := [row for row in left if row[column]]) > 1:
            small = min(heads, key=lambda row: abs(row[column]))
            for row in heads:
                if row is not small:
                    np.subtract(row, row[column] // small[column] * small, out=row)
        basis += heads
        left = [row for row in left if not row[column]]
    return np.array(basis)


def _hermite_forms(max_index: int) -> Ints:
    """Return all forms [[a, b], [0, d]] with 0 <= b < d, sorted by a d, then a, then b."""
    sizes = np.arange(1, max_index + 1)
    n, a = np.nonzero(sizes[:, None] % sizes == 0)
    n, a = n + 1, a + 1
    d = n // a
    first = np.repeat(np.cumsum(d) - d, d)
    forms = np.zeros((int(d.sum()), 2, 2), dtype=np.int64)
    forms[:, 0, 0], forms[:, 1, 1] = np.repeat(a, d), np.repeat(d, d)
    forms[:, 0, 1] = np.arange(len(forms)) - first
    return forms


def _name(forms: Ints) -> Ints:
    """Return one number for each Hermite form of the same determinant."""
    base = 1 << 20
    name: Ints = (forms[:, 0, 0] * base + forms[:, 0, 1]) * base + forms[:, 1, 1]
    return name
