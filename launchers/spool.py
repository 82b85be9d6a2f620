"""Calculations for compute nodes that reach no database: ordered, and their results taken in.

Only what an engine does runs on such a node. Inputs are written where the databases are, when the
calculation is ordered: the relaxed structures of its parents are there by then. Outputs are
parsed there as well, when they are taken in: the ends of a band come from the result store, and
the files that VASP leaves are the safest spool there is. `spool_files` has the protocol, `offline`
the node's side.

Every step can be repeated: storing a run twice changes nothing, nor does completing a launch
twice. A kill between two steps is therefore mended by taking in again, in any order.
"""

import fcntl
import logging
import os
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml
from fireworks import FiretaskBase, Firework, FWAction, FWorker, LaunchPad

from ..structures.errors import HeteroError, InputError, RunError, StoreError
from .actions import Outcome, failure, merged, run_task
from .liveness import is_dead, worker_name
from .project import Project
from .recovery import recover
from .settings import Settings
from .spool_files import OFFLINE, VERSION, WITHDRAWN, Spool, not_arrived
from .worker import worker_environment, worker_locks, workers_folder

_log = logging.getLogger(__name__)

MAX_LOST = 5
_BUSY = ["RESERVED", "RUNNING"]
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
    has_job: bool  # a scheduler knows about it
    heterofire: Mapping[str, Any]  # of the firework's spec


def order_firework(project: Project, firework: Firework, launch_id: int) -> Path | None:
    """Write what a compute node needs to run a reserved firework without a database.

    Parameters
    ----------
    project
        Its LaunchPad and result store are used.
    firework, launch_id
        As ``LaunchPad.reserve_fw`` has returned them.

    Returns
    -------
    pathlib.Path or None
        The folder for ``python -m heterofire.launchers.worker --offline``; None when there is
        nothing to compute, and the launch is completed, or failed, already.

    Raises
    ------
    HeteroError
        A database or the run folder cannot be written; the firework is ready again.
    """
    try:
        return _order_or_finish(project, firework, launch_id)
    except RunError:  # the firework itself is to blame
        outcome = Outcome(action=failure(traceback.format_exc()), has_failed=True)
        _complete(project.launchpad, launch_id, firework.fw_id, [outcome])
        return None
    except (HeteroError, OSError):
        project.launchpad.cancel_reservation(launch_id)
        raise


def _order_or_finish(project: Project, firework: Firework, launch_id: int) -> Path | None:
    """Write the order of a reserved firework, or do what there is to do without one."""
    launchpad = project.launchpad
    launch_dir = launchpad.get_launch_by_id(launch_id).launch_dir
    folder = Path(os.path.expandvars(firework.spec.get("_launch_dir", launch_dir))).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    launchpad.change_launch_dir(launch_id, str(folder))
    before, computed, after = split_tasks(firework.tasks)
    outcomes = _run_here(project, before, firework.spec, folder)
    prepared = [o.action.stored_data.get("prepared") for o in outcomes]
    is_over = bool(outcomes) and outcomes[-1].is_last
    if not is_over and "complete" in prepared:  # its outputs are there: RunVasp starts nothing
        outcomes += _run_here(project, [*computed, *after], firework.spec, folder)
        is_over = True
    if is_over or not computed:
        _complete(launchpad, launch_id, firework.fw_id, outcomes)
        return None
    spool = Spool.of(folder, launch_id)
    spool.write("order", _order(project, firework, computed, outcomes))
    launchpad.launches.update_one({"launch_id": launch_id}, {"$set": {"fworker.name": OFFLINE}})
    return spool.folder


def order_ready(
    project: Project, limit: int = 0, query: Mapping[str, Any] | None = None
) -> list[Path]:
    """Reserve and order the fireworks that are ready; return the folders to hand to workers.

    Parameters
    ----------
    project
        Whose LaunchPad and result store are used.
    limit
        Largest number of orders; 0 for all.
    query
        Which fireworks; all by default.
    """
    # Without an env: a database URL may hold a password, and launches are stored with their worker.
    name = worker_name(worker_locks(project.settings))
    fworker = FWorker(name=name, query=dict(query or {}))
    orders: list[Path] = []
    while not limit or len(orders) < limit:
        firework, launch_id = project.launchpad.reserve_fw(fworker, str(project.settings.folder))
        if firework is None:
            break
        folder = order_firework(project, firework, launch_id)
        if folder is not None:
            orders.append(folder)
    return orders


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


def is_offline(settings: Settings) -> bool:
    """Tell whether this project's compute nodes reach no database.

    ``my_fworker.yaml`` says so (``env: {heterofire: {cluster: {offline: true}}}``), or
    ``my_qadapter.yaml`` does as FireWorks does (``rocket_launch: rlaunch singleshot --offline``).
    """
    ours = settings.worker_env.get("heterofire") or {}
    if (ours.get("cluster") or {}).get("offline"):
        return True
    adapter = settings.folder / "my_qadapter.yaml"
    if not adapter.is_file():
        return False
    try:
        content = yaml.safe_load(adapter.read_text(encoding="utf-8")) or {}
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise InputError(f"cannot read {adapter}: {error}") from error
    return "--offline" in str(content.get("rocket_launch", "")).split()


def orders_out(project: Project) -> list[tuple[str, str]]:
    """Return name and state of every order that is not taken in; changes nothing."""
    found = []
    for launch in _launches_out(project.launchpad):
        folder = launch.spool.folder
        states = {"end": "ended", "begun": "running", "order": "waiting"}
        state = next(word for name, word in states.items() if (folder / f"{name}.json").exists())
        found.append((launch.name, state))
    return found


def give_up(project: Project, fw_id: int, reason: str) -> bool:
    """Queue a firework again whose job is gone, unless it has left a result after all.

    Parameters
    ----------
    project, fw_id
        Whose firework.
    reason
        What became of the job, in the scheduler's words.

    Returns
    -------
    bool
        Whether it was lost; False when its result is there and the next `take_in` stores it.
    """
    with _only_one(project):
        for launch in _launches_out(project.launchpad):
            if launch.fw_id == fw_id and not (launch.spool.folder / "end.json").exists():
                _withdraw(project.launchpad, launch, reason)
                return True
    return False


def queue_again(launchpad: LaunchPad, fw_id: int, reason: str) -> bool:
    """Make a lost firework ready again; after `MAX_LOST` times it fails, with all reasons.

    Returns
    -------
    bool
        Whether it is queued again.
    """
    document = launchpad.fireworks.find_one({"fw_id": fw_id}, {"spec.heterofire": 1, "launches": 1})
    about = document["spec"].get("heterofire", {})
    reasons = [*about.get("lost_reasons", []), reason]
    if len(reasons) > MAX_LOST:
        listed = "\n".join(f"  {n}. {text}" for n, text in enumerate(reasons, start=1))
        action = failure(f"RunError: lost {len(reasons)} times:\n{listed}")
        launchpad.complete_launch(document["launches"][-1], action, "FIZZLED")
        return False
    lost = {"spec.heterofire.n_lost": len(reasons), "spec.heterofire.lost_reasons": reasons}
    launchpad.fireworks.update_one({"fw_id": fw_id}, {"$set": lost})
    launchpad.rerun_fw(fw_id)
    return True


def run_what_needs_a_database(project: Project) -> int:
    """Run here the ready fireworks that only need the databases; return how many there were.

    Density differences and derived properties: no job is worth their seconds, and no compute node
    without a database can do them.
    """
    name = worker_name(worker_locks(project.settings))
    n_run = 0
    while ready := _ready(project.launchpad):
        for fw_id in ready:
            # By query: FireWorks gives a firework that is asked for by id to a second one as well.
            fworker = FWorker(name=name, query={"fw_id": fw_id})
            folder = str(project.settings.folder)
            firework, launch_id = project.launchpad.reserve_fw(fworker, folder)
            if firework is not None:
                order_firework(project, firework, launch_id)
                n_run += 1
    return n_run


def split_tasks(
    tasks: Sequence[FiretaskBase],
) -> tuple[list[FiretaskBase], list[FiretaskBase], list[FiretaskBase]]:
    """Return the tasks before, on and after a node without a database.

    Raises
    ------
    RunError
        A task in between needs one.
    """
    needs = [bool(getattr(task, "needs_database", False)) for task in tasks]
    if all(needs):
        return list(tasks), [], []
    first = needs.index(False)
    last = len(needs) - needs[::-1].index(False)
    if any(needs[first:last]):
        names = ", ".join(type(task).__name__ for task in tasks)
        raise RunError(
            f"{names}: a task in the middle needs the result database, which compute nodes do not "
            "reach. Split the firework, or run it where they do."
        )
    return list(tasks[:first]), list(tasks[first:last]), list(tasks[last:])


def _ready(launchpad: LaunchPad) -> list[int]:
    """Return the ready fireworks of which every task needs a database."""
    query = {"state": "READY", "spec.heterofire": {"$exists": True}}
    found = [launchpad.get_fw_by_id(fw_id) for fw_id in launchpad.get_fw_ids(query)]
    return [fw.fw_id for fw in found if fw.tasks and not split_tasks(fw.tasks)[1]]


def _order(
    project: Project,
    firework: Firework,
    tasks: Sequence[FiretaskBase],
    outcomes: Sequence[Outcome],
) -> dict[str, Any]:
    """Return the content of an order: no secret, no POTCAR, nothing of the databases."""
    left_out = ("_tasks", "_fw_env", "_priority")
    spec = {k: v for k, v in firework.to_dict()["spec"].items() if k not in left_out}
    about = {k: v for k, v in spec.get("heterofire", {}).items() if k != "database"}
    return {
        "version": VERSION,
        "fw_id": firework.fw_id,
        "name": firework.name,
        "sender": worker_name(worker_locks(project.settings)),
        "spec": spec | {"heterofire": about},
        "tasks": [task.to_dict() for task in tasks],
        "before": [outcome.action.to_dict() for outcome in outcomes],
    }


def _run_here(
    project: Project, tasks: Sequence[FiretaskBase], spec: Mapping[str, Any], folder: Path
) -> list[Outcome]:
    """Run tasks on this machine until one of them is the last."""
    outcomes: list[Outcome] = []
    whole = {**spec, "_fw_env": worker_environment(project.settings)}
    for task in tasks:
        outcomes.append(run_task(task, whole, folder))
        if outcomes[-1].is_last:
            break
        whole.update(outcomes[-1].action.update_spec)
    return outcomes


def _launches_out(launchpad: LaunchPad) -> list[_Launch]:
    """Return the launches that were ordered and are not finished in the LaunchPad."""
    query = {"state": {"$in": _BUSY}, "launches": {"$ne": []}}
    fields = {"fw_id": 1, "name": 1, "launches": 1, "spec.heterofire": 1}
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
                    has_job=any("reservation_id" in entry for entry in launch["state_history"]),
                    heterofire=firework["spec"].get("heterofire", {}),
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
    is_queued = _withdraw(project.launchpad, launch, reason)
    (taken.again if is_queued else taken.failed).append((launch.name, reason))


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


def _withdraw(launchpad: LaunchPad, launch: _Launch, reason: str) -> bool:
    """Keep a late job from running what is lost, and queue it again; False when it has failed."""
    launch.spool.write("begun", {"by": WITHDRAWN, "reason": reason})
    return queue_again(launchpad, launch.fw_id, reason)


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
        outcomes += _run_here(project, after, firework.spec, launch.spool.run_folder)
    _complete(project.launchpad, launch.launch_id, launch.fw_id, outcomes, end)
    if outcomes[-1].has_failed:
        taken.failed.append((launch.name, _message(outcomes[-1].action)))
    else:
        taken.done.append(launch.name)


def _complete(
    launchpad: LaunchPad,
    launch_id: int,
    fw_id: int,
    outcomes: Sequence[Outcome],
    end: Mapping[str, Any] | None = None,
) -> None:
    """Finish a launch in the LaunchPad, with the times of the node."""
    state = "FIZZLED" if outcomes[-1].has_failed else "COMPLETED"
    if end and end.get("began"):
        _set_state(launchpad, launch_id, "RUNNING", str(end["began"]))
    launchpad.complete_launch(launch_id, merged([o.action for o in outcomes]), state)
    found = launchpad.fireworks.find_one({"fw_id": fw_id}, {"state": 1})
    if found["state"] in _BUSY:  # FireWorks passes over a workflow that somebody holds locked
        raise StoreError(f"firework {fw_id}: its workflow is locked by another process; try again")
    if end:
        launchpad.launches.update_one(
            {"launch_id": launch_id, "state_history.state": state},
            {"$set": {"state_history.$.created_on": str(end["ended"])}},
        )


def _mark_running(launchpad: LaunchPad, launch: _Launch) -> None:
    """Show a launch that a node has taken up as running, with its job's number."""
    begun = launch.spool.begun() or {}
    if begun.get("job") and not launch.has_job:
        launchpad.set_reservation_id(launch.launch_id, begun["job"])
    if _set_state(launchpad, launch.launch_id, "RUNNING", str(begun.get("at", ""))):
        launchpad._refresh_wf(launch.fw_id)
    launchpad.ping_launch(launch.launch_id)


def _set_state(launchpad: LaunchPad, launch_id: int, state: str, since: str) -> bool:
    """Set the state of a launch that is out, and since when; False when it had it already."""
    launch = launchpad.get_launch_by_id(launch_id)
    if launch.state not in ("RESERVED", "READY"):
        return False
    launch.state = state
    if since:
        launch.state_history[-1]["created_on"] = datetime.fromisoformat(since)
    launchpad.launches.find_one_and_replace({"launch_id": launch_id}, launch.to_db_dict())
    return True


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
        if launch.has_job or not (gone or old):
            return ""
        reason = "it was ordered, but no job was submitted for it"
        is_ours = launch.spool.begin({"by": WITHDRAWN, "reason": reason})
        return reason if is_ours else ""  # else it was taken up in this very moment
    if begun["by"] == WITHDRAWN:
        return str(begun["reason"])
    if is_dead(str(begun["by"]), locks):
        return f"its worker died ({begun['by']})"
    silent_s = _age(project, launch.spool.folder / "beat.json")
    if not launch.has_job and silent_s > _SILENT_S:
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
