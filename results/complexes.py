"""Binding energy of a complex, apart into interaction and what preparing its parts costs.

binding = E(complex) - sum of E(part, relaxed alone);
interaction = E(complex) - sum of E(part, frozen as in the complex);
preparation = E(part, frozen) - E(part, relaxed alone).
So binding = interaction + sum of preparations, all of one placement.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from ..structures.errors import InputError
from .choices import Choice, choose_lowest
from .records import Property, Run
from .requests import ComplexRequest, EnergyRequest, LegRequest, PartRequest, PlacementRequest

_Derive = Callable[[EnergyRequest], list[Property]]
_RELAXED = 1e-3  # eV: what a relaxation leaves open


def complex_properties(
    request: ComplexRequest,
    derive: _Derive,
    has: Callable[[str], bool],
    run: Callable[[str], Run],
) -> list[Property]:
    """Return binding, interaction and preparation energies of the lowest placement.

    Parameters
    ----------
    request
        Placements, and parts as relaxed alone.
    derive
        Returns the property of an energy, missing with its reason where there is none.
    has, run
        Whether a calculation is finished, and its run.

    Returns
    -------
    list of Property
        In the order of `ComplexRequest.quantities`. Where the lowest placement has no frozen
        parts, interaction and preparation are missing; they are never taken from another one.

    Raises
    ------
    InputError
        No placement is finished, or placements differ in composition or charge.
    """
    choice = _choice(request, has, run)
    placement = next(p for p in request.placements if p.key == choice.key)
    names = request.quantities()
    reactants = [part.leg() for part in request.parts]
    binding = derive(_energy(request, names[0], [_whole(placement), *reactants]))[0]
    binding = _with_choice(binding, request, placement, choice)
    if not request.is_taken_apart:
        return [binding]
    frozen = [_frozen(part, placement) for part in request.parts]
    gone = [part.name for part, leg in zip(request.parts, frozen, strict=True) if leg is None]
    if gone:
        text = (
            f"{placement.name}, the lowest, has no frozen geometry of {', '.join(gone)}: run each "
            "part as static calculation in the geometry of this placement"
        )
        return [binding, *(_missing(binding, name, text) for name in names[1:])]
    legs = [leg for leg in frozen if leg is not None]
    interaction = derive(_energy(request, names[1], [_whole(placement), *legs]))[0]
    preparations = [
        _preparation(request, part, leg, derive)
        for part, leg in zip(request.parts, legs, strict=True)
        if part.key is not None
    ]
    return [binding, *(_of(placement, item) for item in (interaction, *preparations))]


def _choice(
    request: ComplexRequest, has: Callable[[str], bool], run: Callable[[str], Run]
) -> Choice:
    keys = [placement.key for placement in request.placements]
    choice = choose_lowest(f"{request.model}, {request.label}", keys, has, run)
    if choice is None:
        names = ", ".join(f"{p.name} ({p.key})" for p in request.placements)
        raise InputError(f"none of the placements is finished: {names}")
    return choice


def _energy(request: ComplexRequest, quantity: str, legs: Sequence[LegRequest]) -> EnergyRequest:
    return EnergyRequest(
        model=request.model,
        label=request.label,
        quantity=quantity,
        reference=request.reference,
        legs=tuple(legs),
        equation=request.equation,
    )


def _whole(placement: PlacementRequest) -> LegRequest:
    return LegRequest(role=f"complex, {placement.name}", factor=1.0, key=placement.key)


def _frozen(part: PartRequest, placement: PlacementRequest) -> LegRequest | None:
    """Return a part in the geometry of the complex; an electron or an atom is as it is."""
    if part.key is None:
        return part.leg()
    if part.name not in placement.frozen:
        return None
    return LegRequest(
        role=f"{part.name} as in the complex",
        factor=-part.factor,
        key=placement.frozen[part.name],
    )


def _preparation(
    request: ComplexRequest, part: PartRequest, frozen: LegRequest, derive: _Derive
) -> Property:
    """Return what it costs to bring a part from its own minimum into the complex's geometry."""
    start = frozen.model_copy(update={"factor": part.factor})
    name = f"preparation energy of {part.name}"
    item = derive(_energy(request, name, [start, part.leg()]))[0]
    item = replace(item, reference="")  # the same, whatever the complex is measured against
    if item.value is not None and item.value < -_RELAXED:
        text = (
            f"negative: {part.name} alone was not at its minimum, so the binding energy is too "
            f"weak by at least {-item.value:.3f} eV. Relax it again, from this geometry"
        )
        item = replace(item, notes=(text, *item.notes))
    return item


def _with_choice(
    item: Property, request: ComplexRequest, placement: PlacementRequest, choice: Choice
) -> Property:
    """Add to the binding energy what the other placements would give."""
    names = {p.key: p.name for p in request.placements}
    detail = dict(_of(placement, item).detail)
    if item.value is not None:
        energies = {placement.name: 0.0} | {names[k]: e for k, e in choice.above.items()}
        detail["placements"] = {name: item.value + e for name, e in energies.items()}
    notes = item.notes
    if len(names) > 1:
        n_done = 1 + len(choice.above)
        others = ", ".join(f"{names[k]} {e:+.3f} eV" for k, e in choice.above.items())
        text = f"{placement.name} is the lowest of {n_done} of {len(names)} placements"
        text += f" ({others})" if others else ""
        left = ", ".join(names[key] for key in choice.unfinished)
        notes = (text + (f"; not finished: {left}" if left else ""), *notes)
    return replace(item, detail=detail, notes=notes)


def _of(placement: PlacementRequest, item: Property) -> Property:
    return replace(item, detail={**item.detail, "placement": placement.name})


def _missing(item: Property, quantity: str, note: str) -> Property:
    return replace(
        item, quantity=quantity, value=None, status="missing", legs=(), keys=(), detail={},
        notes=(note,), reference="" if quantity.startswith("preparation") else item.reference,
    )  # fmt: skip
