"""What follows from a decomposition: energies of states and steps, barriers, bonds, charges."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pymatgen.core import Composition, Structure

from ..results.requests import (
    BondRequest,
    ElfLineRequest,
    PathwayRequest,
    RateRequest,
    StateRequest,
    StepBandRequest,
    TransferRequest,
)
from ..structures.bonding import bonds, parts
from ..structures.species import BoxedSpecies, Species
from .calculations import Calculation
from .molecular_parts import FREE, Decomposition
from .planner import Planner, Start
from .route_planning import state_legs
from .study import Route, RouteState
from .systems import System, add_boxed


@dataclass(frozen=True, kw_only=True)
class State:
    """A state of the molecule on its way."""

    name: str
    calculation: Calculation
    phases: tuple[str, ...] = ()


@dataclass
class Way:
    """One decomposition on one host while it is planned."""

    planner: Planner
    part: Decomposition
    where: str  # "free" or the name of the host
    molecule: System
    intact: System  # the molecule on its host, before it takes up electrons
    box: BoxedSpecies  # host, molecule, and the donor's ions
    structure: Structure  # as planned so far
    held: tuple[int, ...]  # atoms of the host, where they are held
    states: list[State]
    bands: list[StepBandRequest]
    broken: list[tuple[int, int]]  # bonds of the molecule, in its own numbers

    @property
    def n_host(self) -> int:
        """Return how many atoms come before the molecule."""
        n_ions = self.part.electrons
        return len(self.box.atoms) - n_ions - len(self.molecule.species.symbols)

    def at(self, atom: int) -> int:
        """Return where an atom of the molecule is in the structure."""
        return self.box.atoms[self.n_host + atom]

    @property
    def folder(self) -> str:
        """Return what the names of its calculations begin with."""
        return f"{self.where}/{self.part.name} decomposition"

    @property
    def last(self) -> Calculation:
        """Return the calculation of the last state."""
        return self.states[-1].calculation


def fragments(species: Species, broken: Sequence[tuple[int, int]], ion: str) -> list[list[int]]:
    """Return the pieces of a molecule once some of its bonds are broken, its ions left out."""
    gone = {tuple(sorted(pair)) for pair in broken}
    heavy = [i for i, symbol in enumerate(species.symbols) if symbol != ion]
    rank = {atom: place for place, atom in enumerate(heavy)}
    links = {
        (rank[i], rank[j])
        for i, j in bonds(species.symbols, species.positions)
        if (i, j) not in gone and i in rank and j in rank
    }
    return [[heavy[i] for i in piece] for piece in parts(frozenset(links), len(heavy))]


def add_requests(way: Way) -> None:
    """Add what follows from the states of a way."""
    label = f"{way.part.name} decomposition"
    states = tuple(_state_requests(way))
    planner = way.planner
    planner.requests.append(PathwayRequest(model=way.where, label=label, states=states))
    if way.bands:
        planner.requests.append(
            RateRequest(
                model=way.where,
                label=label,
                states=states,
                breaking=tuple(f"{step.name} broken" for step in way.part.steps),
                bands=tuple(way.bands),
            )
        )
    _add_bonds(way)
    if way.part.charges.get(planner.profile):
        _add_charges(way)
    if way.part.elf.get(planner.profile):
        _add_elf(way)


def _state_requests(way: Way) -> Iterator[StateRequest]:
    """Give the states, each measured against the first with its donor and phases."""
    donor = (way.part.donor,) if way.part.electrons else ()
    route = Route(
        name=way.part.name,
        surface=way.where,
        states=tuple(
            RouteState(name=state.name, species=(), phases=state.phases) for state in way.states
        ),
        reservoirs=donor,
    )
    first = way.states[0].calculation
    for state, planned in zip(way.states, route.states, strict=True):
        legs = state_legs(route, planned, state.calculation, first, way.planner.phases)
        yield StateRequest(name=state.name, cell=state.calculation.key, **legs)


def _add_bonds(way: Way) -> None:
    """Add the lengths of the bonds of each state, and whether the molecule is in the pieces wanted.

    The first state's are compared with those of the molecule by itself.
    """
    species = way.molecule.species
    alone = way.molecule.boxed.atoms
    carbon_fluorine = [
        pair for pair in sorted(bonds(species.symbols, species.positions))
        if {species.symbols[i] for i in pair} == {"C", "F"}
    ]  # fmt: skip
    names = {f"C-F bond {n}": pair for n, pair in enumerate(carbon_fluorine, start=1)}
    for number, state in enumerate(way.states[: len(way.states) - bool(way.part.departure)]):
        place = _places(way, state)
        compared = number == 0 and way.where != FREE
        way.planner.requests.append(
            BondRequest(
                model=way.where,
                label=state.name,
                key=state.calculation.key,
                bonds={name: (place[i], place[j]) for name, (i, j) in names.items()},
                before=way.molecule.keys[0] if compared else None,
                before_bonds={n: (alone[i], alone[j]) for n, (i, j) in names.items()}
                if compared
                else {},
                atoms=tuple(sorted(place)),
            )
        )


def _places(way: Way, state: State) -> list[int]:
    """Return where the atoms of the molecule are in the structure of a state."""
    n = len(way.molecule.species.symbols)
    if len(state.calculation.structure) == len(way.box.atoms):
        return [way.at(i) for i in range(n)]
    return list(way.intact.boxed.atoms[-n:])  # before the donor's atoms came


def _add_charges(way: Way) -> None:
    """Add a charge run of each state, and what each fragment has lost or gained."""
    for state in way.states:
        if len(state.calculation.structure) != len(way.box.atoms):
            continue  # of other atoms: the first, and the last with LiF gone
        run = _at(way, state, "charge")
        found = _fragments_of(way, state)
        way.planner.requests.append(
            TransferRequest(
                model=way.where,
                label=state.name,
                key=run.key,
                fragments=found,
                show=tuple(found),
            )
        )


def _add_elf(way: Way) -> None:
    """Add the electron localization function of each state along the bonds that break."""
    for state in way.states:
        if len(state.calculation.structure) != len(way.box.atoms):
            continue
        run = _at(way, state, "elf")
        first, second = way.broken[0]
        third = next(i for pair in way.broken[1:] or [(0, 1)] for i in pair if i != second)
        named = {
            f"{way.molecule.species.symbols[i]}-{way.molecule.species.symbols[j]}": (
                way.at(i),
                way.at(j),
            )
            for i, j in way.broken
        }
        way.planner.requests.append(
            ElfLineRequest(
                model=way.where,
                label=state.name,
                key=run.key,
                bonds=named,
                plane=(way.at(first), way.at(second), way.at(third)),
            )
        )


def _at(way: Way, state: State, task: str) -> Calculation:
    """Add a run at the geometry of a state."""
    box = BoxedSpecies(species=way.box.species, structure=way.box.structure, atoms=way.box.atoms)
    name = f"{state.calculation.label.name.removesuffix('/relax')}/{task}"
    start = Start(parents={"structure": state.calculation.key})
    return add_boxed(way.planner, way.where, name, task, box, start=start)


def _fragments_of(way: Way, state: State) -> dict[str, tuple[int, ...]]:
    """Return host, fragments of the molecule and ions of a state by name."""
    position = [s.name for s in way.states].index(state.name)
    broken = way.broken[: max(0, position - bool(way.part.electrons))]
    species, ion = way.molecule.species, way.planner.study.ion
    found: dict[str, tuple[int, ...]] = {}
    if way.n_host:
        found[way.where] = tuple(sorted(way.box.atoms[: way.n_host]))
    for piece in fragments(species, broken, ion):
        formula = Composition.from_dict(_counted(species, piece)).formula.replace(" ", "")
        name = formula if formula not in found else f"{formula} {len(found)}"
        found[name] = tuple(sorted(way.at(i) for i in piece))
    taken = {i for atoms in found.values() for i in atoms}
    left = tuple(i for i in range(len(way.box.atoms)) if i not in taken)
    if left:
        found[ion] = left
    return found


def _counted(species: Species, atoms: Sequence[int]) -> dict[str, int]:
    """Return how many atoms of each element there are."""
    counts: dict[str, int] = {}
    for i in atoms:
        counts[species.symbols[i]] = counts.get(species.symbols[i], 0) + 1
    return counts
