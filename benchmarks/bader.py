"""Bader charges on a 240^3 grid with 12 atoms: ours against pybader, in one run.

    python benchmarks/bader.py

The grid is made by interpolation: Si from the folder that HETEROFIRE_VASP_CORPUS names, repeated
3 x 2 x 1, or Gaussians without it. pybader 0.3.12 gets a virtual environment of its own with an
old setuptools; its first run compiles for minutes and is not counted. Wall times are of warm
runs, peak memory is that of the child process. Ratios above 1 are in our favour.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

import numpy as np

from heterofire.results.density_files import poscar_head, write_density

GRID = (240, 240, 240)
PYBADER = "pybader==0.3.12"
OLD_SETUPTOOLS = "setuptools<70"  # pybader needs pkg_resources

OURS = """
import json, resource, sys, time
from heterofire.results.bader import bader_charges
from heterofire.results.bader_folder import load_bader_input
import numpy as np
folder, algorithm, warm = sys.argv[1:]
started = time.perf_counter()
if warm == "warm":
    from heterofire.results.bader_ascent import ascend
    from heterofire.results.bader_weight import flow_uphill
    small = np.random.default_rng(0).random((8, 8, 8))
    ascend(small, np.eye(3), near_grid=algorithm == "near-grid")
    flow_uphill(small, np.eye(3), small[None].copy(), 0.0)
compiled = time.perf_counter() - started
started = time.perf_counter()
found = load_bader_input(folder)
read = time.perf_counter() - started
started = time.perf_counter()
charges = bader_charges(found.reference, found.integrand, found.structure, algorithm=algorithm)
print(json.dumps({
    "read": read, "wall": time.perf_counter() - started, "compile": compiled,
    "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    "electrons": charges.electrons.tolist()}))
"""

THEIRS = """
import contextlib, io, json, resource, sys, time
import numpy as np
from pybader.interface import Bader
folder, threads = sys.argv[1], int(sys.argv[2])

def load():
    chgcar, one, two = (Bader.from_file(f"{folder}/{n}", file_type="vasp", threads=threads)
                        for n in ("CHGCAR", "AECCAR0", "AECCAR2"))
    chgcar.reference = one.density + two.density
    return chgcar

def compute(bader):
    started = time.perf_counter()
    bader.volumes_init()
    bader.bader_calc()
    bader.bader_to_atom_distance()
    bader.refine_volumes(bader.atoms_volumes)
    bader.min_surface_distance()
    bader.sum_volumes()
    return time.perf_counter() - started

with contextlib.redirect_stdout(io.StringIO()):
    if sys.argv[3] == "compile":
        small = Bader({"charge": np.random.default_rng(0).random((12, 12, 12))}, np.eye(3),
                      np.array([[0.1, 0.1, 0.1], [0.6, 0.6, 0.6]]),
                      {"filename": "x", "prefix": "", "voxel_offset": np.zeros(3)},
                      threads=threads)
        compute(small)
    started = time.perf_counter()
    bader = load()
    read = time.perf_counter() - started
    wall = compute(bader)
print(json.dumps({
    "read": read, "wall": wall,
    "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    "electrons": bader.atoms_charge.tolist()}))
"""


def main() -> None:
    """Print walls, peaks and ratios."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print(f"densities: {write_densities(folder)}; load {os.getloadavg()[0]:.1f}", flush=True)
        fresh = ours(folder, "near-grid", warm=True, cache=folder / "cache")
        print(f"compile time of a first use: {fresh['compile']:.1f} s", flush=True)
        near, weight = (ours(folder, a, warm=True) for a in ("near-grid", "weight"))
        peer = theirs(folder)
    report(near, weight, peer)


def write_densities(folder: Path) -> str:
    """Write CHGCAR, AECCAR0 and AECCAR2 and return what they are."""
    corpus = Path(os.environ.get("HETEROFIRE_VASP_CORPUS", "")) / "bader/si_static"
    if not corpus.is_dir():
        return write_gaussians(folder)
    from scipy.ndimage import zoom

    from heterofire.results.densities import load_density

    for name in ("CHGCAR", "AECCAR0", "AECCAR2"):
        density = load_density(corpus / f"{name}.gz")
        structure = density.structure * (3, 2, 1)
        values = np.tile(density.values, (3, 2, 1)) * 6  # density times the larger volume
        # Linear: splines and waves ring around the spike of a core, and each ripple is a maximum.
        factors = [n / m for n, m in zip(GRID, values.shape, strict=True)]
        values = zoom(values, factors, order=1, mode="grid-wrap", grid_mode=True)
        write_density(folder / name, poscar_head(structure, "benchmark"), values)
    return f"Si12 interpolated from {corpus.name} to {'x'.join(map(str, GRID))}"


def write_gaussians(folder: Path) -> str:
    """Write twelve Gaussians with cores."""
    from pymatgen.core import Lattice, Structure

    places = np.random.default_rng(1).random((12, 3))
    structure = Structure(Lattice.cubic(12.0), ["Na"] * 12, places)
    axes = [np.arange(n) / n for n in GRID]
    valence, core = np.full(GRID, 1e-6), np.zeros(GRID)
    for place in places:
        lines = [np.cos(2 * np.pi * (a - x)) - 1 for a, x in zip(axes, place, strict=True)]
        phase = lines[0][:, None, None] + lines[1][None, :, None] + lines[2][None, None, :]
        valence += np.exp(2 * phase)
        core += np.exp(200 * phase)
    head = poscar_head(structure, "benchmark")
    for name, values in (("CHGCAR", valence), ("AECCAR2", valence), ("AECCAR0", core)):
        write_density(folder / name, head, values * 12 / valence.mean())
    return "12 Gaussians (no corpus)"


def ours(folder: Path, algorithm: str, *, warm: bool, cache: Path | None = None) -> dict:
    """Return the times of our program in a process of its own."""
    environment = {**os.environ, **({"NUMBA_CACHE_DIR": str(cache)} if cache else {})}
    return run(
        [sys.executable, "-c", OURS, str(folder), algorithm, "warm" if warm else ""], environment
    )


def theirs(folder: Path) -> dict:
    """Return the better times of pybader on one and on two threads."""
    home = folder / "pybader"
    venv.create(home, with_pip=True)
    pip = [str(home / "bin" / "pip"), "install", "-q"]
    subprocess.run([*pip, OLD_SETUPTOOLS], check=True)
    subprocess.run([*pip, "--no-build-isolation", PYBADER], check=True)
    python = str(home / "bin" / "python")
    results = []
    for threads in ("0", "2"):
        print(f"pybader, {threads} threads: compiling first", flush=True)
        command = [python, "-c", THEIRS, str(folder), threads, "compile"]
        results.append(run(command, dict(os.environ)))
    return min(results, key=lambda result: result["wall"])


def run(command: list[str], environment: dict[str, str]) -> dict:
    """Return what a child process prints as its last line."""
    started = time.perf_counter()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    result: dict = json.loads(done.stdout.splitlines()[-1])
    return {**result, "process": time.perf_counter() - started}


def report(near: dict, weight: dict, peer: dict) -> None:
    """Print the comparison."""
    print(f"{'':22}{'wall s':>9}{'reading s':>11}{'both s':>9}{'peak MB':>10}")
    for name, result in (
        ("near-grid, ours", near),
        ("weight, ours", weight),
        ("near-grid, pybader", peer),
    ):
        both = result["wall"] + result["read"]
        print(
            f"{name:22}{result['wall']:9.2f}{result['read']:11.2f}{both:9.2f}"
            f"{result['peak_mb']:10.0f}"
        )
    print(f"near-grid, reading excluded: {peer['wall'] / near['wall']:.1f}x faster")
    total = (peer["wall"] + peer["read"]) / (near["wall"] + near["read"])
    print(f"near-grid, reading included: {total:.1f}x faster")
    print(f"peak memory: {near['peak_mb'] / peer['peak_mb']:.2f} of pybader's")
    print(f"weight against near-grid, reading excluded: {weight['wall'] / near['wall']:.1f}x")
    electrons = {n: np.array(r["electrons"]) for n, r in (("n", near), ("w", weight), ("p", peer))}
    for name, other in (("pybader", "p"), ("weight", "w")):
        largest = np.abs(electrons["n"] - electrons[other]).max()
        print(f"largest difference of a near-grid charge to {name}: {largest:.4f} e")


if __name__ == "__main__":
    main()
