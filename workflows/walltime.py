"""How long the job around this process may still run, as its scheduler tells."""

import os
import re
import subprocess
import time
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from ..structures.errors import InputError

Ask = Callable[[Sequence[str]], str | None]  # a command, to what it printed

_STARTED = "HETEROFIRE_WALLTIME_START"
_JOB_IDS = ("SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "JOB_ID")
_PATIENCE_S = 10
_MARGIN_S = 120.0  # a step that ends, WAVECAR and CHGCAR that are written, a queue that is told
_SHARE = 0.1  # of a job so short that the margin would be most of it


@dataclass(frozen=True, kw_only=True)
class JobTimes:
    """When a job ends, in seconds since the epoch."""

    end: float
    start: float | None = None  # None where nothing tells

    def left(self, now: float | None = None) -> float:
        """Return the seconds that are left; negative when the end has passed."""
        return self.end - (time.time() if now is None else now)

    def length(self, now: float | None = None) -> float:
        """Return the seconds of the whole job, or what is left where its start is not known."""
        return self.left(now) if self.start is None else self.end - self.start


def margin(
    length_s: float, longest_step_s: float | None = None, least_s: float | None = None
) -> float:
    """Return how many seconds before its end a job has to be asked to stop.

    Parameters
    ----------
    length_s
        Of the whole job: one of minutes cannot give 120 s away.
    longest_step_s
        Of the ionic steps so far; None before the first has ended.
    least_s
        What the worker's file asks for (``walltime_margin_s``): 120 s, or a tenth of a short job,
        where it says nothing.

    Examples
    --------
    >>> margin(86400.0), margin(86400.0, 900.0), margin(60.0), margin(86400.0, 9.0, 600.0)
    (120.0, 1800.0, 6.0, 600.0)
    """
    usual = min(_MARGIN_S, _SHARE * max(length_s, 0.0))
    return max(usual if least_s is None else least_s, 2 * (longest_step_s or 0.0))


def worker_options(env: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what the env of my_fworker.yaml says under ``heterofire``; empty without it.

    Raises
    ------
    InputError
        ``walltime_margin_s`` is no number of seconds, or ``max_parts`` no count.

    Examples
    --------
    >>> worker_options({"heterofire": {"walltime_margin_s": 600}})
    {'walltime_margin_s': 600}
    """
    options = env.get("heterofire") or {}
    if not isinstance(options, Mapping):
        raise InputError(f"my_fworker.yaml: env: heterofire must be a mapping, not {options!r}")
    for name, kinds, least in (("walltime_margin_s", (int, float), 0), ("max_parts", (int,), 1)):
        value = options.get(name, least)
        if isinstance(value, bool) or not isinstance(value, kinds) or not value >= least:
            wanted = "seconds" if name == "walltime_margin_s" else "a whole number"
            raise InputError(
                f"my_fworker.yaml: env: heterofire: {name} is {value!r}; wanted {wanted}, at least "
                f"{least}."
            )
    return options


def ask_command(words: Sequence[str]) -> str | None:
    """Return what a scheduler's command prints; None when it is not there, fails or hangs."""
    try:
        done = subprocess.run(
            list(words), capture_output=True, text=True, timeout=_PATIENCE_S, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout if done.returncode == 0 else None


def seconds_left(
    environ: Mapping[str, str] = os.environ, run: Ask = ask_command, now: float | None = None
) -> float | None:
    """Return how many seconds the job around this process may still run.

    Parameters
    ----------
    environ
        The environment that the scheduler gave the job.
    run
        Runs a scheduler's command; replaced where there is none.
    now
        Seconds since the epoch; the clock's by default.

    Returns
    -------
    float or None
        None when there is no limit, or none that can be found out.

    Examples
    --------
    >>> seconds_left({"SLURM_JOB_ID": "7", "SLURM_JOB_END_TIME": "5000"}, now=4400.0)
    600.0
    >>> seconds_left({}) is None
    True
    """
    times = job_times(environ, run)
    return None if times is None else times.left(now)


def job_times(environ: Mapping[str, str] = os.environ, run: Ask = ask_command) -> JobTimes | None:
    """Return start and end of the job around this process; like `seconds_left`.

    SBATCH_TIMELIMIT is not looked at: it is an option of sbatch in minutes, not a fact of a job.
    """
    for find in (_of_slurm, _of_pbs, _of_lsf, _of_grid_engine, _of_our_own):
        times = find(environ, run)
        if times is not None and times.start is None:
            return replace(times, start=_number(environ.get(_STARTED)))
        if times is not None:
            return times
    return None


def note_start(environ: MutableMapping[str, str] = os.environ) -> None:
    """Let this process and those it starts know since when there was work in the job.

    Some schedulers tell the end of a job only. A worker that looks at its clock for the first
    time minutes before that end has to know that the job was longer.
    """
    environ.setdefault(_STARTED, f"{time.time():.0f}")


def job_id(environ: Mapping[str, str] = os.environ) -> str | None:
    """Return the scheduler's id of the job around this process; None outside of jobs.

    Examples
    --------
    >>> job_id({"SLURM_JOB_ID": "7"}), job_id({"PBS_JOBID": "12.server"}), job_id({})
    ('7', '12', None)
    """
    for variable in _JOB_IDS:
        if match := re.match(r"\d+", environ.get(variable, "")):
            return match[0]
    return None


def allotment(environ: Mapping[str, str] = os.environ) -> str | None:
    """Return what tells this stretch of computer time from others: the job, or its given end.

    Examples
    --------
    >>> allotment({"SLURM_JOB_ID": "7"}), allotment({"HETEROFIRE_WALLTIME_END": "1800000000"})
    ('7', 'until 1800000000')
    """
    end = environ.get("HETEROFIRE_WALLTIME_END")
    return job_id(environ) or (f"until {end}" if end else None)


def _of_our_own(environ: Mapping[str, str], _run: Ask) -> JobTimes | None:
    """Return the end that somebody who knows it gave in a variable."""
    end = _number(environ.get("HETEROFIRE_WALLTIME_END"))
    return None if end is None else JobTimes(end=end)


def _of_slurm(environ: Mapping[str, str], run: Ask) -> JobTimes | None:
    """Return the times of a Slurm job: from its environment, or from scontrol."""
    job = environ.get("SLURM_JOB_ID")
    if not job:
        return None
    start = _number(environ.get("SLURM_JOB_START_TIME"))
    end = _number(environ.get("SLURM_JOB_END_TIME"))
    if end is not None:
        return JobTimes(start=start, end=end)
    said = run(["scontrol", "show", "job", job]) or ""
    end = _date(_value(r"\bEndTime=(\S+)", said))
    if end is None or _value(r"\bTimeLimit=(\S+)", said) == "UNLIMITED":
        return None
    return JobTimes(start=start or _date(_value(r"\bStartTime=(\S+)", said)), end=end)


def _of_pbs(environ: Mapping[str, str], run: Ask) -> JobTimes | None:
    """Return the times of a PBS or TORQUE job: from qstat, else PBS_WALLTIME and the node file."""
    job = environ.get("PBS_JOBID")
    if not job:
        return None
    said = re.sub(r"\n\t", "", run(["qstat", "-f", job]) or "")  # long values are folded
    limit = _clock(_value(r"Resource_List\.walltime = (\S+)", said))
    start = _date(_value(r"\b(?:stime|start_time) = (.+)", said))
    if start is None and (used := _clock(_value(r"resources_used\.walltime = (\S+)", said))):
        start = time.time() - used
    if limit is None:
        limit = _number(environ.get("PBS_WALLTIME"))
    if start is None and (nodes := environ.get("PBS_NODEFILE")) and Path(nodes).exists():
        start = Path(nodes).stat().st_mtime  # written when the job starts, on its first node
    if limit is None or start is None:
        return None
    return JobTimes(start=start, end=start + limit)


def _of_lsf(environ: Mapping[str, str], run: Ask) -> JobTimes | None:
    """Return the end of an LSF job: ``time_left`` is "hours:minutes L"."""
    job = environ.get("LSB_JOBID")
    if not job:
        return None
    index = environ.get("LSB_JOBINDEX", "0")
    name = job if index in ("", "0") else f"{job}[{index}]"
    said = run(["bjobs", "-noheader", "-o", "time_left", name]) or ""
    left = _clock(_value(r"(\d+:\d+)", said), smallest="minutes")
    return None if left is None else JobTimes(end=time.time() + left)


def _of_grid_engine(environ: Mapping[str, str], run: Ask) -> JobTimes | None:
    """Return the times of a Grid Engine job: h_rt after the time its entry says it started."""
    job = environ.get("JOB_ID")
    if not job or "SGE_ROOT" not in environ:
        return None
    said = run(["qstat", "-j", job]) or ""
    limit = _value(r"\bh_rt=([\d:]+)", said)
    seconds = _clock(limit) if limit and ":" in limit else _number(limit)
    listed = run(["qstat", "-s", "r", "-xml"]) or ""
    entry = _value(rf"(?s)<JB_job_number>{re.escape(job)}</JB_job_number>(.*?)</job_list>", listed)
    start = _date(_value(r"<JAT_start_time>(\S+?)</JAT_start_time>", entry or ""))
    if seconds is None or start is None:
        return None
    return JobTimes(start=start, end=start + seconds)


def _value(pattern: str, text: str) -> str | None:
    """Return the group of the first match."""
    match = re.search(pattern, text)
    return match[1].strip() if match else None


def _number(text: str | None) -> float | None:
    """Return a positive number, None for anything else."""
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if 0 < number < float("inf") else None


def _clock(text: str | None, smallest: str = "seconds") -> float | None:
    """Return a duration in seconds.

    Examples
    --------
    >>> _clock("100:00:30"), _clock("2-01:00:00"), _clock("1:30", smallest="minutes")
    (360030.0, 176400.0, 5400.0)
    """
    match = re.fullmatch(r"(?:(\d+)-)?(\d+(?::\d+)*)", text or "")
    if match is None:
        return None
    seconds = 0
    for part in match[2].split(":"):
        seconds = 60 * seconds + int(part)
    return 86400.0 * int(match[1] or 0) + seconds * (60.0 if smallest == "minutes" else 1.0)


def _date(text: str | None) -> float | None:
    """Return a local date as seconds since the epoch; None for "Unknown" and the like."""
    if text is None:
        return None
    if text.isdigit():
        return float(text)
    for form in ("%Y-%m-%dT%H:%M:%S", "%a %b %d %H:%M:%S %Y"):
        try:
            return datetime.strptime(text.split(".")[0], form).astimezone().timestamp()
        except ValueError:
            continue
    return None
