"""Everything a run needs, checked before a job is wasted; nothing of the project is changed."""

import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC
from functools import partial
from pathlib import Path

import pymongo
from pymatgen.core import Lattice, Structure
from pymongo.errors import PyMongoError

from ..results.store import ResultStore
from ..structures.errors import HeteroError
from ..workflows.inputs import make_inputs, write_inputs
from ..workflows.potcar_files import potcar_library
from .gpaw_checks import SETUP_COMMAND, check_gpaw
from .launchpads import open_launchpad
from .machine_checks import (
    Check,
    check_clock,
    check_disk_space,
    check_file_locks,
    check_packages,
    check_python,
    check_run_folder,
    check_scratch,
    check_writable,
    scratch_in,
)
from .mongodb_addresses import without_password
from .project import Project
from .qadapters import load_qadapter
from .queue_checks import check_queue, send_test_job
from .settings import Settings
from .vasp_checks import (
    check_potcar_library,
    check_potcars,
    check_vasp_command,
    check_vtst,
    programs_of,
    vasp_commands,
)

_ENGINE_TIMEOUT_S = 120
_SERVER_TIMEOUT_S = 5


def run_checks(
    settings: Settings, *, study: str | None = None, profile: str = "quick", test_job: bool = False
) -> list[Check]:
    """Return the result of every check, in the order in which to mend them.

    Parameters
    ----------
    settings
        Project folder, engine, stores; each is looked at and left as it is.
    study, profile
        Whose potentials to look for; none by default.
    test_job
        Whether to send a small job through the queue and wait for it.
    """
    env, is_vasp = settings.worker_env, settings.engine == "vasp"
    checks: list[tuple[str, Callable[[], Check]]] = [
        ("Python", check_python),
        ("packages", check_packages),
        ("disk space", lambda: check_disk_space(settings.folder)),
        ("run folder", lambda: check_run_folder(settings.runs)),
        ("scratch", lambda: check_scratch(env.get("scratch"))),
        ("file locks", lambda: check_file_locks(settings.folder)),
        ("LaunchPad", lambda: check_launchpad(settings.my_launchpad, settings.launchpad)),
        ("clocks", lambda: check_clock(settings.folder, _server_clock(settings.my_launchpad))),
        ("result store", lambda: check_result_store(settings.database, settings.folder)),
        ("POTCAR library", lambda: check_potcar_library(needed=is_vasp, named=env.get("potcars"))),
    ]
    if study is not None and is_vasp:
        checks.append(("POTCARs", lambda: _check_potcars_of(settings, study, profile)))
    if is_vasp:
        checks += _vasp_checks(settings)
    else:
        command, trial = settings.vasp_cmd, _trial_profile(settings)
        engine = partial(check_embedded_engine, command, settings.folder, profile=trial)
        checks.append(("engine", engine))
    if settings.engine == "gpaw":
        checks.append(("GPAW", check_gpaw))
    checks += _queue_checks(settings, test_job=test_job)
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


def _trial_profile(settings: Settings) -> str:
    """Return the profile whose inputs an engine of ours is tried with: one it was made for."""
    return "gpaw" if settings.engine == "gpaw" else "quick"


def check_embedded_engine(command: Sequence[str], folder: Path, *, profile: str = "quick") -> Check:
    """Check an engine of heterofire's own by computing a hydrogen molecule with it.

    Parameters
    ----------
    command
        What starts the engine in a run folder.
    folder
        Where its scratch folder is made, and removed again.
    profile
        Of the inputs.
    """
    hydrogen = Structure(
        Lattice.cubic(8), ["H", "H"], [[4, 4, 3.63], [4, 4, 4.37]], coords_are_cartesian=True
    )
    inputs = make_inputs(hydrogen, task="static", profile=profile, is_slab=False)
    with scratch_in(folder) as scratch:
        write_inputs(inputs, hydrogen, scratch)
        started = time.perf_counter()
        problem = _engine_problem(command, scratch)
        seconds = time.perf_counter() - started
    shown = " ".join(command)
    if problem:
        return Check(
            name="engine", status="failed", message=f"'{shown}': {problem}",
            remedy=f"Install it: {SETUP_COMMAND}" if "gpaw" in command
            else "Install heterofire again: pip install --force-reinstall heterofire tblite",
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


def _vasp_checks(settings: Settings) -> list[tuple[str, Callable[[], Check]]]:
    """Return what to look at where VASP runs: each of its builds, and VTST."""
    before = _before_the_rocket(settings)
    commands = vasp_commands(settings.worker_env) or {"": list(settings.vasp_cmd)}
    checks: list[tuple[str, Callable[[], Check]]] = [
        (f"engine {build}".strip(), partial(check_vasp_command, command, before, build))
        for build, command in commands.items()
    ]
    return [*checks, ("VTST", lambda: _check_vtst(settings, commands, before))]


def _check_vtst(settings: Settings, commands: Mapping[str, Sequence[str]], before: str) -> Check:
    programs = programs_of([command for command in commands.values() if command], before)
    return check_vtst(is_declared=settings.has_vtst, programs=programs, runs=settings.runs)


def _queue_checks(settings: Settings, *, test_job: bool) -> list[tuple[str, Callable[[], Check]]]:
    """Return what to look at where a queue is configured."""
    path = settings.my_qadapter
    if path is None:
        if not test_job:
            return []
        missing = "no my_qadapter.yaml: there is no queue to send a job to; see heterofire init."
        return [("test job", lambda: Check(name="test job", status="failed", message=missing))]
    untried = Check(
        name="test job", status="ok", message="not tried; heterofire doctor --test-job sends one"
    )
    send = partial(
        send_test_job, path, settings.runs, command=settings.vasp_cmd,
        scratch=settings.worker_env.get("scratch"),
    )  # fmt: skip
    return [
        ("queue", lambda: check_queue(path)),
        ("test job", send if test_job else lambda: untried),
    ]


def _check_potcars_of(settings: Settings, study: str, profile: str) -> Check:
    """Check the potentials of every calculation of a study."""
    plan = Project(settings).plan(study, profile)
    symbols = {name for step in plan.calculations for name in step.potcar_symbols}
    library = potcar_library(settings.worker_env.get("potcars"))
    return check_potcars(symbols, library)


def _before_the_rocket(settings: Settings) -> str:
    """Return what a job does before it starts the rocket; nothing where there is no queue."""
    if settings.my_qadapter is None:
        return ""
    try:
        return str(load_qadapter(settings.my_qadapter).adapter.get("pre_rocket") or "")
    except HeteroError:
        return ""  # the check of the queue says what is wrong with the file


def _server_clock(my_launchpad: Path | None) -> float | None:
    """Return how far the MongoDB server's clock is ahead, in seconds; None where it is silent."""
    if my_launchpad is None:
        return None
    try:
        launchpad = open_launchpad(my_launchpad=my_launchpad, embedded=Path(), strm_lvl="ERROR")
        with pymongo.timeout(_SERVER_TIMEOUT_S):
            before = time.time()
            told = launchpad.connection.admin.command("hello").get("localTime")
            middle = (before + time.time()) / 2
    except (PyMongoError, HeteroError):
        return None  # the check of the LaunchPad says why
    if told is None:
        return None
    return float(told.replace(tzinfo=UTC).timestamp() - middle)


def _check_server(my_launchpad: Path) -> Check:
    """Check a MongoDB server by writing one document and taking it away again."""
    launchpad = open_launchpad(my_launchpad=my_launchpad, embedded=Path(), strm_lvl="ERROR")
    host = launchpad.host if launchpad.uri_mode else f"{launchpad.host}:{launchpad.port}"
    where = f"{without_password(host)}, database {launchpad.name} ({my_launchpad})"
    try:
        with pymongo.timeout(_SERVER_TIMEOUT_S):
            trial = launchpad.db["heterofire_doctor"]
            trial.insert_one({"written": "by heterofire doctor"})
            trial.drop()
            count = launchpad.fireworks.count_documents({})
    except PyMongoError as error:
        return Check(
            name="LaunchPad", status="failed",
            message=without_password(f"{where}: {str(error).splitlines()[0][:200]}"),
            remedy="Start the server, or correct my_launchpad.yaml; without that file heterofire "
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
