"""Reactions on a surface: every state as a cell, balanced against the first by reservoirs."""

from collections.abc import Sequence
from functools import cache

from pymatgen.core import Structure

from ..results.requests import PathwayRequest, StateRequest
from ..structures.catalogue import build_named
from ..structures.edits import hold_atoms
from ..structures.errors import InputError
from ..structures.surface_states import SurfaceState, build_state
from .balances import Balance, Stage
from .calculations import Calculation
from .incar_rules import magnetic_moments
from .phase_parts import Route, RouteState
from .planner import Planner, Start


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
    stages = [
        Stage(name=state.name, calculation=cell, phases=state.phases)
        for state, cell in zip(route.states, cells, strict=True)
    ]
    balance = Balance(f"route {route.name!r} on {route.surface}", route.reservoirs, planner.phases)
    requests = [
        StateRequest(
            name=stage.name,
            cell=stage.calculation.key,
            vibrations=key,
            **balance.legs(stages[0], stage),
        )
        for stage, key in zip(stages, vibrations, strict=True)
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
