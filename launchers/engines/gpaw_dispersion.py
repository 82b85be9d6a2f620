"""DFT-D3 beside GPAW: what IVDW = 11 and 12 add to energies and forces."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from ase.data import atomic_numbers
from ase.units import Bohr, Hartree

from .gpaw_methods import functional
from .potentials import FloatArray
from .tags import Settings


@dataclass(frozen=True, kw_only=True)
class Dispersion:
    """Energy and forces of D3 for fixed atoms and cell.

    Grimme et al., J. Chem. Phys. 132, 154104 (2010), with the zero damping of that paper
    (IVDW = 11); Grimme, Ehrlich and Goerigk, J. Comput. Chem. 32, 1456 (2011) with that of Becke
    and Johnson (IVDW = 12). Two-body terms only, as in VASP.
    """

    symbols: tuple[str, ...]
    lattice: FloatArray  # (3, 3), rows, Angstrom
    periodic: tuple[bool, bool, bool]
    damping: Any  # of the package dftd3

    def evaluate(self, positions: FloatArray) -> tuple[float, FloatArray]:
        """Return the energy in eV and forces (n_atoms, 3) in eV/Angstrom."""
        from dftd3.interface import DispersionModel

        model = DispersionModel(
            np.array([atomic_numbers[symbol] for symbol in self.symbols]),
            positions / Bohr,
            self.lattice / Bohr,
            np.array(self.periodic),
        )
        found = model.get_dispersion(self.damping, grad=True)
        return float(found["energy"]) * Hartree, -found["gradient"] * (Hartree / Bohr)


def dispersion_of(
    settings: Settings,
    tags: dict[str, str],
    symbols: tuple[str, ...],
    lattice: FloatArray,
    periodic: tuple[bool, bool, bool],
) -> Dispersion | None:
    """Return what IVDW asks for, None where that is nothing."""
    if not settings.ivdw:
        return None
    from dftd3.interface import RationalDampingParam, ZeroDampingParam

    form = ZeroDampingParam if settings.ivdw == 11 else RationalDampingParam
    return Dispersion(
        symbols=symbols,
        lattice=lattice,
        periodic=periodic,
        damping=form(method=functional(tags).lower(), atm=False),
    )
