"""Workers on this machine: started, watched, replaced when they die, ended together."""

import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fireworks import LaunchPad
from pymongo.errors import PyMongoError

from ..structures.errors import HeteroError
from ..workflows.walltime import job_times, note_start, worker_options
from .job_ends import is_time_up, not_halted_here
from .orphans import as_parent
from .recovery import recover
from .servers import is_lost_server, wait_for_server
from .settings import Settings
from .worker import is_work_left, worker_locks, workers_folder

_log = logging.getLogger(__name__)

_POLL_S = 0.25
_MAX_DEATHS = 20
_SAY_S, _PATIENCE_S = 10.0, 900.0  # a cycle of a large field takes minutes, and then it is kept


class Pool:
    """N worker processes on one LaunchPad.

    Parameters
    ----------
    launchpad, settings
        Of the project.
    n_workers
        How many calculations run at a time.
    query
        Which fireworks they take; all by default.
    """

    def __init__(
        self,
        launchpad: LaunchPad,
        settings: Settings,
        n_workers: int,
        query: Mapping[str, Any] | None = None,
    ) -> None:
        self._launchpad = launchpad
        self._settings = settings
        self._n_workers = n_workers
        self._asked = dict(query or {})
        self._query = self._asked | not_halted_here()
        self._processes: list[subprocess.Popen[bytes]] = []
        note_start()
        self._times = job_times()
        self._margin_s = worker_options(settings.worker_env).get("walltime_margin_s")
        self._n_deaths = 0
        self._has_lost_server = False

    def run(self, on_tick: Callable[[], None]) -> None:
        """Work until nothing is left that could be run; ``on_tick`` is called all the while.

        Raises
        ------
        HeteroError
            Workers die again and again; the message names their log.
        """
        recover(self._launchpad, worker_locks(self._settings))
        try:
            while self._goes_on(on_tick):
                time.sleep(_POLL_S)
        finally:
            self._end_all()
        on_tick()
        if self._launchpad.get_fw_ids(self._asked | {"state": "READY"}, limit=1):
            _log.warning("this job is at its end; what is left goes on with the next launch")

    def _can_go_on(self) -> bool:
        """Tell whether there is work, and time for it in the job around this process."""
        return self._is_work_left() and not is_time_up(self._times, self._margin_s)

    def _goes_on(self, on_tick: Callable[[], None]) -> bool:
        """Look after the workers once; False when nothing is left to do."""
        try:
            if self._has_lost_server:
                wait_for_server(self._launchpad)
                recover(self._launchpad, worker_locks(self._settings))
                self._has_lost_server = False
            self._keep_workers()
            if not self._processes:
                return False
            on_tick()
        except (PyMongoError, RuntimeError) as error:
            if not is_lost_server(error):
                raise
            _log.warning("lost the MongoDB server: %s", str(error)[:200])
            self._has_lost_server = True
        return True

    def _is_work_left(self) -> bool:
        """Tell whether a firework is ready or being run."""
        return is_work_left(self._launchpad, self._query)

    def _keep_workers(self) -> None:
        """Replace workers that died, as long as there is work; start the first ones."""
        for process in [p for p in self._processes if p.poll() is not None]:
            self._processes.remove(process)
            if process.returncode != 0:
                self._count_death(process.returncode)
        if len(self._processes) < self._n_workers and self._can_go_on():
            while len(self._processes) < self._n_workers:
                self._processes.append(self._start_worker(len(self._processes)))

    def _count_death(self, code: int) -> None:
        """Queue again what a dead worker ran, unless workers die without end."""
        self._n_deaths += 1
        folder = workers_folder(self._settings)
        if self._n_deaths > _MAX_DEATHS:
            raise HeteroError(
                f"{self._n_deaths} workers died (last exit code {code}); their logs are in {folder}"
            )
        _log.warning("a worker died with exit code %d", code)
        recover(self._launchpad, worker_locks(self._settings))

    def _start_worker(self, number: int) -> subprocess.Popen[bytes]:
        """Start one worker process; what it prints goes into its log."""
        folder = workers_folder(self._settings)
        folder.mkdir(parents=True, exist_ok=True)
        command = [
            sys.executable,
            "-P",
            "-m",
            "heterofire.launchers.worker",
            "--folder",
            str(self._settings.folder),
            "--engine",
            self._settings.engine,
            "--query",
            json.dumps(self._query),
        ]
        log = Path(folder) / f"worker-{number + 1}.log"
        with log.open("ab") as stream:
            return subprocess.Popen(
                command,
                stdout=stream,
                stderr=stream,
                start_new_session=True,
                env=os.environ | as_parent(),
            )

    def _end_all(self) -> None:
        """Ask all workers to end, and wait until they have put their work back.

        Their engines end between two cycles. One that still writes when the next run takes up its
        folder would spoil that, so they are waited for, unless a second Ctrl-C comes.
        """
        for process in self._processes:
            process.terminate()
        end = time.monotonic() + _PATIENCE_S
        try:
            if self._wait_until(time.monotonic() + _SAY_S):
                _log.warning("waiting for running cycles to end; Ctrl-C again does not wait")
                self._wait_until(end)
        except KeyboardInterrupt:
            _log.warning("not waited for: calculations go on from their last checkpoint")
        for process in self._processes:
            process.kill()
            process.wait()
        self._processes.clear()

    def _wait_until(self, end: float) -> bool:
        """Wait for all workers to end; tell whether one is left at that time."""
        while any(process.poll() is None for process in self._processes):
            if time.monotonic() > end:
                return True
            time.sleep(_POLL_S)
        return False
