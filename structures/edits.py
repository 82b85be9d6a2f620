"""Small changes that keep one block of atoms per element: repeat, substitute, remove."""

from collections.abc import Collection, Sequence

import numpy as np
from pymatgen.core import Structure

from .errors import InputError
from .symmetry import equivalent_groups


def group_by_element(structure: Structure, order: Sequence[str] | None = None) -> Structure:
    """Return the structure with one block of atoms per element, as a POSCAR needs it.

    Parameters
    ----------
    structure
        Any ordered structure.
    order
        Elements in the order wanted; those not named follow in their order of appearance.

    Returns
    -------
    Structure
        The same atoms; within an element their order is kept.

    Examples
    --------
    >>> from pymatgen.core import Lattice
    >>> mixed = Structure(Lattice.cubic(5), ["S", "Mo", "S"], [[0, 0, 0], [0.5, 0, 0], [0, 0.5, 0]])
    >>> [site.specie.symbol for site in group_by_element(mixed)]
    ['S', 'S', 'Mo']
    """
    return Structure.from_sites([structure[i] for i in element_order(structure, order)])


def element_order(structure: Structure, order: Sequence[str] | None = None) -> list[int]:
    """Return which atom comes where in `group_by_element`.

    Examples
    --------
    >>> from pymatgen.core import Lattice
    >>> mixed = Structure(Lattice.cubic(5), ["S", "Mo", "S"], [[0, 0, 0], [0.5, 0, 0], [0, 0.5, 0]])
    >>> element_order(mixed)
    [0, 2, 1]
    """
    symbols = [site.specie.symbol for site in structure]
    ranks = {symbol: rank for rank, symbol in enumerate(dict.fromkeys([*(order or ()), *symbols]))}
    return sorted(range(len(structure)), key=lambda i: ranks[symbols[i]])


def supercell(structure: Structure, repeats: tuple[int, int, int]) -> Structure:
    """Repeat a cell along its three axes.

    Parameters
    ----------
    repeats
        Positive whole numbers.

    Examples
    --------
    >>> from heterofire.structures.crystals import build_crystal
    >>> len(supercell(build_crystal("K_bcc"), (2, 2, 2)))
    16
    """
    if len(repeats) != 3 or any(n < 1 for n in repeats):
        raise InputError(f"supercell repeats must be three numbers of at least 1, not {repeats}")
    larger = structure.copy()
    larger.make_supercell(np.diag(repeats), to_unit_cell=False)
    return larger


def replace_atoms(structure: Structure, indices: Sequence[int], new: str) -> Structure:
    """Return the structure with some atoms replaced; the new element follows the replaced one.

    Parameters
    ----------
    indices
        Atoms to replace.
    new
        Symbol of the new element.

    Examples
    --------
    >>> from heterofire.structures.crystals import build_crystal
    >>> replaced = replace_atoms(build_crystal("MoS2_2H"), [3], "Se")
    >>> [site.specie.symbol for site in replaced]
    ['Mo', 'Mo', 'S', 'S', 'S', 'Se']
    """
    order = list(dict.fromkeys(site.specie.symbol for site in structure))
    replaced = structure.copy()
    for i in indices:
        old = structure[i].specie.symbol
        if new not in order:
            order.insert(order.index(old) + 1, new)
        replaced.replace(i, new, properties=structure[i].properties)
    return group_by_element(replaced, order)


def substitute_one(structure: Structure, old: str, new: str, *, choice: int = 0) -> Structure:
    """Replace one atom of an element by another element.

    Parameters
    ----------
    old, new
        Element symbols.
    choice
        Which symmetry-unique position of `old`, in the order of the atoms.

    Raises
    ------
    InputError
        The element or the choice is not there.

    Examples
    --------
    >>> from heterofire.structures.crystals import build_crystal
    >>> substitute_one(build_crystal("MoS2_2H"), "S", "Se").composition.formula
    'Mo2 Se1 S3'
    """
    return replace_atoms(structure, [_unique_atom(structure, old, choice)], new)


def remove_one(structure: Structure, element: str, *, choice: int = 0) -> Structure:
    """Remove one atom of an element (a vacancy).

    Parameters
    ----------
    choice
        Which symmetry-unique position of the element, in the order of the atoms.

    Examples
    --------
    >>> from heterofire.structures.crystals import build_crystal
    >>> remove_one(build_crystal("KMoS2_1T"), "Mo").composition.formula
    'K1 S2'
    """
    defective = structure.copy()
    defective.remove_sites([_unique_atom(structure, element, choice)])
    return defective


def _unique_atom(structure: Structure, element: str, choice: int) -> int:
    """Return the first atom of the chosen group of equivalent atoms of an element."""
    atoms = [i for i, site in enumerate(structure) if site.specie.symbol == element]
    if not atoms:
        raise InputError(
            f"no {element} in {structure.composition.formula}; it holds "
            f"{', '.join(sorted(structure.symbol_set))}"
        )
    groups = equivalent_groups(structure, atoms)
    if not 0 <= choice < len(groups):
        raise InputError(
            f"choice {choice} of {element} in {structure.composition.formula}: there are "
            f"{len(groups)} symmetry-unique positions, counted from 0"
        )
    return groups[choice][0]


def hold_atoms(
    structure: Structure,
    atoms: Collection[int],
    *,
    along: tuple[bool, bool, bool] = (True, True, True),
) -> Structure:
    """Return the structure with some atoms held by selective dynamics, besides those held already.

    Parameters
    ----------
    atoms
        From 0 up.
    along
        Which of the lattice vectors they are held along; all by default.

    Raises
    ------
    InputError
        There is no such atom.

    Examples
    --------
    >>> from heterofire.structures.crystals import build_crystal
    >>> held = hold_atoms(build_crystal("K_bcc"), [1])
    >>> held.site_properties["selective_dynamics"]
    [[True, True, True], [False, False, False]]
    """
    wanted = set(atoms)
    if wanted and not wanted <= set(range(len(structure))):
        raise InputError(
            f"atoms {sorted(wanted)} cannot be held: the structure has {len(structure)}, from 0 up"
        )
    flags = structure.site_properties.get("selective_dynamics") or [[True] * 3] * len(structure)
    result: Structure = structure.copy()
    result.add_site_property(
        "selective_dynamics",
        [
            [free and not (i in wanted and held) for free, held in zip(flag, along, strict=True)]
            for i, flag in enumerate(flags)
        ],
    )
    return result


def unheld(structure: Structure) -> Structure:
    """Return the structure without held atoms, as a calculation in which nothing moves has it.

    Examples
    --------
    >>> from heterofire.structures.crystals import build_crystal
    >>> unheld(hold_atoms(build_crystal("K_bcc"), [1])).site_properties
    {}
    """
    result: Structure = structure.copy()
    if "selective_dynamics" in result.site_properties:
        result.remove_site_property("selective_dynamics")
    return result
