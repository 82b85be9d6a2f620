"""What two molecules gain by touching: bonds to metals, hydrogen bonds, van der Waals contacts.

Each pair of atoms has a distance R at which it touches best and a worth w, and gives
``w (2 exp(x) - exp(2 x))`` with ``x = (R - d) / 0.37``, the form that ranks sites of ions and
layers (`contacts`, `sites`). The worth of a bond between a lone pair and a free metal is 1; the
others are in proportion, by the usual strength in eV of such contacts. No electrons: a start.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields

import numpy as np
from ase.data import atomic_numbers
from ase.data.vdw_alvarez import vdw_radii
from numpy.typing import NDArray
from pymatgen.core import Element

from .contacts import CLASH, SOFTNESS, bonding_distance
from .rings import neighbours
from .sites import HOST_RADII, ION_RADII
from .species import Species

Floats = NDArray[np.float64]

_OVERLAP = 0.82  # of the van der Waals distance; nothing is pushed nearer
_SQUEEZED = 0.92  # of the length of a bond; nothing is pushed nearer
# Each atom of a stack feels many beyond the nearest, which draw it in: with this factor stacked
# phthalocyanines come to 3.3-3.4 Angstrom, as in their crystals.
_MANY = 1.04
_DISPERSION = 0.02  # of a bond to a metal: about 20 meV for two touching atoms
_HYDROGEN_BOND = 0.2  # of a bond to a metal; moderate ones have 0.2-0.6 eV ...
_HYDROGEN_LENGTH = 1.95  # ... and H...acceptor 1.5-2.2 Angstrom (Steiner, Angew. Chem. Int. Ed. 41
# (2002) 48); fluorine on carbon is a poor acceptor: its bonds are longer and hold a tenth
_FLUORINE_LENGTH, _FLUORINE_SHARE = 2.3, 0.1
_DONORS = {"O": 1.0, "N": 1.0, "S": 0.5, "Cl": 0.5, "F": 0.3}  # share of a bond to a metal
_PI_SHARE = 0.15  # of a bond: Li+ on benzene, 1.6 eV by six C (J. Phys. Chem. A 104 (2000) 11420)
# Bondi's radius of Ni (J. Phys. Chem. 68 (1964) 441) for any metal whose ligands leave a face free
# but that makes no bond there: a stacked phthalocyanine's Co stays 3.2-3.4 Angstrom away.
_METAL_FACE = 1.63
# Cordero's covalent radii of the high-spin ions, since bonds on a square plane's axis are long.
_AXIAL = {"Mn": 1.61, "Fe": 1.52, "Co": 1.50}
_ION_TO_ION = 2.8  # Angstrom between two alkali ions, at least


@dataclass(frozen=True, kw_only=True)
class Contacts:
    """Each pair of an atom of the host (n) and one of the guest (m)."""

    reach: Floats  # (n, m) Angstrom at which the pair touches best
    worth: Floats  # (n, m) score there
    least: Floats  # (n, m) Angstrom; nearer is a clash
    radii: Floats  # (n, m) sums of covalent radii, Angstrom

    def of_host(self, atoms: NDArray[np.bool_]) -> "Contacts":
        """Return those of some atoms of the host."""
        tables = {f.name: getattr(self, f.name)[atoms] for f in fields(self)}
        return Contacts(**tables)

    def rounded(self) -> "Contacts":
        """Return those in single precision."""
        tables = {f.name: getattr(self, f.name).astype(np.float32) for f in fields(self)}
        return Contacts(**tables)

    def score(self, distances: Floats) -> Floats:
        """Return the sum over pairs of distances (..., n, m)."""
        bond = np.exp(np.minimum((self.reach - distances) / SOFTNESS, 20.0))
        total: Floats = np.einsum("nm,...nm->...", self.worth, bond * (2 - bond))
        return total

    def slopes(self, distances: Floats) -> Floats:
        """Return by how much each pair's score (n, m) grows with its distance, per Angstrom."""
        bond = np.exp(np.minimum((self.reach - distances) / SOFTNESS, 20.0))
        grows: Floats = 2 * self.worth * (bond * bond - bond) / SOFTNESS
        return grows


def pair_contacts(
    host: Species,
    guest: Species,
    *,
    free_metals: Collection[int] = (),
    faces: Collection[int] = (),
    givers: Collection[str] | None = None,
    guest_metals: Collection[int] = (),
) -> Contacts:
    """Return how each atom of one molecule touches each of another.

    Parameters
    ----------
    free_metals
        Metals of the host that a lone pair of the guest may bind to; alkali metals always are.
    faces
        Those of them that stay on the axis of a plane, with longer bonds.
    givers
        Elements of the guest whose lone pairs may bind to those metals; None: all.
    guest_metals
        Metals of the guest that a lone pair of the host may bind to.

    Examples
    --------
    >>> from heterofire.structures.molecules import build_species
    >>> water = build_species("H2O")
    >>> pair_contacts(water, water).reach.round(2).tolist()[0]
    [3.12, 1.95, 1.95]
    """
    sides = [_Side.of(host, free_metals, faces), _Side.of(guest, guest_metals, ())]
    barred = set[int]()
    if givers is not None:
        barred = {j for j, symbol in enumerate(guest.symbols) if symbol not in givers}
    first, rows = _kinds(sides[0], set(free_metals))
    second, columns = _kinds(sides[1], barred)
    kinds = [
        [
            _pair(sides[0], i, sides[1], j, only_touch=i in free_metals and j in barred)
            for j in second
        ]
        for i in first
    ]
    table = np.moveaxis(np.array(kinds)[np.ix_(rows, columns)], 2, 0)
    radii = np.array([[bonding_distance(a, b) for b in guest.symbols] for a in host.symbols])
    least = np.maximum(table[2], CLASH * radii)
    return Contacts(reach=table[0], worth=table[1], least=least, radii=radii)


def _kinds(side: "_Side", marked: Collection[int]) -> tuple[list[int], list[int]]:
    """Return the first atom of each kind that touches alike, and the kind of every atom."""
    firsts, kinds = dict[tuple[object, ...], int](), list[int]()
    atoms = list[int]()
    for i, symbol in enumerate(side.symbols):
        able = (side.donor[i], side.acidic[i], side.flat[i])
        kind = (symbol, *able, i in side.free, i in side.faces, i in marked)
        if kind not in firsts:
            firsts[kind] = len(atoms)
            atoms.append(i)
        kinds.append(firsts[kind])
    return atoms, kinds


@dataclass(frozen=True, kw_only=True)
class _Side:
    """What the atoms of one molecule can do."""

    symbols: Sequence[str]
    donor: Sequence[float]  # share of a bond that its lone pair gives
    acidic: Sequence[bool]  # hydrogen on N or O
    flat: Sequence[bool]  # no more than three neighbours: carbon with a pi electron
    free: Collection[int]  # metals that bind
    faces: Collection[int]

    @classmethod
    def of(cls, species: Species, metals: Collection[int], faces: Collection[int]) -> "_Side":
        """Return the abilities of a molecule's atoms."""
        symbols, near = species.symbols, neighbours(species.symbols, species.positions)
        alkali = {i for i, s in enumerate(symbols) if s in ION_RADII}
        return cls(
            symbols=symbols,
            donor=[_lone_pair(symbols, near, i) for i in range(len(symbols))],
            acidic=[
                s == "H" and any(symbols[j] in ("N", "O") for j in near[i])
                for i, s in enumerate(symbols)
            ],
            flat=[len(near[i]) <= 3 for i in range(len(symbols))],
            free=alkali | set(metals),
            faces=set(faces),
        )


def lone_pairs(species: Species) -> dict[int, float]:
    """Return the atoms with a lone pair to give and the share of a bond that it makes.

    Examples
    --------
    >>> from heterofire.structures.molecules import build_species
    >>> lone_pairs(build_species("H2O"))
    {0: 1.0}
    """
    near = neighbours(species.symbols, species.positions)
    shares = {i: _lone_pair(species.symbols, near, i) for i in range(len(species.symbols))}
    return {i: share for i, share in shares.items() if share}


def _lone_pair(symbols: Sequence[str], near: Sequence[Sequence[int]], atom: int) -> float:
    """Return the share of a bond that an atom's lone pair gives, 0 without one."""
    own = [j for j in near[atom] if symbols[j] not in ION_RADII]
    most = 3 if symbols[atom] == "N" and any(symbols[j] == "H" for j in own) else 2
    if len(own) > most:
        return 0.0
    return _DONORS.get(symbols[atom], 0.0)


def _pair(
    one: _Side, i: int, other: _Side, j: int, *, only_touch: bool
) -> tuple[float, float, float]:
    """Return distance, worth and least distance of a pair."""
    ways = () if only_touch else (((one, i), (other, j)), ((other, j), (one, i)))
    for (a, p), (b, q) in ways:
        if p in a.free and b.donor[q]:
            return _bond(a, p, b, q)
        if p in a.free and a.symbols[p] in ION_RADII:
            return _beside_ion(a.symbols[p], b.symbols[q], b.flat[q])
        if a.acidic[p] and b.symbols[q] in ("N", "O", "F") and b.donor[q]:
            is_poor = b.symbols[q] == "F"
            length = _FLUORINE_LENGTH if is_poor else _HYDROGEN_LENGTH
            worth = _HYDROGEN_BOND * (_FLUORINE_SHARE if is_poor else 1.0)
            return length, worth, _SQUEEZED * length
    reach = _MANY * (_touch(one.symbols[i]) + _touch(other.symbols[j]))
    return reach, _DISPERSION, _OVERLAP * reach


def _bond(metals: _Side, i: int, donors: _Side, j: int) -> tuple[float, float, float]:
    """Return the same for a lone pair on a free metal."""
    metal, donor = metals.symbols[i], donors.symbols[j]
    length = bonding_distance(metal, donor)
    if i in metals.faces and metal in _AXIAL:
        length += _AXIAL[metal] - bonding_distance(metal, metal) / 2
    return length, donors.donor[j], _SQUEEZED * length


def _beside_ion(ion: str, other: str, is_flat: bool) -> tuple[float, float, float]:
    """Return the same for an alkali ion and what gives it no lone pair."""
    if other in ION_RADII or Element(other).is_metal:
        return _ION_TO_ION, 0.0, _ION_TO_ION
    if other == "C" and is_flat:
        length = ION_RADII[ion] + HOST_RADII["C"]
        return length, _PI_SHARE, _SQUEEZED * length
    length = ION_RADII[ion] + _touch(other)
    return length, 0.0, length


def _touch(symbol: str) -> float:
    """Return the van der Waals radius in Angstrom (Alvarez, Dalton Trans. (2013) 8617)."""
    if Element(symbol).is_metal:
        return _METAL_FACE
    return float(vdw_radii[atomic_numbers[symbol]])
