"""Changes made to a geometry that is known only once its parent has been relaxed."""

from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from pymatgen.core import Structure

from .checks import check_structure
from .errors import InputError, StructureError
from .paths import with_positions

Floats = NDArray[np.float64]

_ROOM = 0.9  # Angstrom between a moved atom and any other; the relaxation does the rest
_CONE = np.radians([0, 20, 40, 60])  # how far the way of a moved part may lean
_TURNS = 12  # directions tried at each lean


class _Transformation(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Stretch(_Transformation):
    """A bond pulled to a length, with all that hangs on its second atom.

    The part moves along the bond; where it would run into another atom it leans away, by up to
    60 degrees.
    """

    kind: Literal["stretch"] = "stretch"
    first: int  # atom that stays
    second: int  # atom that moves ...
    moving: tuple[int, ...]  # ... with these, itself among them
    length: float = Field(gt=0.5, lt=12.0)  # Angstrom

    def apply(self, structure: Structure) -> Structure:
        """Return the structure with the bond at its new length."""
        if self.second not in self.moving or self.first in self.moving:
            raise InputError(
                f"stretching {self.first + 1}-{self.second + 1}: the second atom must be among "
                "those that move, the first must not"
            )
        start = structure.cart_coords
        bond = _shortest(structure, self.first, self.second)
        moving = np.array(self.moving)
        best, room = start, -1.0
        for direction in _cone(bond / np.linalg.norm(bond)):
            places = start.copy()
            places[moving] += self.length * direction - bond
            free = _least_distance(structure, places, moving)
            if free > room + 1e-9:
                best, room = places, free
            if room >= _ROOM:
                break
        result = with_positions(structure, best)
        check_structure(result)
        return result


class TakeAway(_Transformation):
    """An atom taken out together with the nearest one of an element: F with its Li."""

    kind: Literal["take-away"] = "take-away"
    atom: int
    with_nearest: str  # element

    def apply(self, structure: Structure) -> Structure:
        """Return the structure without the pair."""
        partners = [
            i
            for i, site in enumerate(structure)
            if site.specie.symbol == self.with_nearest and i != self.atom
        ]
        if not partners:
            raise StructureError(
                f"no {self.with_nearest} is left to go with atom {self.atom + 1} of "
                f"{structure.composition.formula}"
            )
        nearest = min(partners, key=lambda i: structure.get_distance(self.atom, i))
        kept = [site for i, site in enumerate(structure) if i not in (self.atom, nearest)]
        return Structure.from_sites(kept)


Transformation = Annotated[Stretch | TakeAway, Field(discriminator="kind")]


def _shortest(structure: Structure, first: int, second: int) -> Floats:
    """Return the shortest vector between two atoms, in Angstrom."""
    a, b = structure[first], structure[second]
    _, image = a.distance_and_image(b)
    vector: Floats = structure.lattice.get_cartesian_coords(b.frac_coords + image) - a.coords
    return vector


def _cone(axis: Floats) -> list[Floats]:
    """Return unit vectors on cones around an axis, the axis itself first."""
    helper = np.eye(3)[int(np.abs(axis).argmin())]
    side = np.cross(axis, helper)
    side /= np.linalg.norm(side)
    other = np.cross(axis, side)
    turns = np.linspace(0, 2 * np.pi, _TURNS, endpoint=False)
    leaning = [
        np.cos(lean) * axis + np.sin(lean) * (np.cos(turn) * side + np.sin(turn) * other)
        for lean in _CONE[1:]
        for turn in turns
    ]
    return [axis, *leaning]


def _least_distance(structure: Structure, places: Floats, moving: NDArray[np.int64]) -> float:
    """Return the shortest distance of a moved atom to one that stays, less its usual bond."""
    resting = np.setdiff1d(np.arange(len(structure)), moving)
    fractions = structure.lattice.get_fractional_coords(places)
    distances = structure.lattice.get_all_distances(fractions[moving], fractions[resting])
    radii = np.array([float(site.specie.atomic_radius or 1.0) for site in structure])
    bonds = radii[moving][:, None] + radii[resting]
    return float((distances - bonds).min())
