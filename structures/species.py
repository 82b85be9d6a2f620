"""Molecules, ions and complexes of them: atoms with a charge and a spin, not yet in any cell."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from ase.data import atomic_numbers
from numpy.typing import NDArray
from pymatgen.core import Structure

from .errors import InputError

Floats = NDArray[np.float64]

_LEAST_PADDING = 6.0  # Angstrom


@dataclass(frozen=True, kw_only=True)
class Species:
    """A molecule or ion at rest."""

    name: str
    symbols: tuple[str, ...]
    positions: Floats  # (n, 3) Angstrom
    charge: int  # e
    multiplicity: int  # 2S + 1
    heads: tuple[int, ...] = ()  # atoms that form a bond with a surface
    point_group: str = ""  # Schoenflies symbol that the geometry is meant to have; "" if none is
    moments: tuple[float, ...] | None = None  # starting moments of the atoms, Bohr magnetons
    # Atoms of each part of a complex, by the name of the part; empty in a single molecule.
    fragments: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse a multiplicity that the number of electrons does not allow."""
        check_parity(self.name, self.symbols, self.charge, self.multiplicity)
        if self.moments is not None and len(self.moments) != len(self.symbols):
            raise InputError(
                f"{self.name}: {len(self.moments)} moments for {len(self.symbols)} atoms"
            )

    @property
    def n_electrons(self) -> int:
        """Return the number of all electrons."""
        return int(sum(atomic_numbers[s] for s in self.symbols)) - self.charge


def check_parity(name: str, symbols: Sequence[str], charge: int, multiplicity: int) -> None:
    """Refuse a charge and multiplicity that do not go together.

    Raises
    ------
    InputError
        Names the electrons and what multiplicities they allow.

    Examples
    --------
    >>> check_parity("OH", ("O", "H"), charge=0, multiplicity=2)
    >>> check_parity("OH", ("O", "H"), charge=0, multiplicity=1)
    Traceback (most recent call last):
    ...
    heterofire.structures.errors.InputError: OH with charge +0 has 9 electrons: its multiplicity ...
    """
    electrons = sum(atomic_numbers[s] for s in symbols) - charge
    if electrons < 0 or multiplicity < 1 or (electrons - multiplicity + 1) % 2:
        allowed = "2, 4, 6" if electrons % 2 else "1, 3, 5"
        raise InputError(
            f"{name} with charge {charge:+d} has {electrons} electrons: its multiplicity can be "
            f"{allowed}, not {multiplicity}"
        )


@dataclass(frozen=True, kw_only=True)
class BoxedSpecies:
    """A species in a box, its atoms in one block per element."""

    species: Species
    structure: Structure
    atoms: tuple[int, ...]  # where each atom of the species is in the structure

    @property
    def fragments(self) -> dict[str, tuple[int, ...]]:
        """Return the atoms of each part, as numbered in the structure."""
        return {
            name: tuple(self.atoms[i] for i in part)
            for name, part in self.species.fragments.items()
        }

    @property
    def moments(self) -> list[float] | None:
        """Return starting moments in the order of the structure, None where none are known."""
        if self.species.moments is None:
            return None
        moments = [0.0] * len(self.atoms)
        for place, moment in zip(self.atoms, self.species.moments, strict=True):
            moments[place] = moment
        return moments


def box_species(
    species: Species,
    padding: float = 12.0,
    *,
    cubic: bool = False,
    edges: Sequence[float] | None = None,
) -> BoxedSpecies:
    """Put a species into the middle of a box.

    Parameters
    ----------
    padding
        Angstrom between the species and its periodic images, at least 6.
    cubic
        One edge for all: what the corrections for a charged cell want; an ion always gets it.
    edges
        The three edges of the box in Angstrom instead, for instance those of a complex that the
        species is a part of.

    Raises
    ------
    InputError
        The padding, or what the edges leave of it, is too small.

    Examples
    --------
    >>> from heterofire.structures.molecules import build_species
    >>> boxed = box_species(build_species("H2O"))
    >>> boxed.structure.composition.formula, boxed.atoms
    ('H2 O1', (0, 1, 2))
    """
    extent = np.ptp(species.positions, axis=0)
    if edges is not None:
        lengths = np.asarray(edges, dtype=np.float64)
        padding = float((lengths - extent).min())
        if padding < _LEAST_PADDING:
            raise InputError(
                f"a box of {' x '.join(f'{x:.1f}' for x in lengths)} Angstrom leaves "
                f"{padding:.1f} Angstrom between {species.name} and its images; at least "
                f"{_LEAST_PADDING:g} are wanted"
            )
    else:
        if padding < _LEAST_PADDING:
            raise InputError(
                f"a padding of {padding:g} Angstrom lets the images touch ({species.name}); use "
                f"{_LEAST_PADDING:g} or more"
            )
        lengths = extent + padding
        lengths = np.full(3, lengths.max()) if cubic or species.charge else lengths
    middle = (species.positions.max(axis=0) + species.positions.min(axis=0)) / 2
    order = sorted(
        range(len(species.symbols)), key=lambda i: species.symbols.index(species.symbols[i])
    )
    structure = Structure(
        np.diag(lengths),
        [species.symbols[i] for i in order],
        (species.positions - middle + lengths / 2)[order],
        coords_are_cartesian=True,
    )
    places = {atom: place for place, atom in enumerate(order)}
    atoms = tuple(places[i] for i in range(len(order)))
    return BoxedSpecies(species=species, structure=structure, atoms=atoms)


def species_in_box(species: Species, padding: float = 12.0, *, cubic: bool = False) -> Structure:
    """Return the structure of a species in the middle of a box, see `box_species`.

    Examples
    --------
    >>> from heterofire.structures.molecules import build_species
    >>> species_in_box(build_species("H2O")).composition.formula
    'H2 O1'
    """
    return box_species(species, padding, cubic=cubic).structure
