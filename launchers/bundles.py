"""What a job of the cluster's queue does: it works through the fireworks reserved for it."""

import logging
import os
import re
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fireworks import FWorker, LaunchPad
from fireworks.core.rocket_launcher import launch_rocket
from pymongo.errors import PyMongoError

from ..structures.errors import StoreError
from ..structures.files import write_atomic
from ..workflows.walltime import job_times, note_start, worker_options
from .job_ends import is_time_up
from .reservations import Reservation, count_loss, holds, job_of, release, reserve, set_job
from .settings import Settings

_log = logging.getLogger(__name__)

_PATIENCE_S = 1800.0  # how long a job waits for a LaunchPad that does not answer
_RETRY_S = 5.0
# custodian's words for an engine that a signal ended: -9 of a child, 128 + 9 of a shell or srun.
_KILLED = re.compile(r"return code is (-\d+|13[0-9]|14[0-3])\b")
_NO_LAUNCHPAD = re.compile(r"^(pymongo\.errors\.\w+|[\w.]*StoreError)\b", re.MULTILINE)
_NO_JOB = "0"  # a job script that was started by hand


def jobs_folder(runs: Path) -> Path:
    """Return the folder with the scripts and outputs of jobs."""
    return runs / ".jobs"


def stop_marker(runs: Path, job: str) -> Path:
    """Return the file that says when a job was told to stop."""
    return jobs_folder(runs) / "stopped" / job


def mark_stop(runs: Path, job: str | None) -> None:
    """Write down that a job is told to stop, in case it has no time left to say more."""
    if job is not None:
        write_atomic(stop_marker(runs, job), datetime.now(UTC).isoformat())


class Bundle:
    """The fireworks of one job, one after the other.

    Parameters
    ----------
    launchpad, settings
        Of the project.
    fworker
        Name and environment of this worker.
    job
        Id of the job this process runs in; None when it runs in none.
    stopping
        Receives the signal that asks this worker to stop.
    """

    def __init__(
        self,
        launchpad: LaunchPad,
        settings: Settings,
        fworker: FWorker,
        job: str | None,
        stopping: Sequence[int],
    ) -> None:
        self._launchpad = launchpad
        self._settings = settings
        self._fworker = fworker
        self._job = job or _NO_JOB
        self._stopping = stopping

    def run(self, reservations: Sequence[Reservation]) -> int:
        """Run what is still reserved for this job.

        Returns
        -------
        int
            0, or 128 + signal number when it was told to stop.
        """
        note_start()
        times = job_times()
        margin_s = worker_options(self._settings.worker_env).get("walltime_margin_s")
        for reservation in reservations:
            if is_time_up(times, margin_s):
                _log.warning("firework %d is for a later job: no time is left", reservation.fw_id)
                release(self._launchpad, reservation)
                continue
            left: Reservation | None = reservation
            end = time.monotonic() + _PATIENCE_S
            while left is not None and not self._stopping:
                try:
                    left = self._run_one(left)
                except (PyMongoError, StoreError) as error:
                    if time.monotonic() > end:
                        raise
                    _log.warning("firework %d: the LaunchPad: %s", reservation.fw_id, error)
                    time.sleep(_RETRY_S)
        return 128 + self._stopping[0] if self._stopping else 0

    def _run_one(self, reservation: Reservation) -> Reservation | None:
        """Run one firework; return what is to be tried again."""
        mine = self._take(reservation)
        if mine is None:
            return None
        os.chdir(self._settings.folder)
        try:
            launch_rocket(self._launchpad, self._fworker, fw_id=mine.fw_id, strm_lvl="CRITICAL")
        except (PyMongoError, StoreError) as error:
            _log.warning("firework %d: the LaunchPad: %s", mine.fw_id, error)
            time.sleep(_RETRY_S)
            return mine  # its outputs are in the folder: they are parsed, not computed again
        return self._judge(mine)

    def _take(self, reservation: Reservation) -> Reservation | None:
        """Make sure that a firework is this job's; None when it is not any more."""
        state = holds(self._launchpad, reservation)
        if state not in ("RESERVED", "RUNNING"):
            return None
        # The submitter may have died between the submission and writing down the job's id.
        set_job(self._launchpad, reservation.launch_id, self._job)
        launch = self._launchpad.launches.find_one(
            {"launch_id": reservation.launch_id}, {"state_history": 1}
        )
        if job_of(launch or {}) != self._job:
            _log.warning("firework %d is reserved for another job", reservation.fw_id)
            return None
        if state == "RESERVED":
            return reservation
        # This job again: the scheduler has restarted it, or the LaunchPad was away for a while.
        self._launchpad.rerun_fw(reservation.fw_id)
        return self._reserve_again(reservation.fw_id)

    def _reserve_again(self, fw_id: int) -> Reservation | None:
        """Reserve a firework of this job anew."""
        folder = jobs_folder(self._settings.runs)
        again = reserve(self._launchpad, fw_id, self._fworker.name, folder)
        if again is not None:
            set_job(self._launchpad, again.launch_id, self._job)
        return again

    def _judge(self, reservation: Reservation) -> Reservation | None:
        """Give back what was interrupted and is no failure of the calculation."""
        if holds(self._launchpad, reservation) != "FIZZLED":
            return None
        said = self._stacktrace(reservation.launch_id)
        if self._stopping:
            count_loss(self._launchpad, reservation, self._job, "")
        elif match := _KILLED.search(said):
            reason = f"its engine was killed: {match[0]}"
            count_loss(self._launchpad, reservation, self._job, reason)
        elif _NO_LAUNCHPAD.search(said):
            reason = "the LaunchPad or the result store did not answer"
            if count_loss(self._launchpad, reservation, self._job, reason) == "queued again":
                return self._reserve_again(reservation.fw_id)
        return None

    def _stacktrace(self, launch_id: int) -> str:
        """Return what ended a launch."""
        query, fields = {"launch_id": launch_id}, {"action.stored_data._exception": 1}
        launch: dict[str, Any] = self._launchpad.launches.find_one(query, fields) or {}
        stored = (launch.get("action") or {}).get("stored_data") or {}
        return str((stored.get("_exception") or {}).get("_stacktrace", ""))
