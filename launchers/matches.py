"""What ``heterofire match`` does."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from pymatgen.core import Structure

from ..structures.crystals import build_crystal, crystal_names
from ..structures.errors import InputError
from ..structures.files import write_atomic
from ..structures.formats import read_structure
from ..structures.matching import Match, match_lattices, pareto
from ..structures.sublattices import Floats
from .listing import print_rows


def print_matches(
    bottom: str,
    top: str,
    *,
    max_strain: float,
    max_area: float | None,
    max_atoms: int | None,
    twist: tuple[float, float] | None,
    drawing: Path | None,
    as_json: bool,
) -> None:
    """Print every common (001) supercell of two crystals, the best ones marked; draw them."""
    structures = [find_crystal(name) for name in (bottom, top)]
    cells = [in_plane_cell(s, name) for s, name in zip(structures, (bottom, top), strict=True)]
    matches = match_lattices(
        *cells,
        max_strain=max_strain,
        max_area=max_area,
        max_atoms=max_atoms,
        atoms=(len(structures[0]), len(structures[1])),
        twist_range=twist,
    )
    best = {id(match) for match in pareto(matches)}
    rows = [_row(match, id(match) in best) for match in matches]
    print_rows(rows, as_json=as_json, title=f"{top} on {bottom}, (001) on (001)")
    if not as_json:
        print("strains in % of the top, which takes all of the mismatch; * no other beats it in")
        print("atoms and strain; matrices: rows are supercell vectors in cells of each crystal")
    if drawing is not None:
        from ..results.match_plots import draw_matches  # slow: matplotlib

        image = draw_matches(matches, title=f"{top} on {bottom}", kind=drawing.suffix[1:] or "png")
        print(f"written: {write_atomic(drawing, image)}", file=sys.stderr)


def in_plane_cell(structure: Structure, name: str) -> Floats:
    """Return the first two lattice vectors in their own plane, (2, 2) in Angstrom.

    Raises
    ------
    InputError
        Sites are partially occupied: an interface needs atoms.
    """
    if not structure.is_ordered:
        raise InputError(
            f"{name} has partially occupied sites. Order them first, for instance with pymatgen's "
            "OrderDisorderedStructureTransformation, and give that file."
        )
    a, b, _ = np.asarray(structure.lattice.matrix)
    length = float(np.linalg.norm(a))
    along = float(a @ b) / length
    height = float(np.linalg.norm(np.cross(a, b))) / length
    return np.array([[length, 0.0], [along, height]])


def find_crystal(name: str) -> Structure:
    """Return a crystal by its name, or from a structure file.

    Raises
    ------
    InputError
        There is neither a crystal nor a file of this name, or the file cannot be read.
    """
    if name in crystal_names():
        return build_crystal(name)
    if Path(name).exists():
        return read_structure(name)
    raise InputError(
        f"no crystal and no file is called {name!r}; 'heterofire models' lists the crystals"
    )


def _row(match: Match, is_best: bool) -> dict[str, Any]:
    """Return one match as a row."""
    return {
        "best": "*" if is_best else "",
        "atoms": match.n_atoms,
        "area (A^2)": round(match.area, 2),
        "twist (deg)": round(match.twist_deg, 3),
        "cells": f"{match.n_bottom} | {match.n_top}",
        "largest": round(100 * match.strain.largest, 3),
        "von Mises": round(100 * match.strain.von_mises, 3),
        "area change": round(100 * match.strain.area, 3),
        "lengths": " ".join(f"{100 * x:.2f}" for x in match.lengths),
        "angle (deg)": round(match.angle_deg, 3),
        "matrices": f"{json.dumps(match.bottom.tolist())} {json.dumps(match.top.tolist())}",
    }
