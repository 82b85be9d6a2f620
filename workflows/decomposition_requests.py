"""What follows from a decomposition: energies of states and steps, barriers, bonds, charges."""

from collections import Counter
from collections.abc import Iterator

from ..results.requests import (
    ElfLineRequest,
    PathwayRequest,
    RateRequest,
    StateRequest,
    TransferRequest,
)
from ..structures.edits import unheld
from .calculations import Calculation
from .decomposition_ways import State, Way, pieces
from .planner import Start
from .route_planning import state_legs
from .study import Route, RouteState
from .systems import bond_request


def add_requests(way: Way) -> None:
    """Add what follows from the states of a way."""
    planner, states = way.planner, tuple(_states(way))
    planner.requests.append(PathwayRequest(model=way.where, label=way.label, states=states))
    if way.bands:
        rate = RateRequest(
            model=way.where,
            label=way.label,
            states=states,
            breaking=tuple(f"{step.name} broken" for step in way.part.steps),
            bands=tuple(way.bands),
        )
        planner.requests += [rate, *(barrier for _, barrier in rate.barriers())]
    for state in way.states:
        _add_bonds(way, state)
        if way.name in way.part.charges.get(planner.profile, ()):
            _add_charges(way, state)
        if way.name in way.part.elf.get(planner.profile, ()):
            _add_elf(way, state)


def _states(way: Way) -> Iterator[StateRequest]:
    """Give the states, each measured against the first with the donor and what has left."""
    route = Route(
        name=way.part.name,
        surface=way.where,
        states=tuple(RouteState(name=s.name, species=(), phases=s.phases) for s in way.states),
        reservoirs=(way.part.donor,) if way.part.electrons else (),
    )
    first = way.states[0].calculation
    for state, planned in zip(way.states, route.states, strict=True):
        legs = state_legs(route, planned, state.calculation, first, way.planner.phases)
        yield StateRequest(name=state.name, cell=state.calculation.key, **legs)


def _add_bonds(way: Way, state: State) -> None:
    """Add the C-F lengths of a state, and whether it is in the pieces that it should be."""
    label, key = f"{way.label}: {state.name}", state.calculation.key
    lengths = bond_request(way.where, label, key, way.molecule.species, state.places)
    if lengths:
        way.planner.requests.append(lengths)


def _add_charges(way: Way, state: State) -> None:
    """Add a charge run of a state, and what each of its fragments has lost or gained."""
    found = _fragments(way, state)
    way.planner.requests.append(
        TransferRequest(
            model=way.where,
            label=f"{way.label}: {state.name}",
            key=_at(way, state, "charge").key,
            fragments=found,
            show=tuple(found),
        )
    )


def _add_elf(way: Way, state: State) -> None:
    """Add the electron localization function of a state along the bonds that break."""
    symbols, places = way.molecule.species.symbols, state.places
    there = [pair for pair in way.broken if set(pair) <= set(places)]
    third = [i for pair in there for i in pair if i not in there[0]] + sorted(
        i for i in places if there and i not in there[0]
    )
    if not there or not third:
        return
    way.planner.requests.append(
        ElfLineRequest(
            model=way.where,
            label=f"{way.label}: {state.name}",
            key=_at(way, state, "elf").key,
            bonds={f"{symbols[i]}-{symbols[j]}": (places[i], places[j]) for i, j in there},
            plane=(places[there[0][0]], places[there[0][1]], places[third[0]]),
        )
    )


def _at(way: Way, state: State, task: str) -> Calculation:
    """Add a run at the geometry of a state."""
    relaxed = state.calculation
    return way.planner.add(
        way.where,
        f"{relaxed.label.name.removesuffix('/relax')}/{task}",
        task,
        unheld(relaxed.structure),
        spin=relaxed.incar.get("MAGMOM"),
        is_molecule=True,
        start=Start(parents={"structure": relaxed.key}),
    )


def _fragments(way: Way, state: State) -> dict[str, tuple[int, ...]]:
    """Return host, fragments of the molecule and ions of a state by name."""
    species, found = way.molecule.species, dict[str, tuple[int, ...]]()
    if state.host:
        found[way.where] = state.host
    for piece in pieces(species, state.broken, _ion(way)):
        there = [i for i in piece if i in state.places]
        if there:
            formula = _formula([species.symbols[i] for i in there])
            name = formula if formula not in found else f"{formula} {len(found)}"
            found[name] = tuple(sorted(state.places[i] for i in there))
    taken = {i for atoms in found.values() for i in atoms}
    left = tuple(i for i in range(len(state.calculation.structure)) if i not in taken)
    return found | ({_ion(way): left} if left else {})


def _formula(symbols: list[str]) -> str:
    """Return the formula of a fragment as chemists write it.

    Examples
    --------
    >>> _formula(["S", "O", "O", "C", "F", "F", "F"])
    'CF3SO2'
    """
    counts = Counter(symbols)
    order = sorted(counts, key=lambda s: ("CFSON".find(s) % 100, s))
    return "".join(s if counts[s] == 1 else f"{s}{counts[s]}" for s in order)


def _ion(way: Way) -> str:
    return way.planner.study.ion
