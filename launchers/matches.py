"""What ``heterofire match`` does."""

import json
import sys
from pathlib import Path
from typing import Any

from ..structures.files import write_atomic
from ..structures.interfaces import Face, match_faces
from ..structures.matching import Match, pareto
from .listing import print_rows


def print_matches(
    bottom: Face,
    top: Face,
    *,
    limits: dict[str, Any],
    share: float,
    drawing: Path | None,
    as_json: bool,
) -> None:
    """Print every common supercell of two faces, the best ones marked; draw them."""
    matches = match_faces(bottom, top, **limits)
    best = {id(match) for match in pareto(matches)}
    rows = [_row(match, id(match) in best, share) for match in matches]
    title = f"{top.name} ({len(top.structure)} atoms) on {bottom.name} ({len(bottom.structure)})"
    print_rows(rows, as_json=as_json, title=title)
    if not as_json:
        print(
            "strains in %: largest principal of each layer; von Mises (Biot, and Green-Lagrange as"
        )
        print("pymatgen has it), area, lengths, angle of the mismatch as a whole; * no other match")
        print("has fewer atoms and less strain; matrices: rows are supercell vectors in cells")
    if drawing is not None:
        from ..results.match_plots import draw_matches  # slow: matplotlib

        title = f"{top.name} on {bottom.name}"
        image = draw_matches(matches, title=title, kind=drawing.suffix[1:] or "png")
        print(f"written: {write_atomic(drawing, image)}", file=sys.stderr)


def _row(match: Match, is_best: bool, share: float) -> dict[str, Any]:
    """Return one match as a row."""
    below, above = match.shared(share)
    return {
        "best": "*" if is_best else "",
        "atoms": match.n_atoms,
        "area (A^2)": round(match.area, 2),
        "twist (deg)": round(match.twist_deg, 3),
        "cells": f"{match.n_bottom} | {match.n_top}",
        "bottom": round(100 * below.largest, 3),
        "top": round(100 * above.largest, 3),
        "von Mises": round(100 * match.strain.von_mises, 3),
        "vM (G-L)": round(100 * match.strain.von_mises_green_lagrange, 3),
        "area": round(100 * match.strain.area, 3),
        "lengths": " ".join(f"{100 * x:.2f}" for x in match.lengths),
        "angle (deg)": round(match.angle_deg, 3),
        "matrices": f"{json.dumps(match.bottom.tolist())} {json.dumps(match.top.tolist())}",
    }
