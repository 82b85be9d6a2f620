"""The metal node of NH2-MIL-101(Fe) and its linkers, built from stated lengths and angles.

Fe3(mu3-O)(RCOO)6 L3: three Fe(III) around one O, each pair of them bridged above and below the
plane by a carboxylate. Carboxylates are formates except for one, two or all six, which are
2-aminoterephthalate with its far end a free acid. Of the three sites L one is open (or bears
water), the second bears water, the third OH-:

    3 Fe(3+) + O(2-) + 6 RCOO- + OH- = 0

Number of atoms, with the first Fe open / with water on it: no linker 33 / 36, one 48 / 51, two
63 / 66, six 123 / 126.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .errors import InputError
from .species import Species

Floats = NDArray[np.float64]
Cap = Literal["open", "water"]
Spin = Literal["af", "fm"]

NAME = "NH2-MIL-101(Fe)"
NODE = "MIL-101(Fe) node"  # formates only: without linkers there is no NH2

# The node: oxo-centred Fe(III) trimers and MIL-101, in Angstrom and degrees.
FE_OXO = 1.91  # Fe-Fe is sqrt(3) times this, 3.31
FE_CARBOXYLATE = 2.02
FE_WATER = 2.08
FE_HYDROXIDE = 1.85
TILT = 52.0  # of the plane of a carboxylate against that of the three Fe
# Carboxylates, mean values of such ligands in crystals (Allen et al., Perkin Trans. 2 (1987) S1).
C_O, O_C_O = 1.26, 124.5
C_C = 1.49  # aryl to carboxyl
C_H_FORMATE = 1.10
ARYL, C_H, C_N, N_H = 1.395, 1.09, 1.37, 1.01  # C-C of the ring; angles 120
ACID_DOUBLE, ACID_SINGLE, O_H = 1.21, 1.35, 0.97  # C=O, C-OH, O-H; angles 120, H beside C=O
WATER_ANGLE, HYDROXIDE_ANGLE = 106.3, 110.5  # H-O-H, Fe-O-H

_MOMENT = 5.0  # Bohr magnetons, high-spin Fe(III), d5
# Where linkers go first: above the plane at both pairs of the open Fe, 64 degrees apart (60 between
# edges of MIL-101's supertetrahedron), then at the third pair, then below the plane.
_ORDER = ((0, 1), (2, 1), (1, 1), (0, -1), (2, -1), (1, -1))

_Atoms = list[tuple[str, Floats]]


def build_cluster(
    linkers: int = 1,
    *,
    cap: Cap = "open",
    spin: Spin = "af",
    minority: int = 2,
    hydroxide: bool = True,
) -> Species:
    """Return the trimeric node of NH2-MIL-101(Fe) with some of its linkers.

    Parameters
    ----------
    linkers
        How many of the six carboxylates are 2-aminoterephthalate: 0, 1, 2 or 6.
    cap
        What the first Fe has at its free site: nothing, or water.
    spin
        ``af``: two Fe up, one down (5 5 -5, 2S+1 = 6), the broken-symmetry ground state
        (10.1002/anie.202514014); ``fm``: all up (5 5 5, 2S+1 = 16).
    minority
        Which Fe is down in ``af``: 0 the open one, 1 that with water, 2 that with OH-.
    hydroxide
        Without it the third Fe bears water, too, and the charge is +1.

    Returns
    -------
    Species
        _Atoms 0 is O, 1 to 3 are Fe; then the carboxylates, then what caps the Fe.

    Raises
    ------
    InputError
        No such number of linkers, cap, spin or Fe.

    Examples
    --------
    >>> cluster = build_cluster()
    >>> len(cluster.symbols), cluster.charge, cluster.multiplicity, cluster.moments[1:4]
    (48, 0, 6, (5.0, 5.0, -5.0))
    >>> len(build_cluster(6, cap="water", spin="fm").symbols)
    126
    """
    _check(linkers, cap, spin, minority)
    caps = (cap, "water", "hydroxide" if hydroxide else "water")
    atoms = _node()
    for place in sorted(_ORDER, key=lambda place: place not in _ORDER[:linkers]):
        atoms += _carboxylate(*place, aryl=place in _ORDER[:linkers])
    for i, kind in enumerate(caps):
        atoms += _capping(i, kind)
    signs = [-1.0 if spin == "af" and i == minority else 1.0 for i in range(3)]
    symbols = tuple(symbol for symbol, _ in atoms)
    moments = [0.0] * len(atoms)
    moments[1:4] = [_MOMENT * sign for sign in signs]
    return Species(
        name=_name(_Variant(linkers, cap, spin)) + ("" if hydroxide else " cation"),
        symbols=symbols,
        positions=np.array([place for _, place in atoms]),
        charge=formal_charge(n_hydroxide=int(hydroxide)),
        multiplicity=round(abs(sum(moments))) + 1,
        point_group="Cs" if linkers in (0, 6) else "C1",
        moments=tuple(moments),
    )


def formal_charge(*, n_iron: int = 3, n_carboxylate: int = 6, n_hydroxide: int = 1) -> int:
    """Return the charge of an oxo-centred cluster of Fe(III).

    Examples
    --------
    >>> formal_charge(), formal_charge(n_hydroxide=0)
    (0, 1)
    """
    return 3 * n_iron - 2 - n_carboxylate - n_hydroxide


@dataclass(frozen=True)
class _Variant:
    """What a name stands for."""

    linkers: int
    cap: Cap
    spin: Spin


@cache
def _variants() -> dict[str, _Variant]:
    """Return all variants by their name."""
    found = [
        _Variant(n, cap, spin)
        for n in (1, 2, 6, 0)
        for cap in ("open", "water")
        for spin in ("af", "fm")
    ]
    return {_name(variant): variant for variant in found}


def _name(variant: _Variant) -> str:
    """Return the name of a variant, the default being bare."""
    words = {0: NODE, 1: NAME, 2: f"{NAME} 2 linkers", 6: f"{NAME} 6 linkers"}[variant.linkers]
    words += " capped" if variant.cap == "water" else ""
    return words + (" fm" if variant.spin == "fm" else "")


def cluster_names() -> tuple[str, ...]:
    """Return the names that `build_cluster_named` knows.

    Examples
    --------
    >>> cluster_names()[:4]
    ('NH2-MIL-101(Fe)', 'NH2-MIL-101(Fe) fm', 'NH2-MIL-101(Fe) capped', 'NH2-MIL-101(Fe) capped fm')
    """
    return tuple(_variants())


def build_cluster_named(name: str) -> Species:
    """Return a cluster by its name.

    Raises
    ------
    InputError
        There is no such cluster.

    Examples
    --------
    >>> build_cluster_named("NH2-MIL-101(Fe) 2 linkers capped").symbols.count("N")
    2
    """
    if name not in _variants():
        raise InputError(f"no cluster named {name!r}; there are {', '.join(cluster_names())}")
    variant = _variants()[name]
    return build_cluster(variant.linkers, cap=variant.cap, spin=variant.spin)


def _check(linkers: int, cap: str, spin: str, minority: int) -> None:
    """Refuse what there is not."""
    for what, value, known in (
        ("linkers", linkers, (0, 1, 2, 6)),
        ("cap", cap, ("open", "water")),
        ("spin", spin, ("af", "fm")),
        ("minority", minority, (0, 1, 2)),
    ):
        if value not in known:
            choices = ", ".join(str(choice) for choice in known)
            raise InputError(f"{NAME}: {what} {value!r} is unknown; there are {choices}")


def _outward(i: int) -> Floats:
    """Return the direction from O to Fe number i."""
    angle = np.radians(120 * i)
    return np.array([np.cos(angle), np.sin(angle), 0.0])


def _node() -> _Atoms:
    """Return O and the three Fe in the plane z = 0."""
    return [("O", np.zeros(3)), *(("Fe", FE_OXO * _outward(i)) for i in range(3))]


@dataclass(frozen=True)
class _Plane:
    """Where the flat ligand lies: its carboxyl C, its axis away from the node, and across."""

    carbon: Floats
    along: Floats
    across: Floats  # from the first Fe of the pair to the second

    def at(self, along: float, across: float) -> Floats:
        """Return a point of the plane, from the carboxyl C."""
        return self.carbon + along * self.along + across * self.across


def _carboxylate(i: int, side: int, *, aryl: bool) -> _Atoms:
    """Return the carboxylate that bridges Fe i and the next one, above or below the plane."""
    first, second = FE_OXO * _outward(i), FE_OXO * _outward((i + 1) % 3)
    middle = (first + second) / 2
    across = (second - first) / np.linalg.norm(second - first)
    tilt = np.radians(TILT)
    outward = middle / np.linalg.norm(middle)
    along = np.cos(tilt) * outward + side * np.sin(tilt) * np.array([0.0, 0, 1])
    half = np.radians(O_C_O / 2)
    wide, deep = C_O * np.sin(half), C_O * np.cos(half)
    # Both O lie in the plane through Fe-Fe, at the stated distance from their own Fe.
    short = np.linalg.norm(second - first) / 2 - wide
    plane = _Plane(middle + (np.sqrt(FE_CARBOXYLATE**2 - short**2) + deep) * along, along, across)
    atoms = [("O", plane.at(-deep, -wide)), ("O", plane.at(-deep, wide)), ("C", plane.carbon)]
    return atoms + (_aminoaryl_acid(plane) if aryl else [("H", plane.at(C_H_FORMATE, 0.0))])


def _aminoaryl_acid(plane: _Plane) -> _Atoms:
    """Return C6H3(NH2)COOH in the plane of its carboxylate, NH2 beside the latter."""
    centre = C_C + ARYL
    step = np.radians(60)

    def ring(k: int, radius: float) -> Floats:
        """Return the point at a distance from the middle, k corners on from the carboxylate."""
        angle = np.pi - k * step
        return plane.at(centre + radius * np.cos(angle), radius * np.sin(angle))

    def beside(place: Floats, length: float, degrees: float) -> Floats:
        """Return the point at a distance from a place, at an angle with the axis."""
        turn = np.radians(degrees)
        step = plane.at(length * np.cos(turn), length * np.sin(turn)) - plane.carbon
        return np.asarray(place + step)

    nitrogen = ring(1, ARYL + C_N)
    acid = ring(3, ARYL + C_C)
    single = beside(acid, ACID_SINGLE, -60)
    atoms = [("C", ring(k, ARYL)) for k in range(6)]
    atoms += [("N", nitrogen), ("H", beside(nitrogen, N_H, 60)), ("H", beside(nitrogen, N_H, 180))]
    atoms += [("H", ring(k, ARYL + C_H)) for k in (2, 4, 5)]
    return [*atoms, ("C", acid), ("O", beside(acid, ACID_DOUBLE, 60)), ("O", single),
            ("H", beside(single, O_H, 0))]  # fmt: skip


def _capping(i: int, kind: str) -> _Atoms:
    """Return water or OH- on Fe i, its H in the plane of the three Fe; nothing if it is open."""
    outward = _outward(i)
    sideways = np.array([-outward[1], outward[0], 0.0])
    bent: Sequence[float]
    if kind == "open":
        return []
    if kind == "water":
        length, half = FE_WATER, WATER_ANGLE / 2
        bent = (half, -half)
    else:
        length, bent = FE_HYDROXIDE, (180 - HYDROXIDE_ANGLE,)
    oxygen = (FE_OXO + length) * outward
    atoms: _Atoms = [("O", oxygen)]
    for degrees in bent:
        turn = np.radians(degrees)
        atoms.append(("H", oxygen + O_H * (np.cos(turn) * outward + np.sin(turn) * sideways)))
    return atoms
