"""What GPAW computes for an INCAR, in words: known when planning, without GPAW installed."""

import os
from collections.abc import Mapping
from typing import Any

from ...structures.errors import InputError
from ...workflows.gpaw_grids import grid_spacing

BASIS_VARIABLE = "HETEROFIRE_GPAW_BASIS"
BASES = ("dzp", "szp(dzp)")  # of those that come with GPAW's data sets
FUNCTIONALS = {"PE": "PBE", "RP": "RPBE", "RE": "revPBE"}  # INCAR's GGA
DISPERSIONS = {0: "", 11: "-D3(zero)", 12: "-D3(BJ)"}  # IVDW
_GRID = ("NGX", "NGY", "NGZ")


def chosen_basis() -> str:
    """Return the LCAO basis named by HETEROFIRE_GPAW_BASIS, dzp without it.

    Measured with szp(dzp), one function a shell: the work function of graphene is 6.81 eV, with
    dzp 4.14 eV. No charge between graphene and another layer is to be believed with it.

    Raises
    ------
    InputError
        It is none of GPAW's.
    """
    basis = os.environ.get(BASIS_VARIABLE) or BASES[0]
    if basis not in BASES:
        raise InputError(f"{BASIS_VARIABLE} = {basis!r}: use one of {', '.join(BASES)}")
    return basis


def method_name(tags: Mapping[str, Any], basis: str) -> str:
    """Return what GPAW computes for an INCAR: functional, dispersion, basis, grid.

    Parameters
    ----------
    tags
        INCAR tags in upper case, with values as text or as Python knows them.
    basis
        Of the LCAO mode, which is that of an INCAR without ENCUT; see `chosen_basis`.

    Raises
    ------
    InputError
        GGA, IVDW, ENCUT or PREC is none that GPAW can honour.

    Examples
    --------
    >>> method_name({"GGA": "PE", "IVDW": 11, "PREC": "Normal"}, "szp(dzp)")
    'PBE-D3(zero), LCAO szp(dzp), h 0.22 A'
    >>> method_name({"ENCUT": "400", "PREC": "Accurate"}, "szp(dzp)")
    'PBE, PW 400 eV'
    """
    name = functional(tags) + DISPERSIONS[_dispersion(tags)]
    cutoff = _number(tags, "ENCUT", None)
    if cutoff is not None:
        return f"{name}, PW {cutoff:g} eV"
    if all(tags.get(tag) is not None for tag in _GRID):
        points = "x".join(f"{_number(tags, tag, 0):g}" for tag in _GRID)
        return f"{name}, LCAO {basis}, grid {points}"
    return f"{name}, LCAO {basis}, h {grid_spacing(tags):g} A"


def functional(tags: Mapping[str, Any]) -> str:
    """Return the name of the functional that GGA asks for; PBE without it, as in the POTCARs.

    Examples
    --------
    >>> functional({}), functional({"GGA": "rp"})
    ('PBE', 'RPBE')
    """
    code = str(tags.get("GGA") or "PE").strip().upper()
    if code not in FUNCTIONALS:
        known = ", ".join(f"{tag} ({name})" for tag, name in FUNCTIONALS.items())
        raise InputError(f"GGA = {code}: engine gpaw has {known}. Choose one, or run VASP.")
    return FUNCTIONALS[code]


def _dispersion(tags: Mapping[str, Any]) -> int:
    """Return the value of IVDW, or refuse what has no counterpart."""
    code = _number(tags, "IVDW", 0)
    if code not in DISPERSIONS:
        raise InputError(
            f"IVDW = {tags['IVDW']}: engine gpaw has 0 (none), 11 (D3 with zero damping) and 12 "
            "(D3 with Becke-Johnson damping). Choose one, or run VASP."
        )
    return int(code)


def _number(tags: Mapping[str, Any], tag: str, default: Any) -> Any:
    """Return the number behind a tag, the default where the tag is not there."""
    value = tags.get(tag)
    if value is None:
        return default
    try:
        return float(value)
    except (TypeError, ValueError):
        raise InputError(f"{tag} = {value!r} is not a number") from None
