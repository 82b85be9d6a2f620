"""Nitrogen in graphene and selenium in MX2, every choice that symmetry leaves different."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from math import comb
from typing import Literal

import numpy as np
from pymatgen.core import Structure

from .edits import replace_atoms
from .errors import InputError
from .layers import mx2_half_thickness
from .symmetry import atom_permutations, orbits

Face = Literal["gallery", "outer", "both"]
Choice = tuple[tuple[int, ...], tuple[int, ...]]  # atoms removed, atoms replaced; both sorted

CHALCOGENS = ("O", "S", "Se", "Te")
MAX_CHOICES = 50_000
BONDED = 1.85  # Angstrom; between the first (1.42) and second (2.46) neighbours of graphene


@dataclass(frozen=True, kw_only=True)
class Doped:
    """One of the symmetry-unique ways to dope a structure."""

    structure: Structure
    label: str  # such as "graphitic-N-2"
    multiplicity: int  # how many choices are the same by symmetry
    removed: tuple[int, ...]  # atoms of the undoped structure that were taken out
    replaced: tuple[int, ...]  # atoms of the undoped structure that were replaced


def graphitic_nitrogen(structure: Structure, *, n: int = 1) -> list[Doped]:
    """Replace carbon atoms by nitrogen.

    Parameters
    ----------
    structure
        Graphene, or a stack that holds it; all carbon atoms are candidates.
    n
        How many nitrogen atoms.

    Returns
    -------
    list
        One entry per symmetry-unique choice; the multiplicities sum to C(number of carbons, n).

    Examples
    --------
    >>> from heterofire.structures.edits import supercell
    >>> from heterofire.structures.layers import graphene
    >>> pairs = graphitic_nitrogen(supercell(graphene(), (3, 3, 1)), n=2)
    >>> [doped.multiplicity for doped in pairs]
    [54, 18, 27, 27, 27]
    """
    return substitutions(structure, _atoms_of(structure, "C"), "N", n=n, label="graphitic-N")


def pyridinic_nitrogen(structure: Structure, *, n: int = 1) -> list[Doped]:
    """Take out a carbon atom and replace one to three of its neighbours by nitrogen.

    Parameters
    ----------
    n
        Nitrogen atoms at the rim of the vacancy, 1 to 3.

    Returns
    -------
    list
        One entry per symmetry-unique choice; the multiplicities sum to the number of carbons that
        have three carbon neighbours, times C(3, n).

    Examples
    --------
    >>> from heterofire.structures.edits import supercell
    >>> from heterofire.structures.layers import graphene
    >>> doped = pyridinic_nitrogen(supercell(graphene(), (3, 3, 1)), n=3)
    >>> [(choice.structure.composition.formula, choice.multiplicity) for choice in doped]
    [('C14 N3', 18)]
    """
    if n not in (1, 2, 3):
        raise InputError(
            f"a vacancy in graphene has 3 neighbours; n = {n} nitrogen is not possible"
        )
    choices: list[Choice] = []
    for carbon in _atoms_of(structure, "C"):
        near = structure.get_neighbors(structure[carbon], BONDED)
        rim = sorted({site.index for site in near if site.specie.symbol == "C"})
        if len(rim) == 3:
            choices += [((carbon,), rest) for rest in combinations(rim, n)]
    if not choices:
        raise InputError(
            f"no carbon of {structure.composition.formula} has three carbon neighbours within "
            f"{BONDED} Angstrom; use a larger supercell of graphene"
        )
    return _doped(structure, choices, "N", f"pyridinic-{n}N")


def substituted_chalcogens(
    structure: Structure,
    new: str = "Se",
    *,
    n: int = 1,
    fraction: float | None = None,
    face: Face = "gallery",
    old: str = "S",
    outward: float | None = None,
) -> list[Doped]:
    """Replace chalcogens of an MX2 layer on one face or both.

    Parameters
    ----------
    n, fraction
        How many atoms, or which part of the candidates (must give a whole number); 1.0 on one
        face makes the Janus layer.
    face
        ``gallery`` is the side below the metal, where a substrate lies; ``outer`` the upper one.
    outward
        Move of the new atoms away from the metal plane in Angstrom; by default the difference in
        thickness of the two 2H crystals.

    Returns
    -------
    list
        One entry per symmetry-unique choice; the multiplicities sum to C(number of candidates, n).

    Examples
    --------
    >>> from heterofire.structures.edits import supercell
    >>> from heterofire.structures.layers import mx2_monolayer
    >>> layer = supercell(mx2_monolayer(), (2, 2, 1))
    >>> janus = substituted_chalcogens(layer, fraction=1.0)
    >>> janus[0].structure.composition.formula, janus[0].multiplicity
    ('Mo4 Se4 S4', 1)
    """
    metal, z_metal = _metal_plane(structure)
    candidates = [
        i
        for i in _atoms_of(structure, old)
        if face == "both" or (structure[i].z < z_metal) == (face == "gallery")
    ]
    if face not in ("gallery", "outer", "both") or not candidates:
        raise InputError(
            f"no {old} on face {face!r} of {structure.composition.formula}; "
            "face is gallery (below the metal), outer (above) or both"
        )
    if fraction is not None:
        n = _whole_number(fraction, len(candidates))
    if outward is None:
        outward = mx2_half_thickness(metal, new) - mx2_half_thickness(metal, old)
    found = substitutions(structure, candidates, new, n=n, label=f"{new}-{face}")
    return [_moved_out(doped, new, outward, z_metal) for doped in found]


def substitutions(
    structure: Structure, candidates: Sequence[int], new: str, *, n: int = 1, label: str = ""
) -> list[Doped]:
    """Replace n of the candidate atoms by another element, every symmetry-unique choice.

    Parameters
    ----------
    candidates
        Atoms that may be replaced.
    label
        Start of the labels; the number of the choice follows.

    Raises
    ------
    InputError
        More atoms are asked for than there are, or the choices are too many to list.

    Examples
    --------
    >>> from heterofire.structures.crystals import build_crystal
    >>> found = substitutions(build_crystal("MoS2_2H"), [2, 3, 4, 5], "Se", n=2)
    >>> sum(doped.multiplicity for doped in found)
    6
    """
    if not 1 <= n <= len(candidates):
        raise InputError(f"cannot replace {n} of {len(candidates)} atoms by {new}")
    if comb(len(candidates), n) > MAX_CHOICES:
        raise InputError(
            f"{comb(len(candidates), n)} ways to replace {n} of {len(candidates)} atoms by {new}; "
            f"at most {MAX_CHOICES} are listed. Use fewer atoms or a smaller cell."
        )
    choices: list[Choice] = [((), chosen) for chosen in combinations(sorted(candidates), n)]
    return _doped(structure, choices, new, label or new)


def _doped(structure: Structure, choices: list[Choice], new: str, label: str) -> list[Doped]:
    """Build one structure for each symmetry-unique choice."""
    permutations = atom_permutations(structure)

    def images(choice: Choice) -> Iterable[Choice]:
        removed = np.sort(permutations[:, list(choice[0])], axis=1)
        replaced = np.sort(permutations[:, list(choice[1])], axis=1)
        return zip(map(tuple, removed.tolist()), map(tuple, replaced.tolist()), strict=True)

    return [
        Doped(
            structure=_changed(structure, group[0][1], new, group[0][0]),
            label=f"{label}-{number}",
            multiplicity=len(group),
            removed=group[0][0],
            replaced=group[0][1],
        )
        for number, group in enumerate(orbits(choices, images), start=1)
    ]


def _changed(
    structure: Structure, replaced: Sequence[int], new: str, removed: Sequence[int]
) -> Structure:
    """Return the structure with some atoms replaced and some taken out."""
    marked = structure.copy()
    kept = [i for i in range(len(structure)) if i not in removed]
    marked.remove_sites(list(removed))
    return replace_atoms(marked, [kept.index(i) for i in replaced], new)


def _moved_out(doped: Doped, new: str, outward: float, z_metal: float) -> Doped:
    """Return the doped structure with the new atoms moved away from the metal plane."""
    structure = doped.structure.copy()
    for i in _atoms_of(structure, new):
        direction = np.sign(structure[i].z - z_metal)
        structure.translate_sites([i], [0, 0, direction * outward], frac_coords=False)
    return replace(doped, structure=structure)


def _atoms_of(structure: Structure, element: str) -> list[int]:
    """Return the atoms of one element."""
    return [i for i, site in enumerate(structure) if site.specie.symbol == element]


def _metal_plane(structure: Structure) -> tuple[str, float]:
    """Return the metal of an MX2 layer and the height of its plane."""
    metals = [site for site in structure if site.specie.is_transition_metal]
    if not metals:
        raise InputError(f"no MX2 layer in {structure.composition.formula}: no transition metal")
    return metals[0].specie.symbol, float(np.median([site.z for site in metals]))


def _whole_number(fraction: float, total: int) -> int:
    """Return the whole number of atoms that a fraction means."""
    n = round(fraction * total)
    if not 0 < fraction <= 1 or abs(n - fraction * total) > 1e-6 * total or n == 0:
        raise InputError(
            f"fraction {fraction} of {total} atoms is not a whole number from 1 to {total}; "
            f"nearest fraction: {max(n, 1) / total:.6g}"
        )
    return n
