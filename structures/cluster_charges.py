"""The charge of a cluster: oxidation states that make its crystal neutral, and formal charges."""

from collections.abc import Mapping, Sequence

from pymatgen.core import Element

from .cluster_parts import Part, count_groups
from .crystal_bonds import HERE, CrystalBonds, connected
from .errors import StructureError
from .formal_charges import charged_groups
from .hydrogens import check_hydrogens


def oxidation_states(
    bonds: CrystalBonds, elements: Sequence[str], given: Mapping[str, int]
) -> dict[str, int]:
    """Return the oxidation state of each metal of a node.

    Parameters
    ----------
    elements
        Metals of the node.
    given
        States that are known; one other may be left, which then makes the crystal neutral.

    Raises
    ------
    StructureError
        No whole, common oxidation state makes the crystal neutral: says what it would be.
    """
    if set(elements) <= set(given):
        return {element: given[element] for element in elements}
    metals = [s for s, metal in zip(bonds.symbols, bonds.is_metal, strict=True) if metal]
    open_ones = sorted(set(metals) - set(given))
    if len(open_ones) > 1:
        raise StructureError(
            f"the oxidation states of {' and '.join(open_ones)} cannot be told apart: give all but "
            "one, such as Fe=3, or the charge and multiplicity of the cluster"
        )
    element = open_ones[0]
    rest = _ligand_charge(bonds) + sum(given.get(symbol, 0) for symbol in metals)
    state = -rest / metals.count(element)
    if state not in Element(element).common_oxidation_states:
        raise StructureError(
            f"the crystal would be neutral with {element}({state:+.3g}), the rest of its "
            f"{len(bonds.symbols)} atoms having {rest:+d}: a counter-ion or H is missing, or the "
            f"metal has mixed valence. Give its oxidation state ({element}=...), or the charge and "
            "multiplicity of the cluster"
        )
    return {**given, element: round(state)}


def _ligand_charge(bonds: CrystalBonds) -> int:
    """Return the charge of all non-metals of the crystal."""
    total = 0
    seen: set[int] = set()
    for atom, metal in enumerate(bonds.is_metal):
        if not metal and atom not in seen:
            sites = connected(bonds, [(atom, HERE)], bonds.others_at)
            check_hydrogens(bonds, sites)
            seen |= {i for i, _ in sites}
            total += sum(group.charge for group in charged_groups(bonds, sites))
    return total


def charge_by_rule(
    metals: Sequence[str], states: Mapping[str, int], parts: Sequence[Part]
) -> tuple[int, str]:
    """Return the charge of a cluster and how it adds up.

    Examples
    --------
    >>> charge_by_rule(["Zn", "Zn"], {"Zn": 2}, [])
    (4, '2 Zn(+2) = +4')
    """
    counts = {(element, states[element]): metals.count(element) for element in states}
    counts = {key: n for key, n in counts.items() if n} | count_groups(parts)
    total = sum(n * charge for (_, charge), n in counts.items())
    words = " + ".join(f"{n} {name}({charge:+d})" for (name, charge), n in counts.items())
    return total, f"{words} = {total:+d}" if total else f"{words} = 0"
