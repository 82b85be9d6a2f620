"""VASP, or the engine that stands in for it, run through custodian."""

import logging
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..results.run_reports import read_corrections
from ..structures.errors import EngineError
from .corrections import forget_corrections
from .stopcars import remove_mark, remove_stopcars

_log = logging.getLogger(__name__)

_running: list[Any] = []  # the custodian jobs of this process, for a signal handler to stop

_POLL_S = 0.1  # custodian's own 10 s would idle after every short run
_MONITOR_EVERY_S = 30.0
_MONITOR_SHARE = 1 / 200  # of the time that is left, where that is short


def run_vasp(
    folder: Path,
    command: Sequence[str],
    deadline: float | None = None,
    length_s: float | None = None,
    margin_s: float | None = None,
) -> tuple[str, ...]:
    """Run the command in the folder and let custodian correct known errors.

    Parameters
    ----------
    folder
        A run folder with its inputs.
    command
        Program and arguments, such as ``["srun", "vasp_std"]``; no shell reads them.
    deadline
        When the job around this process ends, in seconds since the epoch: early enough STOPCAR
        is written (see `clock.Clock`). None: there is no limit.
    length_s
        Of that job; what is left of it by default.
    margin_s
        How early at least; see `walltime.margin`.

    Returns
    -------
    tuple of str
        What was corrected, in order, in this run and in the parts before it.

    Raises
    ------
    EngineError
        The program cannot be started, died, or has an error custodian cannot correct; the
        message ends with the last lines it printed.
    """
    from custodian.custodian import CustodianError, ReturnCodeError  # slow to import
    from custodian.vasp.jobs import VaspJob

    from .continuing import was_halted

    if shutil.which(command[0]) is None:
        raise EngineError(
            f"cannot start {command[0]!r}: there is no such program on this machine. Set vasp_cmd "
            "in the env of my_fworker.yaml, and load the modules it needs."
        )
    remove_mark(folder)
    job = VaspJob(list(command), backup=False, auto_gamma=False, auto_npar=False)
    custodian = _custodian(folder, job, deadline, length_s, margin_s)
    _running.append(job)
    try:
        custodian.run()
    except CustodianError as error:
        if not was_halted(folder):  # srun may call a run that STOPCAR ended a failure
            if not isinstance(error, ReturnCodeError):  # a kill says nothing against corrections
                forget_corrections(folder)
            raise EngineError(_last_words(folder, command, str(error))) from error
    finally:
        _running.remove(job)
        _stop(job)
        if deadline is not None:
            remove_stopcars(folder)
    return read_corrections(folder)[0]


def _custodian(
    folder: Path,
    job: Any,
    deadline: float | None,
    length_s: float | None,
    margin_s: float | None,
) -> Any:
    """Return the custodian of a job, with the clock that stops it where there is a deadline."""
    from custodian import Custodian  # slow to import

    from .clock import Clock, Deadline, StepTimes
    from .handlers import handlers_for

    steps = StepTimes(folder)
    handlers, every = handlers_for(folder, steps), _MONITOR_EVERY_S
    if deadline is not None:
        left = deadline - time.time()
        until = Deadline(end=deadline, length_s=length_s or left, margin_s=margin_s)
        handlers.append(Clock(until, steps))
        every = min(every, max(_POLL_S, _MONITOR_SHARE * left))
    return Custodian(
        handlers,
        [job],
        max_errors=5,
        polling_time_step=_POLL_S,
        monitor_freq=max(1, round(every / _POLL_S)),
        directory=str(folder),
    )


def stop_running() -> None:
    """Ask the engine that this process runs, if any, to end; it leaves what it can go on from."""
    for job in _running:
        process = getattr(job, "_vasp_process", None)
        if process is not None and process.poll() is None:
            process.terminate()


def _stop(job: Any) -> None:
    """End the engine's process if it still runs, kindly first."""
    process = getattr(job, "_vasp_process", None)
    if process is None or process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(timeout=30)
    except subprocess.TimeoutExpired:
        process.kill()


def _last_words(folder: Path, command: Sequence[str], reason: str) -> str:
    """Return an error message with what the program printed last."""
    words: list[str] = []
    for name in ("std_err.txt", "vasp.out"):
        path = folder / name
        if path.is_file():
            lines = path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            words += [f"  {name}: {line}" for line in lines[-4:]]
    said = "\n".join(words) or "  it printed nothing"
    return f"{' '.join(command)} failed in {folder}: {reason}\n{said}"
