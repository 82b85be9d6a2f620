"""Charges of ligands by the rules of valence, group by group.

Counted are carboxylates, phenolates and alkoxides, azolates, oxide, hydroxide and water, halides,
oxo-anions of C, N, S, P, Cl and Si, thiolates, ammonium, azide, cyanide and thiocyanate. Anything
else bears no charge, or is refused where no rule is known for its element.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .crystal_bonds import CrystalBonds, Site
from .errors import StructureError
from .hydrogens import ring_of

_PHENOLATE = 1.29  # Angstrom from C to a lone O: longer is -O(-), shorter C=O
_THIOLATE = 1.70  # from C to a lone S: thione 1.67, thiolate 1.76
_TRIPLE = 1.22  # C-N of cyanide and nitriles, 1.14
_AMIDE_N = 1.32  # N between two atoms: shorter is an imine
_HALOGENS = ("F", "Cl", "Br", "I")


@dataclass(frozen=True)
class Group:
    """A charged group of a ligand."""

    name: str
    charge: int  # e
    sites: tuple[Site, ...]  # its donors: where a proton would go


def charged_groups(bonds: CrystalBonds, ligand: Sequence[Site]) -> list[Group]:
    """Return the charged groups of a ligand, all of whose sites are given.

    Raises
    ------
    StructureError
        An element for which there is no rule: names the atom.
    """
    found: list[Group] = []
    for site in ligand:
        symbol = bonds.symbols[site[0]]
        rule = _RULES.get(symbol)
        if rule is None:
            raise StructureError(
                f"no rule gives the charge of {bonds.label(site)} in a ligand: give the charge and "
                "multiplicity of the cluster"
            )
        group = rule(bonds, site)
        if group is not None and group.charge:
            found.append(group)
    return found + _azolates(bonds, ligand)


def _oxygens(bonds: CrystalBonds, site: Site) -> tuple[Site, ...]:
    """Return the O that only this non-metal and metals hold, without H."""
    near = bonds.others_at(site)
    return tuple(o for o in near if bonds.symbols[o[0]] == "O" and len(bonds.others_at(o)) == 1)


def _of_carbon(bonds: CrystalBonds, site: Site) -> Group | None:
    """Return the charge of a carboxylate, carbonate, phenolate or cyanide."""
    near, ends = bonds.others_at(site), _oxygens(bonds, site)
    if len(near) == 3 and len(ends) == 3:
        return Group("carbonate", -2, ends)
    if len(near) == 3 and len(ends) == 2:
        return Group("carboxylate", -1, ends)
    if len(ends) == 1 and bonds.distance(site, ends[0]) > _PHENOLATE:
        return Group("phenolate or alkoxide", -1, ends)
    if len(near) == 1 and bonds.symbols[near[0][0]] == "N":
        is_cyanide = len(bonds.others_at(near[0])) == 1
        return Group("cyanide", -1, (site, near[0])) if is_cyanide else None
    if len(near) == 2 and all(len(bonds.others_at(other)) == 1 for other in near):
        is_cyanate = {bonds.symbols[other[0]] for other in near} in ({"N", "S"}, {"N", "O"})
        return Group("thiocyanate or cyanate", -1, tuple(near)) if is_cyanate else None
    return None


def _of_oxygen(bonds: CrystalBonds, site: Site) -> Group | None:
    """Return the charge of oxide, hydroxide, water or hydronium."""
    near = [bonds.symbols[other[0]] for other in bonds.others_at(site)]
    if any(symbol != "H" for symbol in near):
        return None  # counted with its neighbour
    name = ("oxide", "hydroxide", "water", "hydronium")[len(near)]
    return Group(name, len(near) - 2, (site,))


def _of_nitrogen(bonds: CrystalBonds, site: Site) -> Group | None:
    """Return the charge of ammonium, nitrate, nitrite, azide, nitride or a deprotonated amide."""
    near, ends = bonds.others_at(site), _oxygens(bonds, site)
    symbols = [bonds.symbols[other[0]] for other in near]
    if len(near) == 4:
        return Group("ammonium", 1, ())
    if len(near) == len(ends) > 1:
        return Group("nitrate" if len(ends) == 3 else "nitrite", -1, ends)
    if symbols == ["N", "N"] and all(len(bonds.others_at(other)) == 1 for other in near):
        return Group("azide", -1, tuple(near))
    if all(symbol == "H" for symbol in symbols):
        return Group("nitride or amide", len(near) - 3, (site,))
    if len(near) == 2 and bonds.metals_at(site) and ring_of(bonds, site) is None:
        shortest = min(bonds.distance(site, other) for other in near)
        return Group("deprotonated amide", -1, (site,)) if shortest > _AMIDE_N else None
    return None


def _of_sulfur(bonds: CrystalBonds, site: Site) -> Group | None:
    """Return the charge of sulfide, thiolate, sulfinate, sulfonate or sulfate."""
    near, ends = bonds.others_at(site), _oxygens(bonds, site)
    if all(bonds.symbols[other[0]] == "H" for other in near):
        return Group("sulfide", len(near) - 2, (site,))
    if len(near) == 1 and bonds.symbols[near[0][0]] == "C":
        others = bonds.others_at(near[0])
        is_thiolate = len(others) > 2 and bonds.distance(site, near[0]) > _THIOLATE
        return Group("thiolate", -1, (site,)) if is_thiolate else None
    charge = min(0, len(near) - 2 - len(ends)) if len(near) > 2 else 0
    return Group("oxo-anion of S", charge, ends)


def _of_phosphorus(bonds: CrystalBonds, site: Site) -> Group | None:
    """Return the charge of phosphonium, phosphonate, phosphate or PF6-."""
    near, ends = bonds.others_at(site), _oxygens(bonds, site)
    if len(near) == 6:
        return Group("hexafluorophosphate", -1, ())
    return Group("oxo-anion of P", 1 - len(ends), ends) if len(near) == 4 else None


def _of_silicon(bonds: CrystalBonds, site: Site) -> Group | None:
    """Return the charge of a silicate or SiF6(2-)."""
    ends = _oxygens(bonds, site)
    is_fluoride = len(bonds.others_at(site)) == 6
    return Group("silicate", -2 if is_fluoride else -len(ends), ends)


def _of_boron(bonds: CrystalBonds, site: Site) -> Group | None:
    """Return the charge of a borate."""
    return Group("borate", -1, ()) if len(bonds.others_at(site)) == 4 else None


def _of_halogen(bonds: CrystalBonds, site: Site) -> Group | None:
    """Return the charge of a halide or perchlorate."""
    near = bonds.others_at(site)
    if not near:
        return Group("halide", -1, (site,))
    return Group("perchlorate", -1, _oxygens(bonds, site)) if len(near) == 4 else None


def _of_hydrogen(bonds: CrystalBonds, site: Site) -> Group | None:
    """Refuse H that is bonded to nothing."""
    if not bonds.others_at(site):
        raise StructureError(
            f"{bonds.label(site)} is bonded to no atom: move it to the atom it belongs to, or "
            "delete it"
        )
    return None


def _azolates(bonds: CrystalBonds, ligand: Sequence[Site]) -> list[Group]:
    """Return five-membered rings of N without their proton; a porphyrin has lost two of four."""
    found: list[Group] = []
    seen: set[frozenset[Site]] = set()
    at_metal: dict[Site, int] = {}
    for site in ligand:
        if bonds.symbols[site[0]] != "N" or not bonds.metals_at(site):
            continue
        ring = ring_of(bonds, site, 5)
        if ring is None or frozenset(ring) in seen or not _is_azolate(bonds, ring):
            continue
        seen.add(frozenset(ring))
        nitrogens = tuple(other for other in ring if bonds.symbols[other[0]] == "N")
        if len(nitrogens) == 1:
            metal = bonds.metals_at(site)[0]
            at_metal[metal] = at_metal.get(metal, 0) + 1
            if at_metal[metal] > 2:
                continue
        found.append(Group("azolate", -1, nitrogens))
    return found


def _is_azolate(bonds: CrystalBonds, ring: Sequence[Site]) -> bool:
    """Return whether a ring is flat and has no atom that gives two electrons without a charge."""
    for site in ring:
        n_near = len(bonds.others_at(site))
        symbol = bonds.symbols[site[0]]
        if len(ring) != 5 or n_near != (3 if symbol == "C" else 2) or symbol not in ("C", "N"):
            return False
    return True


_RULES: dict[str, Callable[[CrystalBonds, Site], Group | None]] = {
    "H": _of_hydrogen,
    "B": _of_boron,
    "C": _of_carbon,
    "N": _of_nitrogen,
    "O": _of_oxygen,
    "Si": _of_silicon,
    "P": _of_phosphorus,
    "S": _of_sulfur,
    **dict.fromkeys(_HALOGENS, _of_halogen),
}
