"""One decomposition on one host while it is planned: what is there, and what has left."""

from collections.abc import Callable
from dataclasses import dataclass, field

from pymatgen.core import Structure

from ..results.requests import StepBandRequest
from ..structures.bonding import bonds, parts
from ..structures.errors import InputError
from ..structures.species import Species
from .balances import Stage
from .molecular_parts import Decomposition
from .planner import Planner
from .systems import System

MOMENT = "moment"  # site property: starting moments, which go along with their atoms
Bond = tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class State(Stage):
    """A state of the molecule while it comes apart."""

    places: dict[int, int]  # atoms of the molecule, ions left out, that are there: where they are
    host: tuple[int, ...]  # atoms of the host in the structure
    broken: tuple[Bond, ...] = ()  # bonds of the molecule, in its own numbers


@dataclass
class Pathway:
    """One decomposition on one host."""

    planner: Planner
    part: Decomposition
    where: str  # "free" or the name of the host
    name: str  # one of the decomposition's `where`: "free" or a complex
    molecule: System
    structure: Structure  # as planned so far
    host: tuple[int, ...]
    places: dict[int, int]
    phases: tuple[str, ...] = ()
    states: list[State] = field(default_factory=list)
    bands: list[StepBandRequest] = field(default_factory=list)
    broken: list[Bond] = field(default_factory=list)

    @property
    def label(self) -> str:
        """Return what the route is called."""
        return f"{self.part.name} decomposition"

    @property
    def folder(self) -> str:
        """Return what the names of its calculations begin with."""
        return f"{self.where}/{self.label}"


def named_atoms(part: Decomposition, species: Species) -> Callable[[str], int]:
    """Return what finds an atom of the molecule by element and number, as S1 or N1."""
    named, counts = dict[str, int](), dict[str, int]()
    for i, symbol in enumerate(species.symbols):
        counts[symbol] = counts.get(symbol, 0) + 1
        named[f"{symbol}{counts[symbol]}"] = i

    def find(label: str) -> int:
        if label not in named:
            raise InputError(
                f"{part.name}: {part.molecule} has no atom {label!r}; it has {', '.join(named)}"
            )
        return named[label]

    return find


def piece_of(pathway: Pathway, atom: int) -> list[int]:
    """Return the atoms of the piece that an atom of the molecule is in by now, ions left out."""
    return next(
        p
        for p in pieces(pathway.molecule.species, pathway.broken, pathway.planner.study.ion)
        if atom in p
    )


def pieces(species: Species, broken: list[Bond] | tuple[Bond, ...], ion: str) -> list[list[int]]:
    """Return the pieces of a molecule once some of its bonds are broken, its ions left out."""
    gone = {tuple(sorted(pair)) for pair in broken}
    kept = [i for i, symbol in enumerate(species.symbols) if symbol != ion]
    rank = {atom: place for place, atom in enumerate(kept)}
    links = {
        (rank[i], rank[j])
        for i, j in bonds(species.symbols, species.positions)
        if (i, j) not in gone and i in rank and j in rank
    }
    return [[kept[i] for i in piece] for piece in parts(frozenset(links), len(kept))]
