"""A worker on a compute node that reaches no database: runs what was ordered, leaves the results.

It opens neither LaunchPad nor result store. What it needs was written beside the run where the
databases are, and so were the inputs; see `ordering` for that side and `spool_files` for the files.
"""

import fcntl
import logging
import os
import signal
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fireworks import FWAction
from fireworks.utilities.fw_serializers import load_object

from ..structures.errors import HeteroError, InputError, RunError, StoreError
from ..workflows.walltime import job_id
from .actions import Outcome, run_task
from .liveness import worker_name
from .settings import Settings
from .spool_files import VERSION, WITHDRAWN, Spool, file_sizes

_log = logging.getLogger(__name__)

_BEAT_S = 20.0


def run_orders(
    folders: Sequence[Path], settings: Settings, *, locks: Path, stopping: Sequence[int]
) -> int:
    """Run orders one after the other and leave the result of each beside it.

    Parameters
    ----------
    folders
        The folders that `ordering.order_firework` has returned.
    settings
        Of the project; no database that they name is opened.
    locks
        File by which workers claim to live.
    stopping
        Becomes non-empty when this worker is told to stop.

    Returns
    -------
    int
        0 when every order was run or need not be, 1 when one could not be, 128 + signal number
        when it was told to stop. A calculation that failed is a result: 0.
    """
    name, code = _name(locks), 0
    environment = _environment(settings)
    for folder in folders:
        if stopping:
            break
        try:
            state = run_order(Spool(folder.resolve()), environment, name, stopping)
            _log.info("%s: %s", folder, state)
        except HeteroError as error:
            _log.error("%s: %s", folder, error)
            code = 1
    return 128 + stopping[0] if stopping else code


def run_order(
    spool: Spool, environment: Mapping[str, Any], name: str, stopping: Sequence[int] = ()
) -> str:
    """Run one order unless it has ended, was withdrawn or is being run; return how it stands.

    Raises
    ------
    InputError, RunError
        There is no order there, it is damaged, or another process works in the run folder.
    """
    order = spool.order()
    if order is None:
        raise InputError(f"{spool.folder} holds no order.json; heterofire launch writes it.")
    if order["version"] != VERSION:
        raise RunError(f"{spool.folder} was ordered by another version of heterofire: submit anew.")
    with _alone_in(spool.run_folder):
        if (end := spool.end()) is not None:
            return str(end["state"])
        if not spool.is_newest:
            return "superseded by a later launch"
        spool.begin({"by": name, "job": job_id() or "", "at": _now()})
        if (spool.begun() or {}).get("by") == WITHDRAWN:
            return WITHDRAWN
        with _beating(spool):
            return _run_tasks(spool, order, environment, stopping)


def _run_tasks(
    spool: Spool,
    order: Mapping[str, Any],
    environment: Mapping[str, Any],
    stopping: Sequence[int],
) -> str:
    """Run the tasks of an order from the first that has left no result, and write the end."""
    spec = {**order["spec"], "_fw_env": dict(environment)}
    state = "COMPLETED"
    for number, task in enumerate(order["tasks"], start=1):
        outcome = _finished(spool, number)
        if outcome is None:
            outcome = run_task(load_object(task), spec, spool.run_folder)
            # An engine that was told to stop may end without an error, its run unfinished.
            if stopping and (outcome.has_failed or not outcome.is_last):
                state = "INTERRUPTED"
                break
            content = {"failed": outcome.has_failed, "action": outcome.action.to_dict()}
            spool.write(f"task-{number}", content)
        spec.update(outcome.action.update_spec)
        if outcome.is_last:
            state = "FIZZLED" if outcome.has_failed else "COMPLETED"
            break
    reason = f"told to stop by {signal.Signals(stopping[0]).name}" if stopping else ""
    begun = spool.begun() or {}
    end = {"state": state, "reason": reason, "began": begun.get("at"), "ended": _now()}
    spool.write("end", end | {"files": file_sizes(spool.run_folder)})
    return state


def _finished(spool: Spool, number: int) -> Outcome | None:
    """Return what an earlier process of the same job left of a task."""
    content = spool.task(number)
    if content is None:
        return None
    return Outcome(action=FWAction.from_dict(content["action"]), has_failed=content["failed"])


@contextmanager
def _alone_in(run_folder: Path) -> Iterator[None]:
    """Hold the run folder, so that two jobs never compute in it at once."""
    handle = os.open(run_folder / ".offline-lock", os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(handle)
        raise RunError(f"another process computes in {run_folder}; left to it.") from error
    except OSError as error:  # a file system without locks: the scheduler keeps jobs apart
        _log.warning("no locks in %s: %s", run_folder, error)
    try:
        yield
    finally:
        os.close(handle)


@contextmanager
def _beating(spool: Spool) -> Iterator[None]:
    """Say all the while that this worker lives."""
    done = threading.Event()

    def beat() -> None:
        while True:
            try:
                spool.beat()
            except HeteroError as error:  # a full disk is no reason to end the calculation
                _log.warning("%s", error)
            if done.wait(_BEAT_S):
                return

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _environment(settings: Settings) -> dict[str, Any]:
    """Return what the tasks find as ``_fw_env``: the engine, and no database."""
    environment = {k: v for k, v in settings.worker_env.items() if k != "database"}
    return environment | {"vasp_cmd": list(settings.vasp_cmd), "engine": settings.engine}


def _name(locks: Path) -> str:
    """Return this worker's name, with a claim to live where the file system has locks."""
    try:
        return worker_name(locks)
    except StoreError as error:
        _log.warning("%s", error)
        return f"heterofire@{socket.gethostname()}@{os.getpid()}"


def _now() -> str:
    return datetime.now(UTC).isoformat()
