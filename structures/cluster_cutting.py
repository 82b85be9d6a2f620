"""A cluster cut from the crystal of a metal-organic framework, with H where it was cut.

All ligands of a node stay. Linkers, which go on to other metals, are kept whole (their far donors
take a proton: a free acid) or cut at a single C-C bond outside rings, H taking the place of what
is cut away. Bonds of the node's metals, of rings and multiple bonds are never cut.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from pymatgen.core import Structure

from .cluster_charges import charge_by_rule, oxidation_states
from .cluster_parts import Cap, Part, take_part
from .contacts import CLASH, bonding_distance
from .crystal_bonds import CrystalBonds, Site, find_bonds
from .errors import InputError, StructureError
from .hydrogens import check_hydrogens
from .metal_spins import couple, unpaired
from .mof_nodes import choose_linkers, find_ligands, find_node
from .species import Species


@dataclass(frozen=True, kw_only=True)
class CutRequest:
    """What to cut out of a crystal."""

    centre: str | int  # an element, whose first atom is taken, or the index of an atom (from 0)
    n_linkers: int = 1  # how many linkers stay whole: those that begin nearest to the centre
    # Of the other linkers, how many C-C bonds lead up to the cut: 1 leaves the formate of a
    # carboxylate, 2 the benzoate.
    shells: int = 1
    keep: tuple[int, ...] = ()  # atoms (from 0) whose linkers stay whole, among the n_linkers
    charge: int | None = None  # instead of that by formal charges
    multiplicity: int | None = None  # instead of high spin coupled to the least total
    # Oxidation state by element, instead of that which makes the crystal neutral.
    oxidation: Mapping[str, int] = field(default_factory=dict)
    name: str = "cluster"


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """A species cut from a crystal, and how."""

    species: Species  # metals of the node first, their middle at the origin; caps last
    atoms: tuple[int | None, ...]  # where each atom is in the crystal; None for a cap
    caps: tuple[str, ...]  # such as "H on C12 instead of C20", atoms counted from 1 as in the file
    n_metals: int
    n_linkers: int  # linkers that the node has
    n_whole: int  # of these, kept whole
    charge_rule: str
    spin_rule: str
    notes: tuple[str, ...]


def cut_cluster(structure: Structure, **options: Any) -> Species:
    """Return a cluster around a metal of a crystal; options as in `CutRequest`.

    Raises
    ------
    StructureError, InputError
        See `cut_out`.
    """
    return cut_out(structure, CutRequest(**options)).species


def cut_out(structure: Structure, request: CutRequest) -> Cluster:
    """Cut the node around a metal, and some of its linkers, out of a crystal.

    Raises
    ------
    StructureError
        Disorder, overlapping atoms, missing H, an endless node, a charge that no rule gives.
    InputError
        No such metal or atom; a charge and multiplicity of wrong parity.
    """
    if request.shells < 1:
        raise InputError(f"shells {request.shells}: at least one C-C bond leads up to a cut")
    bonds = find_bonds(structure)
    node = find_node(bonds, request.centre)
    ligands = choose_linkers(bonds, find_ligands(bonds, node), request.n_linkers, request.keep)
    check_hydrogens(bonds, [site for ligand in ligands for site in ligand.sites])
    parts = [take_part(bonds, ligand, request.shells) for ligand in ligands]
    electrons = _electrons(bonds, node, parts, request)
    sites = [*node, *(site for part in parts for site in part.sites)]
    caps = [cap for part in parts for cap in part.caps]
    places = np.array([bonds.position(site) for site in sites] + [cap.place for cap in caps])
    species = Species(
        name=request.name,
        symbols=(*(bonds.symbols[atom] for atom, _ in sites), *("H" for _ in caps)),
        positions=places - places[: len(node)].mean(axis=0),
        charge=electrons.charge,
        multiplicity=electrons.multiplicity,
        moments=_padded(electrons.moments, len(places)),
    )
    _check_caps(bonds, species, sites, caps)
    return Cluster(
        species=species,
        atoms=(*(atom for atom, _ in sites), *(None for _ in caps)),
        caps=tuple(_told(bonds, cap) for cap in caps),
        n_metals=len(node),
        n_linkers=sum(ligand.is_linker for ligand in ligands),
        n_whole=sum(ligand.is_linker and ligand.is_whole for ligand in ligands),
        charge_rule=electrons.charge_rule,
        spin_rule=electrons.spin_rule,
        notes=tuple(_notes(bonds, node, sites, parts)),
    )


@dataclass(frozen=True, kw_only=True)
class _Electrons:
    """Charge and spin, and where they come from."""

    charge: int
    multiplicity: int
    moments: tuple[int, ...] | None  # of the node's metals
    charge_rule: str
    spin_rule: str


def _electrons(
    bonds: CrystalBonds, node: Sequence[Site], parts: Sequence[Part], request: CutRequest
) -> _Electrons:
    """Return charge and spin, by rule or as given."""
    metals = [bonds.symbols[atom] for atom, _ in node]
    try:
        if unknown := next((part.why_unknown for part in parts if part.why_unknown), ""):
            raise StructureError(unknown)
        states = oxidation_states(bonds, metals, request.oxidation)
    except StructureError as error:
        if request.charge is None or request.multiplicity is None:
            raise
        given = f"{request.charge:+d} as given; no rule: {error}"
        as_given = f"2S+1 = {request.multiplicity} as given, no starting moments"
        return _Electrons(
            charge=request.charge,
            multiplicity=request.multiplicity,
            moments=None,
            charge_rule=given,
            spin_rule=as_given,
        )
    charge, rule = charge_by_rule(metals, states, parts)
    if request.charge not in (None, charge):
        charge, rule = request.charge, f"{request.charge:+d} as given; by rule: {rule}"
    spins = [unpaired(symbol, states[symbol]) for symbol in metals]
    total = None if request.multiplicity is None else request.multiplicity - 1
    moments = couple(spins, total)
    multiplicity = sum(moments or ()) + 1 if request.multiplicity is None else request.multiplicity
    return _Electrons(
        charge=charge,
        multiplicity=multiplicity,
        moments=moments,
        charge_rule=rule,
        spin_rule=_spin_rule(metals, spins, moments, multiplicity),
    )


def _spin_rule(
    metals: Sequence[str], spins: Sequence[int], moments: Sequence[int] | None, multiplicity: int
) -> str:
    """Return how the spins of the metals make the multiplicity."""
    text = f"2S+1 = {multiplicity}"
    if moments is None:
        ions = " ".join(f"{m} {n}" for m, n in zip(metals, spins, strict=True))
        return (
            f"{text} as given, no starting moments: high-spin metals ({ions}) do not add up to it"
        )
    if not any(spins):
        return f"{text}, no unpaired electrons on the metals"
    signed = " ".join(f"{m} {n:+d}" for m, n in zip(metals, moments, strict=True))
    return f"{text}, high-spin metals, {signed}"


def _padded(moments: tuple[int, ...] | None, n_atoms: int) -> tuple[float, ...] | None:
    """Return moments of all atoms: those of the metals, then zeros; None if there are none."""
    if moments is None or not any(moments):
        return None
    return (*map(float, moments), *[0.0] * (n_atoms - len(moments)))


def _told(bonds: CrystalBonds, cap: Cap) -> str:
    """Return a cap in words."""
    return f"H on {bonds.label(cap.on)} instead of {bonds.label(cap.instead_of)}"


def _check_caps(
    bonds: CrystalBonds, species: Species, sites: Sequence[Site], caps: Sequence[Cap]
) -> None:
    """Refuse caps that come too near to anything but the atom that bears them."""
    for i, cap in enumerate(caps, start=len(sites)):
        distances = np.linalg.norm(species.positions - species.positions[i], axis=1)
        for j, distance in enumerate(distances):
            if j == i or (j < len(sites) and sites[j] == cap.on):
                continue
            if distance < CLASH * bonding_distance("H", species.symbols[j]):
                other = bonds.label(sites[j]) if j < len(sites) else "another cap"
                raise StructureError(
                    f"{_told(bonds, cap)} would be {distance:.2f} Angstrom from {other}: keep that "
                    "linker whole, or choose other shells"
                )


def _notes(
    bonds: CrystalBonds, node: Sequence[Site], sites: Sequence[Site], parts: Sequence[Part]
) -> list[str]:
    """Return what a user should know: bare donors, and O without H that may be OH."""
    capped = {cap.on for part in parts for cap in part.caps}
    # C=O of an acid whose other O got the proton is not bare.
    capped |= {o for cap in capped for near in bonds.others_at(cap) for o in bonds.others_at(near)}
    bare = [
        bonds.label(site)
        for site in sites
        if (metals := bonds.metals_at(site)) and not (site in capped or set(metals) & set(node))
    ]
    notes = []
    if bare:
        notes.append(
            f"{', '.join(bare)} lost a metal and got no H: a lone pair, or a charge that the group "
            "shares with a donor at the node"
        )
    bridges = [
        bonds.label(site)
        for site in sites
        if bonds.symbols[site[0]] == "O"
        and not bonds.others_at(site)
        and len(bonds.metals_at(site)) == 2
    ]
    if bridges:
        notes.append(
            f"{', '.join(bridges)} without H between two metals: counted as O(2-); if it is OH-, "
            "add H"
        )
    return notes
