"""A worker: takes one ready firework after the other until none is left for it."""

import argparse
import json
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from fireworks import FWorker, LaunchPad
from fireworks.core.rocket_launcher import launch_rocket

from ..workflows.custody import stop_running
from .bundles import Bundle, mark_stop
from .launchpads import open_launchpad
from .liveness import die_with_parent, worker_name
from .reservations import Reservation
from .schedulers import own_job
from .settings import Settings, load_settings

_log = logging.getLogger(__name__)

_IDLE_S = 0.3


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
        0, or 128 + signal number when it was told to stop.
    """
    name = worker_name(worker_locks(settings))
    stopping = _stop_on_signals()
    fworker = FWorker(name=name, env=worker_environment(settings), query=dict(query))
    while not stopping:
        os.chdir(settings.folder)
        ran = launch_rocket(launchpad, fworker, strm_lvl="CRITICAL")
        if stopping:
            _queue_again(launchpad, name)
        elif not ran:
            if not _somebody_works(launchpad, query):
                return 0
            time.sleep(_IDLE_S)
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
    job = own_job(os.environ)
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


def _keep_stopping() -> None:
    """Stop the engine, also one that is only about to start."""
    while True:
        stop_running()
        time.sleep(_IDLE_S)


def _somebody_works(launchpad: LaunchPad, query: Mapping[str, Any]) -> bool:
    """Tell whether a firework is being run whose end may make another one ready."""
    busy = dict(query) | {"state": {"$in": ["READY", "RUNNING", "RESERVED"]}}
    return bool(launchpad.get_fw_ids(busy, limit=1))


def _queue_again(launchpad: LaunchPad, name: str) -> None:
    """Give back the firework that was interrupted: it goes on when work goes on."""
    launch = launchpad.launches.find_one(
        {"fworker.name": name, "state": "FIZZLED"}, sort=[("launch_id", -1)]
    )
    if launch:
        launchpad.rerun_fw(launch["fw_id"])


def main(argv: Sequence[str] | None = None) -> int:
    """Run one worker process; the pool starts it, or a job of the cluster's queue."""
    parser = argparse.ArgumentParser(description="one heterofire worker")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--engine", required=True)
    parser.add_argument("--query", default="{}", help="which fireworks, as JSON")
    parser.add_argument("--fireworks", default="", help="12:34,...: firework and its launch")
    arguments = parser.parse_args(argv)
    die_with_parent()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    logging.getLogger().handlers[0].setLevel(logging.INFO)  # FireWorks' loggers are at DEBUG
    settings = load_settings(engine=arguments.engine, folder=arguments.folder)
    launchpad = open_launchpad(my_launchpad=settings.my_launchpad, embedded=settings.launchpad)
    if arguments.fireworks:
        return work_through(launchpad, settings, Reservation.parse(arguments.fireworks))
    return work(launchpad, settings, json.loads(arguments.query))


if __name__ == "__main__":
    sys.exit(main())
