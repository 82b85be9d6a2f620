"""Molecules and complexes of a study in their boxes, relaxed in one or several ways."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..results.requests import BondRequest, LegRequest
from ..structures.bonding import bonds
from ..structures.edits import hold_atoms
from ..structures.species import BoxedSpecies, Species
from .calculations import Calculation
from .planner import Planner, Start

PADDING = 12.0  # Angstrom around a molecule in its box


@dataclass(frozen=True, kw_only=True)
class System:
    """A molecule, cluster or complex."""

    name: str
    boxed: BoxedSpecies
    relaxed: tuple[Calculation, ...]  # alternatives, of which the lowest counts

    @property
    def species(self) -> Species:
        """Return what is in the box."""
        return self.boxed.species

    @property
    def keys(self) -> tuple[str, ...]:
        """Return the keys of the relaxations."""
        return tuple(calculation.key for calculation in self.relaxed)

    def leg(self, role: str, factor: float) -> LegRequest:
        """Return its energy, the lowest of the relaxations, as a term of another."""
        first, *others = self.keys
        return LegRequest(role=role, factor=factor, key=first, alternatives=tuple(others))

    def start(self, role: str = "structure", **options: Any) -> Start:
        """Return a start from the lowest of the relaxations."""
        return Start(parents=parents(role, self.keys), **options)


def parents(role: str, keys: Sequence[str]) -> Mapping[str, str]:
    """Return the parents of a role: one, or numbered alternatives.

    Examples
    --------
    >>> parents("host", ["a", "b"])
    {'host 1': 'a', 'host 2': 'b'}
    """
    if len(keys) == 1:
        return {role: keys[0]}
    return {f"{role} {number}": key for number, key in enumerate(keys, start=1)}


def add_boxed(
    planner: Planner,
    model: str,
    name: str,
    task: str,
    boxed: BoxedSpecies,
    *,
    start: Start | None = None,
    held: Sequence[int] = (),
    **options: Any,
) -> Calculation:
    """Add a calculation of a species in its box, with its charge and its moments.

    Parameters
    ----------
    held
        Atoms of the structure that stay where they start.
    """
    structure = hold_atoms(boxed.structure, held) if held else boxed.structure
    return planner.add(
        model,
        name,
        task,
        structure,
        charge=boxed.species.charge,
        spin=starting_moments(boxed),
        is_molecule=True,
        start=start,
        **options,
    )


def starting_moments(boxed: BoxedSpecies) -> list[float] | None:
    """Return starting moments; where none are known, unpaired electrons start on the first atom."""
    species = boxed.species
    if boxed.moments is not None:
        return boxed.moments
    if species.multiplicity == 1:
        return None
    moments = [0.0] * len(boxed.atoms)
    moments[boxed.atoms[0]] = float(species.multiplicity - 1)
    return moments


def bond_request(
    model: str,
    label: str,
    key: str,
    species: Species,
    places: Mapping[int, int] | Sequence[int],
    *,
    before: "System | None" = None,
    is_alone: bool = False,
) -> BondRequest | None:
    """Return the request for the C-F lengths of a molecule, and whether it is still whole.

    None for a small molecule without C-F bonds, of which there is nothing to say.

    Parameters
    ----------
    places
        Where its atoms are in the structure of the run; atoms that are not there are left out.
    before
        The same molecule by itself, whose lengths these are compared with.
    is_alone
        The run is of the molecule by itself: what left chemically sane bounds is told.
    """
    there = places if isinstance(places, Mapping) else dict(enumerate(places))
    pairs = carbon_fluorine(species)
    if not pairs and not is_alone:
        return None
    still = {name: pair for name, pair in pairs.items() if set(pair) <= set(there)}

    def in_run(atoms: Mapping[int, int] | Sequence[int]) -> dict[str, tuple[int, int]]:
        return {name: (atoms[i], atoms[j]) for name, (i, j) in still.items()}

    return BondRequest(
        model=model,
        label=label,
        key=key,
        bonds=in_run(there),
        before=before and before.keys[0],
        before_bonds=in_run(before.boxed.atoms) if before else {},
        atoms=tuple(sorted(there.values())),
        species=species.name if is_alone else "",
        order=tuple(there.values()) if is_alone else (),
    )


def carbon_fluorine(species: Species) -> dict[str, tuple[int, int]]:
    """Return the C-F bonds of a molecule, named by their number.

    Examples
    --------
    >>> from heterofire.structures.molecules import build_species
    >>> carbon_fluorine(build_species("CF2"))
    {'C-F bond 1': (0, 1), 'C-F bond 2': (0, 2)}
    """
    found = [
        pair
        for pair in sorted(bonds(species.symbols, species.positions))
        if {species.symbols[i] for i in pair} == {"C", "F"}
    ]
    return {f"C-F bond {number}": pair for number, pair in enumerate(found, start=1)}
