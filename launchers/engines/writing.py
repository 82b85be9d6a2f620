"""The output files of one folder, written step by step as VASP does."""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime
from io import FileIO
from pathlib import Path
from typing import Any, Self

from ...structures.files import write_atomic, write_error
from . import doscar, modes, oszicar, outcar, vasprun, vasprun_levels
from .levels import density_of_states
from .poscars import Poscar, format_poscar
from .potentials import DENSITY_FILES, Evaluation, FloatArray, Potential
from .tags import Settings

CONVERGED = "reached required accuracy - stopping structural energy minimisation"
STOPPED = {
    "soft": "soft stop encountered!  aborting job ...",
    "hard": "hard stop encountered!  aborting job ...",
}


@dataclass(frozen=True, kw_only=True)
class Label:
    """Who computed what: goes into the head of each file."""

    program: str  # such as heterofire-xtb
    version: str
    method: str  # such as GFN1-xTB
    started: datetime
    lists_levels: bool = False  # in OUTCAR and projected in vasprun.xml, for each k-point
    ismear: int = -1  # how levels were really filled
    holds_moment: bool = True  # whether the total moment was kept fixed
    projection: str = "Mulliken"  # or "PAW spheres": how levels are shared among atoms
    n_processes: int = 1  # that compute it, all images of a band together

    @property
    def theory(self) -> str:
        """Return the first word of the method, for the names of the species' potentials.

        Parsers take the second word of such a name for the element.

        Examples
        --------
        >>> method = "PBE-D3, LCAO szp(dzp), h 0.22 A"
        >>> Label(program="p", version="1", method=method, started=datetime(2026, 1, 1)).theory
        'PBE-D3'
        """
        return self.method.split()[0].rstrip(",")


class RunFiles:
    """OSZICAR, OUTCAR, vasprun.xml, CONTCAR and DOSCAR of one folder.

    Used as a context manager: entering it empties the outputs of an earlier run, so that they
    are never taken for this one's. OUTCAR and vasprun.xml get their end marks from `finish`
    only: a run that was cut lacks them.

    Parameters
    ----------
    folder, poscar, settings, tags, label
        Where, what and by whom.
    potcar_symbols
        One name per block of the POSCAR.
    """

    def __init__(
        self,
        folder: Path,
        poscar: Poscar,
        settings: Settings,
        tags: Mapping[str, str],
        label: Label,
        potcar_symbols: tuple[str, ...],
    ) -> None:
        self._folder = folder
        self._poscar = poscar
        self._settings = settings
        self._tags = tags
        self._label = label
        self._symbols = potcar_symbols
        self._stack = ExitStack()
        self._open: dict[str, FileIO] = {}
        self._watch = outcar.Stopwatch()
        self.remarks: list[str] = []  # what did not go as planned, with its step
        self._last: tuple[Evaluation, FloatArray] | None = None
        self._at_rest: FloatArray | None = None  # what CONTCAR holds
        self.n_steps = 0
        self.densities: dict[str, Any] = {}  # what engine.json says of the files on grids

    @property
    def folder(self) -> Path:
        """Return where the files are."""
        return self._folder

    @property
    def has_outcar(self) -> bool:
        """Return whether the folder holds an OUTCAR, of this run or an earlier one."""
        return (self._folder / "OUTCAR").exists()

    @property
    def spin(self) -> FloatArray | None:
        """Return the moment of each atom at the last step, None without spin or steps."""
        if self._last is None or len(self._last[0].occupations) == 1:
            return None
        up, down = self._last[0].spin_populations.sum(axis=2)
        moments: FloatArray = up - down
        return moments

    def __enter__(self) -> Self:
        for name in ("OSZICAR", "OUTCAR", "vasprun.xml"):
            path = self._folder / name
            try:
                self._open[name] = self._stack.enter_context(path.open("wb", buffering=0))
            except OSError as error:
                self._stack.close()
                raise write_error(path, error) from error
        for name in ("DOSCAR", *DENSITY_FILES):
            (self._folder / name).unlink(missing_ok=True)
        self._watch.lap()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def step(
        self,
        evaluation: Evaluation,
        positions: FloatArray,
        neb: str = "",
        *,
        at_rest: FloatArray | None = None,
    ) -> str:
        """Write one ionic step and return its line of OSZICAR.

        Parameters
        ----------
        evaluation
            What was computed.
        positions
            Where, (n_atoms, 3), Angstrom; CONTCAR holds exactly these.
        neb
            Lines about the band for OUTCAR.
        at_rest
            What CONTCAR and the final structure hold instead, when the step is a mere
            displacement from there.
        """
        if self._last is None:
            self._start(evaluation)
        else:
            self._write("vasprun.xml", vasprun.STEP_END)
        previous = self._last[0].free_energy if self._last else None
        self._last = (evaluation, positions.copy())
        self._at_rest = positions.copy() if at_rest is None else at_rest
        self.n_steps += 1
        self.remarks += [f"step {self.n_steps}: {remark}" for remark in evaluation.remarks]
        seconds = self._watch.lap()
        line = oszicar.format_step(self.n_steps, evaluation, previous)
        self._write("OSZICAR", oszicar.format_cycles(evaluation) + line)
        self._write(
            "OUTCAR",
            outcar.format_step(
                self.n_steps,
                evaluation,
                self._poscar,
                positions,
                seconds,
                neb,
                lists_levels=self._label.lists_levels,
            ),
        )
        self._write(
            "vasprun.xml", vasprun.format_step(evaluation, self._poscar, positions, seconds)
        )
        write_atomic(self._folder / "CONTCAR", format_poscar(self._poscar, self._at_rest))
        return line

    def finish(
        self,
        remark: str = "",
        potential: Potential | None = None,
        normal_modes: modes.Modes | None = None,
    ) -> None:
        """Write densities, levels, densities of states, normal modes and the end marks.

        Parameters
        ----------
        remark
            Why the run ended, `CONVERGED` or a value of `STOPPED`; empty when NSW is used up.
        potential
            Whose last evaluation was of the last step: writes densities on grids, as far as
            INCAR asks for them. They come before the end marks, so that a run that is cut while
            it writes them does not look finished.
        normal_modes
            Of a run that was to find them.
        """
        if self._last is None or self._at_rest is None:
            return
        evaluation, positions = self._last
        if potential is not None:
            head = format_poscar(replace(self._poscar, movable=None), positions)
            self.densities = potential.write_densities(self._folder, head)
        settings = self._settings
        dos = density_of_states(
            evaluation,
            n_points=settings.nedos,
            emin=settings.emin,
            emax=settings.emax,
            width=settings.sigma,
            broadening="fermi" if settings.ismear == -1 else "gaussian",
            lorbit=settings.lorbit,
        )
        write_atomic(
            self._folder / "DOSCAR", doscar.format_doscar(dos, self._poscar, settings.system)
        )
        self._write(
            "vasprun.xml",
            vasprun_levels.format_eigenvalues(evaluation)
            + vasprun_levels.format_dos(dos)
            + (
                vasprun_levels.format_projected(evaluation, settings.lorbit)
                if self._label.lists_levels
                else ""
            )
            + (modes.format_vasprun(normal_modes) if normal_modes else "")
            + vasprun.STEP_END
            + vasprun.format_final(self._poscar, self._at_rest)
            + vasprun.END,
        )
        if normal_modes:
            self._write("OUTCAR", modes.format_outcar(normal_modes, self._poscar))
        self._write(
            "OUTCAR",
            outcar.format_end(
                evaluation, self._poscar, remark, self._watch.total(), self._label.projection
            ),
        )

    def _start(self, evaluation: Evaluation) -> None:
        """Write the heads of the files."""
        label = self._label
        moment = None
        if label.holds_moment and len(evaluation.occupations) == 2:
            moment = evaluation.magnetization
        used = replace(self._settings, ismear=label.ismear, nupdown=moment)
        self._write(
            "OUTCAR",
            outcar.format_header(
                program=label.program,
                method=label.method,
                theory=label.theory,
                started=label.started,
                n_processes=label.n_processes,
                poscar=self._poscar,
                settings=used,
                tags=self._tags,
                evaluation=evaluation,
                potcar_symbols=self._symbols,
            ),
        )
        self._write(
            "vasprun.xml",
            vasprun.format_header(
                program=label.program,
                version=label.version,
                method=label.method,
                theory=label.theory,
                started=label.started,
                poscar=self._poscar,
                settings=used,
                tags=self._tags,
                evaluation=evaluation,
                potcar_symbols=self._symbols,
            ),
        )

    def _write(self, name: str, text: str) -> None:
        """Append at once; a full disk names the file.

        Unbuffered: after a failed write nothing is left over that closing would write again.
        """
        rest = memoryview(text.encode())
        try:
            while rest:
                rest = rest[self._open[name].write(rest) :]
        except OSError as error:
            raise write_error(self._folder / name, error) from error
