"""What of each ligand goes into a cluster, and the H that take the place of the rest."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .crystal_bonds import CrystalBonds, Site
from .errors import StructureError
from .formal_charges import Group, charged_groups
from .mof_nodes import Ligand

Floats = NDArray[np.float64]

# X-H in Angstrom, mean lengths as in mof_clusters.py; P and S: Allen et al., same table.
CAP_LENGTHS = {"C": 1.09, "N": 1.01, "O": 0.97, "S": 1.34, "P": 1.42}
_LEAST_SINGLE = 1.42  # Angstrom; shorter C-C bonds are aromatic or multiple


@dataclass(frozen=True)
class Cap:
    """An H that the crystal does not have."""

    on: Site
    instead_of: Site
    place: Floats  # Angstrom


@dataclass(frozen=True)
class Part:
    """What stays of a ligand."""

    sites: tuple[Site, ...]
    caps: tuple[Cap, ...]
    groups: tuple[Group, ...]  # charged ones, after their caps
    why_unknown: str = ""  # why no rule gives the charge


def take_part(bonds: CrystalBonds, ligand: Ligand, shells: int = 1) -> Part:
    """Return what a cluster takes of a ligand.

    Parameters
    ----------
    shells
        How many C-C bonds lead from the node up to the cut, where the ligand is not whole.
    """
    sites = ligand.sites if ligand.is_whole else _near_sites(bonds, ligand, shells)
    taken = set(sites)
    caps = [
        _cap(bonds, site, beyond)
        for site in sites
        for beyond in bonds.others_at(site)
        if beyond not in taken
    ]
    try:
        groups = charged_groups(bonds, sites)
    except StructureError as error:
        return Part(sites, tuple(caps), (), str(error))
    held = set(ligand.donors)
    left = []
    for group in groups:
        protons = [] if held & set(group.sites) else _protons(bonds, group)
        caps += protons
        left.append(Group(group.name, group.charge + len(protons), group.sites))
    return Part(sites, tuple(caps), tuple(group for group in left if group.charge))


def _near_sites(bonds: CrystalBonds, ligand: Ligand, shells: int) -> tuple[Site, ...]:
    """Return the sites that fewer than `shells` single C-C bonds part from the node."""
    passed = dict.fromkeys(ligand.donors, 0)
    queue = list(ligand.donors)
    while queue:
        here = queue.pop(0)
        for there in bonds.others_at(here):
            n_passed = passed[here] + _is_single(bonds, ligand, here, there)
            if n_passed < shells and n_passed < passed.get(there, shells):
                passed[there] = n_passed
                queue.append(there)
    return tuple(site for site in ligand.sites if site in passed)


def _is_single(bonds: CrystalBonds, ligand: Ligand, one: Site, other: Site) -> bool:
    """Return whether a bond may be cut: C-C, single, and in no ring."""
    if {bonds.symbols[one[0]], bonds.symbols[other[0]]} != {"C"}:
        return False
    if bonds.distance(one, other) < _LEAST_SINGLE:
        return False
    found = {one}
    queue = [one]
    while queue:
        here = queue.pop()
        for there in bonds.others_at(here):
            if {here, there} != {one, other} and there not in found:
                found.add(there)
                queue.append(there)
    return other not in found


def _protons(bonds: CrystalBonds, group: Group) -> list[Cap]:
    """Return the protons that take the place of metals beyond the cluster."""
    far = [(site, metals[0]) for site in group.sites if (metals := bonds.metals_at(site))]
    return [_cap(bonds, site, metal) for site, metal in far[: max(0, -group.charge)]]


def _cap(bonds: CrystalBonds, site: Site, beyond: Site) -> Cap:
    """Return an H on a site along a bond that is cut."""
    length = CAP_LENGTHS.get(bonds.symbols[site[0]])
    if length is None:
        raise StructureError(
            f"{bonds.label(site)} would need an H where its bond to {bonds.label(beyond)} is cut; "
            f"only {', '.join(CAP_LENGTHS)} can bear one: keep that linker whole"
        )
    start = bonds.position(site)
    along = bonds.position(beyond) - start
    return Cap(site, beyond, start + length * along / np.linalg.norm(along))


def count_groups(parts: Sequence[Part]) -> dict[tuple[str, int], int]:
    """Return how many charged groups of each name and charge there are."""
    found: dict[tuple[str, int], int] = {}
    for group in (group for part in parts for group in part.groups):
        key = (group.name, group.charge)
        found[key] = found.get(key, 0) + 1
    return dict(sorted(found.items(), key=lambda item: (item[0][1], item[0][0])))
