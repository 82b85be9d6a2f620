"""OUTCAR: the parts of VASP's that parsers read, and a plain word on where they come from."""

import resource
import time
from collections.abc import Mapping
from datetime import datetime

import numpy as np
from ase.data import atomic_masses, atomic_numbers

from .poscars import Poscar
from .potentials import Evaluation, FloatArray, KPoints
from .tags import Settings

KBAR = 1602.1766208  # kB per eV/Angstrom^3
_RULE = "-" * 104 + "\n"
_L_COLUMNS = ((0, 1), (1, 4), (4, 9))


def format_header(
    *,
    program: str,
    method: str,
    theory: str,
    started: datetime,
    n_processes: int,
    poscar: Poscar,
    settings: Settings,
    tags: Mapping[str, str],
    evaluation: Evaluation,
    potcar_symbols: tuple[str, ...],
) -> str:
    """Return everything before the first ionic step."""
    species = poscar.species
    _, n_kpoints, n_bands = evaluation.eigenvalues.shape
    lines = [
        f" {program} {method}: this is NOT a VASP output",
        " written in the layout of VASP's OUTCAR by heterofire's engine so that VASP tools read it",
        "",
        f" executed on             LinuxIFC date {started:%Y.%m.%d}  {started:%H:%M:%S}",
        f" running on {n_processes:4d} nodes",  # as VASP 4 calls its processes
        "",
        _RULE,
        " INCAR:",
        *(f"   {tag} = {value}" for tag, value in tags.items()),
        " no POTCAR is used: the method has its own parameters for each element",
        # VASP lists the potentials twice, and ASE drops the second half of what it finds.
        *(f" POTCAR:    {theory} {symbol}" for symbol in potcar_symbols),
        *_species(poscar, evaluation, theory, potcar_symbols),
        "",
        f" POSCAR: {poscar.comment}",
        "",
        _RULE,
        *_sites(poscar),
        "",
        f" KPOINTS: {evaluation.kpoints.title}",
        *_irreducible(evaluation.kpoints),
        "",
        _RULE,
        " Dimension of arrays:",
        f"   k-points           NKPTS = {n_kpoints:6d}   k-points in BZ     NKDIM = {n_kpoints:6d}"
        f"   number of bands    NBANDS= {n_bands:6d}",
        f"   number of dos      NEDOS = {settings.nedos:6d}   number of ions     NIONS ="
        f" {len(poscar.symbols):6d}",
        "   total plane-waves  NPLWV =      0   (not counted here)",
        "   ions per type =            " + "".join(f"{n:4d}" for _, n in species),
        "",
        f" SYSTEM =  {settings.system}",
        f" POSCAR =  {poscar.comment}",
        "",
        *_parameters(settings, evaluation),
        "",
        *_cell(poscar),
        "",
        *_weighted(evaluation.kpoints),
        "",
        _RULE,
        "",
    ]
    return "\n".join(lines)


def _irreducible(kpoints: KPoints) -> list[str]:
    """Return the points and how many of the mesh each one stands for."""
    rows = zip(kpoints.points, kpoints.multiplicities, strict=True)
    return [f" Found {len(kpoints.points):6d} irreducible k-points:"] + [
        "".join(f"{x:10.6f}" for x in point) + f"{count:14.6f}" for point, count in rows
    ]


def _weighted(kpoints: KPoints) -> list[str]:
    """Return the points and their weights, to three decimals as in VASP."""
    name = "Gamma" if kpoints.is_gamma else kpoints.title
    rows = zip(kpoints.points, kpoints.weights, strict=True)
    return [f" k-points in reciprocal lattice and weights: {name}"] + [
        " " + "".join(f"{x:12.8f}" for x in point) + f"{weight:12.3f}" for point, weight in rows
    ]


def _levels(evaluation: Evaluation) -> list[str]:
    """Return levels (eV) and occupations of every k-point, 0 to 2 without spin, as VASP does."""
    n_spins = len(evaluation.eigenvalues)
    lines: list[str] = []
    for spin in range(n_spins):
        if n_spins == 2:
            lines += ["", f" spin component {spin + 1}"]
        for k, point in enumerate(evaluation.kpoints.points):
            lines += ["", f" k-point {k + 1:5d} :   " + "".join(f"{x:10.4f}" for x in point)]
            lines += ["  band No.  band energies     occupation "]
            levels = zip(
                evaluation.eigenvalues[spin, k], evaluation.occupations[spin, k], strict=True
            )
            lines += [
                f"{band:7d}  {level:11.4f}{(3 - n_spins) * filled:13.5f}"
                for band, (level, filled) in enumerate(levels, 1)
            ]
    return [*lines, "", "-" * 104, ""]


def _species(
    poscar: Poscar, evaluation: Evaluation, theory: str, potcar_symbols: tuple[str, ...]
) -> list[str]:
    """Return title, mass and valence electrons (of the method) of each block of the POSCAR."""
    lines, first = [], 0
    for (symbol, n), potcar in zip(poscar.species, potcar_symbols, strict=True):
        mass = atomic_masses[atomic_numbers[symbol]]
        lines += [
            f" POTCAR:    {theory} {potcar}",
            f"   TITEL  = {theory} {potcar}",
            f"   POMASS = {mass:8.3f}; ZVAL   = {evaluation.valences[first]:8.3f}  mass, valence",
        ]
        first += n
    return lines


def _sites(poscar: Poscar) -> list[str]:
    """Return the starting positions in fractions of the lattice vectors."""
    rows = [" position of ions in fractional coordinates (direct lattice)"]
    return rows + ["".join(f"{x:12.8f}" for x in site) for site in poscar.fractional]


def _cell(poscar: Poscar) -> list[str]:
    """Return the volume, and rows of direct and reciprocal vectors (without 2 pi)."""
    inverse = np.linalg.inv(poscar.lattice).T
    rows = [
        "".join(f"{x:13.9f}" for x in direct) + "    " + "".join(f"{x:13.9f}" for x in reciprocal)
        for direct, reciprocal in zip(poscar.lattice, inverse, strict=True)
    ]
    return [
        f"  volume of cell : {poscar.volume:11.2f}",
        "      direct lattice vectors                 reciprocal lattice vectors",
        *rows,
    ]


def _parameters(settings: Settings, evaluation: Evaluation) -> list[str]:
    """Return the tags that parsers look for."""
    moment = -1.0 if settings.nupdown is None else settings.nupdown
    return [
        " Startparameter for this run:",
        f"   ISPIN  = {len(evaluation.occupations):6d}    spin polarized calculation?",
        "   LNONCOLLINEAR =      F non collinear calculations",
        "   LSORBIT =      F    spin-orbit coupling",
        " Electronic Relaxation 1",
        f"   NELM   = {settings.nelm:6d};   NELMIN=  2; NELMDL=  0     # of ELM steps",
        f"   EDIFF  = {settings.ediff:.1E}   stopping-criterion for ELM",
        " Ionic relaxation",
        f"   EDIFFG = {settings.ediffg:.1E}   stopping-criterion for IOM",
        f"   NSW    = {settings.nsw:6d}    number of steps for IOM",
        f"   IBRION = {settings.ibrion:6d}    ionic relax: 0-MD 1-quasi-New 2-CG",
        f"   ISIF   = {settings.isif:6d}    stress and relaxation",
        f"   NELECT = {evaluation.n_electrons:13.4f}    electrons the method treats",
        f"   NUPDOWN= {moment:13.4f}    fix difference up-down",
        f"   ISMEAR = {settings.ismear:6d};   SIGMA  = {settings.sigma:7.4f}  broadening in eV "
        "-1-fermi",
        f"   LORBIT = {settings.lorbit:6d}    10, 11: Mulliken projections",
    ]


def format_step(
    step: int,
    evaluation: Evaluation,
    poscar: Poscar,
    positions: FloatArray,
    seconds: float,
    neb: str = "",
    *,
    lists_levels: bool = False,
) -> str:
    """Return one ionic step: cycles, energies, stress, positions and forces.

    Parameters
    ----------
    step
        Counted from 1.
    positions
        (n_atoms, 3), Angstrom.
    seconds
        Wall time of the step.
    neb
        Lines about the band, empty for a single image.
    lists_levels
        Whether levels and occupations of every k-point follow the Fermi level.
    """
    last = len(evaluation.cycles)
    moment = evaluation.magnetization
    lines = [
        f"{'-' * 41} Iteration {step:6d}({last:4d})  {'-' * 39}",
        "",
        f" number of electron {evaluation.n_electrons:15.7f} magnetization {moment:15.7f}",
        "",
        f" E-fermi : {evaluation.fermi_level:10.6f}     XC(G=0):   0.0000     alpha+bet :  0.0000",
        "",
        *(_levels(evaluation) if lists_levels else []),
        *([] if evaluation.stress is None else _stress(evaluation.stress, poscar.volume)),
        " VOLUME and BASIS-vectors are now :",
        " " + "-" * 77,
        *_cell(poscar),
        "",
        " POSITION                                       TOTAL-FORCE (eV/Angst)",
        " " + "-" * 83,
        *_forces(positions, evaluation.forces),
        " " + "-" * 83,
        "    total drift:                     "
        + "".join(f"{x:14.6f}" for x in evaluation.forces.sum(axis=0)),
        "",
        neb,
        "  FREE ENERGIE OF THE ION-ELECTRON SYSTEM (eV)",
        "  ---------------------------------------------------",
        f"  free  energy   TOTEN  = {evaluation.free_energy:20.8f} eV",
        "",
        f"  energy  without entropy={evaluation.energy_without_entropy:20.8f}"
        f"  energy(sigma->0) ={evaluation.energy_zero:20.8f}",
        "",
        f"     LOOP+:  cpu time {seconds:8.4f}: real time {seconds:8.4f}",
        "",
        "",
    ]
    return "\n".join(lines)


def _stress(stress: FloatArray, volume: float) -> list[str]:
    """Return VASP's stress block; its sign is opposite to dE/d(strain)."""
    order = [(0, 0), (1, 1), (2, 2), (0, 1), (1, 2), (2, 0)]
    total = [-stress[i, j] * volume for i, j in order]
    kbar = [-stress[i, j] * KBAR for i, j in order]
    return [
        "  FORCE on cell =-STRESS in cart. coord.  units (eV):",
        "  Direction    XX          YY          ZZ          XY          YZ          ZX",
        "  Total   " + "".join(f"{x:12.5f}" for x in total),
        "  in kB   " + "".join(f"{x:12.5f}" for x in kbar),
        f"  external pressure = {sum(kbar[:3]) / 3:11.2f} kB  Pullay stress =        0.00 kB",
        "",
    ]


def _forces(positions: FloatArray, forces: FloatArray) -> list[str]:
    """Return one row per atom: position in Angstrom, force in eV/Angstrom."""
    rows = np.hstack([positions, forces])
    return [
        "".join(f"{x:13.5f}" for x in row[:3]) + "    " + "".join(f"{x:14.6f}" for x in row[3:])
        for row in rows
    ]


def format_end(
    evaluation: Evaluation,
    poscar: Poscar,
    remark: str,
    seconds: float,
    projection: str = "Mulliken",
) -> str:
    """Return populations, the word on why the run ended, and the timing that marks the end.

    Parameters
    ----------
    remark
        Why the run ended, empty when NSW is used up.
    seconds
        Wall time of the run.
    projection
        Mulliken or PAW spheres: where the populations come from.
    """
    up_down = evaluation.spin_populations
    text = f" {remark}\n\n" if remark else ""
    is_mulliken = projection == "Mulliken"
    whose = "Mulliken's" if is_mulliken else f"those inside the {projection}"
    text += f" populations below are {whose}, of the valence electrons the method treats\n\n"
    text += _populations("total charge", up_down.sum(axis=0))
    if len(up_down) == 2:
        text += _populations("magnetization (x)", up_down[0] - up_down[1])
    if is_mulliken:  # those of PAW spheres miss what lies between the atoms
        text += _mulliken_charges(evaluation, poscar)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    cpu = usage.ru_utime + usage.ru_stime
    return text + (
        "\n\n General timing and accounting informations for this job:\n"
        " ========================================================\n\n"
        f"                  Total CPU time used (sec): {cpu:12.3f}\n"
        f"                            User time (sec): {usage.ru_utime:12.3f}\n"
        f"                          System time (sec): {usage.ru_stime:12.3f}\n"
        f"                         Elapsed time (sec): {seconds:12.3f}\n\n"
        f"                   Maximum memory used (kb): {usage.ru_maxrss:12d}.\n"
    )


def _populations(title: str, populations: FloatArray) -> str:
    """Return VASP's table of electrons in s, p and d per atom."""
    rows = np.array([[p[a:b].sum() for a, b in _L_COLUMNS] for p in populations])
    rows = np.column_stack([rows, rows.sum(axis=1)])
    lines = [f" {title:<17}", "", "# of ion       s       p       d       tot", "-" * 42]
    lines += [f"{i:5d}    " + "".join(f"{x:9.4f}" for x in row) for i, row in enumerate(rows, 1)]
    lines += ["-" * 42, "tot      " + "".join(f"{x:9.4f}" for x in rows.sum(axis=0)), "", ""]
    return "\n".join(lines)


def _mulliken_charges(evaluation: Evaluation, poscar: Poscar) -> str:
    """Return the net charge of each atom in e."""
    lines = [" Mulliken charges (e), positive where electrons are missing"]
    pairs = zip(poscar.symbols, evaluation.charges, strict=True)
    lines += [f"{i:5d} {symbol:>3} {q:12.6f}" for i, (symbol, q) in enumerate(pairs, 1)]
    return "\n".join([*lines, f"  sum     {evaluation.charges.sum():12.6f}", ""])


class Stopwatch:
    """Wall time since it was made and since the last lap, in seconds."""

    def __init__(self) -> None:
        self._start = self._lap = time.monotonic()

    def lap(self) -> float:
        """Return the seconds since the last lap."""
        now = time.monotonic()
        seconds, self._lap = now - self._lap, now
        return seconds

    def total(self) -> float:
        """Return the seconds since the start."""
        return time.monotonic() - self._start
