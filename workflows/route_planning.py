"""Reactions on a surface: every state as a cell, balanced against the first by reservoirs."""

from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np
from pymatgen.core import Composition, Structure

from ..results.requests import LegRequest, PathwayRequest, StateRequest
from ..structures.catalogue import build_named
from ..structures.edits import hold_atoms
from ..structures.errors import InputError
from ..structures.surface_states import SurfaceState, build_state
from .calculations import Calculation
from .incar_rules import magnetic_moments
from .planner import Planner, Start
from .study import Route, RouteState

_BALANCED = 1e-6  # atoms


def add_route(planner: Planner, route: Route) -> None:
    """Add every state of a route, its vibrations where asked for, and its energy profile."""
    model = build_named(route.surface, planner.study.size(planner.profile), planner.crystals)
    frozen = route.freeze.get(planner.profile, ())
    surface = model.structure
    if frozen:
        held = [i for i, site in enumerate(surface) if site.specie.symbol in frozen]
        surface = hold_atoms(surface, held)
    built = [_built(surface, state, planner.study.ion) for state in route.states]
    has_radicals = any(state.multiplicity > 1 for state in built)  # then spin is on in every state
    cells, vibrations = list[Calculation](), list[str | None]()
    for number, (state, cell) in enumerate(zip(route.states, built, strict=True)):
        name = f"{model.name}/{route.name}/{number + 1}-{state.name}/relax"
        spin = _moments(cell, planner.study.ion) if has_radicals else None
        cells.append(planner.add(model.name, name, "relax", cell.structure, spin=spin))
        vibrations.append(_vibrations(planner, route, cell, cells[-1], spin))
    requests = [
        StateRequest(
            name=state.name,
            cell=cell.key,
            vibrations=key,
            **state_legs(route, state, cell, cells[0], planner.phases),
        )
        for state, cell, key in zip(route.states, cells, vibrations, strict=True)
    ]
    planner.requests.append(
        PathwayRequest(
            model=model.name,
            label=route.name,
            states=tuple(requests),
            temperature_kelvin=route.temperature_kelvin if all(vibrations) else None,
        )
    )


def _built(surface: Structure, state: RouteState, ion: str) -> SurfaceState:
    """Return a state's cell, built once per process; errors name the state."""
    try:
        return _placed(surface.to_json(), state.species, ion, state.ions)
    except InputError as error:
        raise InputError(f"state {state.name!r}: {error}") from error


@cache  # placing a molecule of seven atoms takes seconds
def _placed(surface: str, species: tuple[str, ...], ion: str, n_ions: int) -> SurfaceState:
    """Return the surface with its molecules."""
    return build_state(Structure.from_str(surface, fmt="json"), species, ion=ion, n_ions=n_ions)


def _moments(state: SurfaceState, ion: str) -> list[float]:
    """Return starting moments: one Bohr magneton on every atom of the molecules, but their ions."""
    symbols = [site.specie.symbol for site in state.structure]
    moments = magnetic_moments(symbols)
    for i in state.adsorbates:
        moments[i] = 0.0 if symbols[i] == ion else 1.0
    return moments


def _vibrations(
    planner: Planner,
    route: Route,
    built: SurfaceState,
    cell: Calculation,
    spin: Sequence[float] | None,
) -> str | None:
    """Add the vibrations of what lies on the surface, where the profile wants them."""
    if not route.vibrations.get(planner.profile, False):
        return None
    moving = set(built.adsorbates)
    structure = built.structure.copy()
    structure.add_site_property(
        "selective_dynamics", [[i in moving] * 3 for i in range(len(structure))]
    )
    run = planner.add(
        cell.label.model,
        cell.label.name.replace("/relax", "/vibrations"),
        "vibrations",
        structure,
        start=Start(parents={"structure": cell.key}),
        spin=spin,
    )
    return run.key


def state_legs(
    route: Route,
    state: RouteState,
    cell: Calculation,
    first: Calculation,
    phases: Mapping[str, Calculation],
) -> dict[str, object]:
    """Return legs and equation of a state: its cell and phases, less the first state's cell."""
    if cell.key == first.key and not state.phases:
        return {"legs": ()}
    made = Composition()
    for name in state.phases:
        made += phases[name].structure.composition.reduced_composition
    lacking = first.structure.composition, cell.structure.composition + made
    amounts = _amounts(route, state, lacking, phases)
    legs = [
        LegRequest(role=state.name, factor=1.0, key=cell.key),
        LegRequest(role=route.states[0].name, factor=-1.0, key=first.key),
    ]
    sides: dict[int, list[str]] = {1: [state.name], -1: [route.states[0].name]}
    units = dict.fromkeys(state.phases, 1.0)
    for name, amount in amounts.items():
        units[name] = units.get(name, 0.0) + amount
    for name, amount in units.items():
        if abs(amount) < _BALANCED:
            continue
        formula, per_cell = phases[name].structure.composition.get_reduced_formula_and_factor()
        legs.append(LegRequest(role=name, factor=amount / per_cell, key=phases[name].key))
        sides[1 if amount > 0 else -1].append(f"{abs(amount):.4g} {formula}")
    return {"legs": tuple(legs), "equation": " -> ".join(" + ".join(sides[s]) for s in (-1, 1))}


def _amounts(
    route: Route,
    state: RouteState,
    lacking: tuple[Composition, Composition],
    phases: Mapping[str, Calculation],
) -> dict[str, float]:
    """Return formula units of each reservoir that a state takes (-) or gives (+), uniquely.

    Raises
    ------
    InputError
        The reservoirs cannot balance the state, or in more than one way.
    """
    units = [phases[name].structure.composition.reduced_composition for name in route.reservoirs]
    elements = sorted({el for part in (*lacking, *units) for el in part}, key=str)
    wanted = np.array([lacking[0][el] - lacking[1][el] for el in elements])
    if np.abs(wanted).max() < _BALANCED:
        return {}
    matrix = np.array([[unit[el] for unit in units] for el in elements]).reshape(len(elements), -1)
    solution = np.linalg.lstsq(matrix, wanted, rcond=None)[0] if units else np.empty(0)
    rest = wanted - matrix @ solution
    where = f"route {route.name!r} on {route.surface}, state {state.name!r}"
    if np.abs(rest).max() > _BALANCED:
        odd = ", ".join(
            f"{el} {-r:+.3g}" for el, r in zip(elements, rest, strict=True) if abs(r) > _BALANCED
        )
        named = ", ".join(route.reservoirs) or "none"
        raise InputError(
            f"{where} does not balance against {route.states[0].name!r}: {odd} atoms are left with "
            f"the reservoirs {named}; name a reservoir that holds them"
        )
    if np.linalg.matrix_rank(matrix) < len(units):
        raise InputError(
            f"{where} balances in several ways with the reservoirs {', '.join(route.reservoirs)}: "
            "leave one of them out"
        )
    return {
        name: round(float(amount), 9)
        for name, amount in zip(route.reservoirs, solution, strict=True)
    }
