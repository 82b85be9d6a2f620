"""Where a calculation starts from: as planned, or from what its parents came to."""

import numpy as np
from pymatgen.core import Structure

from ..results.store import ResultStore
from ..structures.errors import RunError
from .calculations import Calculation

_TOUCHES = 4.0  # Angstrom: an ion goes along with the host's atoms this near


def start_structure(calculation: Calculation, store: ResultStore, role: str) -> Structure:
    """Return the start of a calculation.

    Parameters
    ----------
    calculation
        What is to be computed.
    store
        Holds the parents' results.
    role
        Which parent: "structure", "initial", "final", "band" (one image of it) or "host": the
        relaxed host, to which the planned structure adds atoms at its end.

    Returns
    -------
    Structure
        As planned where there is no such parent; always with the planned frozen directions.

    Raises
    ------
    RunError
        The parent is not in the store.
    """
    key = calculation.parents.get(role)
    if key is None:
        return calculation.structure
    if not store.has(key):
        raise RunError(
            f"{calculation.label.name} starts from calculation {key}, which is not in the result "
            "store. Run its parent first (heterofire status shows what failed)."
        )
    if calculation.image is not None:
        structure = store.get_band(key).images[calculation.image].structure
    else:
        structure = store.get_run(key).structure
    if role == "host":
        return _on_host(calculation.structure, structure)
    if calculation.atoms is not None:
        structure = Structure.from_sites([structure[i] for i in calculation.atoms])
    return with_dynamics_of(structure, calculation.structure)


def with_dynamics_of(structure: Structure, planned: Structure) -> Structure:
    """Return the structure with the frozen directions of the planned one."""
    result = structure.copy()
    for name in list(result.site_properties):
        result.remove_site_property(name)
    dynamics = planned.site_properties.get("selective_dynamics")
    if dynamics is not None:
        result.add_site_property("selective_dynamics", list(dynamics))
    return result


def _on_host(planned: Structure, host: Structure) -> Structure:
    """Return the planned structure with its first atoms where the relaxed host has them.

    The other atoms move with the mean of the host's atoms that they touch.
    """
    n = len(host)
    if [s.specie for s in planned[:n]] != [s.specie for s in host]:
        raise RunError(
            f"the planned {planned.composition.formula} does not begin with the atoms of its host "
            f"{host.composition.formula}"
        )
    moved = host.frac_coords - planned.frac_coords[:n]
    moved -= np.round(moved)
    result: Structure = planned.copy()
    places = planned.frac_coords.copy()
    places[:n] += moved
    for i in range(n, len(planned)):
        near = planned.lattice.get_all_distances(planned.frac_coords[i], planned.frac_coords[:n])[0]
        touched = near < max(_TOUCHES, near.min() + 1e-6)
        places[i] += moved[touched].mean(axis=0)
    for i, place in enumerate(places):
        result.replace(i, planned[i].specie, place, properties=planned[i].properties)
    return result
