"""One energy of a structure by the embedded engine, without a run folder."""

import numpy as np
from pymatgen.core import Structure

from .poscars import Poscar
from .tags import Settings
from .xtb import XtbPotential

SETTINGS = Settings(ediff=1e-4, ismear=-1, sigma=0.0862, nelm=200)  # Fermi smearing, 1000 K


def single_point(structure: Structure, *, charge: int = 0, method: str = "GFN1-xTB") -> float:
    """Return E0 in eV at the Gamma point, atoms as they are.

    Raises
    ------
    EngineError
        The electrons do not converge.
    """
    poscar = Poscar(
        comment=structure.composition.formula,
        lattice=np.asarray(structure.lattice.matrix),
        symbols=tuple(site.specie.symbol for site in structure),
        fractional=np.asarray(structure.frac_coords),
        movable=None,
    )
    return XtbPotential(poscar, SETTINGS, charge, method).evaluate(poscar.positions).energy_zero
