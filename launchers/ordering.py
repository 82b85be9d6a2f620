"""Calculations ordered for compute nodes that reach no database, and what is run here instead.

Only what an engine does runs on such a node. Inputs are written where the databases are, when the
calculation is ordered: the relaxed structures of its parents are there by then. Outputs are
parsed there as well, when they are taken in (`spool`).
"""

import os
import traceback
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from fireworks import FiretaskBase, Firework, FWorker, LaunchPad

from ..structures.errors import HeteroError, RunError, StoreError
from .actions import Outcome, failure, merged, run_task
from .liveness import worker_name
from .project import Project
from .qadapters import load_qadapter
from .settings import Settings
from .spool_files import OFFLINE, VERSION, Spool
from .worker import worker_environment, worker_locks

BUSY = ["RESERVED", "RUNNING"]


def is_offline(settings: Settings) -> bool:
    """Tell whether this project's compute nodes reach no database.

    ``my_fworker.yaml`` says so (``env: {heterofire: {cluster: {offline: true}}}``), or
    ``my_qadapter.yaml`` does as FireWorks does (``rocket_launch: rlaunch singleshot --offline``).
    """
    ours = settings.worker_env.get("heterofire") or {}
    if (ours.get("cluster") or {}).get("offline"):
        return True
    if settings.my_qadapter is None:
        return False
    return "--offline" in load_qadapter(settings.my_qadapter).words("rocket_launch")


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
        complete(project.launchpad, launch_id, firework.fw_id, [outcome])
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
    outcomes = run_here(project, before, firework.spec, folder)
    prepared = [o.action.stored_data.get("prepared") for o in outcomes]
    is_over = bool(outcomes) and outcomes[-1].is_last
    if not is_over and "complete" in prepared:  # its outputs are there: RunVasp starts nothing
        outcomes += run_here(project, [*computed, *after], firework.spec, folder)
        is_over = True
    if is_over or not computed:
        complete(launchpad, launch_id, firework.fw_id, outcomes)
        return None
    spool = Spool.of(folder, launch_id)
    spool.write("order", _order(project, firework, computed, outcomes))
    launchpad.launches.update_one({"launch_id": launch_id}, {"$set": {"fworker.name": OFFLINE}})
    return spool.folder


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


def run_here(
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


def complete(
    launchpad: LaunchPad,
    launch_id: int,
    fw_id: int,
    outcomes: Sequence[Outcome],
    end: Mapping[str, Any] | None = None,
) -> None:
    """Finish a launch in the LaunchPad, with the times of the node."""
    state = "FIZZLED" if outcomes[-1].has_failed else "COMPLETED"
    if end and end.get("began"):
        set_state(launchpad, launch_id, "RUNNING", str(end["began"]))
    launchpad.complete_launch(launch_id, merged([o.action for o in outcomes]), state)
    found = launchpad.fireworks.find_one({"fw_id": fw_id}, {"state": 1})
    if found["state"] in BUSY:  # FireWorks passes over a workflow that somebody holds locked
        raise StoreError(f"firework {fw_id}: its workflow is locked by another process; try again")
    if end:
        launchpad.launches.update_one(
            {"launch_id": launch_id, "state_history.state": state},
            {"$set": {"state_history.$.created_on": str(end["ended"])}},
        )


def set_state(launchpad: LaunchPad, launch_id: int, state: str, since: str) -> bool:
    """Set the state of a launch that is out, and since when; False when it had it already."""
    launch = launchpad.get_launch_by_id(launch_id)
    if launch.state not in ("RESERVED", "READY"):
        return False
    launch.state = state
    if since:
        launch.state_history[-1]["created_on"] = datetime.fromisoformat(since)
    launchpad.launches.find_one_and_replace({"launch_id": launch_id}, launch.to_db_dict())
    return True
