"""Bulk crystals, built from a data file that names a source for each."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

import yaml
from pymatgen.core import Lattice, Structure

from .edits import group_by_element
from .errors import InputError, StructureError


@dataclass(frozen=True, kw_only=True)
class CrystalFacts:
    """What is known about a crystal, and from where."""

    name: str  # key in the data file
    formula: str  # reduced formula
    space_group: str  # pymatgen symbol, with the origin choice where it matters
    number: int  # number in the International Tables
    cell: tuple[float, float, float, float, float, float]  # a, b, c (Angstrom), angles (degree)
    n_atoms: int  # conventional cell
    n_atoms_primitive: int
    density: float  # g/cm3
    nearest: Mapping[str, float]  # shortest distance of each pair, "Mo-S": Angstrom
    confidence: str  # checked, partly-checked, recalled or derived
    source: str
    note: str = ""
    hypothetical: bool = False  # no measured structure is behind it


def crystal_names() -> tuple[str, ...]:
    """Return the names that `build_crystal` knows.

    Examples
    --------
    >>> "MoS2_2H" in crystal_names()
    True
    """
    return tuple(_entries())


def crystal_facts(name: str) -> CrystalFacts:
    """Return what is known about a crystal, with its source.

    Raises
    ------
    InputError
        The name is not in the data file.

    Examples
    --------
    >>> crystal_facts("K2S").space_group
    'Fm-3m'
    >>> crystal_facts("Li2SO3_model").hypothetical
    True
    """
    entry = _entry(name)
    cell = entry["cell"]
    return CrystalFacts(
        name=name,
        formula=entry["formula"],
        space_group=entry["space_group"],
        number=entry["number"],
        cell=(cell["a"], cell["b"], cell["c"], cell["alpha"], cell["beta"], cell["gamma"]),
        n_atoms=entry["atoms"]["conventional"],
        n_atoms_primitive=entry["atoms"]["primitive"],
        density=entry["density"],
        nearest=MappingProxyType(entry["nearest_A"]),
        confidence=entry["confidence"],
        source=entry["source"],
        note=entry.get("note", ""),
        hypothetical=entry.get("hypothetical", False),
    )


def build_crystal(name: str, *, primitive: bool = False) -> Structure:
    """Build a crystal from its space group and Wyckoff positions.

    Parameters
    ----------
    name
        One of `crystal_names`.
    primitive
        Give the primitive cell instead of the conventional one.

    Returns
    -------
    Structure
        One block of atoms per element; as many atoms as the data file says.

    Raises
    ------
    InputError
        The name is unknown; the message lists the allowed ones.

    Examples
    --------
    >>> build_crystal("MoS2_2H").composition.formula
    'Mo2 S4'
    >>> len(build_crystal("LiF", primitive=True))
    2
    """
    return _build(name, primitive).copy()


@cache  # pymatgen takes 0.4 s to set up a cubic space group
def _build(name: str, primitive: bool) -> Structure:
    """Build a crystal once; callers get copies."""
    facts = crystal_facts(name)
    sites = _entry(name)["sites"]
    structure = Structure.from_spacegroup(
        facts.space_group,
        Lattice.from_parameters(*facts.cell),
        [site["element"] for site in sites],
        [[float(Fraction(str(site[axis]))) for axis in "xyz"] for site in sites],
    )
    wanted = facts.n_atoms
    if primitive:
        structure = structure.get_primitive_structure(tolerance=0.01)
        wanted = facts.n_atoms_primitive
    if len(structure) != wanted:
        raise StructureError(
            f"crystal {name} came out with {len(structure)} atoms, not {wanted}: a special "
            "position in crystals.yaml is not exact (write 1/3, not 0.333)"
        )
    return group_by_element(Structure.from_sites(list(structure)))


def _entry(name: str) -> Mapping[str, Any]:
    """Return the raw data of one crystal, or an error that helps to find the right name."""
    entries = _entries()
    if name not in entries:
        close = difflib.get_close_matches(name, entries, n=3, cutoff=0.4)
        hint = f"did you mean {' or '.join(close)}? " if close else ""
        raise InputError(f"no crystal named {name!r}: {hint}Known: {', '.join(entries)}")
    entry: Mapping[str, Any] = entries[name]
    return entry


@cache
def _entries() -> Mapping[str, Any]:
    """Read the data file once."""
    text = files(__package__).joinpath("data", "crystals.yaml").read_text(encoding="utf-8")
    return MappingProxyType(yaml.safe_load(text))
