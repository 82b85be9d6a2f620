"""GFN-xTB as an engine: method, charge, spin and notes of a run folder."""

import os
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from ase.data import atomic_numbers

from ...structures.errors import InputError
from .electrons import check_moments, refuse_charged_cell, total_charge
from .folder import RunFolder
from .levels import KB_EV
from .poscars import Poscar
from .spins import breaks_symmetry, check_electrons, unpaired_electrons
from .stopping import Stopper
from .xtb import XtbPotential, valence_electrons

METHODS = ("GFN1-xTB", "GFN2-xTB")
METHOD_VARIABLE = "HETEROFIRE_XTB_METHOD"
MIN_CYCLES = 250  # of the self-consistent field, tblite's own limit; one takes 0.02 s
# Without AMIX in the INCAR. Fe3 5 5 -5 with CoPc, 105 atoms: 0.4 loses the signs on the way, ends
# 0.25 eV too high and takes 83 cycles; 0.2 keeps them and takes 56 (0.1: 102, Co turned over).
MAGNETIC_AMIX = 0.2


def chosen_method() -> str:
    """Return the method named by HETEROFIRE_XTB_METHOD, GFN1-xTB without it."""
    method = os.environ.get(METHOD_VARIABLE, METHODS[0])
    if method not in METHODS:
        raise InputError(f"{METHOD_VARIABLE} = {method!r}: use one of {', '.join(METHODS)}")
    return method


class XtbEngine:
    """GFN-xTB as an engine: charge, spin and notes from a run folder.

    Parameters
    ----------
    run
        The checked folder.
    """

    name = "xtb"
    checkpoints: tuple[str, ...] = ()
    ismear = -1  # whatever INCAR says: tblite fills by the Fermi function
    holds_moment = True
    projection = "Mulliken"

    def __init__(self, run: RunFolder) -> None:
        self.version = f"tblite {metadata.version('tblite')}"
        self.method = chosen_method()
        self._asked_nelm = run.settings.nelm
        self.settings = replace(run.settings, nelm=max(run.settings.nelm, MIN_CYCLES))
        if self._starts_magnetic(run):
            self.settings = replace(self.settings, amix=MAGNETIC_AMIX)
        self._charge = total_charge(run)
        refuse_charged_cell(self.settings, self._charge)
        # Without images the electrostatic potential of the method goes to 0 far away; in a
        # periodic cell its mean is 0 instead, which says nothing about the vacuum.
        self.vacuum_level = 0.0 if self.settings.is_isolated else None
        self._n_electrons = self._count(run.poscar) - self._charge
        check_electrons(self.settings, self._n_electrons)
        check_moments(run)

    @staticmethod
    def _starts_magnetic(run: RunFolder) -> bool:
        """Return whether moments of both signs have to survive the mixing of densities."""
        return breaks_symmetry(run.settings) and "AMIX" not in run.tags

    def _count(self, poscar: Poscar) -> int:
        return valence_electrons(np.array([atomic_numbers[s] for s in poscar.symbols]), self.method)

    def potential(self, poscar: Poscar, _folder: Path, _stopper: Stopper) -> XtbPotential:
        """Return a calculator for a geometry; its fields are too short to be looked into."""
        return XtbPotential(poscar, self.settings, self._charge, self.method)

    def details(self) -> dict[str, Any]:
        """Return what engine.json says besides: the electronic temperature in K."""
        return {"temperature_K": round(self.settings.sigma / KB_EV, 6)}

    def notes(self) -> dict[str, str]:
        """Return how smearing, charge and spin were taken."""
        settings = self.settings
        shape = "derivative of the Fermi function" if settings.ismear == -1 else "Gaussian"
        notes = {
            "DOS": f"each level broadened by the {shape} of width SIGMA = {settings.sigma} eV; "
            "projections are Mulliken's and sum to the total; without EMAX the grid ends 21 eV "
            "above E-fermi",
            "electrons": f"{self._n_electrons} valence electrons of {self.method}, "
            f"total charge {self._charge:+d} e",
        }
        if self.settings.nelm != self._asked_nelm:
            notes["NELM"] = f"{self._asked_nelm} was raised to {MIN_CYCLES}, tblite's own limit"
        if settings.is_isolated:
            notes["periodicity"] = "none: the molecule is computed without its periodic images"
        elif settings.idipol:
            notes["IDIPOL"] = (
                f"{settings.idipol}: no dipole correction in this engine, the cell stays periodic"
            )
        if settings.ismear != -1:
            notes["ISMEAR"] = (
                f"{settings.ismear} is taken as -1 (Fermi) with kT = SIGMA = {settings.sigma} eV, "
                f"{settings.sigma / KB_EV:.0f} K"
            )
        if settings.ispin == 2:
            notes["ISPIN"] = (
                f"{unpaired_electrons(settings, self._n_electrons)} unpaired electrons, kept fixed"
            )
            if breaks_symmetry(settings):
                notes["MAGMOM"] = (
                    "signs and sizes are where the first self-consistent field starts; its sum is "
                    "kept fixed, the moments of the atoms are free (see 'spin'); mixed with "
                    f"AMIX = {settings.amix:g}"
                )
        elif self._n_electrons % 2:
            notes["ISPIN"] = (
                "odd number of electrons without spin: up and down fill the same orbitals, each "
                "with a Fermi level of its own; E-fermi is that of all electrons together"
            )
        return notes
