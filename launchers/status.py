"""What is going on: the state of every firework, the step it is at, why it failed."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fireworks import LaunchPad

from .reservations import job_of, loss_words
from .schedulers import JobFacts, Scheduler

_STEP = re.compile(rb"^\s*(\d+) F= *(\S+) E0= *(\S+)", re.MULTILINE)
_FORCE = re.compile(rb"fmax= *([\d.]+)")
_EXCEPTION = re.compile(r"^[\w.]+(Error|Exception|Exit)\b")
_TAIL_BYTES = 4096
_PROJECTION = {
    **{"fw_id": 1, "name": 1, "state": 1, "launches": 1, "spec._launch_dir": 1},
    **{"spec.heterofire.parts": 1, "spec.heterofire.lost": 1},
}


@dataclass(frozen=True, kw_only=True)
class JobStatus:
    """One firework as people want to see it."""

    fw_id: int
    name: str
    state: str  # FireWorks' word
    folder: str
    step: int | None  # ionic step it is at, while it runs
    energy_f_ev: float | None  # F of that step
    force_ev_per_ang: float | None  # largest force of that step, where the engine prints it
    elapsed_s: float | None  # since its last start, or from start to end
    outcome: Mapping[str, Any]  # what ParseRun said: status, e0_ev, n_steps ...
    reason: str  # why it failed
    remedy: str  # what to do about it
    job: str = ""  # id of its job, while it waits or runs in a cluster's queue
    job_state: str = ""  # the scheduler's word on it: pending, running, ending, gone
    job_reason: str = ""  # why it waits, or how it ended
    lost: str = ""  # jobs it was lost with before, and why

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        return asdict(self) | {"outcome": dict(self.outcome)}


def job_statuses(launchpad: LaunchPad, query: Mapping[str, Any] | None = None) -> list[JobStatus]:
    """Return the status of all matching fireworks, in the order they were submitted.

    A calculation in several parts is one: its last part stands for all of them.
    """
    wanted = {"spec.heterofire": {"$exists": True}, **(query or {})}
    wanted.setdefault("state", {"$ne": "ARCHIVED"})
    found = sorted(launchpad.fireworks.find(wanted, _PROJECTION), key=lambda d: -d["fw_id"])
    statuses = [_status(launchpad, document) for document in found]
    return [status for status in statuses if not _goes_on_elsewhere(status)]


def _goes_on_elsewhere(status: JobStatus) -> bool:
    """Tell whether a firework ended for lack of time, so that another one is its continuation."""
    return status.state == "COMPLETED" and "continued" in status.outcome


def with_jobs(statuses: Sequence[JobStatus], scheduler: Scheduler) -> list[JobStatus]:
    """Return the statuses joined with what the scheduler says, which is asked once.

    Raises
    ------
    QueueError
        The scheduler does not answer.
    """
    facts = scheduler.jobs({status.job for status in statuses if status.job})
    return [_joined(status, facts.get(status.job)) for status in statuses]


def _joined(status: JobStatus, facts: JobFacts | None) -> JobStatus:
    """Return a status with the facts of its job."""
    if facts is None:
        return status
    return replace(status, job_state=facts.state, job_reason=facts.reason)


def counts(statuses: Sequence[JobStatus]) -> dict[str, int]:
    """Return how many fireworks are in each state."""
    return dict(Counter(status.state for status in statuses))


def _status(launchpad: LaunchPad, document: Mapping[str, Any]) -> JobStatus:
    """Return the status of one firework."""
    launch = _last_launch(launchpad, document["launches"])
    stored = ((launch or {}).get("action") or {}).get("stored_data") or {}
    state, folder = document["state"], document["spec"].get("_launch_dir", "")
    running = state == "RUNNING"
    step, energy = last_step(Path(folder)) if running else (None, None)
    reason = _reason(stored) if state == "FIZZLED" else ""
    outcome = {k: v for k, v in stored.items() if not k.startswith("_")}
    if before := document["spec"].get("heterofire", {}).get("parts"):
        outcome.setdefault("n_parts", len(before) + 1)
    return JobStatus(
        fw_id=document["fw_id"],
        name=document["name"],
        state=state,
        folder=folder,
        step=step,
        energy_f_ev=energy,
        force_ev_per_ang=last_force(Path(folder)) if running else None,
        elapsed_s=_elapsed(launch),
        outcome=outcome,
        reason=reason,
        remedy=_remedy(reason) if reason else "",
        job=(job_of(launch or {}) or "") if state in ("RESERVED", "RUNNING") else "",
        lost=loss_words((document["spec"].get("heterofire") or {}).get("lost", [])),
    )


def _last_launch(launchpad: LaunchPad, launches: Sequence[int]) -> Mapping[str, Any] | None:
    """Return the last launch of a firework."""
    if not launches:
        return None
    fields = {"action.stored_data": 1, "state_history": 1}
    found: Mapping[str, Any] | None = launchpad.launches.find_one(
        {"launch_id": launches[-1]}, fields
    )
    return found


def last_step(folder: Path) -> tuple[int | None, float | None]:
    """Return number and F (eV) of the last ionic step in OSZICAR, of the first image of a band."""
    for path in (folder / "OSZICAR", folder / "01" / "OSZICAR"):
        if steps := _STEP.findall(_tail(path)):
            return int(steps[-1][0]), float(steps[-1][1])
    return None, None


def last_force(folder: Path) -> float | None:
    """Return the largest force (eV/Angstrom) that the engine printed last; VASP prints none."""
    forces = _FORCE.findall(_tail(folder / "vasp.out"))
    return float(forces[-1]) if forces else None


def _tail(path: Path) -> bytes:
    """Return the end of a file, nothing where there is none."""
    try:
        with path.open("rb") as stream:
            stream.seek(max(0, path.stat().st_size - _TAIL_BYTES))
            return stream.read()
    except OSError:
        return b""


def _elapsed(launch: Mapping[str, Any] | None) -> float | None:
    """Return how long the last launch has run, or ran, in seconds."""
    times = {
        entry["state"]: _time(entry["created_on"])
        for entry in (launch or {}).get("state_history", [])
    }
    start = times.get("RUNNING")
    if start is None:
        return None
    end = times.get("COMPLETED") or times.get("FIZZLED") or datetime.now(UTC)
    return round((end - start).total_seconds(), 2)


def _time(value: Any) -> datetime:
    """Return a time that FireWorks stored as text or as a date, in UTC."""
    time = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _reason(stored: Mapping[str, Any]) -> str:
    """Return the message of the exception that ended a firework."""
    trace = (stored.get("_exception") or {}).get("_stacktrace", "").strip()
    if not trace:
        return "no reason was recorded"
    lines = trace.splitlines()
    starts = [
        i for i, line in enumerate(lines) if re.match(r"^[\w.]+(Error|Exception|Exit)\b", line)
    ]
    message = "\n".join(lines[starts[-1] :] if starts else lines[-1:])
    return re.sub(r"^(?:heterofire[\w.]*\.)?(\w+): ", r"\1: ", message)


def _remedy(reason: str) -> str:
    """Return the next step for a kind of failure."""
    if reason.startswith(("RunError", "EngineError", "StructureError", "InputError")):
        return "mend what the message names, then run the same command again"
    if reason.startswith("QueueError"):
        return "look into the jobs' output in runs/.jobs, then run `heterofire submit` again"
    return "look into vasp.out and std_err.txt in the folder, then run the same command again"
