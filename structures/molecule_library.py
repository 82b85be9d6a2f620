"""Molecules of the data file: built from their z-matrices, with what is stated and what is sane."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Literal

import numpy as np
import yaml
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from .errors import InputError
from .internal_coordinates import Coordinate, atom_names, measured
from .species import Species
from .zmatrices import ZMatrix, parse_zmatrix, place_atoms

Floats = NDArray[np.float64]
Confidence = Literal["given", "measured", "computed", "derived"]

_SAME = 0.01  # Angstrom; copies of an atom on a symmetry element are one atom


class MoleculeEntry(BaseModel):
    """One molecule of the data file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    charge: int
    multiplicity: int = Field(ge=1)
    point_group: str
    zmatrix: str
    fold: int | None = Field(default=None, ge=2)  # sectors about z, each with its mirror image
    stated: dict[str, float] = {}
    bounds: dict[str, tuple[float, float]] = {}
    planar: float | None = Field(default=None, gt=0)  # Angstrom from the best plane
    moments: dict[str, float] = {}
    confidence: Confidence
    source: str


def library_names() -> tuple[str, ...]:
    """Return the names of the data file.

    Examples
    --------
    >>> "CoPc" in library_names()
    True
    """
    return tuple(_entries())


def molecule_facts(name: str) -> MoleculeEntry:
    """Return what the data file says of a molecule, with its source.

    Raises
    ------
    InputError
        It is not in the data file.

    Examples
    --------
    >>> molecule_facts("CF3").confidence
    'measured'
    """
    entries = _entries()
    if name not in entries:
        raise InputError(f"no molecule {name!r} in the data file; there are {', '.join(entries)}")
    return entries[name]


def build_molecule(name: str) -> Species:
    """Build a molecule of the data file.

    Raises
    ------
    InputError
        It is not in the data file.

    Examples
    --------
    >>> salt = build_molecule("LiTFSI")
    >>> len(salt.symbols), salt.charge, salt.multiplicity
    (16, 0, 1)
    """
    entry = molecule_facts(name)
    symbols, positions = place_atoms(_zmatrix(name))
    if entry.fold is not None:
        symbols, positions = _repeat(symbols, positions, entry.fold)
    moments = tuple(entry.moments.get(atom, 0.0) for atom in atom_names(symbols))
    return Species(
        name=name,
        symbols=symbols,
        positions=positions,
        charge=entry.charge,
        multiplicity=entry.multiplicity,
        point_group=entry.point_group,
        moments=moments if entry.moments else None,
    )


def stated_coordinates(name: str) -> tuple[Coordinate, ...]:
    """Return all that the data file states of a geometry: by its z-matrix, and besides.

    Examples
    --------
    >>> stated_coordinates("SO2")[-1]
    Coordinate(atoms=('O2', 'S1', 'O1'), value=119.3)
    """
    besides = (
        Coordinate(atoms=tuple(one.split("-")), value=value)
        for names, value in molecule_facts(name).stated.items()
        for one in names.split()
    )
    return (*_zmatrix(name).coordinates, *besides)


def sanity(species: Species, positions: Floats, *, method: str = "") -> list[str]:
    """Return in words what left chemically sane bounds, for instance in a relaxation.

    Molecules of the data file have bounds; of a complex every part that is one of them is looked
    at.

    Parameters
    ----------
    positions
        (n, 3) of the species' atoms, Angstrom, in one piece.
    method
        What gave the positions, such as ``GFN1-xTB``: named in the sentences.

    Examples
    --------
    >>> bent = build_molecule("SO2")
    >>> sanity(bent, bent.positions)
    []
    >>> sanity(bent, bent.positions * [1.2, 1.2, 1.2], method="a guess")[0]
    'SO2: S1-O1 is 1.717 Angstrom, sane is 1.41 to 1.47 (a shortcoming of a guess)'
    """
    pieces = species.fragments or {species.name: tuple(range(len(species.symbols)))}
    found = []
    for name, atoms in pieces.items():
        if name in _entries():
            symbols = [species.symbols[i] for i in atoms]
            found += _outside(name, symbols, np.asarray(positions)[list(atoms)])
    blame = f" (a shortcoming of {method})" if method else ""
    return [f"{text}{blame}" for text in found]


def _outside(name: str, symbols: list[str], positions: Floats) -> list[str]:
    """Return which bounds of a molecule are violated."""
    entry = molecule_facts(name)
    found = []
    for names, (least, most) in entry.bounds.items():
        for one in names.split():
            coordinate = Coordinate(atoms=tuple(one.split("-")), value=least)
            value = measured(symbols, positions, coordinate)
            if not least <= value <= most:
                shown = f"{value:.3f}" if coordinate.kind == "bond" else f"{value:.1f}"
                found.append(
                    f"{name}: {one} is {shown} {coordinate.unit}, sane is {least:g} to {most:g}"
                )
    if entry.planar is not None and (off := out_of_plane(positions)) > entry.planar:
        found.append(
            f"{name}: an atom is {off:.2f} Angstrom out of the best plane, sane is at most "
            f"{entry.planar:g}"
        )
    return found


def out_of_plane(positions: Floats) -> float:
    """Return the largest distance in Angstrom of an atom from the best plane through all.

    Examples
    --------
    >>> round(out_of_plane(np.array([[1.0, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0]])), 6)
    0.0
    """
    centred = positions - positions.mean(axis=0)
    normal = np.linalg.svd(centred, full_matrices=True)[2][-1]
    return float(np.abs(centred @ normal).max())


def _repeat(
    symbols: tuple[str, ...], positions: Floats, fold: int
) -> tuple[tuple[str, ...], Floats]:
    """Return all images of atoms in the sectors about z and in their mirror x-z, each once."""
    angles = 2 * np.pi * np.arange(fold) / fold
    turns = [
        np.array([[np.cos(a), np.sin(a), 0], [-np.sin(a), np.cos(a), 0], [0, 0, 1]]) for a in angles
    ]
    operations = [np.diag([1, mirror, 1]) @ turn for turn in turns for mirror in (1.0, -1.0)]
    # An atom on a symmetry element is put exactly there: into the middle of its images.
    images = np.array([positions @ operation for operation in operations])
    near = np.linalg.norm(images - positions, axis=2) < _SAME
    exact = (images * near[:, :, None]).sum(axis=0) / near.sum(axis=0)[:, None]
    kept_symbols: list[str] = []
    kept = np.empty((0, 3))
    for operation in operations:
        for symbol, place in zip(symbols, exact @ operation, strict=True):
            if not len(kept) or np.linalg.norm(kept - place, axis=1).min() > _SAME:
                kept_symbols.append(symbol)
                kept = np.vstack([kept, place])
    return tuple(kept_symbols), kept


@cache
def _zmatrix(name: str) -> ZMatrix:
    """Return the z-matrix of a molecule."""
    try:
        matrix = parse_zmatrix(molecule_facts(name).zmatrix)
    except InputError as error:
        raise InputError(f"molecules.yaml, {name}: {error}") from error
    named = tuple(row.name for row in matrix.rows if row.symbol != "X")
    if named != atom_names(matrix.symbols):
        raise InputError(
            f"molecules.yaml, {name}: atoms are numbered as they come, "
            f"{' '.join(atom_names(matrix.symbols))}, not {' '.join(named)}"
        )
    return matrix


@cache
def _entries() -> Mapping[str, MoleculeEntry]:
    """Read the data file once."""
    text = files(__package__).joinpath("data", "molecules.yaml").read_text(encoding="utf-8")
    return read_entries(text)


def read_entries(text: str) -> Mapping[str, MoleculeEntry]:
    """Read molecules from YAML text.

    Raises
    ------
    InputError
        Names the molecule, the field and what is wrong with it.
    """
    found = {}
    for name, fields in yaml.safe_load(text).items():
        try:
            found[name] = MoleculeEntry.model_validate(fields)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise InputError(f"molecules.yaml, {name}, {where}: {first['msg']}") from error
    return MappingProxyType(found)
