"""Changes made to a geometry that is known only once its parent has been relaxed."""

from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from pymatgen.core import Structure

from .checks import check_structure
from .complexes import add_ions
from .contacts import bonding_distance
from .errors import InputError, StructureError
from .gaps import in_one_piece
from .paths import with_positions
from .species import Species

Floats = NDArray[np.float64]

_ROOM = 0.9  # Angstrom beyond a bond between a moved atom and any other; relaxation does the rest
_CONE = np.radians([0, 20, 40, 60])  # how far the way of a moved part may lean
_WIDE_CONE = np.radians([0, 15, 30, 45, 60, 75, 90])  # ... on its way to a partner
_TURNS = 12  # directions tried at each lean


class _Transformation(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Stretch(_Transformation):
    """A bond pulled to a length, with all that hangs on its second atom.

    The part moves along the bond; where it would run into another atom it leans away, by up to
    60 degrees. With a partner it leans, by up to 90 degrees, to where its second atom comes nearest
    to a bond with an atom of that element: F on its way from C to Li.
    """

    kind: Literal["stretch"] = "stretch"
    first: int  # atom that stays
    second: int  # atom that moves ...
    moving: tuple[int, ...]  # ... with these, itself among them
    length: float = Field(gt=0.5, lt=12.0)  # Angstrom
    towards: str = ""  # element of the partner

    def apply(self, structure: Structure) -> Structure:
        """Return the structure with the bond at its new length."""
        if self.second not in self.moving or self.first in self.moving:
            raise InputError(
                f"stretching {self.first + 1}-{self.second + 1}: the second atom must be among "
                "those that move, the first must not"
            )
        bond = _shortest(structure, self.first, self.second)
        ways = _cone(bond / np.linalg.norm(bond), _WIDE_CONE if self.towards else _CONE)
        moved = [self._moved(structure, self.length * way - bond) for way in ways]
        result = with_positions(structure, self._best(structure, moved))
        check_structure(result)
        return result

    def _moved(self, structure: Structure, step: Floats) -> Floats:
        places: Floats = structure.cart_coords.copy()
        places[list(self.moving)] += step
        return places

    def _best(self, structure: Structure, moved: Sequence[Floats]) -> Floats:
        """Return the positions that have room and, with a partner, are nearest to it."""
        partners = [i for i, site in enumerate(structure) if site.specie.symbol == self.towards]
        partners = [i for i in partners if i not in self.moving]
        if self.towards and not partners:
            raise StructureError(
                f"atom {self.second + 1} is to go to {self.towards}, of which there is none in "
                f"{structure.composition.formula}"
            )
        resting = [i for i in range(len(structure)) if i not in (*self.moving, *partners)]
        rooms = [_room(structure, places, self.moving, resting) for places in moved]
        if partners:
            misses = [abs(_room(structure, places, (self.second,), partners)) for places in moved]
            best = min(range(len(moved)), key=lambda i: (max(0, _ROOM / 2 - rooms[i]), misses[i]))
            return moved[best]
        enough = next((i for i, room in enumerate(rooms) if room >= _ROOM), None)
        return moved[int(np.argmax(rooms)) if enough is None else enough]


class TakeAway(_Transformation):
    """Atoms taken out together with the nearest ones of an element: F with its Li."""

    kind: Literal["take-away"] = "take-away"
    atoms: tuple[int, ...] = Field(min_length=1)
    with_nearest: str = ""  # element
    n_nearest: int = Field(default=0, ge=0)

    def apply(self, structure: Structure) -> Structure:
        """Return the structure without them."""
        partners = [
            i
            for i, site in enumerate(structure)
            if site.specie.symbol == self.with_nearest and i not in self.atoms
        ]
        if len(partners) < self.n_nearest:
            raise StructureError(
                f"{self.n_nearest} {self.with_nearest} are to go with atom {self.atoms[0] + 1} of "
                f"{structure.composition.formula}, {len(partners)} are left"
            )
        own = structure.frac_coords[list(self.atoms)]

        def away(i: int) -> float:
            return float(structure.lattice.get_all_distances(structure[i].frac_coords, own).min())

        gone = {*self.atoms, *sorted(partners, key=away)[: self.n_nearest]}
        return Structure.from_sites([s for i, s in enumerate(structure) if i not in gone])


class PlaceAnew(_Transformation):
    """Ions moved to where the lone pairs of other atoms hold them best, see `add_ions`.

    A relaxation leaves an ion in the hollow where it began; beginning here, too, shows whether
    there is a deeper one.
    """

    kind: Literal["place-anew"] = "place-anew"
    ion: str  # element; all of its atoms are moved
    around: tuple[int, ...] = Field(min_length=1)  # atoms that they may sit at, a molecule in a box

    def apply(self, structure: Structure) -> Structure:
        """Return the structure with its ions where the contacts are best."""
        symbols = [site.specie.symbol for site in structure]
        ions = [i for i, symbol in enumerate(symbols) if symbol == self.ion]
        rest = [i for i in range(len(structure)) if i not in ions]
        places = in_one_piece(structure.frac_coords) @ structure.lattice.matrix
        electrons = sum(structure[i].specie.Z for i in rest)
        molecule = Species(
            name=structure.composition.reduced_formula,
            symbols=tuple(symbols[i] for i in rest),
            positions=places[rest],
            charge=0,
            multiplicity=1 + electrons % 2,
        )
        around = [rest.index(i) for i in self.around]
        places[ions] = add_ions(molecule, around, len(ions), ion=self.ion).positions[len(rest) :]
        result = with_positions(structure, places)
        check_structure(result)
        return result


Transformation = Annotated[Stretch | TakeAway | PlaceAnew, Field(discriminator="kind")]


def _shortest(structure: Structure, first: int, second: int) -> Floats:
    """Return the shortest vector between two atoms, in Angstrom."""
    a, b = structure[first], structure[second]
    _, image = a.distance_and_image(b)
    vector: Floats = structure.lattice.get_cartesian_coords(b.frac_coords + image) - a.coords
    return vector


def _cone(axis: Floats, leans: Floats) -> list[Floats]:
    """Return unit vectors on cones around an axis, the axis itself first."""
    helper = np.eye(3)[int(np.abs(axis).argmin())]
    side = np.cross(axis, helper)
    side /= np.linalg.norm(side)
    other = np.cross(axis, side)
    turns = np.linspace(0, 2 * np.pi, _TURNS, endpoint=False)
    leaning = [
        np.cos(lean) * axis + np.sin(lean) * (np.cos(turn) * side + np.sin(turn) * other)
        for lean in leans[1:]
        for turn in turns
    ]
    return [axis, *leaning]


def _room(
    structure: Structure, places: Floats, moving: Sequence[int], resting: Sequence[int]
) -> float:
    """Return the shortest distance between two groups, less the length of a bond, in Angstrom."""
    fractions = structure.lattice.get_fractional_coords(places)
    distances = structure.lattice.get_all_distances(
        fractions[list(moving)], fractions[list(resting)]
    )
    symbols = [site.specie.symbol for site in structure]
    usual = [[bonding_distance(symbols[i], symbols[j]) for j in resting] for i in moving]
    return float((distances - np.array(usual)).min())
