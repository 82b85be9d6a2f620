"""Which atoms of a crystal are bonded, across cell borders, and what hangs together.

A site of the endless crystal is an atom with the cell it lies in. Two atoms are bonded below a
multiple of the sum of their covalent radii (Cordero et al., Dalton Trans. (2008) 2832): 1.2
between non-metals, 1.25 from a metal to a donor, 1.0 from a metal to C, whose chelating
carboxylates lie just beyond. H is bonded to its nearest non-metal. Metals are not bonded to each
other: what lies between them joins them.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import Element, Structure

from .contacts import bonding_distance
from .errors import StructureError

Floats = NDArray[np.float64]
Image = tuple[int, int, int]
Site = tuple[int, Image]  # atom, cell

_COVALENT, _DATIVE, _TO_CARBON, _TO_HYDROGEN = 1.2, 1.25, 1.0, 1.3
# Of the sum of covalent radii. The shortest bonds there are reach 0.78 (C-N in cyanide), X-ray O-H
# 0.80; atoms that share one place by disorder come to half of it.
_OVERLAP = 0.7
HERE: Image = (0, 0, 0)


@dataclass(frozen=True)
class CrystalBonds:
    """The bonds of a crystal."""

    structure: Structure
    of_atom: tuple[tuple[Site, ...], ...]  # what each atom in cell (0, 0, 0) is bonded to

    @cached_property
    def symbols(self) -> tuple[str, ...]:
        """Return the element of each atom."""
        return tuple(site.specie.symbol for site in self.structure)

    @cached_property
    def is_metal(self) -> tuple[bool, ...]:
        """Return whether each atom is a metal."""
        return tuple(_is_metal(symbol) for symbol in self.symbols)

    @cached_property
    def _places(self) -> Floats:
        """Return where the atoms are; a Structure makes this anew at every call."""
        return np.asarray(self.structure.cart_coords)

    def around(self, site: Site) -> list[Site]:
        """Return the sites that a site is bonded to."""
        atom, (a, b, c) = site
        return [(j, (a + x, b + y, c + z)) for j, (x, y, z) in self.of_atom[atom]]

    def metals_at(self, site: Site) -> list[Site]:
        """Return the metals that a site is bonded to."""
        return [other for other in self.around(site) if self.is_metal[other[0]]]

    def others_at(self, site: Site) -> list[Site]:
        """Return the non-metals that a site is bonded to."""
        return [other for other in self.around(site) if not self.is_metal[other[0]]]

    def position(self, site: Site) -> Floats:
        """Return where a site is, in Angstrom."""
        atom, image = site
        place: Floats = self._places[atom] + np.asarray(image) @ self.structure.lattice.matrix
        return place

    def distance(self, one: Site, other: Site) -> float:
        """Return the distance of two sites in Angstrom."""
        return float(np.linalg.norm(self.position(one) - self.position(other)))

    def label(self, site: Site) -> str:
        """Return an atom as people write it, counted from 1 as in the file."""
        return f"{self.symbols[site[0]]}{site[0] + 1}"


def find_bonds(structure: Structure) -> CrystalBonds:
    """Return the bonds of an ordered crystal.

    Raises
    ------
    StructureError
        Atoms are partly occupied, or overlap: names them.

    Examples
    --------
    >>> from heterofire.structures.layers import graphene
    >>> [len(partners) for partners in find_bonds(graphene()).of_atom]
    [3, 3]
    """
    _check_order(structure)
    symbols = [site.specie.symbol for site in structure]
    radius = 1.3 * max(bonding_distance(a, b) for a in set(symbols) for b in set(symbols))
    first, second, images, lengths = structure.get_neighbor_list(radius)
    sums = np.array(
        [bonding_distance(symbols[i], symbols[j]) for i, j in zip(first, second, strict=True)]
    )
    _check_overlap(symbols, first, second, lengths, sums)
    reach = np.array([_reach(symbols[i], symbols[j]) for i, j in zip(first, second, strict=True)])
    bonded = lengths < reach * sums
    _hold_hydrogen(symbols, first, second, lengths, bonded)
    partners: list[list[Site]] = [[] for _ in symbols]
    for i, j, image in zip(first[bonded], second[bonded], images[bonded], strict=True):
        a, b, c = (int(x) for x in image)
        partners[int(i)].append((int(j), (a, b, c)))
    return CrystalBonds(structure, tuple(tuple(sorted(sites)) for sites in partners))


def connected(
    bonds: CrystalBonds, starts: Iterable[Site], step: Callable[[Site], Iterable[Site]]
) -> list[Site]:
    """Return what can be reached, the starts first, each site once.

    Raises
    ------
    StructureError
        An atom is reached in two cells: what hangs together has no end.
    """
    found = dict.fromkeys(starts)
    cells = dict(found)
    queue = list(found)
    while queue:
        here = queue.pop(0)
        for there in step(here):
            if there in found:
                continue
            atom, image = there
            if atom in cells:
                along = tuple(x - y for x, y in zip(image, cells[atom], strict=True))
                raise StructureError(
                    f"what hangs together around {bonds.label(here)} has no end: it comes back to "
                    f"{bonds.label(there)} in the cell at {along}, its own periodic image"
                )
            found[there] = None
            cells[atom] = image
            queue.append(there)
    return list(found)


def _is_metal(symbol: str) -> bool:
    """Return whether an element binds as a metal."""
    return bool(Element(symbol).is_metal)


def _reach(one: str, other: str) -> float:
    """Return up to what multiple of the sum of radii two elements are bonded; 0: never."""
    metals = _is_metal(one) + _is_metal(other)
    if metals == 2 or (metals and "H" in (one, other)):
        return 0.0
    if metals:
        return _TO_CARBON if "C" in (one, other) else _DATIVE
    return _TO_HYDROGEN if "H" in (one, other) else _COVALENT


def _hold_hydrogen(
    symbols: list[str],
    first: NDArray[np.int_],
    second: NDArray[np.int_],
    lengths: Floats,
    bonded: NDArray[np.bool_],
) -> None:
    """Leave to each H the bond to its nearest non-metal only."""
    is_hydrogen = np.array([s == "H" for s in symbols])
    nearest: dict[int, float] = {}
    for k in np.flatnonzero(bonded & is_hydrogen[first]):
        i = int(first[k])
        nearest[i] = min(nearest.get(i, np.inf), float(lengths[k]))
    for k in np.flatnonzero(bonded):
        for atom in (int(first[k]), int(second[k])):
            if is_hydrogen[atom] and lengths[k] > nearest[atom] + 1e-6:
                bonded[k] = False


def _check_order(structure: Structure) -> None:
    """Refuse partly occupied sites."""
    mixed = [i for i, site in enumerate(structure) if not site.is_ordered]
    if mixed:
        shown = ", ".join(f"site {i + 1} ({structure[i].species_string})" for i in mixed[:3])
        raise StructureError(
            f"{len(mixed)} of {len(structure)} sites are disordered, first {shown}: a cluster has "
            "whole atoms. Keep one of the alternatives and give that file"
        )


def _check_overlap(
    symbols: list[str],
    first: NDArray[np.int_],
    second: NDArray[np.int_],
    lengths: Floats,
    sums: Floats,
) -> None:
    """Refuse atoms that are nearer to each other than any bond is long."""
    near = np.flatnonzero((lengths < _OVERLAP * sums) & (first <= second))
    if len(near):
        k = near[int(np.argmin(lengths[near] / sums[near]))]
        one, other = (f"{symbols[int(i)]}{int(i) + 1}" for i in (first[k], second[k]))
        raise StructureError(
            f"{len(near)} pairs of atoms overlap, the closest {one}-{other} at {lengths[k]:.3f} "
            f"Angstrom (a bond has {sums[k]:.2f}): where these are alternatives of a disordered "
            "group, keep one of them"
        )
