"""GPAW tried in a process of its own: what it was built with, and the energy of H2.

Run as ``python -m heterofire.launchers.gpaw_trial``: a Python that has just installed GPAW, or
failed to import it once, does not see the new one.
"""

import json
import os
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version

_TIMEOUT_S = 600
# eV; PBE, LCAO szp(dzp), h 0.25 Angstrom, 0.74 Angstrom long, 2.5 Angstrom of vacuum: GPAW 26.7.0
# without libxc, MPI and BLAS. With them it was the same to 1e-6 eV.
H2_ENERGY = -5.47535
H2_TOLERANCE = 1e-3


@dataclass(frozen=True, kw_only=True)
class GpawFacts:
    """What is installed, and what it computed."""

    version: str = ""  # empty where GPAW does not start
    problem: str = ""  # why it does not start or cannot be trusted; empty when all is well
    paw_data: tuple[str, ...] = ()  # folders with PAW data
    has_mpi: bool = False
    has_blas: bool = False  # compiled in; else SciPy's is used
    libxc: str = ""  # its version; empty: GPAW's own LDA and PBE
    has_fftw: bool = False  # else SciPy's Fourier transforms
    dftd3: str = ""  # version of the package for IVDW 11 and 12
    energy: float | None = None  # of H2, in eV; None where it was not asked for
    seconds: float = 0.0  # that took

    def describe(self) -> str:
        """Return one line that says what it is.

        Examples
        --------
        >>> print(GpawFacts(version="26.7.0", paw_data=("/paw",), dftd3="1.7.0").describe())
        GPAW 26.7.0, serial, SciPy's BLAS and FFT, without libxc, PAW data in /paw, dftd3 1.7.0
        """
        parts = [
            f"GPAW {self.version}",
            "with MPI" if self.has_mpi else "serial",
            self._libraries(),
            f"libxc {self.libxc}" if self.libxc else "without libxc",
            f"PAW data in {', '.join(self.paw_data)}" if self.paw_data else "no PAW data",
            f"dftd3 {self.dftd3}" if self.dftd3 else "no dftd3",
        ]
        return ", ".join(parts)

    def _libraries(self) -> str:
        """Return what does linear algebra and Fourier transforms."""
        ours = {"BLAS": self.has_blas, "FFTW" if self.has_fftw else "FFT": self.has_fftw}
        built_in = " and ".join(name for name, is_ours in ours.items() if is_ours)
        scipy = " and ".join(name for name, is_ours in ours.items() if not is_ours)
        told = [f"with {built_in}" if built_in else "", f"SciPy's {scipy}" if scipy else ""]
        return ", ".join(text for text in told if text)


def try_gpaw(*, compute: bool = True) -> GpawFacts:
    """Return what the installed GPAW is, with the energy of H2 where asked.

    Parameters
    ----------
    compute
        Whether to compute H2 (seconds), or only to start GPAW.
    """
    command = [sys.executable, "-P", "-m", __name__, *(["compute"] if compute else [])]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=_TIMEOUT_S,
            env=environment, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return GpawFacts(problem=f"GPAW gave no answer in {_TIMEOUT_S} s")
    lines = done.stdout.strip().splitlines()
    if done.returncode != 0 or not lines:
        said = (done.stderr.strip() or "no output").splitlines()[-1]
        return GpawFacts(problem=f"GPAW ended with exit code {done.returncode}: {said}")
    answer = json.loads(lines[-1])
    return GpawFacts(**{**answer, "paw_data": tuple(answer["paw_data"])})


def energy_problem(energy: float) -> str:
    """Return what is wrong with an energy of H2; empty when nothing is.

    Examples
    --------
    >>> energy_problem(H2_ENERGY + 2e-4), energy_problem(float("nan"))
    ('', 'the energy of H2 is nan eV, not ... eV')
    """
    if abs(energy - H2_ENERGY) <= H2_TOLERANCE:  # False for nan, too
        return ""
    return f"the energy of H2 is {energy:.4f} eV, not {H2_ENERGY:.4f} eV"


def _facts(*, compute: bool) -> GpawFacts:
    """Start GPAW in this process."""
    try:  # an optional package; whatever its import raises is an answer here
        import gpaw
        from gpaw import cgpaw
    except (ImportError, OSError, AttributeError) as error:
        return GpawFacts(problem=f"{type(error).__name__}: {error}")
    facts = {
        "version": gpaw.__version__,
        "paw_data": tuple(str(path) for path in gpaw.setup_paths),
        "has_mpi": bool(cgpaw.have_mpi),
        "has_blas": hasattr(cgpaw, "mmm"),
        "libxc": gpaw.get_libraries()["libxc"],
        "dftd3": _version("dftd3"),
        "has_fftw": hasattr(cgpaw, "FFTWPlan"),
    }
    if not facts["paw_data"]:
        return GpawFacts(**facts, problem="no PAW data: the package gpaw-data is missing")
    if not compute:
        return GpawFacts(**facts)
    started = time.perf_counter()
    energy = _hydrogen_energy()
    seconds = time.perf_counter() - started
    return GpawFacts(**facts, energy=energy, seconds=seconds, problem=energy_problem(energy))


def _hydrogen_energy() -> float:
    from ase import Atoms
    from gpaw import GPAW

    atoms = Atoms("H2", [[0, 0, 0], [0, 0, 0.74]])
    atoms.center(vacuum=2.5)
    atoms.calc = GPAW(mode="lcao", basis="szp(dzp)", h=0.25, xc="PBE", txt=None)
    return float(atoms.get_potential_energy())


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


if __name__ == "__main__":
    print(json.dumps(asdict(_facts(compute="compute" in sys.argv[1:]))))
