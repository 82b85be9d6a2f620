"""What ``heterofire dock`` does: a molecule on a molecule, cluster or slab, ranked and written."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pymatgen.core import Element, Structure

from ..structures.anchors import find_anchors
from ..structures.catalogue import build_named, model_names
from ..structures.docking import Docked, dock
from ..structures.errors import InputError
from ..structures.files import write_atomic
from ..structures.formats import read_structure, write_structure
from ..structures.models import ALIASES
from ..structures.molecules import build_species
from ..structures.slab_docking import DockedOnSlab, dock_on_slab
from ..structures.species import Species, box_species
from .listing import print_rows


@dataclass(frozen=True)
class Request:
    """What is to be docked, and how."""

    anchor: str | None
    heads: tuple[str, ...]
    n: int
    angle: float  # degrees
    distance: float | None  # Angstrom
    padding: float  # Angstrom around a molecule in a POSCAR


def load_guest(name: str) -> Species:
    """Return a species by name, or from an XYZ file.

    The comment of an XYZ file may say ``charge=-1 multiplicity=1``; else the molecule is neutral
    with the lowest multiplicity that its electrons allow.

    Raises
    ------
    InputError
        There is no such species, or the file cannot be read as one molecule.
    """
    path = Path(name)
    if path.suffix.lower() not in (".xyz", ".extxyz"):
        return build_species(name)
    if not path.exists():
        raise InputError(f"there is no file {name}; give an XYZ file or the name of a molecule")
    from ase.io import read  # slow to import

    try:
        atoms = read(path, format="extxyz")
        charge, given = int(atoms.info.get("charge", 0)), atoms.info.get("multiplicity")
        symbols = tuple(atoms.get_chemical_symbols())
    except (ValueError, OSError, LookupError, AttributeError, TypeError, AssertionError) as error:
        raise InputError(f"{name} is not a readable XYZ file of one molecule: {error}") from error
    electrons = sum(Element(s).Z for s in symbols) - charge
    return Species(
        name=path.stem,
        symbols=symbols,
        positions=np.asarray(atoms.get_positions()),
        charge=charge,
        multiplicity=1 + electrons % 2 if given is None else int(given),
    )


def load_host(name: str) -> Species | Structure:
    """Return a molecule, or the slab that a model's name or a POSCAR or CIF file gives."""
    if name in (*model_names(), *ALIASES):
        return build_named(name).structure
    if Path(name).exists() and Path(name).suffix.lower() not in (".xyz", ".extxyz"):
        return read_structure(name)
    return load_guest(name)


def print_anchors(name: str, *, as_json: bool) -> None:
    """Print where a host can hold another molecule, single atoms in one line."""
    host = load_host(name)
    if isinstance(host, Structure):
        raise InputError(f"{name} is a slab: molecules are tried all over it, without --anchor")
    rows = [
        {
            "anchor": a.name,
            "kind": a.kind,
            "atoms": len(a.atoms),
            "faces": 2 if a.two_sided else 1,
            **{x: round(float(v), 2) + 0.0 for x, v in zip("xyz", a.point, strict=True)},
        }
        for a in find_anchors(host)
    ]
    if not as_json:
        rows = [row for row in rows if row["kind"] != "atom"]
        print("any single atom is an anchor, too, such as C1 (element and number)", file=sys.stderr)
    print_rows(rows, as_json=as_json, title=f"anchors of {name}")


def print_docked(
    guest: str, host: str, request: Request, *, output: Path | None, as_json: bool
) -> None:
    """Dock a guest on a host, print the placements best first, and write them."""
    on, molecule = load_host(host), load_guest(guest)
    found = _placed(on, molecule, host, request)
    rows = [_row(i, placement) for i, placement in enumerate(found, 1)]
    print_rows(rows, as_json=as_json, title=f"{guest} on {host}, best first; score in bonds")
    if output is None:
        return
    names = _names(output, len(found), isinstance(on, Structure))
    for placement, path in zip(found, names, strict=True):
        print(f"written: {_written(placement, path, request.padding)}", file=sys.stderr)


def _placed(
    on: Species | Structure, molecule: Species, host: str, request: Request
) -> Sequence[Docked | DockedOnSlab]:
    """Return the placements of a molecule."""
    heads = request.heads or None
    if isinstance(on, Structure):
        if request.anchor or request.distance is not None:
            raise InputError(f"{host} is a slab: leave --anchor and --distance out")
        return dock_on_slab(on, molecule, heads=heads, n=request.n, angle=request.angle)
    if request.anchor is None:
        names = dict.fromkeys(a.name for a in find_anchors(on) if a.kind != "atom")
        raise InputError(
            f"say where on {host} with --anchor; there are {', '.join(names) or 'single atoms'}"
        )
    return dock(
        on,
        molecule,
        anchor=request.anchor,
        heads=heads,
        n=request.n,
        angle=request.angle,
        distance=request.distance,
    )


def _row(rank: int, placement: Docked | DockedOnSlab) -> dict[str, Any]:
    """Return a placement as a row."""
    whole = placement.species
    return {
        "rank": rank,
        "score": round(placement.score, 3),
        "anchor": placement.anchor if isinstance(placement, Docked) else "surface",
        "head": placement.head,
        "distance (A)": round(placement.distance, 2),
        "closest / radii": round(placement.clearance, 2),
        "charge": whole.charge,
        "2S+1": whole.multiplicity,
        "contacts": placement.words,
    }


def _names(output: Path, n: int, is_slab: bool) -> list[Path]:
    """Return a file for each placement: the one named, numbered if several, or in a folder."""
    is_file = bool(output.suffix) or output.name.upper().startswith(("POSCAR", "CONTCAR"))
    if not is_file:
        end = "vasp" if is_slab else "xyz"
        return [output / f"{i}.{end}" for i in range(1, n + 1)]
    if n == 1:
        return [output]
    return [output.with_name(f"{output.stem}_{i}{output.suffix}") for i in range(1, n + 1)]


def _written(placement: Docked | DockedOnSlab, path: Path, padding: float) -> Path:
    """Write a placement; XYZ files carry charge, multiplicity and the part of each atom."""
    if isinstance(placement, DockedOnSlab):
        return write_structure(placement.structure, path)
    if path.suffix.lower() in (".xyz", ".extxyz"):
        return write_atomic(path, _xyz(placement.species))
    return write_structure(box_species(placement.species, padding).structure, path)


def _xyz(species: Species) -> str:
    """Return extended XYZ."""
    part = {atom: name for name, atoms in species.fragments.items() for atom in atoms}
    lines = [
        f"{symbol:<3}{x:16.8f}{y:16.8f}{z:16.8f}  {part.get(i, species.name).replace(' ', '_')}"
        for i, (symbol, (x, y, z)) in enumerate(
            zip(species.symbols, species.positions, strict=True)
        )
    ]
    about = (
        f"Properties=species:S:1:pos:R:3:part:S:1 charge={species.charge} "
        f'multiplicity={species.multiplicity} pbc="F F F"'
    )
    return "\n".join([str(len(lines)), about, *lines, ""])
