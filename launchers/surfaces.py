"""What ``heterofire slab`` and ``heterofire interface`` do, and how a face is named in a shell."""

import json
import re
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pymatgen.core import Structure

from ..structures.crystals import build_crystal, crystal_facts, crystal_names
from ..structures.describe import describe, format_description
from ..structures.errors import InputError
from ..structures.formats import read_structure, write_structure
from ..structures.interfaces import Face, build_interface, make_face, match_faces
from ..structures.matching import Match, pareto
from ..structures.polarity import polarity_of
from ..structures.registry import Register, find_registers
from ..structures.slabs import Slab, build_slab, terminations
from ..structures.stacking import Stack, shift_top
from .listing import print_rows

_PLANE = re.compile(r"^(.+):(-?\d+,-?\d+,-?\d+|\d{3})$")


def split_plane(spec: str) -> tuple[str, tuple[int, int, int]]:
    """Return crystal and Miller indices of ``NAME``, ``NAME:hkl`` or ``NAME:h,k,l``.

    Examples
    --------
    >>> split_plane("Ni2Mo3N:221"), split_plane("slab.cif:1,-1,0"), split_plane("MoS2_2H")
    (('Ni2Mo3N', (2, 2, 1)), ('slab.cif', (1, -1, 0)), ('MoS2_2H', (0, 0, 1)))
    """
    found = _PLANE.match(spec)
    if found is None:
        return spec, (0, 0, 1)
    name, plane = found.groups()
    h, k, i = (int(n) for n in (plane.split(",") if "," in plane else plane))
    return name, (h, k, i)


def load_crystal(name: str) -> Structure:
    """Return a crystal by its name, or from a structure file."""
    if name in crystal_names():
        if crystal_facts(name).hypothetical:
            print(f"{name} is HYPOTHETICAL: {crystal_facts(name).note}", file=sys.stderr)
        return build_crystal(name)
    if Path(name).exists():
        return read_structure(name)
    raise InputError(
        f"no crystal and no file is called {name!r}; 'heterofire models' lists the crystals"
    )


def load_face(spec: str, **options: Any) -> Face:
    """Return the face that ``NAME:hkl`` names; options as in `make_face`."""
    name, miller = split_plane(spec)
    return make_face(spec, load_crystal(name), miller=miller, **options)


def load_faces(
    specs: tuple[str, str], layers: tuple[int, int], terminations: tuple[int, int]
) -> tuple[Face, Face]:
    """Return two faces; terminations are counted from 1, as people see them."""
    bottom, top = (
        load_face(spec, n_layers=n, termination=t - 1)
        for spec, n, t in zip(specs, layers, terminations, strict=True)
    )
    return bottom, top


def match_limits(
    max_strain: float,
    max_area: float | None,
    max_atoms: int | None,
    twist: tuple[float, float] | None,
) -> dict[str, Any]:
    """Return the limits of a search as `match_lattices` takes them; 200 A^2 if none is given."""
    area = 200.0 if max_area is None and max_atoms is None else max_area
    return {
        "max_strain": max_strain,
        "max_area": area,
        "max_atoms": max_atoms,
        "twist_range": twist,
    }


def print_slab(
    spec: str, *, output: Path | None, as_json: bool, listing: bool, **options: Any
) -> None:
    """Print the terminations of a plane, or build a slab and write it."""
    name, miller = split_plane(spec)
    crystal = load_crystal(name)
    if listing:
        rows = [asdict(t) | {"height": round(t.height, 4)} for t in terminations(crystal, miller)]
        print_rows(rows, as_json=as_json, title=f"{name} {miller}: widest cut first; | parts faces")
        return
    slab = build_slab(crystal, miller, **options)
    about = describe(slab.structure, name=spec)
    facts = _slab_facts(slab)
    if as_json:
        print(json.dumps(asdict(about) | {"slab": facts}, indent=1))
    else:
        print(format_description(about))
        print("\n".join(f"{key:<14}{value}" for key, value in facts.items()))
    for warning in slab.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    _write(slab.structure, output)


def _slab_facts(slab: Slab) -> dict[str, Any]:
    """Return what a slab is beyond its cell."""
    polarity = polarity_of(slab.structure) if not slab.excess else None
    dipole = None if polarity is None or polarity.dipole is None else round(polarity.dipole, 3)
    return {
        "termination": slab.termination.name + (", upside down" if slab.is_upside_down else ""),
        "layers": round(slab.n_layers, 4),
        "layer (A)": round(slab.layer, 4),
        "thickness (A)": round(slab.thickness, 3),
        "symmetric": slab.is_symmetric,
        "excess": slab.excess or "none, stoichiometric",
        "formal dipole": "unknown" if dipole is None else f"{dipole} e A/A^2",
        "atoms held": len(slab.frozen),
    }


@dataclass(frozen=True)
class Placing:
    """How the top is laid on the bottom."""

    share: float
    gap: float | None  # Angstrom
    vacuum: float  # Angstrom
    frozen_height: float  # Angstrom
    registry: int  # how many registers to keep; 0: none is tried
    rank: str  # radii or engine


def print_interface(
    faces: tuple[Face, Face],
    *,
    limits: dict[str, Any],
    pick: int,
    placing: Placing,
    output: Path | None,
    as_json: bool,
) -> None:
    """Build one interface of two faces, at its best register where asked, and print it."""
    best = pareto(match_faces(*faces, **limits))
    if not 1 <= pick <= len(best):
        raise InputError(f"--pick {pick}: there are {len(best)} matches no other beats, from 1")
    stack, registers = _placed(faces, best[pick - 1], placing)
    about = describe(stack.structure, name=f"{faces[1].name} on {faces[0].name}")
    facts = _stack_facts(stack, best[pick - 1])
    if as_json:
        rows = [asdict(r) for r in registers]
        print(json.dumps(asdict(about) | {"interface": facts, "registers": rows}, indent=1))
    else:
        print(format_description(about))
        print("\n".join(f"{key:<18}{value}" for key, value in facts.items()))
        if registers:
            print_rows(_register_rows(registers), as_json=False, title="registers, best first")
    _write(stack.structure, output)


def _placed(
    faces: tuple[Face, Face], match: Match, placing: Placing
) -> tuple[Stack, list[Register]]:
    """Return the stack at its best register, and all that were tried."""
    if placing.rank not in ("radii", "engine"):
        raise InputError(f"--rank {placing.rank}: there are radii and engine")
    stack = build_interface(
        *faces,
        match,
        share=placing.share,
        gap=placing.gap,
        vacuum=placing.vacuum,
        frozen_height=placing.frozen_height,
    )
    if not placing.registry:
        return stack, []
    energy = _engine_energy if placing.rank == "engine" else None
    registers = find_registers(stack, energy=energy, max_registers=placing.registry)
    gap = registers[0].gap if placing.gap is None else placing.gap
    return shift_top(stack, registers[0].shift, gap=gap), registers


def _stack_facts(stack: Stack, match: Match) -> dict[str, Any]:
    """Return strain and place of both layers."""
    facts: dict[str, Any] = {
        "cells": f"{match.n_bottom} | {match.n_top}",
        "twist (deg)": round(stack.twist_deg, 3),
        "gap (A)": round(stack.gap, 3),
    }
    for name, strain in (("bottom", stack.bottom_strain), ("top", stack.top_strain)):
        low, high = strain.principal
        facts[f"strain of {name}"] = (
            f"principal {low:+.2%} {high:+.2%}, area {strain.area:+.2%}, "
            f"von Mises {strain.von_mises:.2%} "
            f"(Green-Lagrange {strain.von_mises_green_lagrange:.2%})"
        )
    return facts


def _register_rows(registers: Sequence[Register]) -> list[dict[str, Any]]:
    """Return registers as rows."""
    return [
        {
            "shift a": round(r.shift[0], 4),
            "shift b": round(r.shift[1], 4),
            "alike": r.multiplicity,
            "gap (A)": round(r.gap, 3),
            "contacts": round(r.score, 3),
            "E, GFN1-xTB (eV)": None if r.energy is None else round(r.energy, 4),
        }
        for r in registers
    ]


def _engine_energy(structure: Structure) -> float:
    """Return the energy of a structure at rest by the embedded engine, Gamma point only."""
    from .engines.energies import single_point  # slow: tblite

    return single_point(structure)


def _write(structure: Structure, output: Path | None) -> None:
    """Write a structure where asked."""
    if output is not None:
        print(f"written: {write_structure(structure, output)}", file=sys.stderr)
