"""GFN-xTB as an engine: method, charge, spin and notes of a run folder."""

import os
from dataclasses import replace
from importlib import metadata

import numpy as np
from ase.data import atomic_numbers

from ...structures.errors import EngineError, InputError
from .folder import RunFolder
from .levels import KB_EV
from .poscars import Poscar
from .spins import breaks_symmetry, check_electrons, unpaired_electrons
from .xtb import XtbPotential, valence_electrons

METHODS = ("GFN1-xTB", "GFN2-xTB")
METHOD_VARIABLE = "HETEROFIRE_XTB_METHOD"
MIN_CYCLES = 250  # of the self-consistent field, tblite's own limit; one takes 0.02 s


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

    def __init__(self, run: RunFolder) -> None:
        self.version = f"tblite {metadata.version('tblite')}"
        self.method = chosen_method()
        self._asked_nelm = run.settings.nelm
        self.settings = replace(run.settings, nelm=max(run.settings.nelm, MIN_CYCLES))
        self._charge = total_charge(run)
        if self._charge and not self.settings.is_isolated:
            # K+ in cubes of 12, 20 and 24 A: +0.06, -0.49 and -0.53 eV from the isolated ion.
            raise EngineError(
                f"INCAR: NELECT asks for a charge of {self._charge:+d} e in a periodic cell, whose "
                "energy depends on the size of the box. For a molecule in a box set IDIPOL = 4; a "
                "layer or crystal must be neutral."
            )
        # Without images the electrostatic potential of the method goes to 0 far away; in a
        # periodic cell its mean is 0 instead, which says nothing about the vacuum.
        self.vacuum_level = 0.0 if self.settings.is_isolated else None
        self._n_electrons = self._count(run.poscar) - self._charge
        check_electrons(self.settings, self._n_electrons)
        check_moments(run)

    def _count(self, poscar: Poscar) -> int:
        return valence_electrons(np.array([atomic_numbers[s] for s in poscar.symbols]), self.method)

    def potential(self, poscar: Poscar) -> XtbPotential:
        """Return a calculator for a geometry."""
        return XtbPotential(poscar, self.settings, self._charge, self.method)

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
                    "kept fixed, the moments of the atoms are free (see 'spin')"
                )
        elif self._n_electrons % 2:
            notes["ISPIN"] = (
                "odd number of electrons without spin: up and down fill the same orbitals, each "
                "with a Fermi level of its own; E-fermi is that of all electrons together"
            )
        return notes


def check_moments(run: RunFolder) -> None:
    """Refuse a MAGMOM for another number of atoms: VASP would stop or guess the rest."""
    moments = run.settings.magmom
    if run.settings.ispin == 2 and moments is not None:
        n_atoms = len(run.poscar.symbols)
        if len(moments) != n_atoms:
            raise InputError(
                f"INCAR: MAGMOM has {len(moments)} numbers for {n_atoms} atoms; give one for each"
            )


def total_charge(run: RunFolder) -> int:
    """Return the charge in e that NELECT asks for, 0 without it.

    Raises
    ------
    InputError
        NELECT is given but nothing says what the neutral number would be.
    EngineError
        The charge is not a whole number, which tblite would round silently.
    """
    if run.settings.nelect is None:
        return 0
    neutral = sum(n * z for (_, n), z in zip(run.poscar.species, potcar_valences(run), strict=True))
    charge = neutral - run.settings.nelect
    if abs(charge - round(charge)) > 1e-4:
        raise EngineError(
            f"INCAR: NELECT = {run.settings.nelect} is a charge of {charge:+.4f} e (the "
            f"POTCARs have {neutral:g} electrons); this engine takes whole charges only"
        )
    return round(charge)


def potcar_valences(run: RunFolder) -> tuple[float, ...]:
    """Return ZVAL of each block of the POSCAR, from POTCAR or from the table of symbols."""
    if run.valences is not None:
        return run.valences
    if run.potcar_symbols is None:
        raise InputError(
            f"INCAR has NELECT, but {run.path} has neither POTCAR nor POTCAR.spec to say how many "
            "electrons the neutral cell has. Write POTCAR.spec with one symbol per line."
        )
    from ...workflows.potcars import zval

    return tuple(zval(symbol) for symbol in run.potcar_symbols)
