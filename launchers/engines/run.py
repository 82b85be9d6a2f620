"""`heterofire engine NAME`: stands in for VASP in a run folder."""

import json
import sys
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Protocol

from ...structures.errors import HeteroError, InputError
from ...structures.files import write_atomic
from .bands import run_band
from .drivers import Outcome, run_relaxation, run_static
from .folder import RunFolder, image_folders, read_folder
from .levels import KB_EV
from .poscars import Poscar
from .potentials import Potential
from .record import EngineRecord
from .spins import moment_report
from .stopping import Interrupted, Stopper, die_with_parent, locked
from .tags import Settings
from .vibrations import run_vibrations
from .writing import Label, RunFiles
from .xtb_engine import XtbEngine

ENGINES = {"xtb": XtbEngine}


class Engine(Protocol):
    """What a method has to offer; everything else is shared."""

    name: str
    version: str  # of the program that computes
    method: str
    settings: Settings  # of the run, as the engine takes them
    vacuum_level: float | None  # eV, where its levels have one; None in a periodic cell

    def potential(self, poscar: Poscar) -> Potential:
        """Return a calculator for a geometry."""
        ...

    def notes(self) -> dict[str, str]:
        """Return how settings were translated, for engine.json."""
        ...


def run_engine(name: str, folder: Path) -> int:
    """Compute a VASP run folder and return the exit code of the process.

    Reads INCAR, POSCAR (or image folders), KPOINTS and POTCAR or POTCAR.spec; writes OSZICAR,
    OUTCAR, CONTCAR, DOSCAR, vasprun.xml and engine.json. Errors go to stderr.

    Parameters
    ----------
    name
        ``xtb``.
    folder
        The run folder.

    Returns
    -------
    int
        0: the run ended by itself or through STOPCAR, converged or not, and its files are
        complete. 1: refused or failed. 2: an input file is missing or malformed. 128 + n:
        ended by signal n (143 for SIGTERM); CONTCAR holds the last step, the end marks lack.
    """
    die_with_parent()
    try:
        if name not in ENGINES:
            raise InputError(f"no engine is called {name!r}; there is {', '.join(ENGINES)}")
        if not folder.is_dir():
            raise InputError(f"{folder} is not a folder")
        with locked(folder):
            _run(name, folder)
    except Interrupted as interrupted:
        sys.stderr.write(f"heterofire engine {name}: ended by {interrupted}\n")
        return 128 + interrupted.number
    except HeteroError as error:
        sys.stderr.write(f"heterofire engine {name}: {error}\n")
        return error.exit_code
    return 0


def _run(name: str, folder: Path) -> None:
    """Read the folder, compute it, and keep engine.json true whatever happens."""
    try:
        run = read_folder(folder, name)
        engine: Engine = ENGINES[name](run)
        notes = {**run.report.noted, **engine.notes()}
    except HeteroError as error:
        # Says to whoever looks later that old outputs beside it are not of this INCAR.
        refusal = {"engine": name, "status": "refused", "error": str(error)}
        write_atomic(folder / "engine.json", json.dumps(refusal, indent=1) + "\n")
        raise
    for warning in run.report.warnings:
        sys.stderr.write(f"heterofire engine {name}: note: {warning}\n")
    record = EngineRecord(
        folder=folder,
        engine=name,
        engine_version=engine.version,
        method=engine.method,
        temperature_kelvin=engine.settings.sigma / KB_EV,
        honoured=run.report.honoured,
        noted=notes,
    )
    if engine.vacuum_level is not None:
        record.details["vacuum_level_ev"] = engine.vacuum_level
    record.write("running")
    stopper = Stopper(folder)
    try:
        with stopper.listening():
            outcome = _compute(run, engine, record, stopper)
    except Interrupted as interrupted:
        record.write(f"ended by {interrupted}")
        raise
    except HeteroError as error:
        record.write("failed", error=str(error))
        raise
    record.write(
        outcome.status,
        n_steps=outcome.n_steps,
        n_evaluations=outcome.n_evaluations,
        largest_force=round(outcome.largest_force, 6),
    )


def _compute(run: RunFolder, engine: Engine, record: EngineRecord, stopper: Stopper) -> Outcome:
    """Choose the driver that the INCAR asks for."""
    label = Label(
        program=f"heterofire-{engine.name}",
        version=metadata.version("heterofire"),
        method=engine.method,
        started=record.started,
    )
    symbols = run.potcar_symbols or tuple(symbol for symbol, _ in run.poscar.species)
    settings = engine.settings
    folders = image_folders(run.path, settings.images)
    # The ends of a band are not relaxed: their files are those of a static run.
    kinds = [settings] * len(folders)
    if settings.images:
        kinds[0] = kinds[-1] = replace(settings, nsw=0, ibrion=-1)
    every = [
        RunFiles(path, image, kind, run.tags, label, symbols)
        for path, image, kind in zip(folders, run.images, kinds, strict=True)
    ]
    if settings.images:
        outcome = run_band(engine.potential, run.images, settings, every, stopper)
    else:
        with every[0] as files:
            potential = engine.potential(run.poscar)
            if settings.is_static:
                outcome = run_static(potential, run.poscar, files)
            elif settings.is_vibrational:
                outcome = run_vibrations(potential, run.poscar, settings, files, stopper)
            else:
                outcome = run_relaxation(potential, run.poscar, settings, files, stopper)
    written = {path.name: f.densities for path, f in zip(folders, every, strict=True)}
    if (spin := every[len(every) // 2].spin) is not None:
        record.details["spin"] = moment_report(run.poscar.symbols, settings.magmom, spin)
    if any(written.values()):
        record.details["densities"] = written if settings.images else every[0].densities
    return outcome
