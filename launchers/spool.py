"""Results of compute nodes that reach no database: taken in once, in any order.

The ends of a band come from the result store, and the files that VASP leaves are the safest spool
there is: outputs are parsed here, not on the node. `ordering` sends out, `spool_files` has the
protocol, `offline` the node's side.

Every step can be repeated: storing a run twice changes nothing, nor does completing a launch
twice. A kill between two steps is therefore mended by taking in again.
"""

import fcntl
import logging
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from fireworks import FWAction, LaunchPad

from ..structures.errors import HeteroError, RunError, StoreError
from .actions import Outcome
from .liveness import is_dead
from .ordering import BUSY, complete, run_here, set_state, split_tasks
from .project import Project
from .recovery import recover
from .reservations import Reservation, count_loss, job_of, set_job
from .spool_files import WITHDRAWN, Spool, not_arrived
from .worker import worker_locks, workers_folder

_log = logging.getLogger(__name__)

_ARRIVING_S = 600.0  # how long files of another machine may stay unseen
_UNCLAIMED_S = 3600.0  # an order without a job of which nobody has heard since
_SILENT_S = 4 * 3600.0  # FireWorks' own patience with a worker


@dataclass
class TakenIn:
    """What became of the calculations that had been ordered: names of fireworks, with reasons."""

    done: list[str] = field(default_factory=list)  # completed: stored, or to be continued
    failed: list[tuple[str, str]] = field(default_factory=list)
    again: list[tuple[str, str]] = field(default_factory=list)  # lost, and queued again
    running: list[str] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    troubles: list[tuple[str, str]] = field(default_factory=list)  # left for next time

    @property
    def n_out(self) -> int:
        """Return how many are still out."""
        return len(self.running) + len(self.waiting) + len(self.troubles)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        return asdict(self) | {"n_out": self.n_out}


@dataclass(frozen=True, kw_only=True)
class _Launch:
    """A launch of which the outcome is not in the LaunchPad yet."""

    launch_id: int
    fw_id: int
    name: str
    spool: Spool
    job: str  # that a scheduler knows about; empty where there is none


def take_in(project: Project) -> TakenIn:
    """Store the results that compute nodes have left, and bring the LaunchPad up to date.

    Safe to call at any time, by several processes, and again after a kill: one takes in while
    the others wait, and what is taken in already is left alone.
    """
    taken = TakenIn()
    with _only_one(project):
        recover(project.launchpad, worker_locks(project.settings))
        for launch in _launches_out(project.launchpad):
            try:
                _settle(project, launch, taken)
            except (HeteroError, OSError) as error:
                taken.troubles.append((launch.name, str(error)))
            except RuntimeError as error:  # FireWorks', about a workflow that it cannot refresh
                taken.troubles.append((launch.name, str(error).strip().splitlines()[-1]))
    return taken


def orders_out(project: Project) -> list[tuple[str, str]]:
    """Return name and state of every order that is not taken in; changes nothing."""
    found = []
    for launch in _launches_out(project.launchpad):
        folder = launch.spool.folder
        states = {"end": "ended", "begun": "running", "order": "waiting"}
        state = next(word for name, word in states.items() if (folder / f"{name}.json").exists())
        found.append((launch.name, state))
    return found


def give_up(project: Project, fw_id: int, reason: str) -> str:
    """Queue a firework again whose job is gone, unless it has left a result after all.

    Parameters
    ----------
    project, fw_id
        Whose firework.
    reason
        What became of the job, in the scheduler's words.

    Returns
    -------
    str
        ``queued again``, ``failed`` when that was once too often, or empty when its result is
        there and the next `take_in` stores it.
    """
    with _only_one(project):
        for launch in _launches_out(project.launchpad):
            if launch.fw_id == fw_id and not (launch.spool.folder / "end.json").exists():
                return _withdraw(project.launchpad, launch, reason)
    return ""


def _launches_out(launchpad: LaunchPad) -> list[_Launch]:
    """Return the launches that were ordered and are not finished in the LaunchPad."""
    query = {"state": {"$in": BUSY}, "launches": {"$ne": []}}
    fields = {"fw_id": 1, "name": 1, "launches": 1}
    found = []
    for firework in list(launchpad.fireworks.find(query, fields)):
        launch = launchpad.launches.find_one(
            {"launch_id": firework["launches"][-1]},
            {"launch_id": 1, "launch_dir": 1, "state_history.reservation_id": 1},
        )
        spool = Spool.of(Path(launch["launch_dir"]), launch["launch_id"])
        if (spool.folder / "order.json").exists():
            found.append(
                _Launch(
                    launch_id=launch["launch_id"],
                    fw_id=firework["fw_id"],
                    name=firework["name"],
                    spool=spool,
                    job=job_of(launch) or "",
                )
            )
    return found


def _settle(project: Project, launch: _Launch, taken: TakenIn) -> None:
    """Bring one launch up to date in the LaunchPad, and note what was found."""
    try:
        reason = _look_at(project, launch, taken)
    except RunError as error:  # a damaged file of the spool; the outputs beside it are used again
        reason = str(error)
    if not reason:
        return
    outcome = _withdraw(project.launchpad, launch, reason)
    (taken.failed if outcome == "failed" else taken.again).append((launch.name, reason))


def _look_at(project: Project, launch: _Launch, taken: TakenIn) -> str:
    """Take in what a launch has left; return why it is lost, if it is."""
    end = launch.spool.end()
    if end is not None:
        if end["state"] == "INTERRUPTED":
            return str(end["reason"])
        if late := _arriving(launch, end):
            text = f"this machine does not see {', '.join(late[:3])} as the node left them yet"
            taken.troubles.append((launch.name, text))
        else:
            _store(project, launch, end, taken)
        return ""
    if reason := _why_lost(project, launch):
        # A worker may have ended well between the two looks.
        return reason if launch.spool.end() is None else _look_at(project, launch, taken)
    if launch.spool.begun() is None:
        taken.waiting.append(launch.name)
    else:
        _mark_running(project.launchpad, launch)
        taken.running.append(launch.name)
    return ""


def _withdraw(launchpad: LaunchPad, launch: _Launch, reason: str) -> str:
    """Keep a late job from running what is lost, and count the loss; return what came of it."""
    launch.spool.write("begun", {"by": WITHDRAWN, "reason": reason})
    reservation = Reservation(fw_id=launch.fw_id, launch_id=launch.launch_id)
    return count_loss(launchpad, reservation, launch.job, reason)


def _arriving(launch: _Launch, end: Mapping[str, Any]) -> list[str]:
    """Return the files that this machine does not see yet, unless it has been waiting for long."""
    ended = datetime.fromisoformat(end["ended"]).timestamp()
    if time.time() - ended > _ARRIVING_S:
        return []
    return not_arrived(launch.spool.run_folder, end["files"])


def _store(project: Project, launch: _Launch, end: Mapping[str, Any], taken: TakenIn) -> None:
    """Run what is left to do with a database, and complete the launch."""
    firework = project.launchpad.get_fw_by_id(launch.fw_id)
    order = launch.spool.order() or {}
    outcomes = [Outcome(action=FWAction.from_dict(action)) for action in order["before"]]
    for number in range(1, len(order["tasks"]) + 1):
        if content := launch.spool.task(number):
            action = FWAction.from_dict(content["action"])
            outcomes.append(Outcome(action=action, has_failed=content["failed"]))
    if not outcomes[-1].is_last:
        after = split_tasks(firework.tasks)[2]
        outcomes += run_here(project, after, firework.spec, launch.spool.run_folder)
    complete(project.launchpad, launch.launch_id, launch.fw_id, outcomes, end)
    if outcomes[-1].has_failed:
        taken.failed.append((launch.name, _message(outcomes[-1].action)))
    else:
        taken.done.append(launch.name)


def _mark_running(launchpad: LaunchPad, launch: _Launch) -> None:
    """Show a launch that a node has taken up as running, with its job's number."""
    begun = launch.spool.begun() or {}
    if begun.get("job") and not launch.job:
        set_job(launchpad, launch.launch_id, str(begun["job"]))
    if set_state(launchpad, launch.launch_id, "RUNNING", str(begun.get("at", ""))):
        launchpad._refresh_wf(launch.fw_id)
    launchpad.ping_launch(launch.launch_id)


def _why_lost(project: Project, launch: _Launch) -> str:
    """Return why a launch without a result is lost; empty while it may still be coming.

    Where a scheduler knows the job, its answer decides (`give_up`); here only what a file tells.
    """
    locks = worker_locks(project.settings)
    begun = launch.spool.begun()
    if begun is None:
        order = launch.spool.order() or {}
        gone = is_dead(str(order.get("sender", "")), locks)
        old = _age(project, launch.spool.folder / "order.json") > _UNCLAIMED_S
        if launch.job or not (gone or old):
            return ""
        reason = "it was ordered, but no job was submitted for it"
        is_ours = launch.spool.begin({"by": WITHDRAWN, "reason": reason})
        return reason if is_ours else ""  # else it was taken up in this very moment
    if begun["by"] == WITHDRAWN:
        return str(begun["reason"])
    if is_dead(str(begun["by"]), locks):
        return f"its worker died ({begun['by']})"
    silent_s = _age(project, launch.spool.folder / "beat.json")
    if not launch.job and silent_s > _SILENT_S:
        return f"its worker has been silent for {silent_s / 3600:.1f} h ({begun['by']})"
    return ""


def _age(project: Project, path: Path) -> float:
    """Return the seconds since a file was written, by the clock of its file system."""
    clock = _lock_file(project)
    os.utime(clock)
    try:
        return clock.stat().st_mtime - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _message(action: FWAction) -> str:
    """Return the last line of the exception that an action records."""
    trace: str = (action.stored_data.get("_exception") or {}).get("_stacktrace", "")
    return trace.strip().splitlines()[-1] if trace.strip() else "no reason was recorded"


def _lock_file(project: Project) -> Path:
    folder = workers_folder(project.settings)
    folder.mkdir(parents=True, exist_ok=True)
    return folder / "collecting"


@contextmanager
def _only_one(project: Project) -> Iterator[None]:
    """Let one process take in at a time; the kernel frees the lock of one that dies."""
    path = _lock_file(project)
    with path.open("ab") as handle:
        try:
            fcntl.lockf(handle, fcntl.LOCK_EX)
        except OSError as error:
            raise StoreError(f"{path} cannot be locked: {error}") from error
        yield
