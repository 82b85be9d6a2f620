"""How one VASP run is spread over cores: KPAR, NCORE, and which of VASP's builds runs it.

None of it changes a number, so none of it is part of a calculation's key: it is laid on where the
cores are known, on the worker.
"""

import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, Literal

from ..structures.errors import RunError
from .calculations import Calculation
from .kpoints import inequivalent_points

Build = Literal["std", "gam", "ncl"]

# Which variable of a job says how many MPI ranks a run may start: ours where several runs share
# a job, then Slurm's, PBS's, SGE's, LSF's.
_RANKS = (
    "HETEROFIRE_RANKS",
    "SLURM_NTASKS",
    "SLURM_NPROCS",
    "PBS_NP",
    "NSLOTS",
    "LSB_DJOB_NUMPROC",
)
_COUNTS = ("-n", "-np", "--ntasks")  # of srun, mpirun, mpiexec
_SYMPREC = 1e-5  # VASP's SYMPREC
# VASP's manual: NCORE = 1 is a good choice up to 8 cores (vasp.at/wiki/NCORE).
_FEW_CORES = 8
# Displacements lower the symmetry, and VASP changes its k-points only where NCORE is 1.
_NO_NCORE = (5, 6, 7, 8)  # IBRION
_KEY = "key"


def irreducible_points(calculation: Calculation) -> int:
    """Return how many k-points VASP computes: by symmetry as ISYM says, and k = -k.

    Examples
    --------
    >>> from pymatgen.core import Lattice, Structure
    >>> from heterofire.results.records import Label
    >>> k = Structure(Lattice.cubic(5.3), ["K", "K"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    >>> label = Label(study="s", profile="quick", model="K", task="bulk", name="K/bulk")
    >>> bulk = Calculation(label=label, structure=k, incar={"ISYM": 2}, engine="vasp", method="",
    ...                    kpoints={"mesh": [4, 4, 4]}, potcar_symbols=("K_sv",))
    >>> irreducible_points(bulk), irreducible_points(replace(bulk, incar={"ISYM": 0}))
    (10, 36)
    """
    n1, n2, n3 = (int(n) for n in calculation.kpoints["mesh"])
    style = str(calculation.kpoints.get("style", "Gamma"))
    isym = int(calculation.incar.get("ISYM", 2))
    if isym == -1:
        return n1 * n2 * n3
    if isym == 0 or n1 * n2 * n3 == 1 or calculation.engine != "vasp":
        return inequivalent_points((n1, n2, n3), style)
    from pymatgen.symmetry.analyzer import (  # slow to import
        SpacegroupAnalyzer,
        SymmetryUndeterminedError,
    )

    try:
        found = SpacegroupAnalyzer(calculation.structure, symprec=_SYMPREC)
        s1, s2, s3 = (int(style != "Gamma" and n % 2 == 0) for n in (n1, n2, n3))
        return len(found.get_ir_reciprocal_mesh((n1, n2, n3), is_shift=(s1, s2, s3)))
    except SymmetryUndeterminedError:
        return inequivalent_points((n1, n2, n3), style)


def vasp_build(calculation: Calculation) -> Build:
    """Return the build of VASP that fits: non-collinear, Gamma-only (real wavefunctions), or any.

    Examples
    --------
    >>> _build({"LSORBIT": True}, [1, 1, 1]), _build({}, [1, 1, 1]), _build({}, [3, 3, 1])
    ('ncl', 'gam', 'std')
    """
    return _build(calculation.incar, calculation.kpoints["mesh"])


def _build(incar: Mapping[str, Any], mesh: list[int]) -> Build:
    if incar.get("LSORBIT") or incar.get("LNONCOLLINEAR"):
        return "ncl"
    return "gam" if math.prod(mesh) == 1 else "std"


def parallel_tags(
    calculation: Calculation, ranks: int, cores_per_node: int | None = None
) -> dict[str, int]:
    """Return KPAR and NCORE for a number of MPI ranks; what the INCAR has is kept.

    Parameters
    ----------
    calculation
        A VASP calculation.
    ranks
        MPI ranks of the whole job, all images of a band together.
    cores_per_node
        NCORE should not reach beyond a node; by default all ranks are on one.

    Returns
    -------
    dict
        KPAR divides k-points and ranks. NCORE divides the ranks of one k-point and the cores of a
        node and is near their square root. Tags that would be 1 are left out.
    """
    incar, images = calculation.incar, max(calculation.n_images, 1)
    if ranks % images:
        return {}  # VASP refuses that itself, with a better message than a wrong KPAR gives
    per_image = ranks // images
    kpar = int(incar.get("KPAR") or math.gcd(per_image, irreducible_points(calculation)))
    tags = {} if "KPAR" in incar else {"KPAR": kpar}
    is_ncore_free = "NCORE" not in incar and "NPAR" not in incar
    if is_ncore_free and incar.get("IBRION") not in _NO_NCORE and per_image % kpar == 0:
        tags["NCORE"] = suggested_ncore(per_image // kpar, cores_per_node or ranks)
    return {tag: value for tag, value in tags.items() if value > 1}


def suggested_ncore(ranks: int, cores_per_node: int) -> int:
    """Return how many ranks should share one band.

    Parameters
    ----------
    ranks
        That work on one k-point.
    cores_per_node
        Of which the square root is what VASP's manual and most centres advise.

    Examples
    --------
    >>> [suggested_ncore(ranks, 32) for ranks in (8, 16, 32, 64, 24)]
    [1, 4, 4, 4, 4]
    >>> suggested_ncore(128, 128), suggested_ncore(36, 36), suggested_ncore(31, 32)
    (8, 6, 1)
    """
    if ranks <= _FEW_CORES:
        return 1
    common = math.gcd(ranks, cores_per_node)
    fitting = [n for n in range(1, common + 1) if common % n == 0 and n < ranks]
    wanted = math.log(math.sqrt(cores_per_node))
    return min(fitting, key=lambda n: (round(abs(math.log(n) - wanted), 6), n))


def ranks_of_run(command: Sequence[str], environ: Mapping[str, str]) -> int | None:
    """Return how many MPI ranks a run will have; None where nothing tells.

    Parameters
    ----------
    command
        What starts VASP; a count given to ``srun`` or ``mpirun`` counts first.
    environ
        Of the job; else what the scheduler gave it.

    Examples
    --------
    >>> ranks_of_run(["srun", "vasp_std"], {"SLURM_NTASKS": "64"})
    64
    >>> ranks_of_run(["mpirun", "-np", "8", "vasp_std"], {"NSLOTS": "16"})
    8
    >>> ranks_of_run(["vasp_std"], {})
    """
    words = [part for word in command for part in word.split("=", 1)]
    given = [after for word, after in pairwise(words) if word in _COUNTS]
    found = given or [environ[name] for name in _RANKS if name in environ]
    return int(found[0]) if found and found[0].isdigit() and int(found[0]) > 0 else None


def laid_on(
    calculation: Calculation, env: Mapping[str, Any], environ: Mapping[str, str]
) -> Calculation:
    """Return the calculation with KPAR and NCORE for the cores of this job; its key stays.

    Parameters
    ----------
    env
        Of the worker (``my_fworker.yaml``); ``heterofire.cluster.cores_per_node`` is used.
    environ
        Of the job.
    """
    if calculation.engine != "vasp" or not (env.get("vasp_cmd") or env.get("vasp_cmds")):
        return calculation  # without a command RunVasp says what is missing
    ranks = ranks_of_run(vasp_command(calculation, env), environ)
    if ranks is None:
        return calculation
    cluster = env.get("heterofire", {}).get("cluster", {})
    tags = parallel_tags(calculation, ranks, cluster.get("cores_per_node"))
    spread = replace(calculation, incar={**calculation.incar, **tags})
    spread.__dict__[_KEY] = calculation.key
    return spread


def vasp_command(calculation: Calculation, env: Mapping[str, Any]) -> list[str]:
    """Return the command that runs a calculation on this worker, as a list of words.

    Parameters
    ----------
    env
        Of the worker: ``vasp_cmd``, and where VASP has several builds ``vasp_cmds`` by
        ``std``, ``gam``, ``ncl``. Without a Gamma-only build the standard one is right as well.

    Raises
    ------
    RunError
        There is no command, or none for a non-collinear calculation.

    Examples
    --------
    >>> _chosen("gam", {"vasp_cmd": "srun vasp_std"}), _chosen("std", {"vasp_cmd": ["vasp"]})
    (['srun', 'vasp_std'], ['vasp'])
    """
    if calculation.engine != "vasp":
        return _chosen("std", {"vasp_cmd": env.get("vasp_cmd")})
    return _chosen(vasp_build(calculation), env)


def _chosen(build: Build, env: Mapping[str, Any]) -> list[str]:
    commands = env.get("vasp_cmds") or {}
    command = commands.get(build)
    if command is None and build == "ncl" and commands:
        raise RunError(
            "this calculation is non-collinear and the worker has no such build of VASP: set ncl "
            "under vasp_cmds in the env of my_fworker.yaml (heterofire init --vasp-ncl)."
        )
    command = command or commands.get("std") or env.get("vasp_cmd")
    if not command:
        raise RunError("no vasp_cmd: set it in the env of my_fworker.yaml")
    return command_words(command)


def command_words(command: str | Sequence[str]) -> list[str]:
    """Return a command of ``my_fworker.yaml``, one string or a list, as a list of words.

    Raises
    ------
    RunError
        A quote in it is not closed.

    Examples
    --------
    >>> command_words("srun -n 4 vasp_std"), command_words(["vasp_std"])
    (['srun', '-n', '4', 'vasp_std'], ['vasp_std'])
    """
    try:
        return shlex.split(command) if isinstance(command, str) else [str(w) for w in command]
    except ValueError as error:
        raise RunError(f"vasp_cmd {command!r} in my_fworker.yaml: {error}") from error
