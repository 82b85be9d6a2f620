"""How GPAW is built on this machine: what is found to build it with, and its config file."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..structures.errors import EngineError, InputError

_COMPILERS = ("g++", "clang++")
_MPI_COMPILERS = ("mpicxx", "mpic++")
_TIMEOUT_S = 60
_HEAD = "# By heterofire setup gpaw: how GPAW is built here. Read when it is built, not later."

_TRIAL_CPP = "int main() { return 0; }\n"
_TRIAL_MPI = "#include <mpi.h>\nint main(int n, char **v) { return MPI_Init(&n, &v); }\n"
_TRIAL_LIBXC = "#include <xc.h>\nint main() { int v[3]; xc_version(v, v + 1, v + 2); return 0; }\n"
_TRIAL_FFTW = (
    "#include <fftw3.h>\nint main() { fftw_free(fftw_malloc(sizeof(fftw_complex))); return 0; }\n"
)
_TRIAL_BLAS = """\
extern "C" double dnrm2_(const int *n, const double *x, const int *step);
int main() { int n = 2, step = 1; double x[2] = {3, 4}; return dnrm2_(&n, x, &step) != 5; }
"""

PACKAGES = {
    "C++ compiler": "g++",
    "Python headers": "python3-dev",
    "MPI": "libopenmpi-dev openmpi-bin",
    "OpenBLAS": "libopenblas-dev",
    "libxc": "libxc-dev",
    "FFTW": "libfftw3-dev",
}  # what is missing -> the Debian package that brings it


@dataclass(frozen=True, kw_only=True)
class Library:
    """A library that links."""

    name: str  # as in -lopenblas
    prefix: Path | None = None  # such as a conda environment; None where the compiler finds it


@dataclass(frozen=True, kw_only=True)
class BuildTools:
    """What is there to build GPAW with."""

    compiler: str | None  # of C++
    has_headers: bool = True  # Python.h
    mpi_compiler: str | None = None
    openblas: Library | None = None
    libxc: Library | None = None
    fftw: Library | None = None

    def missing(self) -> list[str]:
        """Return what was not found, in the words of `PACKAGES`.

        Examples
        --------
        >>> BuildTools(compiler="g++", mpi_compiler="mpicxx").missing()
        ['OpenBLAS', 'libxc', 'FFTW']
        """
        found = {
            "C++ compiler": self.compiler,
            "Python headers": self.has_headers,
            "MPI": self.mpi_compiler,
            "OpenBLAS": self.openblas,
            "libxc": self.libxc,
            "FFTW": self.fftw,
        }
        return [name for name, value in found.items() if not value]


def find_build_tools(*, serial: bool = False, plain: bool = False) -> BuildTools:
    """Return what this machine has, each tried by building a small program with it.

    Parameters
    ----------
    serial
        Whether to leave MPI out.
    plain
        Whether to leave MPI and every library out: all that GPAW must have is a compiler.
    """
    compiler = next((name for name in _COMPILERS if _builds(name, _TRIAL_CPP)), None)
    headers = Path(sysconfig.get_path("include")) / "Python.h"
    tools = BuildTools(compiler=compiler, has_headers=headers.is_file())
    if compiler is None or plain:
        return tools
    mpi = next((name for name in _MPI_COMPILERS if _builds(name, _TRIAL_MPI)), None)
    return BuildTools(
        compiler=compiler,
        has_headers=tools.has_headers,
        mpi_compiler=None if serial else mpi,
        # A plain libblas is often the slow reference; GPAW does better with SciPy's own OpenBLAS.
        openblas=_find_library(compiler, "openblas", _TRIAL_BLAS),
        libxc=_find_library(compiler, "xc", _TRIAL_LIBXC),
        fftw=_find_library(compiler, "fftw3", _TRIAL_FFTW),
    )


def require_build_tools(tools: BuildTools) -> None:
    """Raise EngineError where what GPAW cannot be built without is missing."""
    needed = [name for name in ("C++ compiler", "Python headers") if name in tools.missing()]
    if needed:
        packages = " ".join(PACKAGES[name] for name in needed)
        raise EngineError(
            f"GPAW cannot be built: no {' and no '.join(needed)} "
            f"({', '.join(_COMPILERS)}, Python.h were looked for). "
            f"Install what is missing (Debian, Ubuntu: sudo apt-get install {packages}) and run "
            "the same command again."
        )


def config_text(tools: BuildTools) -> str:
    """Return the config file that GPAW's build reads (Python, as GPAW wants it).

    Examples
    --------
    >>> print(config_text(BuildTools(compiler="g++")))
    # By heterofire setup gpaw: how GPAW is built here. Read when it is built, not later.
    compiler = 'g++'
    mpi = False
    noblas = True
    nolibxc = True
    fftw = False
    libraries = []
    library_dirs = []
    include_dirs = []
    runtime_library_dirs = []
    """
    libraries = [lib for lib in (tools.openblas, tools.libxc, tools.fftw) if lib]
    prefixes = sorted({str(library.prefix) for library in libraries if library.prefix})
    library_dirs = [f"{prefix}/lib" for prefix in prefixes]
    settings = {
        "compiler": tools.mpi_compiler or tools.compiler,
        "mpi": tools.mpi_compiler is not None,
        "noblas": tools.openblas is None,
        "nolibxc": tools.libxc is None,
        "fftw": tools.fftw is not None,
        "libraries": [library.name for library in libraries],
        "library_dirs": library_dirs,
        "include_dirs": [f"{prefix}/include" for prefix in prefixes],
        "runtime_library_dirs": library_dirs,  # else what lies in a prefix is not found at run time
    }
    return "\n".join([_HEAD, *(f"{name} = {value!r}" for name, value in settings.items())]) + "\n"


def own_config() -> Path | None:
    """Return the config file that the user has for GPAW, which goes before ours.

    Raises
    ------
    InputError
        The variable GPAW_CONFIG names a file that is not there.
    """
    named = os.environ.get("GPAW_CONFIG")
    if named:
        path = Path(named).expanduser()
        if not path.is_file():
            raise InputError(
                f"GPAW_CONFIG names {named}, which is not a file: correct the variable, or "
                "unset it and heterofire writes the config file."
            )
        return path.resolve()
    usual = Path("~/.gpaw/siteconfig.py").expanduser()
    return usual if usual.is_file() else None


def _find_library(compiler: str, name: str, program: str) -> Library | None:
    """Return the library where a program links with it, in the usual places or this Python's."""
    if _builds(compiler, program, [f"-l{name}"]):
        return Library(name=name)
    prefix = Path(sys.prefix)
    options = [f"-I{prefix}/include", f"-L{prefix}/lib", f"-l{name}"]
    return Library(name=name, prefix=prefix) if _builds(compiler, program, options) else None


def _builds(compiler: str, program: str, options: Sequence[str] = ()) -> bool:
    """Return whether the compiler is there, compiles the program and links it."""
    if shutil.which(compiler) is None:
        return False
    with tempfile.TemporaryDirectory(prefix="heterofire-") as folder:
        source = Path(folder) / "trial.cpp"
        source.write_text(program, encoding="utf-8")
        command = [compiler, str(source), "-o", str(source.with_suffix("")), *options]
        try:
            done = subprocess.run(command, capture_output=True, check=False, timeout=_TIMEOUT_S)
        except (OSError, subprocess.TimeoutExpired):
            return False
        return done.returncode == 0
