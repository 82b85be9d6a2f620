"""Charge and moments that an INCAR asks for, checked against the atoms it is for."""

from ...structures.errors import EngineError, InputError
from .folder import RunFolder
from .tags import Settings


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
        The charge is not a whole number, which no engine here can treat.
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


def refuse_charged_cell(settings: Settings, charge: int) -> None:
    """Refuse a charge that is repeated with its cell.

    Raises
    ------
    EngineError
        NELECT asks for a charge, and IDIPOL does not take the images away.
    """
    if charge and not settings.is_isolated:
        # K+ of GFN1 in cubes of 12, 20 and 24 A: +0.06, -0.49 and -0.53 eV from the isolated ion.
        raise EngineError(
            f"INCAR: NELECT asks for a charge of {charge:+d} e in a periodic cell, whose "
            "energy depends on the size of the box. For a molecule in a box set IDIPOL = 4; a "
            "layer or crystal must be neutral."
        )
