"""What ``heterofire cut`` does: a cluster out of a MOF's structure file."""

import json
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pymatgen.core import Structure

from ..structures.checks import shortest_distance
from ..structures.cluster_cutting import Cluster, CutRequest, cut_out
from ..structures.describe import ordered_formula
from ..structures.errors import HeteroError, InputError
from ..structures.formats import read_structure, write_structure
from ..structures.species import BoxedSpecies, box_species

_ATOM = re.compile(r"^([A-Z][a-z]?)?(\d+)$")


def atom_number(spec: str, structure: Structure) -> int:
    """Return the index (from 0) of an atom that is written as ``12`` or ``Fe12``, from 1.

    Raises
    ------
    InputError
        There is no such atom, or it is of another element.
    """
    found = _ATOM.match(spec)
    if found is None:
        raise InputError(f"atom {spec!r}: write its number in the file, from 1, such as 12 or Fe12")
    element, number = found[1], int(found[2])
    if not 1 <= number <= len(structure):
        raise InputError(f"atom {spec}: the file has atoms 1 to {len(structure)}")
    there = structure[number - 1].specie.symbol
    if element not in (None, there):
        raise InputError(f"atom {spec}: number {number} in the file is {there}")
    return number - 1


def oxidation_of(specs: Sequence[str]) -> dict[str, int]:
    """Return oxidation states from ``Fe=3``.

    Examples
    --------
    >>> oxidation_of(["Fe=3", "Cu=+2"])
    {'Fe': 3, 'Cu': 2}
    """
    states = {}
    for spec in specs:
        found = re.match(r"^([A-Z][a-z]?)=([+-]?\d+)$", spec)
        if found is None:
            raise InputError(f"oxidation state {spec!r}: write it as Fe=3")
        states[found[1]] = int(found[2])
    return states


def print_cluster(
    path: Path,
    request: CutRequest,
    *,
    keep: Sequence[str] = (),
    padding: float = 12.0,
    output: Path | None = None,
    as_json: bool = False,
) -> None:
    """Cut a cluster out of a file, print what it is, and write it in a box."""
    structure = read_structure(path)
    centre = request.centre
    if any(character.isdigit() for character in str(centre)):
        centre = atom_number(str(centre), structure)
    kept = tuple(atom_number(spec, structure) for spec in keep)
    request = replace(request, centre=centre, keep=kept, name=f"{path.stem} cluster")
    try:
        cluster = cut_out(structure, request)
    except HeteroError as error:
        raise type(error)(f"{path}: {error}") from error
    boxed = box_species(cluster.species, padding)
    facts = _facts(cluster, boxed)
    if as_json:
        print(json.dumps(facts, indent=1))
    else:
        rows = {key: "; ".join(v) if isinstance(v, list) else v for key, v in facts.items()}
        width = max(map(len, rows)) + 2
        print("\n".join(f"{key:<{width}}{value}" for key, value in rows.items() if value != ""))
    if output is not None:
        print(f"written: {write_structure(_marked(boxed), output)}", file=sys.stderr)


def _facts(cluster: Cluster, boxed: BoxedSpecies) -> dict[str, Any]:
    """Return what a cluster is."""
    species = cluster.species
    moments = boxed.moments
    return {
        "name": species.name,
        "formula": ordered_formula(boxed.structure),
        "atoms": len(species.symbols),
        "metals of the node": cluster.n_metals,
        "linkers": f"{cluster.n_whole} of {cluster.n_linkers} whole",
        "caps": list(cluster.caps),
        "charge": species.charge,
        "charge by rule": cluster.charge_rule,
        "multiplicity": species.multiplicity,
        "spin": cluster.spin_rule,
        "MAGMOM": "" if moments is None else " ".join(f"{m:g}" for m in moments),
        "shortest": str(shortest_distance(boxed.structure)),
        "box (A)": " x ".join(f"{x:.2f}" for x in boxed.structure.lattice.abc),
        "notes": list(cluster.notes),
    }


def _marked(boxed: BoxedSpecies) -> Structure:
    """Return the structure with charge, multiplicity and moments, which extended XYZ keeps."""
    structure = boxed.structure.copy()
    structure.properties = {
        "charge": boxed.species.charge,
        "multiplicity": boxed.species.multiplicity,
    }
    if boxed.moments is not None:
        structure.add_site_property("magmom", boxed.moments)
    return structure
