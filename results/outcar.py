"""OUTCAR, read with a few searches over its bytes instead of line by line."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

import numpy as np

from ..structures.errors import RunError
from .convergence import FINITE_DIFFERENCES
from .outcar_modes import read_modes
from .records import Floats, Vibrations
from .run_files import read_bytes

_AGAIN = "Run the calculation again."
_END = b"Total CPU time used"
_ITERATION = re.compile(rb"Iteration\s+(\d+)\(\s*(\d+)\)")
_FREE_ENERGY = re.compile(rb"free  energy   TOTEN\s*=\s*(\S+)")
_OTHER_ENERGIES = re.compile(rb"energy  without entropy=\s*(\S+)\s+energy\(sigma->0\)\s*=\s*(\S+)")
_FERMI = re.compile(rb"E-fermi :\s*(\S+)")
_DENSITY = re.compile(rb"number of electron\s+(\S+)\s+magnetization[ \t]*(\S*)")
_ELAPSED = re.compile(rb"Elapsed time \(sec\):\s*(\S+)")
# "total cores" of VASP 5, "nodes" of VASP 4, "mpi-ranks, with 2 threads/rank" of VASP 6.
_CORES = re.compile(
    rb"running on\s+(\d+)\s+(?:total cores|nodes|mpi-ranks(?:, with\s+(\d+)\s+threads)?)"
)
_NUMBER = re.compile(rb"-?\d+\.\d+(?![\d*])")
_PARAMETERS: Mapping[str, tuple[str, type]] = {
    "NELM": (r"NELM\s*=\s*(-?\d+)", int),
    "NSW": (r"NSW\s*=\s*(-?\d+)", int),
    "IBRION": (r"IBRION\s*=\s*(-?\d+)", int),
    "ISPIN": (r"ISPIN\s*=\s*(\d+)", int),
    "ISMEAR": (r"ISMEAR\s*=\s*(-?\d+)", int),
    "EDIFFG": (r"EDIFFG\s*=\s*([-+.\dEe]+)", float),
    "SIGMA": (r"SIGMA\s*=\s*([-+.\dEe]+)", float),
    "ENMAX": (r"ENCUT\s*=\s*([-+.\dEe]+)", float),
    "NELECT": (r"NELECT\s*=\s*([-+.\dEe]+)", float),
    "GGA": (r"\n\s+GGA\s*=\s*(\S+)", str),
    "AEXX": (r"AEXX\s*=\s*([-+.\dEe]+)", float),
    "HFSCREEN": (r"HFSCREEN\s*=\s*([-+.\dEe]+)", float),
}
_OF_A_TAG = re.compile("[A-Z_]")
_FLAGS = ("LHFCALC", "LUSE_VDW", "LNONCOLLINEAR")


@dataclass(frozen=True, kw_only=True)
class Outcar:
    """The numbers of one finished OUTCAR; the last ionic step where there are several.

    Where atoms were displaced to find their vibrations, energies, positions and forces are those
    of the first ionic step, the geometry itself.
    """

    path: Path
    version: str  # first line: "vasp.5.4.4.18Apr17-6-g9f103f2a35"
    n_atoms: int
    titels: tuple[str, ...]  # in POTCAR order; empty when the file names none
    symbols: tuple[str, ...]  # element of each atom; empty when the file names none
    valences: Floats  # (n_atoms,) ZVAL of each atom; empty when the file names none
    parameters: Mapping[str, int | float | str | bool]  # as VASP used them
    electronic_steps: tuple[int, ...]  # in each ionic step
    n_ionic_steps: int
    n_electrons: float  # NELECT
    density_electrons: float | None  # what the charge density held at the last step
    magnetization: float | None  # Bohr magnetons; None without collinear spin
    e0: float  # eV
    free_energy_of_steps: tuple[float, ...]  # F in eV, of each ionic step
    free_energy: float  # eV
    e_wo_entropy: float  # eV
    efermi: float | None  # eV, of the last ionic step, four decimals
    positions: Floats  # (n_atoms, 3) in Angstrom, Cartesian
    forces: Floats  # (n_atoms, 3) in eV/Angstrom
    chain_force: float | None  # largest nudged force of an image as VTST prints it, eV/A
    is_climbing: bool  # VTST took LCLIMB; plain VASP ignores the tag
    site_electrons: Floats | None  # (n_atoms,) "total charge" of each atom
    site_moments: Floats | None  # (n_atoms,) "magnetization (x)", Bohr magnetons
    is_relaxed: bool  # "reached required accuracy"
    is_stopped: bool  # STOPCAR
    vibrations: Vibrations | None
    elapsed_s: float
    n_cores: int | None  # of the whole job, all images of a band together; None where not said


def parse_outcar(path: str | Path) -> Outcar:
    """Return what a finished OUTCAR says, or say why it cannot be trusted.

    Parameters
    ----------
    path
        The file, plain or gzip, under any name.

    Returns
    -------
    Outcar
        Every number finite.

    Raises
    ------
    RunError
        The file is empty, cut, doubled, damaged, or holds NaN or ``****`` where a number belongs.

    Examples
    --------
    >>> parse_outcar("OUTCAR.missing")
    Traceback (most recent call last):
    heterofire.structures.errors.RunError: OUTCAR.missing: cannot be read: No such file ...
    """
    path = Path(path)
    data = read_bytes(path)
    _check_whole(path, data)
    return _read(path, data)


def _read(path: Path, data: bytes) -> Outcar:
    """Return the numbers of a whole file."""
    header = data[: max(0, data.find(b"Iteration"))] or data
    n_atoms = int(_required(path, header, rb"NIONS\s*=\s*(\d+)", "the number of atoms (NIONS)"))
    steps = _electronic_steps(data)
    energies = _energies(path, data)
    parameters = _read_parameters(header.decode("latin-1"))
    if "NELECT" not in parameters:
        raise RunError(f"{path}: NELECT is missing. {_AGAIN}")
    titels, symbols, valences = _species(header, n_atoms)
    density, magnetization = _density(path, data)
    displaces = parameters.get("IBRION") in FINITE_DIFFERENCES
    which = 0 if displaces else -1
    positions, forces = _positions_and_forces(path, data, n_atoms, is_first=displaces)
    fermi = _last(_FERMI, data)
    return Outcar(
        path=path,
        version=_version(data),
        n_atoms=n_atoms,
        titels=titels,
        symbols=symbols,
        valences=valences,
        parameters=parameters,
        electronic_steps=steps,
        n_ionic_steps=len(energies),
        n_electrons=float(parameters["NELECT"]),
        density_electrons=density,
        magnetization=magnetization if parameters.get("ISPIN") == 2 else None,
        free_energy=energies[which][0],
        e_wo_entropy=energies[which][1],
        e0=energies[which][2],
        free_energy_of_steps=tuple(f for f, _, _ in energies),
        efermi=None if fermi is None else _number(path, fermi, "E-fermi"),
        positions=positions,
        forces=forces,
        chain_force=_chain_force(path, data),
        is_climbing=re.search(rb"NEB:\s+LCLIMB\s+T", header) is not None,
        site_electrons=_site_table(path, data, n_atoms, "total charge"),
        site_moments=_site_table(path, data, n_atoms, "magnetization (x)"),
        is_relaxed=b"reached required accuracy" in data,
        is_stopped=b"soft stop encountered" in data or b"hard stop encountered" in data,
        vibrations=read_modes(path, data, n_atoms),
        elapsed_s=float(_last(_ELAPSED, data) or 0.0),
        n_cores=_cores(header),
    )


def _cores(header: bytes) -> int | None:
    """Return the cores that VASP says it runs on: ranks times threads since VASP 6.3."""
    found = _CORES.search(header)
    if found is None:
        return None
    ranks, threads = found.groups()
    return int(ranks) * int(threads or 1)


def _check_whole(path: Path, data: bytes) -> None:
    """Refuse a file that was cut or that holds two runs."""
    n_ends = data.count(_END)
    if n_ends == 0:
        raise RunError(
            f"{path}: cut: the end marker '{_END.decode()}' is missing, so the run died, was "
            f"killed, or is still going. {_AGAIN}"
        )
    if n_ends > 1 or data.count(b"\n executed on ") > 1:
        raise RunError(
            f"{path}: doubled: holds {n_ends} runs one after the other. Keep the file of one run "
            "only, then parse again."
        )


def _required(path: Path, data: bytes, pattern: bytes, what: str) -> bytes:
    """Return the group of the first match, which must be there."""
    match = re.search(pattern, data)
    if match is None:
        raise RunError(f"{path}: {what} is missing. {_AGAIN}")
    return match[1]


def _last(pattern: re.Pattern[bytes], data: bytes) -> bytes | None:
    """Return the group of the last match."""
    match = None
    for match in pattern.finditer(data):  # noqa: B007 the last one is wanted
        pass
    return None if match is None else match[1]


def _number(path: Path, token: bytes, what: str) -> float:
    """Return a finite float, or say which quantity is none."""
    try:
        value = float(token)
    except ValueError:
        value = float("nan")
    if not isfinite(value):
        raise RunError(
            f"{path}: {what} is '{token.decode('latin-1')}', not a number: the run diverged or the "
            "file is damaged. Check the structure and the settings, then run again."
        )
    return value


def _version(data: bytes) -> str:
    """Return the program and version that the first line names."""
    words = data[:400].split()
    return words[0].decode("latin-1") if words else ""


def _electronic_steps(data: bytes) -> tuple[int, ...]:
    """Return the number of electronic steps of each ionic step."""
    counts: dict[int, int] = {}
    for match in _ITERATION.finditer(data):
        counts[int(match[1])] = int(match[2])
    return tuple(counts[step] for step in sorted(counts))


def _energies(path: Path, data: bytes) -> list[tuple[float, float, float]]:
    """Return F, E without entropy and E0 of each ionic step."""
    energies = []
    for step, match in enumerate(_FREE_ENERGY.finditer(data), start=1):
        others = _OTHER_ENERGIES.search(data, match.end(), match.end() + 400)
        if others is None:
            raise RunError(f"{path}: the energies of ionic step {step} are incomplete. {_AGAIN}")
        where = f"of ionic step {step}"
        energies.append(
            (
                _number(path, match[1], f"free energy TOTEN {where}"),
                _number(path, others[1], f"energy without entropy {where}"),
                _number(path, others[2], f"energy(sigma->0) {where}"),
            )
        )
    if not energies:
        raise RunError(f"{path}: no ionic step was finished. {_AGAIN}")
    return energies


def _density(path: Path, data: bytes) -> tuple[float | None, float | None]:
    """Return electrons and magnetization of the charge density at the last step."""
    match = None
    for match in _DENSITY.finditer(data):  # noqa: B007 the last one is wanted
        pass
    if match is None:
        return None, None
    electrons = _number(path, match[1], "number of electron")
    return electrons, _number(path, match[2], "magnetization") if match[2] else None


def _positions_and_forces(
    path: Path, data: bytes, n_atoms: int, *, is_first: bool
) -> tuple[Floats, Floats]:
    """Return positions and forces of the first or the last ionic step."""
    title = b"TOTAL-FORCE (eV/Angst)"
    start = data.find(title) if is_first else data.rfind(title)
    lines = data[start : start + 150 * (n_atoms + 4)].split(b"\n")[2 : 2 + n_atoms]
    rows = [_NUMBER.findall(line) for line in lines]
    bad = next((i for i, row in enumerate(rows) if len(row) != 6), None)
    if start < 0 or len(rows) != n_atoms or bad is not None:
        found = "missing" if start < 0 else f"'{lines[bad or 0].decode('latin-1').strip()}'"
        raise RunError(
            f"{path}: positions and forces of atom {(bad or 0) + 1} of {n_atoms} are not six "
            f"numbers: {found}. The run diverged or the file is damaged; check and run again."
        )
    table = np.array(rows, dtype=np.float64)
    return table[:, :3], table[:, 3:]


def _chain_force(path: Path, data: bytes) -> float | None:
    """Return the largest nudged force of the last step; plain VASP does not print it."""
    if b"NEB: projections on to tangent" not in data:
        return None
    token = _last(re.compile(rb"FORCES: max atom, RMS\s+(\S+)"), data)
    return None if token is None else _number(path, token, "FORCES: max atom")


def _site_table(path: Path, data: bytes, n_atoms: int, title: str) -> Floats | None:
    """Return the last column of the last table of this title; None without one."""
    start = data.rfind(b"\n " + title.encode())
    lines = data[start : start + 120 * (n_atoms + 12)].split(b"\n") if start >= 0 else []
    first = next((i for i, line in enumerate(lines) if line.startswith(b"# of ion")), None)
    if first is None:
        return None
    rows = [line.split() for line in lines[first + 2 : first + 2 + n_atoms]]
    if [row[0] for row in rows if row] != [str(i + 1).encode() for i in range(n_atoms)]:
        raise RunError(f"{path}: the table '{title}' has not {n_atoms} atoms. {_AGAIN}")
    return np.array([_number(path, row[-1], title) for row in rows])


def _read_parameters(header: str) -> dict[str, int | float | str | bool]:
    """Return the settings VASP used; its echo of INCAR comes first, so the last match counts."""
    found: dict[str, int | float | str | bool] = {}
    for name, (pattern, kind) in _PARAMETERS.items():
        if values := _values(pattern, header):
            found[name] = kind(values[-1])
    for name in _FLAGS:
        if values := _values(rf"{name}\s*=\s*\.?([TF])", header):
            found[name] = values[-1] == "T"
    return found


def _values(pattern: str, header: str) -> list[str]:
    """Return what follows a tag, where it is not the end of a longer one."""
    # A look-behind says the same, but keeps re from jumping to the tag: ten times slower.
    matches = re.finditer(pattern, header)
    return [m[1] for m in matches if m.start() == 0 or not _OF_A_TAG.match(header[m.start() - 1])]


def _species(header: bytes, n_atoms: int) -> tuple[tuple[str, ...], tuple[str, ...], Floats]:
    """Return TITELs, element and ZVAL of each atom; all empty when the file does not name them."""
    text = header.decode("latin-1")
    titels = tuple(title.strip() for title in re.findall(r"TITEL\s*=\s*(.+)", text))
    valences = [float(z) for z in re.findall(r"POMASS\s*=.*;\s*ZVAL\s*=\s*([\d.]+)", text)]
    per_type = re.search(r"ions per type =\s*([\d \t]+)", text)
    counts = [int(n) for n in per_type[1].split()] if per_type else []
    if not titels or len(counts) != len(titels) or sum(counts) != n_atoms:
        return titels, (), np.empty(0)
    elements = [title.split()[1].split("_")[0] if " " in title else title for title in titels]
    symbols = tuple(e for e, n in zip(elements, counts, strict=True) for _ in range(n))
    if len(valences) != len(counts):
        return titels, symbols, np.empty(0)
    return titels, symbols, np.repeat(valences, counts)
