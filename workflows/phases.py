"""Reference phases of a study: atoms and molecules in boxes, crystals and their supercells."""

from collections.abc import Mapping

import numpy as np
from pymatgen.core import Structure

from ..structures.boxes import MOLECULES, atom_in_box, molecule_in_box
from ..structures.crystals import build_crystal
from ..structures.edits import remove_one, replace_atoms, substitute_one, supercell
from ..structures.errors import InputError
from ..structures.molecules import build_species
from ..structures.species import Species, species_in_box
from .phase_parts import Phase
from .study import Profile, pick


def build_phase(
    phase: Phase, profile: Profile, crystals: Mapping[str, Structure] | None = None
) -> Structure:
    """Return the cell of a phase in one profile.

    Parameters
    ----------
    crystals
        Structures that win over those that come along, by the name of the crystal.

    Examples
    --------
    >>> cell = build_phase(Phase(crystal="K_bcc", supercell=(2, 2, 2)), "quick")
    >>> cell.composition.formula
    'K16'
    """
    if phase.atom is not None:
        # A neutral atom needs a box that lifts its degeneracy; VASP corrects a charged cell for
        # its images in cubic boxes only.
        return atom_in_box(phase.atom, noncubic=phase.charge == 0)
    if phase.molecule is not None:
        if phase.molecule in MOLECULES:
            return molecule_in_box(phase.molecule)
        return species_in_box(checked_species(phase.molecule, phase.charge))
    name = str(phase.crystal)
    crystal = (crystals or {}).get(name) or build_crystal(name)
    structure = supercell(crystal, pick(phase.supercell, profile))
    if phase.remove is not None:
        structure = remove_one(structure, phase.remove)
    for old, new in phase.replace.items():
        structure = _replace(structure, old, new, pick(phase.n_replace, profile))
    return structure


def checked_species(name: str, charge: int) -> Species:
    """Return a molecule or ion whose charge is the one that the study says.

    Raises
    ------
    InputError
        There is no such molecule, or it has another charge.

    Examples
    --------
    >>> checked_species("OH-", -1).multiplicity
    1
    """
    species = build_species(name)
    if species.charge != charge:
        raise InputError(
            f"phase of molecule {name} with charge {charge:+d}: {name} has {species.charge:+d} "
            f"(multiplicity {species.multiplicity}); write charge: {species.charge}"
        )
    return species


def _replace(structure: Structure, old: str, new: str, n: int) -> Structure:
    """Replace n atoms of an element, each as far from those before it as the cell allows."""
    result = substitute_one(structure, old, new)
    for _ in range(n - 1):
        atoms = {
            el: [i for i, s in enumerate(result) if s.specie.symbol == el] for el in (old, new)
        }
        distances = result.distance_matrix[np.ix_(atoms[old], atoms[new])].min(axis=1)
        result = replace_atoms(result, [atoms[old][int(distances.argmax())]], new)
    return result
