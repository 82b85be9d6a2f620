"""Molecules from internal coordinates: each atom by a bond length, an angle and a dihedral angle.

A z-matrix is text, one atom in a line: its name, then up to three atoms above it, each followed by
a number: the distance to the first (Angstrom), the angle with the second and the dihedral angle
with the third (degree, IUPAC sign)::

    N1
    S1 N1 1.577
    S2 N1 1.577 S1 126
    C1 S1 1.84 N1 103 S2 92

Atoms named X1, X2 ... are points that help to state a symmetry; they are not among the atoms of the
result.
"""

import re
from dataclasses import dataclass

import numpy as np
from ase.data import atomic_numbers
from numpy.typing import NDArray

from .errors import InputError
from .internal_coordinates import LEAST_SINE, Coordinate, circular

Floats = NDArray[np.float64]

_NAME = re.compile(r"([A-Z][a-z]?)(\d+)")
_DUMMY = "X"


@dataclass(frozen=True, kw_only=True)
class Row:
    """How one atom is placed."""

    name: str  # element and number
    references: tuple[str, ...]  # none to three atoms: bond, angle, dihedral
    values: tuple[float, ...]  # Angstrom, degree, degree

    @property
    def symbol(self) -> str:
        """Return the element, X for a helping point."""
        return _element(self.name)

    @property
    def coordinates(self) -> tuple[Coordinate, ...]:
        """Return what the row states."""
        return tuple(
            Coordinate(
                atoms=(self.name, *self.references[: i + 1]),
                value=circular(value) if i == 2 else value,
            )
            for i, value in enumerate(self.values)
        )


@dataclass(frozen=True, kw_only=True)
class ZMatrix:
    """Rows whose references are all above them."""

    rows: tuple[Row, ...]

    @property
    def symbols(self) -> tuple[str, ...]:
        """Return the elements without the helping points."""
        return tuple(row.symbol for row in self.rows if row.symbol != _DUMMY)

    @property
    def coordinates(self) -> tuple[Coordinate, ...]:
        """Return what is stated of atoms alone, helping points left out."""
        found = (c for row in self.rows for c in row.coordinates)
        return tuple(c for c in found if not any(_element(atom) == _DUMMY for atom in c.atoms))


def parse_zmatrix(text: str) -> ZMatrix:
    """Read a z-matrix.

    Raises
    ------
    InputError
        Names the line and what is wrong with it: an atom that is not above, an angle outside 0 to
        180, a number that is none.

    Examples
    --------
    >>> water = parse_zmatrix('''
    ... O1
    ... H1 O1 0.96
    ... H2 O1 0.96 H1 104.5
    ... ''')
    >>> water.symbols, water.coordinates[-1].name
    (('O', 'H', 'H'), 'H2-O1-H1')
    """
    rows: list[Row] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if words := line.split("#", maxsplit=1)[0].split():
            try:
                rows.append(_row(words, [row.name for row in rows]))
            except InputError as error:
                raise InputError(f"z-matrix, line {number} ({line.strip()}): {error}") from error
    if not rows:
        raise InputError("the z-matrix is empty; its first line is the name of an atom, such as N1")
    return ZMatrix(rows=tuple(rows))


def _row(words: list[str], above: list[str]) -> Row:
    """Return one line as a row."""
    name, references, numbers = words[0], tuple(words[1::2]), words[2::2]
    if not _NAME.fullmatch(name) or _element(name) not in {*atomic_numbers, _DUMMY}:
        raise InputError(f"{name} is no element with a number, such as S1")
    if name in above:
        raise InputError(f"{name} is there already")
    wanted = min(len(above), 3)
    if len(references) != wanted or len(numbers) != wanted:
        raise InputError(
            f"{name} is atom {len(above) + 1} and wants {wanted} atoms above it, each followed by "
            f"a number; found {' '.join(words[1:]) or 'nothing'}"
        )
    for reference in references:
        if reference not in above:
            raise InputError(f"{reference} is not above {name}; there are {', '.join(above)}")
    if len(set(references)) < wanted:
        raise InputError(f"the atoms that {name} is placed by are not all different")
    try:
        values = tuple(float(number) for number in numbers)
    except ValueError as error:
        raise InputError(f"{error}; a distance in Angstrom or an angle in degrees") from error
    _check_values(name, values)
    return Row(name=name, references=references, values=values)


def _check_values(name: str, values: tuple[float, ...]) -> None:
    """Refuse a length that is not positive, an angle that folds the atom back, infinities."""
    if not np.isfinite(values).all():
        raise InputError(f"{name}: {values} are not all finite")
    if values and values[0] <= 0:
        raise InputError(f"{name}: a bond of {values[0]:g} Angstrom; it must be positive")
    if len(values) > 1 and not 0 < values[1] <= 180:
        raise InputError(f"{name}: an angle of {values[1]:g} degrees; it is above 0, at most 180")


def place_atoms(matrix: ZMatrix) -> tuple[tuple[str, ...], Floats]:
    """Return elements and positions.

    The first atom is at the origin, the second along x, the third in the x-y plane with positive y.

    Returns
    -------
    tuple
        Elements, and (n, 3) positions in Angstrom; helping points are left out.

    Raises
    ------
    InputError
        Names the atoms in a line from which no dihedral angle can be counted.

    Examples
    --------
    >>> symbols, positions = place_atoms(parse_zmatrix('''
    ... O1
    ... H1 O1 0.96
    ... H2 O1 0.96 H1 90
    ... '''))
    >>> symbols, (positions[2] + 0.0).round(6).tolist()
    (('O', 'H', 'H'), [0.0, 0.96, 0.0])
    """
    places: dict[str, Floats] = {}
    for row in matrix.rows:
        places[row.name] = _place(row, [places[name] for name in row.references])
    kept = [row.name for row in matrix.rows if row.symbol != _DUMMY]
    return matrix.symbols, np.array([places[name] for name in kept]).reshape(-1, 3)


def _place(row: Row, references: list[Floats]) -> Floats:
    """Return where an atom is.

    Natural extension reference frame: Parsons et al., J. Comput. Chem. 26 (2005) 1063.
    """
    if not references:
        return np.zeros(3)
    if len(references) == 1:
        along_x: Floats = references[0] + np.array([row.values[0], 0.0, 0.0])
        return along_x
    length, angle = row.values[0], np.radians(row.values[1])
    dihedral = np.radians(row.values[2]) if len(references) == 3 else 0.0
    _check_apart(row, references)
    bond = references[0] - references[1]
    along = bond / np.linalg.norm(bond)
    # Two atoms only span a line: the x-y plane stands in for the plane of a third.
    third = references[2] if len(references) == 3 else references[1] + np.array([0.0, 1.0, 0.0])
    before = references[1] - third
    normal = np.cross(before, along)
    size = float(np.linalg.norm(normal))
    if size < LEAST_SINE * float(np.linalg.norm(before)):
        raise InputError(
            f"{row.name}: {', '.join(row.references)} lie in a line, so that no dihedral angle "
            "can be counted from them; place it by other atoms, or by a helping point X1"
        )
    normal /= size
    across = np.cross(normal, along)
    offset = np.array(
        [
            -np.cos(angle),
            np.sin(angle) * np.cos(dihedral),
            np.sin(angle) * np.sin(dihedral),
        ]
    )
    placed: Floats = references[0] + length * (offset @ np.array([along, across, normal]))
    return placed


def _check_apart(row: Row, references: list[Floats]) -> None:
    """Refuse references that are at one place: no angle is counted from there."""
    for i in range(1, len(references)):
        for j in range(i):
            if np.linalg.norm(references[i] - references[j]) < LEAST_SINE:
                raise InputError(
                    f"{row.name}: {row.references[j]} and {row.references[i]}, which it is placed "
                    "by, are at one place, so that no angle can be counted from them"
                )


def _element(name: str) -> str:
    """Return the letters of an atom's name."""
    return name.rstrip("0123456789")
