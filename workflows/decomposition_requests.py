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
from .balances import Balance
from .calculations import Calculation
from .decomposition_pathways import Pathway, State, pieces
from .planner import Start
from .systems import bond_request


def add_requests(pathway: Pathway) -> None:
    """Add what follows from the states of a pathway."""
    planner, states = pathway.planner, tuple(_states(pathway))
    planner.requests.append(PathwayRequest(model=pathway.where, label=pathway.label, states=states))
    if pathway.bands:
        rate = RateRequest(
            model=pathway.where,
            label=pathway.label,
            states=states,
            breaking=tuple(f"{step.name} broken" for step in pathway.part.steps),
            bands=tuple(pathway.bands),
        )
        planner.requests += [rate, *(barrier for _, barrier in rate.barriers())]
    for state in pathway.states:
        _add_bonds(pathway, state)
        if pathway.name in pathway.part.charges.get(planner.profile, ()):
            _add_charges(pathway, state)
        if pathway.name in pathway.part.elf.get(planner.profile, ()):
            _add_elf(pathway, state)


def _states(pathway: Pathway) -> Iterator[StateRequest]:
    """Give the states, each measured against the first with the donor and what has left."""
    reservoirs = (pathway.part.donor,) if pathway.part.electrons else ()
    balance = Balance(f"{pathway.label} on {pathway.where}", reservoirs, pathway.planner.phases)
    for state in pathway.states:
        legs = balance.legs(pathway.states[0], state)
        yield StateRequest(name=state.name, cell=state.calculation.key, **legs)


def _add_bonds(pathway: Pathway, state: State) -> None:
    """Add the C-F lengths of a state, and whether it is in the pieces that it should be."""
    label, key = f"{pathway.label}: {state.name}", state.calculation.key
    lengths = bond_request(pathway.where, label, key, pathway.molecule.species, state.places)
    if lengths:
        pathway.planner.requests.append(lengths)


def _add_charges(pathway: Pathway, state: State) -> None:
    """Add a charge run of a state, and what each of its fragments has lost or gained."""
    found = _fragments(pathway, state)
    pathway.planner.requests.append(
        TransferRequest(
            model=pathway.where,
            label=f"{pathway.label}: {state.name}",
            key=_at(pathway, state, "charge").key,
            fragments=found,
            show=tuple(found),
        )
    )


def _add_elf(pathway: Pathway, state: State) -> None:
    """Add the electron localization function of a state along the bonds that break."""
    symbols, places = pathway.molecule.species.symbols, state.places
    there = [pair for pair in pathway.broken if set(pair) <= set(places)]
    third = [i for pair in there for i in pair if i not in there[0]] + sorted(
        i for i in places if there and i not in there[0]
    )
    if not there or not third:
        return
    pathway.planner.requests.append(
        ElfLineRequest(
            model=pathway.where,
            label=f"{pathway.label}: {state.name}",
            key=_at(pathway, state, "elf").key,
            bonds={f"{symbols[i]}-{symbols[j]}": (places[i], places[j]) for i, j in there},
            plane=(places[there[0][0]], places[there[0][1]], places[third[0]]),
        )
    )


def _at(pathway: Pathway, state: State, task: str) -> Calculation:
    """Add a run at the geometry of a state."""
    relaxed = state.calculation
    return pathway.planner.add(
        pathway.where,
        f"{relaxed.label.name.removesuffix('/relax')}/{task}",
        task,
        unheld(relaxed.structure),
        spin=relaxed.incar.get("MAGMOM"),
        is_molecule=True,
        start=Start(parents={"structure": relaxed.key}),
    )


def _fragments(pathway: Pathway, state: State) -> dict[str, tuple[int, ...]]:
    """Return host, fragments of the molecule and ions of a state by name."""
    species, found = pathway.molecule.species, dict[str, tuple[int, ...]]()
    if state.host:
        found[pathway.where] = state.host
    for piece in pieces(species, state.broken, _ion(pathway)):
        there = [i for i in piece if i in state.places]
        if there:
            formula = _formula([species.symbols[i] for i in there])
            name = formula if formula not in found else f"{formula} {len(found)}"
            found[name] = tuple(sorted(state.places[i] for i in there))
    taken = {i for atoms in found.values() for i in atoms}
    left = tuple(i for i in range(len(state.calculation.structure)) if i not in taken)
    return found | ({_ion(pathway): left} if left else {})


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


def _ion(pathway: Pathway) -> str:
    return pathway.planner.study.ion
