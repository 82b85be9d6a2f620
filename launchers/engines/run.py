"""`heterofire engine NAME`: stands in for VASP in a run folder."""

import json
import os
import sys
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any, Protocol

from ...structures.errors import HeteroError, InputError
from ...structures.files import write_atomic
from ..orphans import die_with_parent
from .bands import run_band
from .drivers import Outcome, run_relaxation, run_static
from .end_memory import EndMemory, about_ends
from .folder import RunFolder, image_folders, read_folder
from .image_workers import shared_images
from .poscars import Poscar, unwrapped
from .potentials import Potential
from .processes import chosen_processes
from .record import EngineRecord
from .spins import moment_report
from .stopping import Interrupted, Stopper, locked
from .tags import Settings, load_table
from .vibrations import run_vibrations
from .writing import Label, RunFiles

ENGINES = ("gpaw", "xtb")
ENDED = ("static", "converged", "vibrations")  # outcomes that nothing goes on from


class Engine(Protocol):
    """What a method has to offer; everything else is shared."""

    name: str
    checkpoints: tuple[str, ...]  # files that a cut run goes on from; gone at its end
    version: str  # of the program that computes
    method: str
    settings: Settings  # of the run, as the engine takes them
    ismear: int  # how levels are filled, whatever INCAR says
    holds_moment: bool  # whether the total moment is kept fixed
    vacuum_level: float | None  # eV, where its levels have one; None in a periodic cell
    projection: str  # Mulliken or PAW spheres: how levels are shared among atoms

    def potential(self, poscar: Poscar, folder: Path, stopper: Stopper) -> Potential:
        """Return a calculator for a geometry.

        Parameters
        ----------
        folder
            Where it may keep files of its own.
        stopper
            Lets signals act within a self-consistent field, where one takes long.
        """
        ...

    def details(self) -> dict[str, Any]:
        """Return what engine.json says of the method, for what must agree between two runs."""
        ...

    def notes(self) -> dict[str, str]:
        """Return how settings were translated, for engine.json."""
        ...


def run_engine(name: str, folder: Path, processes: str | None = None) -> int:
    """Compute a VASP run folder and return the exit code of the process.

    Reads INCAR, POSCAR (or image folders), KPOINTS and POTCAR or POTCAR.spec; writes OSZICAR,
    OUTCAR, CONTCAR, DOSCAR, vasprun.xml and engine.json. Errors go to stderr.

    Parameters
    ----------
    name
        ``xtb`` or ``gpaw``.
    folder
        The run folder.
    processes
        How many compute the images of a band; see `chosen_processes`.

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
        n_processes = chosen_processes(processes, os.environ)
        with locked(folder):
            _run(name, folder, n_processes)
    except Interrupted as interrupted:
        sys.stderr.write(f"heterofire engine {name}: ended by {interrupted}\n")
        return 128 + interrupted.number
    except HeteroError as error:
        sys.stderr.write(f"heterofire engine {name}: {error}\n")
        return error.exit_code
    return 0


def _run(name: str, folder: Path, n_processes: int) -> None:
    """Read the folder, compute it, and keep engine.json true whatever happens."""
    try:
        run = read_folder(folder, name)
        engine = _engine(name, run)
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
        honoured=run.report.honoured,
        noted=notes,
        details=engine.details(),
    )
    if engine.vacuum_level is not None:
        record.details["vacuum_level_ev"] = engine.vacuum_level
    if engine.projection != "Mulliken":  # what readers take it for without a word
        record.details["projection"] = engine.projection
    record.write("running")
    stopper = Stopper(folder)
    try:
        with stopper.listening():
            outcome = _compute(run, engine, record, stopper, n_processes)
    except Interrupted as interrupted:
        record.write(f"ended by {interrupted}")
        raise
    except HeteroError as error:
        record.write("failed", error=str(error))
        raise
    except Exception as error:  # a bug, whose traceback goes to stderr; nothing runs any more
        record.write("failed", error=f"{type(error).__name__}: {error}")
        raise
    record.write(
        outcome.status,
        n_steps=outcome.n_steps,
        n_evaluations=outcome.n_evaluations,
        largest_force=round(outcome.largest_force, 6),
    )
    if outcome.status in ENDED and not engine.settings.lwave:
        for path in image_folders(folder, engine.settings.images):
            for name_of_file in engine.checkpoints:
                (path / name_of_file).unlink(missing_ok=True)


def _engine(name: str, run: RunFolder) -> Engine:
    """Return an engine for a folder; the other one is not imported."""
    if name == "gpaw":
        from .gpaw_engine import GpawEngine

        return GpawEngine(run)
    from .xtb_engine import XtbEngine

    return XtbEngine(run)


def _compute(
    run: RunFolder, engine: Engine, record: EngineRecord, stopper: Stopper, n_processes: int
) -> Outcome:
    """Choose the driver that the INCAR asks for."""
    settings = engine.settings
    n_processes = max(1, min(n_processes, settings.images))
    label = _label(engine, record, n_processes)
    symbols = run.potcar_symbols or tuple(symbol for symbol, _ in run.poscar.species)
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
        images = unwrapped(run.images)
        with shared_images(engine, images, folders, stopper, n_processes) as sharing:
            method = (engine.name, engine.version, engine.method)
            memory = EndMemory(run.path, about_ends(run, method))
            outcome = run_band(sharing, images, settings, every, stopper, memory)
        if n_processes > 1:
            record.details["processes"] = n_processes
    else:
        with every[0] as files:
            potential = engine.potential(run.poscar, run.path, stopper)
            if settings.is_static:
                outcome = run_static(potential, run.poscar, files)
            elif settings.is_vibrational:
                outcome = run_vibrations(potential, run.poscar, settings, files, stopper)
            else:
                outcome = run_relaxation(potential, run.poscar, settings, files, stopper)
    written = {path.name: f.densities for path, f in zip(folders, every, strict=True)}
    if (spin := every[len(every) // 2].spin) is not None:
        record.details["spin"] = moment_report(run.poscar.symbols, settings.magmom, spin)
    remarks = [remark for file in every for remark in file.remarks]
    if remarks:
        record.details["remarks"] = remarks
    if any(written.values()):
        record.details["densities"] = written if settings.images else every[0].densities
    return outcome


def _label(engine: Engine, record: EngineRecord, n_processes: int) -> Label:
    """Return what the output files say of who computed them."""
    return Label(
        program=f"heterofire-{engine.name}",
        version=metadata.version("heterofire"),
        method=engine.method,
        started=record.started,
        lists_levels=load_table(engine.name)["kpoints"] == "any",
        ismear=engine.ismear,
        holds_moment=engine.holds_moment,
        projection=engine.projection,
        n_processes=n_processes,
    )
