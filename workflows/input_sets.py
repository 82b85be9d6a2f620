"""Our inputs as pymatgen's VaspInputSet, so that the files are what its ecosystem expects.

Apart from ``inputs.py`` because pymatgen's sets take about 1 s to import.
"""

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np
from pymatgen.core import Structure
from pymatgen.io.vasp.inputs import Incar, Kpoints, Poscar
from pymatgen.io.vasp.sets import VaspInputSet

from ..structures.errors import InputError
from .potcars import potential

if TYPE_CHECKING:
    from .inputs import Inputs


@dataclass
class HeteroInputSet(VaspInputSet):
    """A VaspInputSet that writes the inputs it was given, tag by tag.

    pymatgen's own would sort the atoms and add tags such as LMAXMIX unasked; here the INCAR is
    the one that ``changes`` describes.
    """

    inputs: "Inputs | None" = None

    @classmethod
    def from_inputs(cls, inputs: "Inputs", structure: Structure) -> "HeteroInputSet":
        """Return the set of these inputs for a structure.

        Raises
        ------
        InputError
            The blocks of elements do not fit the POTCAR symbols, or the cell is left-handed.
        """
        elements = [element for element, _ in groupby(site.specie.symbol for site in structure)]
        expected = [potential(symbol).element for symbol in inputs.potcar_symbols]
        if elements != expected:
            raise InputError(
                f"atoms come as {' '.join(elements)}, POTCAR as {' '.join(expected)}; VASP would "
                "take one element for another. Make the inputs from this very structure."
            )
        if np.linalg.det(structure.lattice.matrix) < 0:
            raise InputError(
                "the lattice vectors are left-handed, which VASP refuses; swap two of them."
            )
        config = {
            "INCAR": dict(inputs.incar),
            "POTCAR": dict(zip(expected, inputs.potcar_symbols, strict=True)),
            "POTCAR_FUNCTIONAL": "PBE_54",
        }
        return cls(
            structure=structure,
            config_dict=config,
            inputs=inputs,
            sort_structure=False,
            validate_magmom=False,
        )

    @property
    def incar(self) -> Incar:
        """The INCAR, exactly as made."""
        return Incar(dict(self._given.incar))

    @property
    def kpoints(self) -> Kpoints:
        """A mesh around Gamma, or Monkhorst and Pack's."""
        mesh, modes = tuple(self._given.kpoints["mesh"]), Kpoints.supported_modes
        is_around_gamma = self._given.kpoints.get("style", "Gamma") == "Gamma"
        name = "Gamma-centred" if is_around_gamma else "Monkhorst-Pack"
        return Kpoints(
            comment=f"{name}, {' x '.join(str(n) for n in mesh)}",
            style=modes.Gamma if is_around_gamma else modes.Monkhorst,
            kpts=(mesh,),
            kpts_shift=(0, 0, 0),
        )

    @property
    def poscar(self) -> Poscar:
        """The atoms in the order given, with selective dynamics where they have it."""
        if self.structure is None:
            raise InputError("HeteroInputSet has no structure; use HeteroInputSet.from_inputs.")
        return Poscar(self.structure, sort_structure=False)

    @property
    def potcar_symbols(self) -> list[str]:
        """One symbol for each block of atoms."""
        return list(self._given.potcar_symbols)

    @property
    def _given(self) -> "Inputs":
        if self.inputs is None:
            raise InputError("HeteroInputSet has no inputs; use HeteroInputSet.from_inputs.")
        return self.inputs
