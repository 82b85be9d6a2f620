"""Graphite (001) and MoS2 (001): our matching against pymatgen's, in one run.

    python benchmarks/matching.py

Our crystals, scaled in the plane to a = 2.46 and 3.16 Angstrom, on both sides. pymatgen's code is
compiled where numba is installed, which pymatgen does not ask for: a small search compiles it
first and is not counted. Beside it: a first call, compiling included, and one without numba. Ours
is not compiled. Ratios above 1 are in our favour. Exit code 1: a match of pymatgen's is missing in
ours, or the von Mises strains disagree.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymatgen.analysis.elasticity.strain import Deformation
from pymatgen.analysis.interfaces.coherent_interfaces import CoherentInterfaceBuilder
from pymatgen.analysis.interfaces.zsl import ZSLGenerator, ZSLMatch
from pymatgen.core import Lattice, Structure

from heterofire.structures.crystals import build_crystal
from heterofire.structures.interfaces import Face, make_face, match_faces
from heterofire.structures.matching import Match, match_lattices
from heterofire.structures.sublattices import hermite, point_group

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Name = tuple[int, ...]

HEXAGONAL = np.array([[1, 0], [-0.5, math.sqrt(3) / 2]])
GRAPHITE, MOS2 = 2.46, 3.16
MAX_AREA, MAX_STRAIN = 400.0, 0.03
REPEATS = 15, 3  # ours, theirs
KNOWN = {"sqrt7 on 2 sqrt3": (12, 7), "sqrt13 on sqrt21": (21, 13), "sqrt19 on sqrt31": (31, 19)}
SCALING = ((400, 0.01), (1000, 0.01), (2000, 0.01), (5000, 0.01), (5000, 0.001))

CHILD = """
import json, sys, time
from pathlib import Path
import numpy as np
from heterofire.structures.matching import match_lattices
hexagonal = np.array([[1, 0], [-0.5, 3**0.5 / 2]])
bottom, top, area, strain = map(float, sys.argv[1:])
def peak():
    # Linux. getrusage would count the parent process, too: a child starts as its copy.
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024
before = peak()
started = time.perf_counter()
found = match_lattices(bottom * hexagonal, top * hexagonal, max_area=area, max_strain=strain)
wall = time.perf_counter() - started
twists = [match.twist_deg for match in found]
print(json.dumps({"wall": wall, "n": len(found), "peak_mb": peak(), "before_mb": before,
                  "twist": min((t for t in twists if t > 1e-6), default=None),
                  "aligned": sum(t <= 1e-6 for t in twists)}))
"""

WITHOUT_NUMBA = """
import sys, time
sys.modules["numba"] = None  # importing it fails now, as where it is not installed
sys.path.insert(0, sys.argv[1])
from matching import GRAPHITE, MOS2, build_theirs, scaled
crystals = scaled("graphite_2H", GRAPHITE), scaled("MoS2_2H", MOS2)
started = time.perf_counter()
build_theirs(*crystals)
print(time.perf_counter() - started)
"""


def main() -> None:
    """Print times, completeness, strains and scaling."""
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors", flush=True)
    crystals = scaled("graphite_2H", GRAPHITE), scaled("MoS2_2H", MOS2)
    ours, theirs = compare_times(*crystals)
    missing = compare_matches(ours, theirs)
    differing = compare_strains()
    show_scaling()
    raise SystemExit(int(missing > 0 or differing))


def scaled(name: str, a: float) -> Structure:
    """Return one of our hexagonal crystals with another lattice constant in the plane."""
    crystal = build_crystal(name)
    lattice = Lattice.hexagonal(a, crystal.lattice.c)
    return Structure(lattice, crystal.species, crystal.frac_coords)


# ---- 1. times --------------------------------------------------------------------------------


def compare_times(graphite: Structure, mos2: Structure) -> tuple[list[Match], list[ZSLMatch]]:
    """Print how long both take and return what both find."""

    def everything() -> tuple[Face, Face, list[Match]]:
        bottom, top = make_face("graphite", graphite), make_face("MoS2", mos2)
        return bottom, top, matching(bottom, top)

    def matching(bottom: Face, top: Face) -> list[Match]:
        return match_faces(bottom, top, max_area=MAX_AREA, max_strain=MAX_STRAIN)

    first, (bottom, top, ours) = timed(everything, 1)
    their_first, _ = timed(lambda: build_theirs(graphite, mos2), 1)
    slabs, _ = timed(lambda: [make_face("", crystal) for crystal in (graphite, mos2)], REPEATS[0])
    alone, _ = timed(lambda: matching(bottom, top), REPEATS[0])
    every, _ = timed(everything, REPEATS[0])
    their_every, theirs = timed(lambda: build_theirs(graphite, mos2), REPEATS[1])
    cells = theirs[0].film_vectors, theirs[0].substrate_vectors
    their_alone, _ = timed(lambda: list(ZSLGenerator(max_area=MAX_AREA)(*cells)), REPEATS[1])
    without_numba = float(child(WITHOUT_NUMBA, str(Path(__file__).parent)))
    print(f"\n{'':34}{'ours s':>9}{'pymatgen s':>12}{'ratio':>8}")
    for name, own, other in (
        ("slabs and matching, numba warm", every, their_every),
        ("matching alone, numba warm", alone, their_alone),
        ("slabs and matching, first call", first, their_first),
        ("slabs and matching, without numba", every, without_numba),
    ):
        print(f"{name:34}{own:9.4f}{other:12.2f}{other / own:7.0f}x")
    print(f"our two slabs take {slabs:.4f} s; warm: best of {REPEATS[0]} and of {REPEATS[1]} calls")
    print(end="", flush=True)
    return ours, theirs


def build_theirs(graphite: Structure, mos2: Structure) -> list[ZSLMatch]:
    """Return the matches of pymatgen's interface builder, MoS2 the film and graphite below."""
    generator = ZSLGenerator(max_area=MAX_AREA)
    built = CoherentInterfaceBuilder(graphite, mos2, (0, 0, 1), (0, 0, 1), generator)
    return list(built.zsl_matches)


def child(code: str, *arguments: str) -> str:
    """Return what a process of its own prints."""
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return done.stdout


def timed(call: Callable[[], Any], repeats: int) -> tuple[float, Any]:
    """Return the shortest wall time of some calls and what the last one gave."""
    walls = []
    for _ in range(repeats):
        started = time.perf_counter()
        result = call()
        walls.append(time.perf_counter() - started)
    return min(walls), result


# ---- 2. completeness -------------------------------------------------------------------------


def compare_matches(ours: Sequence[Match], theirs: Sequence[ZSLMatch]) -> int:
    """Print how many matches both have and return how many of pymatgen's ours lacks."""
    cells = GRAPHITE * HEXAGONAL, MOS2 * HEXAGONAL
    own = {named(np.hstack([match.bottom, match.top]), cells) for match in ours}
    joints = [in_our_cells(match, cells) for match in theirs]
    inside = [joint for joint in joints if largest_strain(joint, cells) <= MAX_STRAIN]
    repeated = sum(minors_gcd(joint) > 1 for joint in inside)
    other = {named(smallest(joint), cells) for joint in inside}
    missing = other - own
    print(f"\nmatches of pymatgen: {len(theirs)}")
    print(f"  with principal strains within {MAX_STRAIN:.0%}: {len(inside)}")
    print(f"  of these, larger cells of a smaller match: {repeated}")
    print(f"  distinct interfaces: {len(other)}")
    print(f"matches of ours: {len(ours)}, distinct: {len(own)}")
    print(f"pymatgen's missing in ours: {len(missing)}; ours missing in its: {len(own - other)}")
    for name in sorted(missing):
        print(f"  missing: {name}")
    print(end="", flush=True)
    return len(missing)


def in_our_cells(match: ZSLMatch, cells: tuple[Floats, Floats]) -> Ints:
    """Return (2, 4) a match of pymatgen's as cells of our bottom and top lattice."""
    pairs = (
        (match.substrate_sl_vectors, match.substrate_vectors, cells[0]),
        (match.film_sl_vectors, match.film_vectors, cells[1]),
    )
    joint = np.hstack([whole(np.array(sl) @ np.linalg.pinv(v)) @ basis(v, c) for sl, v, c in pairs])
    if np.linalg.det(joint[:, :2]) * np.linalg.det(joint[:, 2:]) < 0:
        # One of the two is left-handed: a mirror of that lattice gives the same pair of cells.
        joint[:, 2:] = joint[:, 2:] @ point_group(cells[1])[1][0]
    return joint


def basis(vectors: Sequence[Any], cell: Floats) -> Ints:
    """Return the whole numbers that make vectors of the same lengths and angle out of a cell."""
    wanted = np.array(vectors, dtype=float) @ np.array(vectors, dtype=float).T
    for numbers in product((-1, 0, 1), repeat=4):
        change = np.array(numbers).reshape(2, 2)
        if np.allclose(change @ cell @ cell.T @ change.T, wanted, rtol=1e-6, atol=1e-6):
            return change
    raise SystemExit("pymatgen cut another lattice in the plane than ours")


def whole(numbers: Floats) -> Ints:
    """Return numbers that are whole but for rounding."""
    found = np.rint(numbers).astype(np.int64)
    if not np.allclose(numbers, found, atol=1e-6):
        raise SystemExit("a supercell of pymatgen's is none of its own cell")
    return found


def largest_strain(joint: Ints, cells: tuple[Floats, Floats]) -> float:
    """Return the largest size of a principal strain of the top pulled onto the bottom."""
    pull = np.linalg.solve(joint[:, 2:] @ cells[1], joint[:, :2] @ cells[0])
    return float(np.abs(np.linalg.svd(pull, compute_uv=False) - 1).max())


def minors_gcd(joint: Ints) -> int:
    """Return the greatest common divisor of the 2 x 2 minors: how many smaller cells it holds."""
    (a, b), n = joint.tolist(), range(4)
    return math.gcd(*(a[i] * b[j] - a[j] * b[i] for i in n for j in range(i)))


def smallest(joint: Ints) -> Ints:
    """Return the smallest common cell under the same strain and twist."""
    while (size := minors_gcd(joint)) > 1:
        p = next(p for p in range(2, size + 1) if size % p == 0)
        # The rows depend on each other modulo this prime: a p-th of their sum is whole.
        for factor, row in [*((f, 1) for f in range(p)), (0, 0)]:
            total = factor * joint[0] + joint[1] if row else joint[0]
            if not (total % p).any():
                joint = joint.copy()
                joint[row] = total // p
                break
    return joint


def named(joint: Ints, cells: tuple[Floats, Floats]) -> Name:
    """Return the same numbers for every image of a match under the symmetry of both lattices."""
    if np.linalg.det(joint[:, :2]) < 0:
        joint = joint[::-1]
    images = [
        np.hstack([joint[:, :2] @ one, joint[:, 2:] @ other])
        for ones, others in zip(*(point_group(cell) for cell in cells), strict=True)
        for one, other in product(ones, others)
    ]
    return min(tuple(form.ravel().tolist()) for form in hermite(np.array(images)))


# ---- 3. von Mises strain ---------------------------------------------------------------------


def compare_strains() -> bool:
    """Print the von Mises strains of three known cells; return whether both sides disagree."""
    differing = False
    print(f"\nvon Mises strain of the top{'a / A':>18}{'pymatgen':>13}{'ours':>9}{'Biot':>9}")
    for a, b in ((2.46, 3.16), (2.468, 3.16), (2.46, 3.15)):
        cells = a * HEXAGONAL, b * HEXAGONAL
        spatial = [[[*row, 0.0] for row in cell] for cell in cells]
        found = list(ZSLGenerator(max_area=200)(spatial[1], spatial[0]))
        ours = match_lattices(*cells, max_area=200, max_strain=MAX_STRAIN)
        for name, sizes in KNOWN.items():
            peer = min(
                von_mises(match) for match in found if sizes == numbers_of_cells(match, cells)
            )
            strain = min(
                (m.strain for m in ours if (m.n_bottom, m.n_top) == sizes),
                key=lambda s: s.von_mises_green_lagrange,
            )
            own = strain.von_mises_green_lagrange
            differing |= not math.isclose(peer, own, rel_tol=1e-6, abs_tol=1e-9)
            print(
                f"{name:27}{f'{a:g}, {b:g}':>18}{peer:13.3%}{own:9.3%}{strain.von_mises:9.3%}",
                flush=True,
            )
    print("they disagree" if differing else "(ours: by the same definition; all agree)", flush=True)
    show_constants()
    return differing


def von_mises(match: ZSLMatch) -> float:
    """Return the strain that pymatgen prints with an interface."""
    return float(Deformation(match.match_transformation).green_lagrange_strain.von_mises_strain)


def numbers_of_cells(match: ZSLMatch, cells: tuple[Floats, Floats]) -> tuple[int, int]:
    """Return how many cells of bottom and top a match has."""
    vectors = match.substrate_sl_vectors, match.film_sl_vectors
    areas = [np.linalg.norm(np.cross(*v)) for v in vectors]
    n, m = (round(a / np.linalg.det(c)) for a, c in zip(areas, cells, strict=True))
    return n, m


def show_constants() -> None:
    """Print which ratios of lattice constants give 1.5, 0.5 and 0.2 % when rounded."""
    ratios = np.arange(0.75, 0.81, 1e-6)
    fits = np.ones(len(ratios), dtype=bool)
    for (n, m), wanted in zip(KNOWN.values(), (0.015, 0.005, 0.002), strict=True):
        # E = (s^2 - 1) / 2 in both directions of the plane, and none along the normal.
        strain = np.abs(ratios**2 * n / m - 1) / 3
        fits &= np.abs(strain - wanted) < 0.0005
    low, high = ratios[fits][[0, -1]]
    print(
        f"1.5, 0.5 and 0.2 % need a ratio of lattice constants from {low:.5f} to {high:.5f}: "
        f"graphite {low * MOS2:.4f} to {high * MOS2:.4f} on MoS2 {MOS2}, or MoS2 "
        f"{GRAPHITE / high:.4f} to {GRAPHITE / low:.4f} on graphite {GRAPHITE}",
        flush=True,
    )


# ---- 4. scaling ------------------------------------------------------------------------------


def show_scaling() -> None:
    """Print time, memory and matches of ours for larger and larger cells."""
    print("\nours, a process each; twist: smallest above zero")
    print(
        f"{'A^2':>6}{'strain':>8}{'s':>9}{'matches':>10}{'twist deg':>11}{'aligned':>9}"
        f"{'peak MB':>9}{'at start':>10}"
    )
    for area, strain in SCALING:
        r = json.loads(child(CHILD, *map(str, (GRAPHITE, MOS2, area, strain))))
        twist = "-" if r["twist"] is None else f"{r['twist']:.4f}"
        print(
            f"{area:6}{strain:8.1%}{r['wall']:9.2f}{r['n']:10}{twist:>11}{r['aligned']:9}"
            f"{r['peak_mb']:9.0f}{r['before_mb']:10.0f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
