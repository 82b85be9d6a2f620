"""Binding, reaction and formation energies: sums over legs that are allowed to be summed.

All energies are E0, energy(sigma -> 0), in eV. A sum is refused when atoms or charge do not
balance, or when its legs were computed in ways that do not cancel.
"""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from pymatgen.core import Composition, Structure

from ..structures.errors import InputError, RunError
from .balancing import balance
from .compatibility import check_meshes, check_settings
from .corrections import correction_notes
from .places import ion_place
from .records import Leg, Property, Run, Settings
from .requests import EnergyRequest, LegRequest

__all__ = ["balance", "energy_property"]

PER_AREA = "nm^2"
_J_PER_M2 = 0.1602176634  # of 1 eV/nm^2
_ATOMS = 1e-6
_SIDES = {"reactants": -1.0, "products": 1.0}
_CHARGE = 1e-3  # e: electron counts are printed to four decimals


def energy_property(
    request: EnergyRequest, runs: Mapping[str, Run], *, study: str, profile: str
) -> Property:
    """Return the energy a request asks for, with the legs it was summed from.

    What the legs must have in common is told by `compatibility.check_settings` and
    `compatibility.check_meshes`.

    Parameters
    ----------
    request
        Legs with factors, negative for reactants. A leg without a key is an electron at the
        vacuum level: energy 0, charge -1.
    runs
        The finished calculations by key; every key of the legs must be there.
    study, profile
        What the property belongs to.

    Returns
    -------
    Property
        In eV, or eV per formula unit; "unconverged" when a leg is.

    Raises
    ------
    InputError
        Atoms or charge do not balance, or there is no calculation among the legs.
    RunError
        Two legs differ in something that does not cancel; names both and what differs.
    """
    legs = tuple(_leg(leg, runs) for leg in request.legs)
    used = [(leg.role, runs[leg.key]) for leg in legs if leg.key is not None]
    if not used:
        raise InputError(f"{_name(request)} has no calculation among its legs: add one.")
    _check_balance(request, legs)
    _check_settings(_name(request), used)
    behind = [*used, *_geometries(request, runs)]
    notes = [
        *check_meshes(_name(request), used),
        *_unconverged_notes(behind),
        *correction_notes(behind),
    ]
    if any(leg.key is None for leg in legs):
        notes.append("an electron is counted at the vacuum level, with energy 0")
    value = math.fsum(leg.factor * leg.energy for leg in legs) / request.per
    place = ion_place(_starts(request, runs))
    return Property(
        **_identity(request, used[0][1].settings),
        study=study,
        profile=profile,
        value=value,
        unit=f"eV/{request.per_what}" if request.per_what else "eV",
        energy_kind="E0",
        status="ok" if all(run.status == "converged" for _, run in behind) else "unconverged",
        legs=legs,
        keys=_keys(request),
        detail={
            "equation": request.equation,
            "per": request.per,
            "per_what": request.per_what,
            "balance": {side: _contents(legs, sign) for side, sign in _SIDES.items()},
            **({"place": place} if place else {}),
        },
        notes=(*notes, *_area_notes(request, value)),
    )


def _area_notes(request: EnergyRequest, value: float) -> list[str]:
    """Return an energy per area in its other unit, and what a strain that pays means."""
    if request.per_what != PER_AREA:
        return []
    notes = [f"{value * _J_PER_M2:.3f} J/m^2"]
    if request.quantity == "strain energy" and value < 0:
        notes.append(
            "negative: strained, the layer is nearer to the lattice that this method gives it than "
            "in the measured one it was taken from"
        )
    return notes


def _check_settings(name: str, used: Sequence[tuple[str, Run]]) -> None:
    """Refuse legs that do not go together, and say where a correction made them differ."""
    try:
        check_settings(name, used)
    except RunError as error:
        if corrected := correction_notes(used):
            raise RunError(f"{error} {'; '.join(corrected)}.") from error
        raise


def _identity(request: EnergyRequest, settings: Settings) -> dict[str, Any]:
    """Return what tells the energy from others."""
    return {
        "engine": settings.engine,
        "method": settings.method,
        "model": request.model,
        "quantity": request.quantity,
        "label": request.label,
        "reference": request.reference,
    }


def _leg(leg: LegRequest, runs: Mapping[str, Run]) -> Leg:
    if leg.key is None:
        return Leg(role=leg.role, factor=leg.factor, key=None, energy=0.0, charge=-1.0, formula="")
    if leg.key not in runs:
        raise InputError(f"the leg {leg.role!r} needs calculation {leg.key}: run it first.")
    run = runs[leg.key]
    return Leg(
        role=leg.role,
        factor=leg.factor,
        key=leg.key,
        energy=run.e0,
        charge=run.charge,
        formula=run.structure.formula,
    )


def _keys(request: EnergyRequest) -> tuple[str, ...]:
    """Return the calculations of the legs, then the relaxations behind them, each once."""
    found = [leg.key for leg in request.legs] + [leg.geometry for leg in request.legs]
    return tuple(dict.fromkeys(key for key in found if key is not None))


def _geometries(request: EnergyRequest, runs: Mapping[str, Run]) -> list[tuple[str, Run]]:
    """Return the relaxations that legs have their geometry from."""
    found = []
    for leg in request.legs:
        if leg.geometry is None:
            continue
        if leg.geometry not in runs:
            raise InputError(
                f"the geometry of {leg.role!r} is that of calculation {leg.geometry}: run it first."
            )
        found.append((f"the geometry of {leg.role}", runs[leg.geometry]))
    return found


def _starts(request: EnergyRequest, runs: Mapping[str, Run]) -> list[tuple[float, Structure]]:
    """Return the factor of each leg and the structure that it, or its geometry, began with."""
    keys = [(leg.factor, leg.geometry or leg.key) for leg in request.legs]
    return [(factor, runs[key].initial_structure) for factor, key in keys if key is not None]


def _name(request: EnergyRequest) -> str:
    reference = f" against {request.reference}" if request.reference else ""
    return f"{request.quantity} of {request.model}, {request.label}{reference}"


def _check_balance(request: EnergyRequest, legs: Sequence[Leg]) -> None:
    """Refuse a sum that makes or loses atoms or charge."""
    excess: dict[str, list[float]] = defaultdict(list)
    for leg in legs:
        excess["charge"].append(leg.factor * leg.charge)
        atoms = Composition(leg.formula).get_el_amt_dict() if leg.formula else {}
        for element, count in atoms.items():
            excess[element].append(leg.factor * count)
    wrong = []
    for name, terms in excess.items():
        size = max(1.0, *(abs(term) for term in terms))
        tolerance = _CHARGE if name == "charge" else _ATOMS
        if abs(total := math.fsum(terms)) > tolerance * size:
            wrong.append(f"{name} {total:+.6g}")
    if wrong:
        terms_text = ", ".join(
            f"{leg.factor:+g} {leg.formula or 'e-'} ({leg.role})" for leg in legs
        )
        raise InputError(
            f"{_name(request)} does not balance (products - reactants: {', '.join(wrong)}); its "
            f"legs are {terms_text}. Correct the factors or add the missing leg."
        )


def _contents(legs: Sequence[Leg], sign: float) -> dict[str, float]:
    """Return atoms, charge and electrons (those of the cores counted) of one side of a sum."""
    side = [(abs(leg.factor), leg) for leg in legs if leg.factor * sign > 0]
    atoms = [(factor, leg.charge, Composition(leg.formula or {})) for factor, leg in side]
    charge = math.fsum(factor * charge for factor, charge, _ in atoms)
    numbers = math.fsum(
        factor * amount * element.Z
        for factor, _, composition in atoms
        for element, amount in composition.items()
    )
    n_atoms = math.fsum(factor * composition.num_atoms for factor, _, composition in atoms)
    sizes = {"atoms": n_atoms, "charge": charge, "electrons": numbers - charge}
    return {name: round(value, 6) + 0.0 for name, value in sizes.items()}


def _unconverged_notes(runs: Sequence[tuple[str, Run]]) -> list[str]:
    return [
        f"{role} is not converged: {'; '.join(run.reasons) or 'no reason stored'}"
        for role, run in runs
        if run.status == "unconverged"
    ]
