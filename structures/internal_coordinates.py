"""Bond lengths, angles and dihedral angles: measured between named atoms."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .errors import InputError

Floats = NDArray[np.float64]
Kind = Literal["bond", "angle", "dihedral"]

_KINDS: dict[int, Kind] = {2: "bond", 3: "angle", 4: "dihedral"}
# Below this sine three atoms have no plane that a dihedral angle could be counted from (0.6 degree).
LEAST_SINE = 0.01


@dataclass(frozen=True, kw_only=True)
class Coordinate:
    """A bond length, angle or dihedral angle and its value."""

    atoms: tuple[str, ...]  # two, three or four names, such as S1 N1 S2
    value: float  # Angstrom, degree; a dihedral angle between -180 and 180

    @property
    def kind(self) -> Kind:
        """Return what it is, by the number of atoms."""
        return _KINDS[len(self.atoms)]

    @property
    def unit(self) -> str:
        """Return Angstrom or degree."""
        return "Angstrom" if self.kind == "bond" else "degree"

    @property
    def name(self) -> str:
        """Return the atoms with hyphens between."""
        return "-".join(self.atoms)

    def deviation(self, value: float) -> float:
        """Return how much larger a measured value is, round the circle for a dihedral angle.

        Examples
        --------
        >>> Coordinate(atoms=("F1", "C1", "S1", "N1"), value=180.0).deviation(-179.0)
        1.0
        """
        return circular(value - self.value) if self.kind == "dihedral" else value - self.value


def atom_names(symbols: Sequence[str]) -> tuple[str, ...]:
    """Return each atom's element with its number among the atoms of that element.

    Such a name survives the sorting into blocks of elements that a POSCAR needs.

    Examples
    --------
    >>> atom_names(["N", "S", "S", "C"])
    ('N1', 'S1', 'S2', 'C1')
    """
    seen: dict[str, int] = {}
    names = []
    for symbol in symbols:
        seen[symbol] = seen.get(symbol, 0) + 1
        names.append(f"{symbol}{seen[symbol]}")
    return tuple(names)


def circular(degrees: float) -> float:
    """Return an angle between -180 (not included) and 180 degrees.

    Examples
    --------
    >>> circular(270.0), circular(-180.0)
    (-90.0, 180.0)
    """
    turned = degrees % 360.0
    return turned - 360.0 if turned > 180.0 else turned


def measure(positions: Floats, atoms: Sequence[int]) -> float:
    """Return the distance, angle or dihedral angle of two, three or four atoms.

    Parameters
    ----------
    positions
        (n, 3), Angstrom.
    atoms
        Their indices; the dihedral angle is that between the first and the last seen along the
        bond of the middle two, positive clockwise (IUPAC).

    Returns
    -------
    float
        Angstrom or degree.

    Examples
    --------
    >>> corner = np.array([[1.0, 0, 0], [0, 0, 0], [0, 2.0, 0], [0, 2.0, -1.0]])
    >>> [round(measure(corner, range(n)), 6) for n in (2, 3, 4)]
    [1.0, 90.0, 90.0]
    """
    places = np.asarray(positions, dtype=float)[list(atoms)]
    steps = np.diff(places, axis=0)
    if len(places) == 2:
        return float(np.linalg.norm(steps[0]))
    if len(places) == 3:
        across = float(np.linalg.norm(np.cross(-steps[0], steps[1])))
        return float(np.degrees(np.arctan2(across, -steps[0] @ steps[1])))
    if len(places) != 4:
        raise InputError(f"{len(places)} atoms have no distance, angle or dihedral angle")
    first, second = np.cross(steps[0], steps[1]), np.cross(steps[1], steps[2])
    sine = np.linalg.norm(steps[1]) * (steps[0] @ second)
    return float(np.degrees(np.arctan2(sine, first @ second)))


def measured(symbols: Sequence[str], positions: Floats, coordinate: Coordinate) -> float:
    """Return the value that a coordinate has in a geometry.

    Raises
    ------
    InputError
        There is no such atom.
    """
    names = atom_names(symbols)
    missing = [atom for atom in coordinate.atoms if atom not in names]
    if missing:
        raise InputError(f"{coordinate.name}: no atom {missing[0]} among {', '.join(names)}")
    return measure(positions, [names.index(atom) for atom in coordinate.atoms])
