"""Jobs that are gone, told by the scheduler; their fireworks queued again or given up.

FireWorks judges a lost job by time alone. Here the scheduler is asked, once for all jobs; a job
that it says is alive is never touched, and without an answer nothing is.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from fireworks import LaunchPad

from .bundles import stop_marker
from .cluster_files import MISCONFIGURED
from .liveness import is_known_alive
from .reservations import Reservation, count_loss, job_of, release
from .schedulers import JobFacts, Scheduler
from .spool_files import OFFLINE

_OURS = {"spec.heterofire": {"$exists": True}}
_SLACK = timedelta(seconds=5)  # an engine may die of the signal before its worker hears it
_SAY_IT_ALL = ("CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED", "killed by")
_UNNAMED_FOR = timedelta(hours=1)


@dataclass(frozen=True, kw_only=True)
class Mended:
    """What was done about a firework whose job is gone."""

    fw_id: int
    name: str
    job: str
    reason: str
    outcome: str  # "queued again", "failed"


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A firework that a job has, or had."""

    reservation: Reservation
    name: str
    state: str  # FireWorks' word
    job: str | None
    worker: str  # name of who reserved or runs it
    began: datetime  # when it came into that state

    def mended(self, reason: str, outcome: str) -> Mended | None:
        """Return what was done about the firework; None where nothing was."""
        if not outcome:
            return None
        return Mended(
            fw_id=self.reservation.fw_id,
            name=self.name,
            job=self.job or "",
            reason=reason,
            outcome=outcome,
        )


GiveUp = Callable[[int, str], str]  # of a firework, for a reason: what came of it


def reconcile(
    launchpad: LaunchPad,
    scheduler: Scheduler,
    runs: Path,
    locks: Path,
    *,
    give_up: GiveUp = lambda fw_id, reason: "",
) -> list[Mended]:
    """Queue again what jobs have lost; call it with `one_at_a_time`.

    Parameters
    ----------
    launchpad
        The LaunchPad.
    scheduler
        Who knows the jobs.
    runs
        Folder of the run folders, with what stopped workers left there.
    locks
        The file by which workers claim to live. Slurm without cgroups may call a job ended while
        its worker still cleans up; on this machine that is seen.
    give_up
        Queues again what was computed without a database and is lost.

    Returns
    -------
    list of Mended
        Outputs that are complete in their folders are parsed next time, not computed again.

    Raises
    ------
    QueueError
        The scheduler does not answer; nothing was changed then.
    """
    claims = find_claims(launchpad)
    unexplained = _unexplained(launchpad)
    open_jobs = {c.job for c in claims if c.job and c.state != "FIZZLED"}
    facts = scheduler.jobs({*open_jobs, *(job for job, _ in unexplained)})
    mended = [
        found
        for claim in claims
        if not (claim.state == "RUNNING" and is_known_alive(claim.worker, locks))
        and (found := _mend(launchpad, claim, facts, runs, give_up)) is not None
    ]
    unexplained += [(m.job, m.fw_id) for m in mended if not m.reason]
    for job, fw_id in unexplained:
        if job in facts and facts[job].state == "gone":
            _explain(launchpad, fw_id, job, words(facts[job]))
    return mended


def find_claims(launchpad: LaunchPad, *, failed: bool = True) -> list[Claim]:
    """Return all fireworks that are reserved or run by a job, or that failed in one."""
    states = ["RESERVED", "RUNNING", *(["FIZZLED"] if failed else [])]
    query = _OURS | {"state": {"$in": states}, "launches": {"$ne": []}}
    fields = {"fw_id": 1, "name": 1, "state": 1, "launches": 1}
    fireworks = list(launchpad.fireworks.find(query, fields))
    last = {firework["launches"][-1]: firework for firework in fireworks}
    found = launchpad.launches.find(
        {"launch_id": {"$in": list(last)}}, {"launch_id": 1, "state_history": 1, "fworker.name": 1}
    )
    return [_claim(last[launch["launch_id"]], launch) for launch in found]


def words(facts: JobFacts) -> str:
    """Return why a job is gone, as people want to read it.

    Examples
    --------
    >>> words(JobFacts(job_id="7", state="gone", reason="FAILED", exit_code="0:9"))
    'FAILED, killed by signal 9'
    """
    if facts.reason == "COMPLETED":
        return "ended without finishing it"
    if facts.exit_code.partition(":")[0] == str(MISCONFIGURED):
        return "a module could not be loaded; its name is in the job's output in runs/.jobs"
    code, _, number = facts.exit_code.partition(":")  # Slurm: exit code and signal
    if facts.reason.startswith(_SAY_IT_ALL):
        return facts.reason
    if number.strip("0"):
        return f"{facts.reason.split(' (')[0]}, killed by signal {number}"
    return f"{facts.reason}, exit code {code}" if code.strip("0?") else facts.reason


def _claim(firework: Mapping[str, Any], launch: Mapping[str, Any]) -> Claim:
    """Return what a firework and its last launch say about a job."""
    last = launch["state_history"][-1]
    return Claim(
        reservation=Reservation(fw_id=firework["fw_id"], launch_id=launch["launch_id"]),
        name=firework["name"],
        state=firework["state"],
        job=job_of(launch),
        worker=str(launch["fworker"]["name"]),
        began=_time(last["created_on"]),
    )


def _mend(
    launchpad: LaunchPad,
    claim: Claim,
    facts: Mapping[str, JobFacts],
    runs: Path,
    give_up: GiveUp,
) -> Mended | None:
    """Put one firework right, or leave it alone."""
    if claim.worker == OFFLINE:
        return _mend_offline(claim, facts, give_up)
    if claim.job is None:
        return _release_unnamed(launchpad, claim)
    reason, hopeless = "", False
    if claim.state == "FIZZLED":
        if not _was_stopped(claim, runs):
            return None
    elif facts[claim.job].state != "gone":
        return None
    else:
        reason = words(facts[claim.job])
        hopeless = facts[claim.job].exit_code.partition(":")[0] == str(MISCONFIGURED)
    if claim.state == "RESERVED" and _has_run(launchpad, claim.job):
        outcome = "queued again" if release(launchpad, claim.reservation) else ""
    else:  # a job that never starts anything counts too: it would come to nothing for ever
        outcome = count_loss(launchpad, claim.reservation, claim.job, reason, hopeless=hopeless)
    return claim.mended(reason, outcome)


def _mend_offline(claim: Claim, facts: Mapping[str, JobFacts], give_up: GiveUp) -> Mended | None:
    """Put a firework right that a node without a database had; files decide what it has left."""
    if claim.state == "FIZZLED" or claim.job is None or facts[claim.job].state != "gone":
        return None
    reason = words(facts[claim.job])
    return claim.mended(reason, give_up(claim.reservation.fw_id, reason))


def _release_unnamed(launchpad: LaunchPad, claim: Claim) -> Mended | None:
    """Release what was reserved by a submitter that died before it had submitted.

    Of this machine's submitters `recovery` knows that at once; others are judged by time. Should
    there be a job after all, it finds the firework taken from it and leaves it alone.
    """
    if claim.state != "RESERVED" or datetime.now(UTC) - claim.began < _UNNAMED_FOR:
        return None
    outcome = "queued again" if release(launchpad, claim.reservation) else ""
    return claim.mended("was reserved and never submitted", outcome)


def _was_stopped(claim: Claim, runs: Path) -> bool:
    """Tell whether a failure is only that of a job which was told to stop."""
    try:
        stopped = _time(stop_marker(runs, claim.job or "").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return claim.began > stopped - _SLACK


def _has_run(launchpad: LaunchPad, job: str) -> bool:
    """Tell whether a job has started any of its fireworks."""
    query = {"state_history.reservation_id": job, "state_history.state": "RUNNING"}
    return launchpad.launches.find_one(query, {"_id": 1}) is not None


def _unexplained(launchpad: LaunchPad) -> list[tuple[str, int]]:
    """Return jobs that gave back a firework when they were told to stop, nobody knows why."""
    found = launchpad.fireworks.find(
        {"spec.heterofire.lost.reason": ""}, {"fw_id": 1, "spec.heterofire.lost": 1}
    )
    return [
        (loss["job"], firework["fw_id"])
        for firework in found
        for loss in firework["spec"]["heterofire"]["lost"]
        if not loss["reason"]
    ]


def _explain(launchpad: LaunchPad, fw_id: int, job: str, reason: str) -> None:
    """Write down the scheduler's reason for a loss."""
    firework = launchpad.fireworks.find_one({"fw_id": fw_id}, {"spec.heterofire.lost": 1})
    for i, loss in enumerate(firework["spec"]["heterofire"].get("lost", [])):
        if loss["job"] == job and not loss["reason"]:
            change = {"$set": {f"spec.heterofire.lost.{i}.reason": reason}}
            launchpad.fireworks.update_one({"fw_id": fw_id}, change)


def _time(value: Any) -> datetime:
    """Return a time that FireWorks stored as text or as a date, in UTC."""
    time = value if isinstance(value, datetime) else datetime.fromisoformat(str(value).strip())
    return time if time.tzinfo else time.replace(tzinfo=UTC)
