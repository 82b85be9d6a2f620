"""Time and memory of `heterofire engine gpaw`, beside GPAW driven directly on the same geometries.

    python benchmarks/gpaw_overhead.py --atoms 12 --steps 3
    python benchmarks/gpaw_overhead.py --atoms 12 --steps 3 --encut 350

The engine relaxes MoS2 for some steps; then GPAW alone, in a process of its own, computes energy
and forces of the very geometries that the engine visited, each from the one before. Processor time
of both processes, imports included; the engine also writes its files and a checkpoint a step. Both
have to give the same energies.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

LIMIT = 1.03
SAME_EV = {"LCAO": 1e-6, "PW": 1e-4}  # plane waves are iterated to EDIFF
INCAR = "ISMEAR = -1\nSIGMA = 0.1\nEDIFF = 1E-4\nIBRION = 2\nNSW = {steps}\nEDIFFG = -0.0001\n"
CYCLE = "|iter:"  # begins a cycle in GPAW's log
DIRECT = """
import json, sys
from pathlib import Path
from gpaw import GPAW
from ase import Atoms
case = json.loads(Path(sys.argv[1]).read_text())
atoms = Atoms(case["symbols"], cell=case["cell"], pbc=True)
atoms.calc = GPAW(**case["parameters"], txt="direct.log")
for positions in case["positions"]:
    atoms.positions = positions
    print(atoms.get_potential_energy(force_consistent=True), flush=True)
    atoms.get_forces()
"""


def write_folder(folder: Path, n_cells: int, n_steps: int, cutoff: float | None) -> None:
    """Write a run folder of n x n MoS2 whose atoms are off their places."""
    from ase.build import mx2

    atoms = mx2("MoS2", a=3.18, thickness=3.13, size=(n_cells, n_cells, 1), vacuum=6.0)
    atoms.pbc = True
    atoms.rattle(0.03, seed=3)
    atoms[atoms.numbers.argsort(kind="stable")].write(folder / "POSCAR", format="vasp", direct=True)
    waves = f"ENCUT = {cutoff}\n" if cutoff else ""
    (folder / "INCAR").write_text(INCAR.format(steps=n_steps) + waves)
    (folder / "KPOINTS").write_text("Gamma\n0\nGamma\n1 1 1\n0 0 0\n")


def timed(command: list[str], folder: Path) -> tuple[float, float, float, str]:
    """Return wall and processor seconds, peak memory in MB and what was printed."""
    begin = time.perf_counter()
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)} failed in {folder}")
    wall = time.perf_counter() - begin
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, output


def direct_case(folder: Path) -> dict[str, Any]:
    """Return the geometries that the engine visited, and the parameters that it gave GPAW."""
    from pymatgen.io.vasp.outputs import Vasprun

    from heterofire.launchers.engines.folder import read_folder
    from heterofire.launchers.engines.gpaw_input import calculator_parameters, mixing_ladder

    steps = Vasprun(str(folder / "vasprun.xml"), parse_potcar_file=False).ionic_steps
    run = read_folder(folder, "gpaw")
    parameters = calculator_parameters(run, 0)
    parameters["mixer"] = mixing_ladder(None)[0].parameters
    parameters["maxiter"] = 150
    return {
        "symbols": list(run.poscar.symbols),
        "cell": run.poscar.lattice.tolist(),
        "positions": [step["structure"].cart_coords.tolist() for step in steps],
        "parameters": parameters,
    }


def main() -> None:
    """Measure both and compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--atoms", type=int, default=12, help="3, 12, 27 or 48")
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--encut", type=float, help="eV, plane waves; without it atomic orbitals")
    arguments = parser.parse_args()
    n_cells = round((arguments.atoms / 3) ** 0.5)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_folder(folder, n_cells, arguments.steps, arguments.encut)
        engine = [sys.executable, "-P", "-m", "heterofire.launchers.cli", "engine", "gpaw"]
        wall, cpu, memory, output = timed(engine, folder)
        ours = [float(line.split()[2]) for line in output.splitlines() if " F= " in line]
        (folder / "case.json").write_text(json.dumps(direct_case(folder)))
        other = timed([sys.executable, "-c", DIRECT, "case.json"], folder)
        theirs = [float(line) for line in other[3].split()]
        logs = [(folder / log).read_text() for log in ("gpaw.log", "direct.log")]
    n = len(ours)
    basis = f"PW {arguments.encut:g} eV" if arguments.encut else "LCAO dzp, h 0.22 A"
    print(f"{3 * n_cells**2} atoms, {n} steps of MoS2, {basis}, one core")
    heads = ("wall (s)", "cpu (s)", "per step", "cycles", "per cycle", "MB")
    print(f"{'':10s}" + "".join(f"{head:>10s}" for head in heads))
    both = (("engine", wall, cpu, memory), ("GPAW", *other[:3]))
    for (who, seconds, used, size), log in zip(both, logs, strict=True):
        cycles = log.count(CYCLE)
        print(
            f"{who:10s}{seconds:10.1f}{used:10.1f}{used / n:10.1f}{cycles:10d}"
            f"{used / cycles:10.2f}{size:10.0f}"
        )
    difference = max(abs(a - b) for a, b in zip(ours, theirs, strict=True))
    ratio = cpu / other[1]
    # The engine takes wave functions along with the atoms and needs fewer cycles: no overhead.
    by_cycle = ratio * logs[1].count(CYCLE) / logs[0].count(CYCLE)
    is_good = max(ratio, by_cycle) <= LIMIT and difference < SAME_EV[basis.split(maxsplit=1)[0]]
    print(
        f"largest difference of an energy {difference:.1e} eV; {ratio:.3f} times the processor "
        f"time of GPAW alone, {by_cycle:.3f} times per cycle (at most {LIMIT}): "
        f"{'good' if is_good else 'not good'}"
    )
    sys.exit(not is_good)


if __name__ == "__main__":
    main()
