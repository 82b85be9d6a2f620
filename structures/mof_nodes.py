"""The metal nodes of a framework, and the ligands around one.

A node is the metals that an atom other than C joins (M-O-M, M-OH-M), or two groups of three atoms
such as carboxylates (M-O-C-O-M): an Fe3O trimer, a Zn4O tetrahedron, a copper paddle wheel.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from .crystal_bonds import HERE, CrystalBonds, Site, connected
from .errors import InputError, StructureError


@dataclass(frozen=True)
class Ligand:
    """Non-metals that hang together, bonded to a node."""

    sites: tuple[Site, ...]
    donors: tuple[Site, ...]  # bonded to the node
    is_linker: bool  # organic, and goes on to other metals
    is_whole: bool = True  # stays as it is in a cluster


def find_node(bonds: CrystalBonds, centre: str | int) -> tuple[Site, ...]:
    """Return the metals of a node, the centre first.

    Parameters
    ----------
    centre
        An element, whose first atom is taken, or the index of a metal atom (from 0).

    Raises
    ------
    InputError
        There is no such metal; names those there are.
    StructureError
        The node has no end: a rod or a layer of metals.
    """
    start = (_centre(bonds, centre), HERE)
    try:
        return tuple(connected(bonds, [start], lambda site: _joined(bonds, site)))
    except StructureError as error:
        raise StructureError(
            f"the metals around {bonds.label(start)} form a rod, layer or network: {error}. No "
            "cluster can be cut without cutting bonds of these metals"
        ) from error


def find_ligands(bonds: CrystalBonds, node: Sequence[Site]) -> list[Ligand]:
    """Return the ligands of a node, those that begin nearest to its first metal first.

    Raises
    ------
    StructureError
        A ligand has no end.
    """
    found: dict[frozenset[Site], Ligand] = {}
    members = set(node)
    for donor in [other for metal in node for other in bonds.others_at(metal)]:
        if any(donor in known for known in found):
            continue
        sites = connected(bonds, [donor], bonds.others_at)
        held = {site: bonds.metals_at(site) for site in sites}
        donors = tuple(site for site in sites if members & set(held[site]))
        goes_on = any(set(metals) - members for metals in held.values())
        is_organic = any(bonds.symbols[atom] == "C" for atom, _ in sites)
        found[frozenset(sites)] = Ligand(tuple(sites), donors, goes_on and is_organic)

    def nearness(ligand: Ligand) -> tuple[float, Site]:
        return min((round(bonds.distance(node[0], site), 3), site) for site in ligand.donors)

    return sorted(found.values(), key=nearness)


def choose_linkers(
    bonds: CrystalBonds, ligands: Sequence[Ligand], n_linkers: int, keep: Sequence[int] = ()
) -> list[Ligand]:
    """Return the ligands, linkers marked as whole or not: those with atoms to keep come first.

    Raises
    ------
    InputError
        There are fewer linkers, or an atom to keep is in none.
    """
    linkers = [ligand for ligand in ligands if ligand.is_linker]
    if not 0 <= n_linkers <= len(linkers):
        raise InputError(
            f"{n_linkers} linkers are asked for; the node has {len(linkers)} that go on to other "
            "metals"
        )
    whole = []
    for atom in keep:
        having = [x for x in linkers if any(atom == i for i, _ in x.sites)]
        if not having:
            raise InputError(f"atom {atom + 1} is in none of the {len(linkers)} linkers")
        whole += [x for x in having[:1] if x not in whole]
    whole += [x for x in linkers if x not in whole][: max(0, n_linkers - len(whole))]
    return [replace(x, is_whole=not x.is_linker or x in whole) for x in ligands]


def _centre(bonds: CrystalBonds, centre: str | int) -> int:
    """Return the metal atom that is asked for."""
    metals = [i for i, metal in enumerate(bonds.is_metal) if metal]
    elements = ", ".join(sorted({bonds.symbols[i] for i in metals})) or "none"
    if isinstance(centre, str):
        if not (found := [i for i in metals if bonds.symbols[i] == centre]):
            raise InputError(f"the crystal has no metal {centre!r}; its metals: {elements}")
        return found[0]
    if centre not in metals:
        what = bonds.symbols[centre] if 0 <= centre < len(bonds.symbols) else "no atom"
        raise InputError(f"atom {centre + 1} is {what}, not a metal; metals here: {elements}")
    return centre


def _joined(bonds: CrystalBonds, metal: Site) -> list[Site]:
    """Return the metals that belong to the same node by one bridging atom or two groups."""
    donors = [site for site in bonds.others_at(metal) if bonds.symbols[site[0]] != "C"]
    direct = [other for donor in donors for other in bonds.metals_at(donor) if other != metal]
    groups: dict[Site, set[Site]] = {}
    for donor in donors:
        for middle in bonds.others_at(donor):
            ends = [s for s in bonds.others_at(middle) if bonds.symbols[s[0]] != "C" and s != donor]
            for other in [m for end in ends for m in bonds.metals_at(end) if m != metal]:
                groups.setdefault(other, set()).add(middle)
    return direct + [other for other, middles in groups.items() if _n_apart(bonds, middles) > 1]


def _n_apart(bonds: CrystalBonds, middles: set[Site]) -> int:
    """Count groups, those that are bonded to each other (an oxalate) as one at most."""
    return sum(not middles & set(bonds.others_at(middle)) for middle in middles)
