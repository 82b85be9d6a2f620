"""Binding energies of an ion: host with it, less host, less each reference."""

from ..results.requests import EnergyRequest, LegRequest, Request
from ..structures.errors import InputError
from ..structures.models import Model
from .calculations import Calculation
from .phase_parts import IonReference
from .planner import Planner


def binding_requests(
    planner: Planner,
    model: Model,
    site: str,
    with_ion: Calculation,
    host: Calculation,
    quantity: str = "",
) -> list[Request]:
    """Return the binding energy of one ion against each reference."""
    ion, requests = planner.study.ion, list[Request]()
    for reference in planner.study.ion_references:
        phase = planner.phases[reference.phase]
        per_ion = 1 / _n_ions(planner, reference)
        legs = [
            _leg(f"{model.name} with {ion} at {site}", 1, with_ion),
            _leg(model.name, -1, host),
            LegRequest(role=reference.name, factor=-per_ion, key=phase.key),
        ]
        if reference.electrons:
            legs.append(
                LegRequest(role="electron at the vacuum level", factor=-reference.electrons)
            )
        requests.append(
            EnergyRequest(
                model=model.name,
                label=site,
                quantity=f"{ion} binding energy {quantity}".rstrip(),
                reference=reference.name,
                legs=tuple(legs),
                equation=f"{model.name} + {reference.name} -> {ion}@{model.name}",
            )
        )
    return requests


def _n_ions(planner: Planner, reference: IonReference) -> float:
    """Return how many ions the phase of a reference holds; refuse one that cannot balance."""
    ion, phase = planner.study.ion, planner.phases[reference.phase]
    composition = phase.structure.composition
    where = f"{planner.study.study}: ion_references: {reference.name!r}: phase {reference.phase!r}"
    if set(composition.get_el_amt_dict()) != {ion}:
        raise InputError(
            f"{where} is {composition.reduced_formula}, but the ion is {ion}: name a phase of "
            f"{ion} alone, or change 'ion'."
        )
    n_ions = float(composition.num_atoms)
    if phase.charge != reference.electrons * n_ions:
        raise InputError(
            f"{where} has the charge {phase.charge:+d} and {n_ions:g} {ion}, which "
            f"{reference.electrons} electrons for each do not make neutral: set 'electrons' to "
            f"{phase.charge / n_ions:g}."
        )
    return n_ions


def _leg(role: str, factor: float, run: Calculation) -> LegRequest:
    """Return a leg, with the relaxation that its geometry comes from."""
    return LegRequest(role=role, factor=factor, key=run.key, geometry=run.parents.get("structure"))
