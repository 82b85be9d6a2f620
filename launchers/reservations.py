"""Which job of a cluster's queue a firework belongs to, and what happens when that is lost.

FireWorks' reservation mode: a firework is RESERVED by a launch, and the launch bears the job's id.
A job is given pairs of firework and launch; a firework that has another launch by the time the job
starts was released meanwhile, and is not the job's any more.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fireworks import FWAction, FWorker, LaunchPad

MAX_LOST = 5
_OPEN = ("RESERVED", "RUNNING", "FIZZLED")


@dataclass(frozen=True, kw_only=True)
class Reservation:
    """A firework that is reserved by a launch."""

    fw_id: int
    launch_id: int

    @classmethod
    def parse(cls, text: str) -> list["Reservation"]:
        """Return the reservations that a job's command line names.

        Examples
        --------
        >>> Reservation.parse("12:34,13:35")[1]
        Reservation(fw_id=13, launch_id=35)
        """
        pairs = (pair.split(":") for pair in text.split(",") if pair)
        return [cls(fw_id=int(fw_id), launch_id=int(launch_id)) for fw_id, launch_id in pairs]

    def __str__(self) -> str:
        return f"{self.fw_id}:{self.launch_id}"


def job_of(launch: Mapping[str, Any]) -> str | None:
    """Return the id of the job that a launch belongs to.

    Examples
    --------
    >>> job_of({"state_history": [{"state": "RESERVED", "reservation_id": "7"}]})
    '7'
    """
    for entry in launch.get("state_history", []):
        if entry.get("reservation_id"):
            return str(entry["reservation_id"])
    return None


def reserve(launchpad: LaunchPad, fw_id: int, worker: str, folder: Path) -> Reservation | None:
    """Reserve a firework if it is ready; None when somebody else was first."""
    # By the worker's query and not by FireWorks' fw_id, which takes RESERVED ones a second time.
    fworker = FWorker(name=worker, query={"fw_id": fw_id})
    _, launch_id = launchpad.reserve_fw(fworker, str(folder))
    return None if launch_id is None else Reservation(fw_id=fw_id, launch_id=launch_id)


def set_job(launchpad: LaunchPad, launch_id: int, job: str) -> bool:
    """Note the job's id in a reserving launch that has none; tell whether it was noted.

    FireWorks' own way reads the launch and writes it back: a job that starts at once would then
    find its RUNNING overwritten. This changes one field only.
    """
    unnamed = {
        "launch_id": launch_id,
        "state_history.0.state": "RESERVED",
        "state_history.0.reservation_id": {"$exists": False},
    }
    change = {"$set": {"state_history.0.reservation_id": job}}
    return bool(launchpad.launches.update_one(unnamed, change).matched_count)


def holds(launchpad: LaunchPad, reservation: Reservation) -> str | None:
    """Return the firework's state if it still belongs to this very launch."""
    firework = launchpad.fireworks.find_one(
        {"fw_id": reservation.fw_id}, {"state": 1, "launches": 1}
    )
    if not firework or firework["launches"][-1:] != [reservation.launch_id]:
        return None
    return str(firework["state"])


def release(launchpad: LaunchPad, reservation: Reservation) -> bool:
    """Make a firework ready again that was reserved and has not started."""
    if holds(launchpad, reservation) != "RESERVED":
        return False
    launchpad.cancel_reservation(reservation.launch_id)
    return True


def count_loss(
    launchpad: LaunchPad, reservation: Reservation, job: str, reason: str, *, hopeless: bool = False
) -> str:
    """Queue a firework again whose job was lost, or let it fail when that was once too often.

    Parameters
    ----------
    launchpad
        The LaunchPad.
    reservation
        The firework and the launch that was lost.
    job
        Id of the job.
    reason
        Why, in the scheduler's words; empty when the scheduler has not been asked yet.
    hopeless
        Whether it would only happen again.

    Returns
    -------
    str
        ``queued again``, ``failed``, or empty when the firework is not that launch's any more.
    """
    if holds(launchpad, reservation) not in _OPEN:
        return ""
    loss = {"job": job, "reason": reason, "time": datetime.now(UTC).isoformat()}
    one = {"fw_id": reservation.fw_id}
    launchpad.fireworks.update_one(one, {"$push": {"spec.heterofire.lost": loss}})
    about = launchpad.fireworks.find_one(one, {"spec.heterofire": 1})["spec"]["heterofire"]
    if len(about["lost"]) <= about.get("max_lost", MAX_LOST) and not hopeless:
        launchpad.rerun_fw(reservation.fw_id)
        return "queued again"
    times = "once" if len(about["lost"]) == 1 else f"{len(about['lost'])} times"
    words = f"QueueError: lost {times}: {loss_words(about['lost'])}"
    action = FWAction(stored_data={"_exception": {"_stacktrace": words, "_details": None}})
    launchpad.complete_launch(reservation.launch_id, action, "FIZZLED")
    return "failed"


def loss_words(lost: list[Mapping[str, str]]) -> str:
    """Return the history of losses in one line.

    Examples
    --------
    >>> loss_words([{"job": "7", "reason": "TIMEOUT"}, {"job": "9", "reason": ""}])
    'job 7 TIMEOUT; job 9 was told to stop'
    >>> loss_words([{"job": "", "reason": "its worker is silent"}])
    'its worker is silent'
    """
    told = [(loss["job"], loss["reason"] or "was told to stop") for loss in lost]
    return "; ".join(f"job {job} {reason}" if job else reason for job, reason in told)


def forget_losses(launchpad: LaunchPad, fw_ids: list[int]) -> None:
    """Begin to count anew, for fireworks that a person queues again."""
    query = {"fw_id": {"$in": fw_ids}, "spec.heterofire.lost": {"$exists": True}}
    launchpad.fireworks.update_many(query, {"$unset": {"spec.heterofire.lost": ""}})
