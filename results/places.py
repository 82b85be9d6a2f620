"""Where an ion was put, so that sites of different hosts are set side by side by place.

Sites are named by their rank in their own host: what is ``gallery-1`` in one may be ``gallery-2``
in another.
"""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
from pymatgen.core import Structure

from .records import Property

_SAME = 0.03  # fractional: hosts share their atoms, but for the ion's height over another element
_SAME_CELL = 1e-3  # Angstrom


def ion_place(starts: Sequence[tuple[float, Structure]]) -> dict[str, Any] | None:
    """Return where the one atom that a leg has more than another in its cell began.

    Parameters
    ----------
    starts
        Factor of each leg, negative for reactants, and the structure before its relaxation.

    Returns
    -------
    dict or None
        ``fractional`` (3 numbers) and ``cell`` (3 rows, Angstrom); None where no two legs differ
        by one atom of an element that the other has not.
    """
    whole, parts = (
        [structure for factor, structure in starts if factor * sign > 0] for sign in (1, -1)
    )
    for host_with_ion, host in product(whole, parts):
        added = _added_atom(host_with_ion, host)
        if added is not None:
            return {
                "fractional": np.round(host_with_ion[added].frac_coords, 4).tolist(),
                "cell": np.round(host_with_ion.lattice.matrix, 4).tolist(),
            }
    return None


def _added_atom(host_with_ion: Structure, host: Structure) -> int | None:
    """Return the atom that a host has not, where both share a cell and it is the only one."""
    if len(host_with_ion) != len(host) + 1 or not np.allclose(
        host_with_ion.lattice.matrix, host.lattice.matrix, atol=_SAME_CELL
    ):
        return None
    known = {site.specie.symbol for site in host}
    added = [i for i, site in enumerate(host_with_ion) if site.specie.symbol not in known]
    return added[0] if len(added) == 1 else None


def place_labels(properties: Sequence[Property]) -> list[str]:
    """Return the label of each property, the same one for the same place in every host.

    The first host that has an ion at a place names it. A label that would then stand for two
    places gets the name of its host. Properties that do not say where the ion was keep theirs.
    """
    names: dict[tuple[str, ...], list[tuple[Mapping[str, Any], str]]] = {}
    return [_label(item, names.setdefault(_group(item), [])) for item in properties]


def _group(item: Property) -> tuple[str, ...]:
    return item.study, item.profile, item.engine, item.method


def _label(item: Property, named: list[tuple[Mapping[str, Any], str]]) -> str:
    """Return the name of a property's place, which is added to those that are named."""
    place = item.detail.get("place")
    if place is None:
        return item.label
    for other, name in named:
        if _is_same(place, other):
            return name
    taken = {name for _, name in named}
    label = f"{item.label} of {item.model}" if item.label in taken else item.label
    named.append((place, label))
    return label


def _is_same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Return whether two places are one, periodic images included."""
    apart = np.array(one["fractional"]) - np.array(other["fractional"])
    near = np.abs(apart - np.round(apart)).max() < _SAME
    return bool(near and np.allclose(one["cell"], other["cell"], atol=_SAME_CELL))
