"""Where a calculation starts from: as planned, or from what its parents came to."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter
from pymatgen.core import Structure

from ..results.store import ResultStore
from ..structures.carrying import carry_along
from ..structures.errors import RunError
from ..structures.transformations import Transformation
from .calculations import Calculation

_TRANSFORMATION: TypeAdapter[Transformation] = TypeAdapter(Transformation)


def start_structure(calculation: Calculation, store: ResultStore, role: str) -> Structure:
    """Return the start of a calculation.

    Parameters
    ----------
    calculation
        What is to be computed.
    store
        Holds the parents' results.
    role
        Which parent: "structure", "initial", "final", "via 1", "band" (one image of it) or "host":
        the relaxed host, to which the planned structure adds atoms. Several parents "structure 1",
        "structure 2" ... are alternatives.

    Returns
    -------
    Structure
        As planned where there is no such parent; always with the planned frozen directions.

    Raises
    ------
    RunError
        The parent is not in the store, or no longer of the planned atoms.
    """
    keys = _alternatives(calculation, role)
    if not keys:
        return calculation.structure
    for key in keys:
        if not store.has(key):
            raise RunError(
                f"{calculation.label.name} starts from calculation {key}, which is not in the "
                "result store. Run its parent first (heterofire status shows what failed)."
            )
    if calculation.image is not None:
        structure = store.get_band(keys[0]).images[calculation.image].structure
    else:
        structure = _by_energy(store, keys)[calculation.rank or 0]
    if role == "host":
        return _on_host(calculation, structure)
    if calculation.atoms is not None:
        structure = Structure.from_sites([structure[i] for i in calculation.atoms])
    if calculation.transformation is not None:
        structure = _TRANSFORMATION.validate_python(calculation.transformation).apply(structure)
    _check_atoms(calculation, structure)
    return with_dynamics_of(structure, calculation.structure)


def images_before(
    calculation: Calculation, store: ResultStore, ends: Sequence[Structure]
) -> list[Structure]:
    """Return the moving images of the band from which a band goes on; none where there is none.

    They have gone along with their end points, each as far as it is from them in the band: what
    the ends learnt on another mesh, the images need not learn again.

    Parameters
    ----------
    ends
        The two end points of the band to be computed.

    Raises
    ------
    RunError
        The earlier band has another number of images, or other atoms.
    """
    key = calculation.parents.get("band")
    if key is None:
        return []
    images = [image.structure for image in store.get_band(key).images]
    if len(images) != calculation.n_images + 2:
        raise RunError(
            f"{calculation.label.name} has {calculation.n_images} images and would start from "
            f"{len(images) - 2} of calculation {key}. Submit the study again."
        )
    moves = [_move(old, new) for old, new in zip((images[0], images[-1]), ends, strict=True)]
    found = []
    for number, image in enumerate(images[1:-1], start=1):
        _check_atoms(calculation, image)
        share = number / (len(images) - 1)
        places = image.frac_coords + (1 - share) * moves[0] + share * moves[1]
        moved = Structure(image.lattice, image.species, places)
        found.append(with_dynamics_of(moved, calculation.structure))
    return found


def _move(old: Structure, new: Structure) -> NDArray[np.float64]:
    """Return how atoms moved, in fractions of the cell, each the shorter way."""
    moves: NDArray[np.float64] = new.frac_coords - old.frac_coords
    return moves - np.round(moves)


def starting_role(calculation: Calculation) -> str:
    """Return the role of the parents that a single structure starts from."""
    roles = {role.split(" ")[0] for role in calculation.parents}
    return next((role for role in ("host", "band") if role in roles), "structure")


def waypoints(calculation: Calculation, store: ResultStore) -> tuple[list[Structure], int | None]:
    """Return the structures that a band goes through between its ends, and the highest of them."""
    roles = [role for role in calculation.parents if role.startswith("via ")]
    roles.sort(key=lambda role: int(role.split(" ")[1]))
    found = [start_structure(calculation, store, role) for role in roles]
    energies = [store.get_run(calculation.parents[role]).e0 for role in roles]
    return found, int(np.argmax(energies)) if energies else None


def _alternatives(calculation: Calculation, role: str) -> list[str]:
    """Return the keys of the parents of a role, one, several or none."""
    own = calculation.parents.get(role)
    if own is not None:
        return [own]
    if role.startswith("via"):
        return []
    return [key for name, key in calculation.parents.items() if name.split(" ")[0] == role]


def _by_energy(store: ResultStore, keys: Sequence[str]) -> list[Structure]:
    """Return the structures of runs, that of the lowest E0 first."""
    runs = [store.get_run(key) for key in keys]
    return [run.structure for run in sorted(runs, key=lambda run: run.e0)]


def _check_atoms(calculation: Calculation, structure: Structure) -> None:
    """Refuse a start of other atoms than the inputs were made for."""
    planned = [site.specie.symbol for site in calculation.structure]
    found = [site.specie.symbol for site in structure]
    if planned != found:
        raise RunError(
            f"{calculation.label.name} was planned for {calculation.structure.composition.formula}"
            f" and would start from {structure.composition.formula}, or from another order of "
            "atoms. Submit the study again."
        )


def with_dynamics_of(structure: Structure, planned: Structure) -> Structure:
    """Return the structure with the frozen directions of the planned one."""
    result = structure.copy()
    for name in list(result.site_properties):
        result.remove_site_property(name)
    dynamics = planned.site_properties.get("selective_dynamics")
    if dynamics is not None:
        result.add_site_property("selective_dynamics", list(dynamics))
    return result


def _on_host(calculation: Calculation, host: Structure) -> Structure:
    """Return the planned structure with its host's atoms where the relaxed host has them."""
    planned, atoms = calculation.structure, calculation.atoms or tuple(range(len(host)))
    if [planned[i].specie for i in atoms] != [site.specie for site in host]:
        raise RunError(
            f"the planned {planned.composition.formula} does not hold the atoms of its host "
            f"{host.composition.formula} in their order"
        )
    moved = carry_along(planned, atoms, _fitted(planned, atoms, host))
    result: Structure = planned.copy()
    for i, place in enumerate(planned.lattice.get_fractional_coords(moved)):
        result.replace(i, planned[i].specie, place, properties=planned[i].properties)
    return result


def _fitted(planned: Structure, atoms: Sequence[int], host: Structure) -> NDArray[np.float64]:
    """Return where the host's atoms are, in the planned cell and near to where they were planned.

    A host in a box of its own is first moved onto the planned one as a whole.
    """
    places = planned.cart_coords[list(atoms)]
    there = host.cart_coords
    if not np.allclose(host.lattice.matrix, planned.lattice.matrix, atol=1e-6):
        there = there - there.mean(axis=0) + places.mean(axis=0)
    moves = planned.lattice.get_fractional_coords(there - places)
    fitted: NDArray[np.float64] = places + planned.lattice.get_cartesian_coords(
        moves - np.round(moves)
    )
    return fitted
