"""Which atoms are bonded, in how many pieces that leaves them, and what a relaxation changed.

A covalent bond joins two non-metals; a metal and a non-metal that touch are a contact (Li-O, Fe-O,
Co-N). Contacts come and go without a molecule falling apart, so they are counted apart.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pymatgen.core import Element, Lattice

from .contacts import bonding_distance
from .errors import InputError
from .internal_coordinates import atom_names

Floats = NDArray[np.float64]
Bond = tuple[int, int]

# Times the sum of covalent radii (Cordero, Dalton Trans. (2008) 2832). Above the longest bonds of
# anions in which charge sits on the bond (C-F of CF3-, 1.08), below the nearest atoms that are not
# bonded (S...S across N in TFSI-, 1.31).
BONDED = 1.25
# Angstrom; a bond that is broken or formed changed by more, so that none at the limit flickers.
_LEAST_CHANGE = 0.15
# Ratios of distance to sum of radii: a metal that is nearer by so much to another atom bonded to a
# ligand does not touch the ligand itself (Li on two O of a sulfinate: not on S). That other atom
# may be farther by so much where it draws more charge (the diagonal of a ring Li-O-S-O).
_NEARER, _FARTHER = 0.02, 0.05
_NOBLE = (2, 10, 18)  # without a number of Pauling's; pymatgen warns of them


@dataclass(frozen=True, kw_only=True)
class BondChange:
    """What happened to the bonds between two geometries of the same atoms."""

    broken: frozenset[Bond]  # covalent
    formed: frozenset[Bond]  # covalent
    contacts_broken: frozenset[Bond]  # of a metal and a non-metal
    contacts_formed: frozenset[Bond]
    words: tuple[str, ...]  # one for each change, covalent ones first

    @property
    def is_intact(self) -> bool:
        """Return whether every covalent bond is still there and none is new."""
        return not self.broken and not self.formed

    @property
    def is_unchanged(self) -> bool:
        """Return whether the contacts of metals are the same as well."""
        return self.is_intact and not self.contacts_broken and not self.contacts_formed


def bonds(
    symbols: Sequence[str],
    positions: ArrayLike,
    *,
    covalent_only: bool = False,
    cell: ArrayLike | None = None,
) -> frozenset[Bond]:
    """Return the bonded pairs, contacts of metals with non-metals among them.

    Pairs of two metals are left out: at these radii every lattice would be one molecule.

    Parameters
    ----------
    positions
        (n, 3), Angstrom.
    covalent_only
        Leave out the contacts of metals, see `contacts`.
    cell
        (3, 3), rows, Angstrom: count the nearest periodic image.

    Returns
    -------
    frozenset
        Pairs (i, j) with i < j.

    Examples
    --------
    >>> hydroxide = [[0, 0, 0], [0.96, 0, 0], [-1.6, 0, 0]]
    >>> sorted(bonds(["O", "H", "Li"], hydroxide))
    [(0, 1), (0, 2)]
    >>> sorted(bonds(["O", "H", "Li"], hydroxide, covalent_only=True))
    [(0, 1)]
    """
    ratios = _ratios(symbols, positions, cell)
    found = _covalent(symbols, ratios)
    return found if covalent_only else found | _contacts(symbols, ratios, found)


def contacts(
    symbols: Sequence[str], positions: ArrayLike, *, cell: ArrayLike | None = None
) -> frozenset[Bond]:
    """Return the pairs of a metal and a non-metal that touch.

    An atom behind a nearer one that it is bonded to does not count: in a sulfinate with Li at both
    O, Li touches O and not S.

    Examples
    --------
    >>> sorted(contacts(["Li", "F"], [[0, 0, 0], [0, 0, 1.56]]))
    [(0, 1)]
    """
    ratios = _ratios(symbols, positions, cell)
    return _contacts(symbols, ratios, _covalent(symbols, ratios))


def parts(pairs: Iterable[Bond], n: int) -> list[tuple[int, ...]]:
    """Return the connected pieces of n atoms, each sorted, the piece of the first atom first.

    Examples
    --------
    >>> parts({(0, 2), (2, 3)}, 5)
    [(0, 2, 3), (1,), (4,)]
    """
    from scipy.sparse import coo_array  # slow to import
    from scipy.sparse.csgraph import connected_components

    ends = np.array(sorted(pairs), dtype=int).reshape(-1, 2)
    if len(ends) and (ends.min() < 0 or ends.max() >= n):
        raise InputError(f"a bond names atom {ends.max()}, but there are {n} (counted from 0)")
    graph = coo_array((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(n, n))
    _, labels = connected_components(graph, directed=False)
    pieces = [
        tuple(int(i) for i in np.flatnonzero(labels == k))
        for k in range(max(labels, default=-1) + 1)
    ]
    return sorted(pieces)


def compare_bonds(
    symbols: Sequence[str],
    before: ArrayLike,
    after: ArrayLike,
    *,
    cell: ArrayLike | None = None,
) -> BondChange:
    """Return which bonds broke or formed between two geometries.

    A pair counts as changed if it crossed the limit and its distance changed by more than 0.15
    Angstrom.

    Parameters
    ----------
    before, after
        (n, 3) positions of the same atoms in the same order, Angstrom.

    Examples
    --------
    >>> change = compare_bonds(["Li", "F"], [[0, 0, 0], [0, 0, 1.6]], [[0, 0, 0], [0, 0, 3.1]])
    >>> change.is_intact, change.words
    (True, ('Li1-F1 1.60 -> 3.10 A contact broken',))
    """
    shapes = np.shape(before), np.shape(after)
    if shapes[0] != shapes[1] or shapes[0] != (len(symbols), 3):
        raise InputError(
            f"bonds before and after are of the same atoms: found {shapes[0]} and {shapes[1]} "
            f"positions for {len(symbols)} elements"
        )
    lengths = [_distances(positions, cell) for positions in (before, after)]
    moved = np.abs(lengths[1] - lengths[0]) > _LEAST_CHANGE
    graphs = []
    for distances in lengths:
        ratios = distances / _radii(symbols)
        covalent = _covalent(symbols, ratios)
        graphs.append((covalent, _contacts(symbols, ratios, covalent)))
    changes = {}
    for kind, (old, new) in zip(("", "contact "), zip(*graphs, strict=True), strict=True):
        changes[f"{kind}broken"] = frozenset(pair for pair in old - new if moved[pair])
        changes[f"{kind}formed"] = frozenset(pair for pair in new - old if moved[pair])
    names = atom_names(symbols)
    words = tuple(
        f"{names[i]}-{names[j]} {lengths[0][i, j]:.2f} -> {lengths[1][i, j]:.2f} A {what}"
        for what, pairs in changes.items()
        for i, j in sorted(pairs)
    )
    return BondChange(
        broken=changes["broken"],
        formed=changes["formed"],
        contacts_broken=changes["contact broken"],
        contacts_formed=changes["contact formed"],
        words=words,
    )


def _distances(positions: ArrayLike, cell: ArrayLike | None) -> Floats:
    """Return the (n, n) distances, of the nearest images in a cell."""
    places = np.asarray(positions, dtype=float).reshape(-1, 3)
    if cell is None:
        found: Floats = np.linalg.norm(places[:, None] - places[None], axis=2)
        return found
    lattice = Lattice(np.asarray(cell, dtype=float))
    fractions = lattice.get_fractional_coords(places)
    return np.asarray(lattice.get_all_distances(fractions, fractions))


def _radii(symbols: Sequence[str]) -> Floats:
    """Return the (n, n) sums of covalent radii."""
    kinds = sorted(set(symbols))
    table = np.array([[bonding_distance(a, b) for b in kinds] for a in kinds])
    places = np.array([kinds.index(symbol) for symbol in symbols], dtype=int)
    found: Floats = table[np.ix_(places, places)]
    return found


def _ratios(symbols: Sequence[str], positions: ArrayLike, cell: ArrayLike | None) -> Floats:
    """Return (n, n) distances by the sum of covalent radii."""
    if np.shape(positions) != (len(symbols), 3):
        raise InputError(f"{np.shape(positions)} positions for {len(symbols)} elements")
    return _distances(positions, cell) / _radii(symbols)


def _is_metal(symbols: Sequence[str]) -> NDArray[np.bool_]:
    """Return which atoms are metals."""
    return np.array([Element(symbol).is_metal for symbol in symbols], dtype=bool)


def _pairs(mask: NDArray[np.bool_]) -> frozenset[Bond]:
    """Return the pairs i < j of a symmetric mask."""
    return frozenset((int(i), int(j)) for i, j in zip(*np.nonzero(np.triu(mask, 1)), strict=True))


def _covalent(symbols: Sequence[str], ratios: Floats) -> frozenset[Bond]:
    """Return the bonds of two non-metals."""
    others = ~_is_metal(symbols)
    return _pairs((ratios < BONDED) & others[:, None] & others[None])


def _contacts(symbols: Sequence[str], ratios: Floats, covalent: frozenset[Bond]) -> frozenset[Bond]:
    """Return the pairs of a metal and a non-metal with no nearer atom bonded to the latter."""
    metal = _is_metal(symbols)
    bonded = np.zeros(ratios.shape, dtype=bool)
    for i, j in covalent:
        bonded[i, j] = bonded[j, i] = True
    draw = np.array([_electronegativity(symbol) for symbol in symbols])
    touching = (ratios < BONDED) & (metal[:, None] & ~metal[None])
    kept = touching.copy()
    for m, x in zip(*np.nonzero(touching), strict=True):
        margin = np.where(draw > draw[x], _FARTHER, -_NEARER)
        kept[m, x] = not (bonded[x] & (ratios[m] < ratios[m, x] + margin)).any()
    return _pairs(kept | kept.T)


def _electronegativity(symbol: str) -> float:
    """Return Pauling's number, 0 for those that have none (He, Ne, Ar)."""
    element = Element(symbol)
    return 0.0 if element.Z in _NOBLE else float(element.X)
