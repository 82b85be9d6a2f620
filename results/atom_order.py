"""Two structures with the same atoms in the same order, or the reason why they are not."""

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import Structure
from scipy.optimize import linear_sum_assignment

from .records import Floats

_SWAP_GAIN = 0.5  # Angstrom^2; two H of one H2 molecule that swap places gain 1.1


def order_problem(reference: Structure, found: Structure) -> str:
    """Return what differs in count, species or order; an empty string when nothing does.

    Parameters
    ----------
    reference, found
        Two states of the same atoms. Positions may differ, as before and after a relaxation;
        another order of equal atoms shows because it would move many of them far.

    Returns
    -------
    str
        A clause that goes on after "the atoms differ: ".

    Examples
    --------
    >>> from pymatgen.core import Lattice
    >>> cell = Lattice.cubic(4.0)
    >>> one = Structure(cell, ["K", "K"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    >>> two = Structure(cell, ["K", "K"], [[0.5, 0.5, 0.5], [0, 0, 0]])
    >>> order_problem(one, one)
    ''
    >>> order_problem(one, two)
    'another order of equal atoms: 2 (K) stands where 1 was'
    """
    if len(reference) != len(found):
        return (
            f"{len(found)} atoms ({found.formula}) instead of {len(reference)} "
            f"({reference.formula})"
        )
    symbols, others = _symbols(reference), _symbols(found)
    if sorted(symbols) != sorted(others):
        return f"{found.formula} instead of {reference.formula}"
    for number, (wanted, given) in enumerate(zip(symbols, others, strict=True), start=1):
        if wanted != given:
            return f"another order of species: atom {number} is {given} instead of {wanted}"
    return _swap_problem(symbols, _distances(reference, found))


def displacements(reference: Structure, found: Structure) -> Floats:
    """Return how far each atom moved, to its nearest periodic image.

    Parameters
    ----------
    reference, found
        Structures with the same atom order; the lattice of ``found`` is used.

    Returns
    -------
    numpy.ndarray
        (n_atoms,) in Angstrom.

    Examples
    --------
    >>> from pymatgen.core import Lattice
    >>> cell = Lattice.cubic(4.0)
    >>> displacements(Structure(cell, ["K"], [[0, 0, 0]]), Structure(cell, ["K"], [[0.9, 0, 0]]))
    array([0.4])
    """
    return np.diagonal(_distances(reference, found)).round(12)


def _symbols(structure: Structure) -> list[str]:
    """Return the element of each atom."""
    return [site.specie.symbol for site in structure]


def _distances(reference: Structure, found: Structure) -> Floats:
    """Return (n_atoms, n_atoms): from each place in ``reference`` to each atom of ``found``."""
    table: NDArray[np.float64] = found.lattice.get_all_distances(
        reference.frac_coords, found.frac_coords
    )
    return table


def _swap_problem(symbols: list[str], distances: Floats) -> str:
    """Return which atom stands in another one's place, if relabelling equal atoms explains it."""
    squares, names = distances**2, np.array(symbols)
    best = np.arange(len(symbols))
    for element in sorted(set(symbols)):
        block = np.flatnonzero(names == element)
        best[block] = block[linear_sum_assignment(squares[np.ix_(block, block)])[1]]
    own = float(np.trace(squares))
    relabelled = float(squares[np.arange(len(best)), best].sum())
    if own - relabelled < _SWAP_GAIN or relabelled > 0.5 * own:
        return ""
    place = int(np.flatnonzero(best != np.arange(len(best)))[0])
    return (
        f"another order of equal atoms: {best[place] + 1} ({symbols[place]}) stands where "
        f"{place + 1} was"
    )
