"""Molecules and ions by explicit coordinates, with charge and multiplicity.

Charged, hypervalent and radical species are built from bond lengths and angles, since force
fields get them wrong: those of molecules.yaml, and the thiophosphates and sulfites below. Neutral
ones of the G2 set come from ASE. Bond lengths: P-S 2.05 and P-O 1.53 Angstrom in thiophosphates,
S-O 1.51 in sulfites, Li-O 1.95.
"""

import difflib
from collections.abc import Callable

import numpy as np
from ase.build import molecule as g2_molecule
from numpy.typing import NDArray

from .errors import InputError
from .mof_clusters import build_cluster_named, cluster_names
from .molecule_library import build_molecule, library_names
from .species import Species

Floats = NDArray[np.float64]

_PS, _PO, _OH, _SH, _SO = 2.05, 1.53, 0.97, 1.34, 1.51  # Angstrom
_AXIAL_S, _AXIAL_O = 2.25, 1.75  # longer than equatorial ones in a trigonal bipyramid
_TETRAHEDRAL = np.array([[1, 1, 1], [-1, -1, 1], [-1, 1, -1], [1, -1, -1]]) / np.sqrt(3)


def species_names() -> tuple[str, ...]:
    """Return the names that `build_species` knows, those of ASE's G2 set not among them.

    Examples
    --------
    >>> "PS4(3-)" in species_names(), "TFSI-" in species_names()
    (True, True)
    """
    return (*_BUILDERS, *library_names(), *cluster_names())


def build_species(name: str) -> Species:
    """Return a molecule or ion.

    Parameters
    ----------
    name
        One of `species_names`, or a neutral molecule of ASE's G2 set such as ``H2O``.

    Raises
    ------
    InputError
        There is no such species.

    Examples
    --------
    >>> thiophosphate = build_species("PS4(3-)")
    >>> thiophosphate.charge, thiophosphate.multiplicity, len(thiophosphate.symbols)
    (-3, 1, 5)
    """
    if name in library_names():
        return build_molecule(name)
    if name in cluster_names():
        return build_cluster_named(name)
    if name in _BUILDERS:
        build, charge, multiplicity = _BUILDERS[name]
        symbols, positions = build()
        return Species(
            name=name,
            symbols=symbols,
            positions=positions,
            charge=charge,
            multiplicity=multiplicity,
            heads=(0,) if name in ("OH", "SH") else (),
            point_group=_POINT_GROUPS[name.split("(", maxsplit=1)[0].rstrip("-")],
        )
    try:
        atoms = g2_molecule(name)
    except (KeyError, NotImplementedError) as error:
        close = difflib.get_close_matches(name, species_names(), n=2, cutoff=0.4)
        hint = f"did you mean {' or '.join(close)}? " if close else ""
        raise InputError(
            f"no molecule named {name!r}: {hint}Known: {', '.join(species_names())}, and the "
            "neutral ones of ASE's G2 set"
        ) from error
    unpaired = round(float(np.abs(atoms.get_initial_magnetic_moments().sum())))
    return Species(
        name=name,
        symbols=tuple(atoms.get_chemical_symbols()),
        positions=np.asarray(atoms.get_positions()),
        charge=0,
        multiplicity=unpaired + 1,
    )


Built = tuple[tuple[str, ...], Floats]


def _pair(head: str, tail: str, length: float) -> Callable[[], Built]:
    """Return a builder of two atoms, the tail above the head."""
    return lambda: ((head, tail), np.array([[0.0, 0, 0], [0, 0, length]]))


def _tetrahedron(fourth: str) -> Callable[[], Built]:
    """Return a builder of PS3X."""
    last = _PS if fourth == "S" else _PO

    def build() -> Built:
        lengths = np.array([_PS, _PS, _PS, last])
        places = np.vstack([np.zeros(3), _TETRAHEDRAL * lengths[:, None]])
        return ("P", "S", "S", "S", fourth), places

    return build


def _bipyramid(bearer: str) -> Callable[[], Built]:
    """Return a builder of PS3 with S and O on the axis, H on one of these two."""

    def build() -> Built:
        angles = np.radians([0, 120, 240])
        ring = _PS * np.stack([np.cos(angles), np.sin(angles), np.zeros(3)], axis=1)
        top, below = np.array([0, 0, _AXIAL_S]), np.array([0, 0, -_AXIAL_O])
        bearing = top if bearer == "S" else below
        length = _SH if bearer == "S" else _OH
        tilt = np.radians(100 if bearer == "S" else 110)  # P-S-H, P-O-H
        inward = -bearing / np.linalg.norm(bearing)
        # Between two sulfurs of the ring.
        side = np.array([np.cos(np.pi / 3), np.sin(np.pi / 3), 0])
        hydrogen = bearing + length * (np.cos(tilt) * inward + np.sin(tilt) * side)
        return ("P", "S", "S", "S", "S", "O", "H"), np.vstack(
            [np.zeros(3), ring, top, below, hydrogen]
        )

    return build


def _sulfite() -> Built:
    """Return SO3 as a pyramid, O-S-O 105 degrees."""
    angles = np.radians([0, 120, 240])
    radius = _SO * np.sin(np.radians(105) / 2) * 2 / np.sqrt(3)
    height = np.sqrt(_SO**2 - radius**2)
    ring = np.stack([radius * np.cos(angles), radius * np.sin(angles), np.full(3, -height)], axis=1)
    return ("S", "O", "O", "O"), np.vstack([np.zeros(3), ring])


def _lithium_sulfite() -> Built:
    """Return SO3 with a Li at two of its three O-O edges, 1.95 Angstrom from both O."""
    symbols, places = _sulfite()
    lithium = []
    for i, j in ((1, 2), (2, 3)):
        middle = (places[i] + places[j]) / 2
        away = middle - places[0]
        half = np.linalg.norm(places[i] - places[j]) / 2
        lithium.append(middle + away / np.linalg.norm(away) * np.sqrt(1.95**2 - half**2))
    return (*symbols, "Li", "Li"), np.vstack([places, *lithium])


# name: builder, charge, multiplicity
_BUILDERS: dict[str, tuple[Callable[[], Built], int, int]] = {
    "OH": (_pair("O", "H", _OH), 0, 2),
    "OH-": (_pair("O", "H", _OH), -1, 1),
    "SH": (_pair("S", "H", _SH), 0, 2),
    "SH-": (_pair("S", "H", _SH), -1, 1),
    "PS4(3-)": (_tetrahedron("S"), -3, 1),
    "PS3O(3-)": (_tetrahedron("O"), -3, 1),
    "PS4-OH(4-)": (_bipyramid("O"), -4, 1),
    "PS4-OH(3-)": (_bipyramid("O"), -3, 2),
    "PS3O-SH(4-)": (_bipyramid("S"), -4, 1),
    "PS3O-SH(3-)": (_bipyramid("S"), -3, 2),
    "SO3(2-)": (_sulfite, -2, 1),
    "Li2SO3": (_lithium_sulfite, 0, 1),
}

# The same for every charge.
_POINT_GROUPS = {
    "OH": "C*v",
    "SH": "C*v",
    "PS4": "Td",
    "PS3O": "C3v",
    "PS4-OH": "Cs",
    "PS3O-SH": "Cs",
    "SO3": "C3v",
    "Li2SO3": "Cs",
}
