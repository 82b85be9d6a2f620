"""Reaction pathways: energies of states against the first, of steps, and the largest step."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Literal

from ..structures.errors import InputError
from .records import Property
from .requests import (
    EnergyRequest,
    LegRequest,
    PathwayRequest,
    Request,
    StateRequest,
    VibrationRequest,
)
from .thermochemistry import ROOM

_Derive = Callable[[Request], list[Property]]

_FACTOR = 1e-9
_NO_BARRIER = "difference of two states, without a transition state between them"


def pathway_properties(
    request: PathwayRequest, derive: _Derive, has: Callable[[str], bool]
) -> list[Property]:
    """Return energies of states and steps, the largest step, and the same as free energies.

    Where a calculation is not finished, what needs it is missing and the rest is there. Where a
    state is refused, since it does not balance or its legs do not cancel, the pathway is.

    Parameters
    ----------
    request
        The route; free energies follow where every state has vibrations.
    derive
        Returns the properties of another request.
    has
        Whether the calculation of a key is finished.

    Returns
    -------
    list of Property
        All in eV: "state energy", "step energy", "rate-determining step"; then "state free
        energy", "step free energy", "rate-determining step" with the temperature as reference.
    """
    states = [_named(derive(item)[0], about) for item, about in state_requests(request)]
    steps = [_named(derive(item)[0], about) for item, about in step_requests(request)]
    rows = [*states, *steps, _largest(request, steps)]
    if request.has_vibrations:
        rows += _free(request, states, steps, derive)
    refusals = wrong_states(request) or [
        note
        for state, item in zip(request.states, states, strict=True)
        if item.value is None and all(has(key) for key in _keys(state))
        for note in item.notes
    ]
    return [_without_value(row, refusals) for row in rows] if refusals else rows


def _keys(state: StateRequest) -> list[str]:
    return [state.cell, *(leg.key for leg in state.legs if leg.key is not None)]


def _named(item: Property, about: dict[str, object]) -> Property:
    """Add the names of route and states, which labels join, to the details."""
    return replace(item, detail={**item.detail, **about})


def wrong_states(request: PathwayRequest) -> list[str]:
    """Return what is wrong with states that do not share the first, each by its name.

    Every later state holds its own cell once and gives up the cell of the first state once;
    two states have two names.
    """
    first, *later = request.states
    where = f"pathway {request.label!r} of {request.model}: state"
    wrong = [f"{where} {first.name!r} is the first and has legs: leave them out"] * bool(first.legs)
    names = [state.name for state in request.states]
    wrong += [
        f"{where} {name!r} is there {names.count(name)} times: give each a name of its own"
        for name in dict.fromkeys(names)
        if names.count(name) > 1
    ]
    for state in later:
        for cell, what, wanted in (
            (first.cell, f"the first state {first.name!r}", -1.0),
            (state.cell, "its own cell", 1.0),
        ):
            found = sum(leg.factor for leg in state.legs if leg.key == cell)
            if abs(found - wanted) > _FACTOR:
                wrong.append(
                    f"{where} {state.name!r} holds {what} ({cell}) {found:+g} times, wanted is "
                    f"{wanted:+g}: measure all states against one first state"
                )
    return wrong


def state_requests(request: PathwayRequest) -> list[tuple[EnergyRequest, dict[str, object]]]:
    """Return the energy of each state against the first, and what it is called."""
    # The first state against itself: its run is checked like the others, and its energy is 0.
    itself = tuple(
        LegRequest(role=request.states[0].name, factor=factor, key=request.states[0].cell)
        for factor in (1.0, -1.0)
    )
    return [
        (
            EnergyRequest(
                model=request.model,
                label=f"{request.label}: {state.name}",
                quantity="state energy",
                legs=state.legs if i else state.legs or itself,
                equation=state.equation,
            ),
            {"route": request.label, "state": state.name, "position": i, "cell": state.cell},
        )
        for i, state in enumerate(request.states)
    ]


def step_requests(request: PathwayRequest) -> list[tuple[EnergyRequest, dict[str, object]]]:
    """Return the energy of each step between neighbouring states, and what it is called."""
    return [
        (
            EnergyRequest(
                model=request.model,
                label=f"{request.label}: {start.name} -> {end.name}",
                quantity="step energy",
                legs=_difference(end.legs, start.legs),
                equation=f"{start.name} -> {end.name}",
            ),
            {"route": request.label, "from": start.name, "to": end.name, "position": i},
        )
        for i, (start, end) in enumerate(pairwise(request.states), start=1)
    ]


def _difference(end: Sequence[LegRequest], start: Sequence[LegRequest]) -> tuple[LegRequest, ...]:
    """Return end - start, one leg per calculation; those that cancel are left out."""
    factors: dict[str | None, float] = {}
    roles: dict[str | None, str] = {}
    for legs, sign in ((end, 1.0), (start, -1.0)):
        for leg in legs:
            factors[leg.key] = factors.get(leg.key, 0.0) + sign * leg.factor
            roles.setdefault(leg.key, leg.role)
    return tuple(
        LegRequest(role=roles[key], factor=factor, key=key)
        for key, factor in factors.items()
        if abs(factor) > _FACTOR
    )


def _largest(request: PathwayRequest, steps: Sequence[Property]) -> Property:
    """Return the largest step of a route as a property of its own."""
    row = replace(steps[0], quantity="rate-determining step", label=request.label)
    values = {item.detail["position"]: item.value for item in steps if item.value is not None}
    if len(values) < len(steps):
        gaps = [note for item in steps if item.value is None for note in item.notes]
        return _without_value(row, list(dict.fromkeys(gaps)))
    top = max(steps, key=lambda item: values[item.detail["position"]])
    names = [f"{item.detail['from']} -> {item.detail['to']}" for item in steps]
    step = f"{top.detail['from']} -> {top.detail['to']}"
    notes = [f"the largest step is {step}", _NO_BARRIER]
    if top.value is not None and top.value <= 0:
        notes.append("no step goes up in energy")
    notes += [note for item in steps if item.status != "ok" or item is top for note in item.notes]
    return replace(
        top,
        quantity="rate-determining step",
        label=request.label,
        status=_status(steps),
        keys=tuple(dict.fromkeys(key for item in steps for key in item.keys)),
        detail={
            **{name: top.detail[name] for name in ("route", "from", "to", "position")},
            "step": step,
            "steps": {name: item.value for name, item in zip(names, steps, strict=True)},
        },
        notes=tuple(dict.fromkeys(notes)),
    )


def _status(items: Sequence[Property]) -> Literal["ok", "unconverged"]:
    return "ok" if all(item.status == "ok" for item in items) else "unconverged"


def _without_value(row: Property, notes: Sequence[str]) -> Property:
    return replace(row, value=None, status="missing", legs=(), keys=(), notes=tuple(notes))


def _free(
    request: PathwayRequest, states: Sequence[Property], steps: Sequence[Property], derive: _Derive
) -> list[Property]:
    """Return energies of states, steps and the largest step with F_vib of the adsorbate."""
    temperature = ROOM if request.temperature_kelvin is None else request.temperature_kelvin
    parts = [
        _vibrational(request, state, item.method, temperature, derive)
        for state, item in zip(request.states, states, strict=True)
    ]
    cells = {state.cell for state in request.states}
    free_states = [
        _with_vibrations(item, part, parts[0], cells)
        for item, part in zip(states, parts, strict=True)
    ]
    free_steps = [
        _with_vibrations(item, end, start, cells)
        for item, (start, end) in zip(steps, pairwise(parts), strict=True)
    ]
    return [*free_states, *free_steps, _largest(request, free_steps)]


def _vibrational(
    request: PathwayRequest, state: StateRequest, method: str, temperature: float, derive: _Derive
) -> Property:
    """Return F_vib of the adsorbate of a state, by the method of its energy."""
    if state.vibrations is None:
        raise InputError(f"state {state.name!r} has no vibrations: give them to all or to none.")
    wanted = VibrationRequest(
        model=request.model,
        label=state.name,
        key=state.vibrations,
        temperature_kelvin=temperature,
    )
    item = next(item for item in derive(wanted) if item.quantity == "F_vib")
    item = replace(item, reference=f"{temperature:g} K")
    if item.value is not None and method and item.method != method:
        text = f"vibrations of {state.name} are by {item.method}, its energy by {method}"
        return _without_value(item, [text])
    return item


def _with_vibrations(item: Property, end: Property, start: Property, cells: set[str]) -> Property:
    """Return an energy with the F_vib of its end minus that of its start."""
    row = replace(
        item,
        quantity=item.quantity.replace("energy", "free energy"),
        reference=end.reference,
        energy_kind="E0 + F_vib",
    )
    if item.value is None or end.value is None or start.value is None:
        gaps = [note for x in (item, end, start) if x.value is None for note in x.notes]
        return _without_value(row, list(dict.fromkeys(gaps)))
    reservoirs = [leg.role for leg in item.legs if leg.key is not None and leg.key not in cells]
    return replace(
        row,
        value=item.value + (end.value - start.value),
        status=_status((item, end, start)),
        keys=tuple(dict.fromkeys((*item.keys, *end.keys, *start.keys))),
        detail={**item.detail, "F_vib_ev": end.value, "F_vib_start_ev": start.value},
        notes=tuple(dict.fromkeys((*item.notes, *_free_notes(end, start, reservoirs)))),
    )


def _free_notes(end: Property, start: Property, reservoirs: Sequence[str]) -> list[str]:
    """Say what the vibrations hold, and what they leave out."""
    parts = {item.label: item for item in (end, start)}
    notes = [f"{label}: {note}" for label, item in parts.items() for note in item.notes]
    counts = {label: len(item.detail["modes_mev"]) for label, item in parts.items()}
    if len(set(counts.values())) > 1:
        text = ", ".join(f"{count} of {label}" for label, count in counts.items())
        notes.append(f"not the same number of modes: {text}")
    if reservoirs:
        names = ", ".join(dict.fromkeys(reservoirs))
        notes.append(f"vibrations of the reservoirs are not included ({names})")
    return notes
