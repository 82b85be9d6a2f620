"""Hydrogen that a structure lacks, told from the neighbours of C, N and O and their distances.

X-ray structures often come without H. Limits lie between mean lengths of bonds (Allen et al.,
Perkin Trans. 2 (1987) S1): C-C single 1.53, aromatic 1.38, triple 1.18; C-N amine 1.35-1.47,
imine 1.28, nitrile 1.14; C-O acid and phenol 1.31-1.36, carboxylate and carbonyl 1.20-1.26.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from .crystal_bonds import CrystalBonds, Site
from .errors import StructureError

_PLANAR = 345.0  # degrees, sum of the three angles at an atom; 328 is a tetrahedron's
_LINEAR = 160.0  # degrees
_SINGLE_C, _TRIPLE_C = 1.46, 1.25  # Angstrom, to C
_SINGLE_N, _TRIPLE_N = 1.32, 1.22
_AMINE = 1.42  # C-N longer than in any aromatic ring or amide
_SINGLE_O = 1.30
_OXO = 1.75  # Angstrom, metal to a terminal O without H


@dataclass(frozen=True)
class Lack:
    """An atom that lacks hydrogen."""

    site: Site
    count: str  # how many, such as "1" or "1 or 2"
    why: str


def check_hydrogens(bonds: CrystalBonds, sites: Iterable[Site]) -> None:
    """Refuse atoms that lack hydrogen.

    Raises
    ------
    StructureError
        Names the atoms, and how many H each lacks.
    """
    lacks = [lack for site in sites if (lack := _lack(bonds, site)) is not None]
    if lacks:
        shown = "; ".join(f"{bonds.label(x.site)} lacks {x.count} ({x.why})" for x in lacks[:4])
        more = f" and {len(lacks) - 4} more atoms" if len(lacks) > 4 else ""
        raise StructureError(
            f"hydrogen is missing: {shown}{more}. Add H to the CIF, for instance with Mercury, "
            "Avogadro or Open Babel, and give that file"
        )


def _lack(bonds: CrystalBonds, site: Site) -> Lack | None:
    """Return what H an atom lacks, if any."""
    rules = {"C": _of_carbon, "N": _of_nitrogen, "O": _of_oxygen}
    rule = rules.get(bonds.symbols[site[0]])
    found = rule(bonds, site) if rule else None
    return None if found is None else Lack(site, *found)


def _of_carbon(bonds: CrystalBonds, site: Site) -> tuple[str, str] | None:
    """Return how many H a C lacks, and why one thinks so."""
    near = bonds.around(site)
    lengths = [bonds.distance(site, other) for other in near]
    total = sum(_angles(bonds, site, near))
    is_single = min(lengths, default=2.0) > _SINGLE_C
    found: tuple[str, str] | None = None
    if not near:
        found = "4", "no neighbours"
    elif len(near) == 1 and lengths[0] < _TRIPLE_C and bonds.symbols[near[0][0]] == "C":
        found = "1", f"1 neighbour at {lengths[0]:.2f} Angstrom"  # of an alkyne
    elif len(near) == 1 and lengths[0] > _TRIPLE_C:
        found = "3" if is_single else "2", f"1 neighbour at {lengths[0]:.2f} Angstrom"
    elif len(near) == 2 and total < _LINEAR:
        found = "2" if is_single else "1", f"2 neighbours at {total:.0f} degrees"
    elif len(near) == 3 and total < _PLANAR:
        found = "1", f"3 neighbours, angles add up to {total:.0f}"
    return found


def _of_nitrogen(bonds: CrystalBonds, site: Site) -> tuple[str, str] | None:
    """Return how many H an N lacks; rings of N without H are left as they are."""
    near = bonds.others_at(site)
    # Only to C: S-N and P-N are long without H, too.
    carbons = [other for other in near if bonds.symbols[other[0]] == "C"]
    shortest = min((bonds.distance(site, other) for other in carbons), default=0.0)
    if len(near) == 1 and shortest > _TRIPLE_N:
        if shortest > _SINGLE_N:
            return "2", f"1 neighbour at {shortest:.2f} Angstrom"
        # N=N of an azide, N=C of a thiocyanate: the neighbour goes on in a line.
        return None if _ends_a_line(bonds, site, near[0]) else ("1", "1 neighbour, double bond")
    if len(near) == 2 and shortest > _SINGLE_N:
        is_amide = not bonds.metals_at(site) and ring_of(bonds, site) is None
        if is_amide or shortest > _AMINE:
            return "1", f"2 neighbours, C at {shortest:.2f} Angstrom"
    return None


def _of_oxygen(bonds: CrystalBonds, site: Site) -> tuple[str, str] | None:
    """Return how many H an O lacks."""
    near, metals = bonds.others_at(site), bonds.metals_at(site)
    if not near and not metals:
        return "2", "no neighbours: water"
    if not near and len(metals) == 1:
        length = bonds.distance(site, metals[0])
        if length < _OXO:
            return None
        there = f"{bonds.label(metals[0])} at {length:.2f} Angstrom"
        return "1 or 2", f"only {there}: hydroxide or water"
    if len(near) == 1 and not metals and bonds.symbols[near[0][0]] == "C":
        length = bonds.distance(site, near[0])
        if length > _SINGLE_O:
            return "1", f"only {bonds.label(near[0])} at {length:.2f} Angstrom"
    return None


def _ends_a_line(bonds: CrystalBonds, site: Site, neighbour: Site) -> bool:
    """Return whether the neighbour's bonds are in a line."""
    others = bonds.others_at(neighbour)
    return len(others) == 2 and _angles(bonds, neighbour, others)[0] > _LINEAR


def ring_of(bonds: CrystalBonds, site: Site, largest: int = 6) -> tuple[Site, ...] | None:
    """Return the smallest ring of non-metals that an atom is in, None if there is none."""
    paths: list[tuple[Site, ...]] = [(site, other) for other in bonds.others_at(site)]
    for _ in range(largest - 1):
        longer: list[tuple[Site, ...]] = []
        for path in paths:
            for there in bonds.others_at(path[-1]):
                if there == site and len(path) > 2:
                    return path
                if there not in path:
                    longer.append((*path, there))
        paths = longer
    return None


def _angles(bonds: CrystalBonds, site: Site, near: list[Site]) -> list[float]:
    """Return the angles between all pairs of bonds at an atom, in degrees."""
    arms = [bonds.position(other) - bonds.position(site) for other in near]
    units = [arm / np.linalg.norm(arm) for arm in arms]
    return [
        float(np.degrees(np.arccos(np.clip(units[i] @ units[j], -1, 1))))
        for i in range(len(units))
        for j in range(i)
    ]
