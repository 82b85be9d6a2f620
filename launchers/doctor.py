"""Everything a run needs, checked before a job is wasted; nothing of the project is changed."""

import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pymongo
from pymatgen.core import Lattice, Structure
from pymongo.errors import PyMongoError

from ..results.store import ResultStore
from ..structures.errors import HeteroError
from ..workflows.inputs import make_inputs, write_inputs
from .launchpads import open_launchpad
from .machine_checks import (
    Check,
    check_disk_space,
    check_file_locks,
    check_packages,
    check_potcar_library,
    check_python,
    check_run_folder,
    check_writable,
    scratch_in,
)
from .settings import Settings

_ENGINE_TIMEOUT_S = 120
_SERVER_TIMEOUT_S = 5
_STARTERS = ("srun", "mpirun", "mpiexec", "ibrun", "aprun", "jsrun")


def run_checks(settings: Settings) -> list[Check]:
    """Return the result of every check, in the order in which to mend them.

    Parameters
    ----------
    settings
        Project folder, engine, stores; each is looked at and left as it is.
    """
    checks: list[tuple[str, Callable[[], Check]]] = [
        ("Python", check_python),
        ("packages", check_packages),
        ("disk space", lambda: check_disk_space(settings.folder)),
        ("run folder", lambda: check_run_folder(settings.runs)),
        ("file locks", lambda: check_file_locks(settings.folder)),
        ("LaunchPad", lambda: check_launchpad(settings.my_launchpad, settings.launchpad)),
        ("result store", lambda: check_result_store(settings.database, settings.folder)),
        ("POTCAR library", lambda: check_potcar_library(needed=settings.engine == "vasp")),
        ("engine", lambda: _check_engine_of(settings)),
    ]
    return [_guarded(name, check) for name, check in checks]


def check_launchpad(my_launchpad: Path | None, embedded: Path) -> Check:
    """Check that the LaunchPad can be read and written.

    Parameters
    ----------
    my_launchpad
        FireWorks' file that names a MongoDB, or None.
    embedded
        File of the embedded LaunchPad; when it is not there, one is tried beside it and removed.
    """
    if my_launchpad is not None:
        return _check_server(my_launchpad)
    if embedded.exists():
        check_writable(embedded)
        launchpad = open_launchpad(embedded=embedded, strm_lvl="ERROR")
        count = launchpad.fireworks.count_documents({})
        return Check(name="LaunchPad", status="ok", message=f"{embedded} holds {count} fireworks")
    with scratch_in(embedded.parent) as scratch:
        open_launchpad(embedded=scratch / embedded.name, strm_lvl="ERROR")
    return Check(name="LaunchPad", status="ok", message=f"{embedded} will be made on first use")


def check_result_store(database: str, folder: Path) -> Check:
    """Check that the result database opens, or that one can be made.

    Parameters
    ----------
    database
        Path or URL.
    folder
        What a relative path starts from.
    """
    path = None if "://" in database else folder / database
    if path is None or path.exists():
        if path is not None:
            check_writable(path)
        store = ResultStore.open(database if path is None else path)
        try:
            count = len(store.calculations())
        finally:
            store.close()
        where = "the database" if path is None else path  # a URL may hold a password
        return Check(
            name="result store", status="ok", message=f"{where} holds {count} calculations"
        )
    with scratch_in(path.parent) as scratch:
        ResultStore.open(scratch / path.name).close()
    return Check(name="result store", status="ok", message=f"{path} will be made on first use")


def check_vasp_command(command: Sequence[str]) -> Check:
    """Check that what ``vasp_cmd`` names is on this machine.

    Parameters
    ----------
    command
        ``("srun", "vasp_std")``; empty when nothing is configured.
    """
    name = "engine"
    if not command:
        return Check(
            name=name, status="failed", message="engine vasp, but no vasp_cmd",
            remedy="Write 'vasp_cmd: srun vasp_std' under env in my_fworker.yaml.",
        )  # fmt: skip
    shown, start = " ".join(command), Path(command[0]).name
    programs = [word for word in command[1:] if shutil.which(word)] if start in _STARTERS else []
    if shutil.which(command[0]) is None or (start in _STARTERS and not programs):
        return Check(
            name=name, status="warning",
            message=f"'{shown}' cannot be started from this shell",
            remedy="Fine on a login node, when the job script loads VASP's module; else correct "
            "vasp_cmd in my_fworker.yaml.",
        )  # fmt: skip
    return Check(name=name, status="ok", message=f"'{shown}' is there (not started)")


def check_embedded_engine(command: Sequence[str], folder: Path) -> Check:
    """Check the embedded engine by computing a hydrogen molecule with it.

    Parameters
    ----------
    command
        What starts the engine in a run folder.
    folder
        Where its scratch folder is made, and removed again.
    """
    hydrogen = Structure(
        Lattice.cubic(8), ["H", "H"], [[4, 4, 3.63], [4, 4, 4.37]], coords_are_cartesian=True
    )
    inputs = make_inputs(hydrogen, task="static", profile="quick", is_slab=False)
    with scratch_in(folder) as scratch:
        write_inputs(inputs, hydrogen, scratch)
        started = time.perf_counter()
        problem = _engine_problem(command, scratch)
        seconds = time.perf_counter() - started
    shown = " ".join(command)
    if problem:
        return Check(
            name="engine", status="failed", message=f"'{shown}': {problem}",
            remedy="Install heterofire again: pip install --force-reinstall heterofire tblite",
        )  # fmt: skip
    message = f"computed H2 in {seconds:.1f} s ('{shown}')"
    return Check(name="engine", status="ok", message=message)


def _engine_problem(command: Sequence[str], folder: Path) -> str | None:
    """Start the engine in a run folder; return what went wrong, or None."""
    try:
        done = subprocess.run(
            list(command), cwd=folder, capture_output=True, text=True,
            timeout=_ENGINE_TIMEOUT_S, check=False,
        )  # fmt: skip
    except OSError as error:
        return error.strerror or str(error)
    except subprocess.TimeoutExpired:
        return f"no answer after {_ENGINE_TIMEOUT_S} s"
    if done.returncode != 0:
        last = (done.stderr.strip() or done.stdout.strip() or "no output").splitlines()[-1]
        return f"exit code {done.returncode}: {last}"
    oszicar = folder / "OSZICAR"
    if not oszicar.is_file():
        return "no OSZICAR"
    return None if "E0=" in oszicar.read_text(encoding="utf-8") else "no energy in OSZICAR"


def _check_engine_of(settings: Settings) -> Check:
    if settings.engine == "vasp":
        return check_vasp_command(settings.vasp_cmd)
    return check_embedded_engine(settings.vasp_cmd, settings.folder)


def _check_server(my_launchpad: Path) -> Check:
    """Check a MongoDB server by writing one document and taking it away again."""
    launchpad = open_launchpad(my_launchpad=my_launchpad, embedded=Path(), strm_lvl="ERROR")
    where = f"{launchpad.host}:{launchpad.port}/{launchpad.name} ({my_launchpad})"
    try:
        with pymongo.timeout(_SERVER_TIMEOUT_S):
            trial = launchpad.db["heterofire_doctor"]
            trial.insert_one({"written": "by heterofire doctor"})
            trial.drop()
            count = launchpad.fireworks.count_documents({})
    except PyMongoError as error:
        return Check(
            name="LaunchPad", status="failed",
            message=f"{where}: {str(error).splitlines()[0][:200]}",
            remedy="Start the server or correct my_launchpad.yaml; without that file heterofire "
            "keeps its LaunchPad in a file and needs no server.",
        )  # fmt: skip
    return Check(name="LaunchPad", status="ok", message=f"{where} holds {count} fireworks")


def _guarded(name: str, check: Callable[[], Check]) -> Check:
    """Return the check, failed with its message where it raised one we foresaw."""
    try:
        return check()
    except HeteroError as error:
        return Check(name=name, status="failed", message=str(error))
    except OSError as error:
        message = f"{error.filename or 'file system'}: {error.strerror or error}"
        return Check(
            name=name, status="failed", message=message,
            remedy="Make the folder writable, or work in another one.",
        )  # fmt: skip
