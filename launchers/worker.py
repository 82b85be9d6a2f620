"""A worker: takes one ready firework after the other until none is left for it."""

import argparse
import json
import logging
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

from fireworks import FWorker, LaunchPad
from fireworks.core.rocket_launcher import launch_rocket
from pymongo.errors import PyMongoError

from ..workflows.custody import stop_running
from ..workflows.walltime import job_id, job_times, note_start, worker_options
from .bundles import Bundle, mark_stop
from .job_ends import is_time_up, not_halted_here
from .launchpads import open_launchpad
from .liveness import worker_name
from .offline import run_orders
from .orphans import as_parent, die_with_parent
from .recovery import recover
from .reservations import Reservation
from .servers import is_lost_server, wait_for_server
from .settings import Settings, load_settings
from .spool_files import OFFLINE

_log = logging.getLogger(__name__)

_IDLE_S = 0.3


class _Worker(FWorker):  # type: ignore[misc]
    """FireWorks' worker, stored with its launches without the database: a URL may hold secrets."""

    def to_dict(self) -> dict[str, Any]:
        """Return what is stored with a launch."""
        stored: dict[str, Any] = super().to_dict()
        return stored | {"env": {k: v for k, v in stored["env"].items() if k != "database"}}


def workers_folder(settings: Settings) -> Path:
    """Return the folder with the workers' logs."""
    return settings.runs / ".workers"


def worker_locks(settings: Settings) -> Path:
    """Return the file by which workers claim to live."""
    folder = workers_folder(settings)
    folder.mkdir(parents=True, exist_ok=True)
    return folder / "locks"


def worker_environment(settings: Settings) -> dict[str, Any]:
    """Return what FireTasks find as ``_fw_env``: the engine and the result database."""
    return {
        **settings.worker_env,
        "vasp_cmd": list(settings.vasp_cmd),
        "engine": settings.engine,
        "database": settings.database,
    }


def work(launchpad: LaunchPad, settings: Settings, query: Mapping[str, Any]) -> int:
    """Run fireworks that match the query until none is ready or being run by anybody.

    Returns
    -------
    int
        0, or 128 + signal number when it was told to stop. Also 0 when the job around it has too
        little time left for another calculation; what is ready is for the next job.
    """
    note_start()
    times, query = job_times(), {**query, **not_halted_here()}
    margin_s = worker_options(settings.worker_env).get("walltime_margin_s")
    name = worker_name(worker_locks(settings))
    stopping = _stop_on_signals()
    fworker = _Worker(name=name, env=worker_environment(settings), query=dict(query))
    has_lost_server = False
    while not stopping:
        if is_time_up(times, margin_s):
            _log.warning("no time is left in this job: it takes no other calculation")
            return 0
        try:
            if has_lost_server:
                wait_for_server(launchpad, stopping)
                recover(launchpad, worker_locks(settings))
                _end_own(launchpad, name)
                has_lost_server = False
            os.chdir(settings.folder)
            ran = launch_rocket(launchpad, fworker, strm_lvl="CRITICAL")
            if stopping:
                _queue_again(launchpad, name)
            elif settings.my_launchpad and _end_own(launchpad, name):
                continue
            elif not ran:
                if not is_work_left(launchpad, query):
                    return 0
                time.sleep(_IDLE_S)
        except (PyMongoError, RuntimeError) as error:
            if not is_lost_server(error):
                raise
            _log.warning("lost the MongoDB server: %s", str(error)[:200])
            has_lost_server = True
    return 128 + stopping[0]


def work_through(
    launchpad: LaunchPad, settings: Settings, reservations: Sequence[Reservation]
) -> int:
    """Run the fireworks that are reserved for the job this process runs in, then end.

    Returns
    -------
    int
        0, or 128 + signal number when it was told to stop.
    """
    job = job_id()
    stopping = _stop_on_signals(lambda: mark_stop(settings.runs, job))
    name = worker_name(worker_locks(settings))
    fworker = FWorker(name=name, env=worker_environment(settings))
    return Bundle(launchpad, settings, fworker, job, stopping).run(reservations)


def _stop_on_signals(on_stop: Callable[[], None] = lambda: None) -> list[int]:
    """Return a list that receives the signal which asks this worker to stop."""
    stopping: list[int] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        stopping.append(number)
        on_stop()
        threading.Thread(target=_keep_stopping, daemon=True).start()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    return stopping


def is_work_left(launchpad: LaunchPad, query: Mapping[str, Any]) -> bool:
    """Tell whether a firework is ready, or being run whose end may make another one ready.

    Those that are out on compute nodes without a database are not waited for: their ends come
    with ``heterofire collect``.
    """
    if launchpad.get_fw_ids(dict(query) | {"state": "READY"}, limit=1):
        return True
    busy = dict(query) | {"state": {"$in": ["RUNNING", "RESERVED"]}}
    for firework in launchpad.fireworks.find(busy, {"launches": 1}):
        last = {"launch_id": {"$in": firework["launches"][-1:]}, "fworker.name": OFFLINE}
        if launchpad.launches.find_one(last, {"launch_id": 1}) is None:
            return True
    return False


def _keep_stopping() -> None:
    """Stop the engine, also one that is only about to start."""
    while True:
        stop_running()
        time.sleep(_IDLE_S)


def _queue_again(launchpad: LaunchPad, name: str) -> None:
    """Give back the firework that was interrupted: it goes on when work goes on."""
    launch = launchpad.launches.find_one(
        {"fworker.name": name, "state": "FIZZLED"}, sort=[("launch_id", -1)]
    )
    if launch:
        launchpad.rerun_fw(launch["fw_id"])


def _end_own(launchpad: LaunchPad, name: str) -> list[int]:
    """Put right what this worker, which runs nothing now, seems to be running still.

    A server that went away may have heard of the end of a launch only in part, and FireWorks
    passes over a workflow that stays locked. What was stored is found again, not computed.
    """
    launch = launchpad.launches.find_one({"fworker.name": name}, sort=[("launch_id", -1)])
    if launch is None:
        return []
    held = {"launches": launch["launch_id"], "state": {"$in": ["RESERVED", "RUNNING", "FIZZLED"]}}
    trace = ((launch.get("action") or {}).get("stored_data") or {}).get("_exception") or {}
    own = []
    for firework in launchpad.fireworks.find(held, {"fw_id": 1, "state": 1}):
        if launch["state"] == "COMPLETED":
            launchpad._refresh_wf(firework["fw_id"])
        elif launch["state"] != "FIZZLED" or "pymongo.errors" in trace.get("_stacktrace", ""):
            launchpad.rerun_fw(firework["fw_id"])
        else:
            continue
        own.append(firework["fw_id"])
    return own


def main(argv: Sequence[str] | None = None) -> int:
    """Run one worker process; the pool starts it, or a job of the cluster's queue."""
    parser = argparse.ArgumentParser(description="one heterofire worker")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--engine", required=True)
    parser.add_argument("--query", default="{}", help="which fireworks, as JSON")
    parser.add_argument("--offline", type=Path, nargs="+", help="run these orders, no database")
    parser.add_argument("--fireworks", default="", help="12:34,...: firework and its launch")
    arguments = parser.parse_args(argv)
    die_with_parent()
    os.environ.update(as_parent())
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    logging.getLogger().handlers[0].setLevel(logging.INFO)  # FireWorks' loggers are at DEBUG
    settings = load_settings(engine=arguments.engine, folder=arguments.folder)
    if arguments.offline:
        locks, stopping = worker_locks(settings), _stop_on_signals()
        return run_orders(arguments.offline, settings, locks=locks, stopping=stopping)
    launchpad = open_launchpad(my_launchpad=settings.my_launchpad, embedded=settings.launchpad)
    if settings.my_launchpad is not None:
        wait_for_server(launchpad)
    if arguments.fireworks:
        return work_through(launchpad, settings, Reservation.parse(arguments.fireworks))
    return work(launchpad, settings, json.loads(arguments.query))


def leave(run: Callable[[], int | str | None]) -> None:
    """End this process with what ``run`` returns, at once.

    FireWorks pings from a thread that it does not stop where storing fails, as on a full disk;
    Python would wait an hour for it. The log may lie on that disk, too.
    """
    code: int | str | None = 1
    try:
        code = run()
    except SystemExit as end:
        code = end.code
    except BaseException:
        traceback.print_exc()
    finally:
        with suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code if isinstance(code, int) else int(code is not None))


if __name__ == "__main__":
    leave(main)
