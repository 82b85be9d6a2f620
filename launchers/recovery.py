"""What a killed worker leaves behind in a LaunchPad, put right.

FireWorks judges a lost run by time alone (4 h without a ping). Workers of heterofire claim to
live by a lock that the kernel drops with them, so a dead one is known at once, and a live one, or
one of another machine, is never touched. Of jobs on a cluster the scheduler knows more
(`reconciling`): they are left alone here. On MongoDB a kill may also fall between two changes that
belong together; the embedded LaunchPad makes them one.
"""

import logging
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from fireworks import LaunchPad

from .launchpads import rerun_lost
from .liveness import is_dead
from .reservations import forget_losses, job_of

_log = logging.getLogger(__name__)

_OURS = {"spec.heterofire": {"$exists": True}}
_WATCH_S = 2.0  # live processes spend milliseconds in the states that are watched


def recover(launchpad: LaunchPad, locks: Path) -> list[int]:
    """Queue again what dead workers were running, and mend half-written workflow states.

    Parameters
    ----------
    launchpad
        The LaunchPad.
    locks
        The file by which the workers claim to live.

    Returns
    -------
    list of int
        Fireworks that are queued again; finished outputs in their folders are kept and used.
    """
    for fw_id in _lasting(lambda: _locked(launchpad)):
        _log.warning("the workflow of firework %d was left locked: freed", fw_id)
        launchpad.workflows.update_one({"nodes": fw_id}, {"$unset": {"locked": True}})
    _remove_orphans(launchpad)
    lost = rerun_lost(launchpad)
    for fw_id in _of_dead_workers(launchpad, locks) | _lasting(lambda: _half_taken(launchpad)):
        launchpad.rerun_fw(fw_id)
        lost.append(fw_id)
    for fw_id in lost:
        _log.warning("firework %d was lost with its worker: queued again", fw_id)
    _refresh_stuck(launchpad)
    return lost


def rerun_failed(launchpad: LaunchPad, fw_ids: Iterable[int]) -> list[int]:
    """Queue failed fireworks again."""
    query = {"fw_id": {"$in": list(fw_ids)}, "state": "FIZZLED"}
    failed = list(launchpad.get_fw_ids(query))
    forget_losses(launchpad, failed)
    for fw_id in failed:
        launchpad.rerun_fw(fw_id)
    return failed


def _lasting(suspects: Callable[[], set[int]]) -> set[int]:
    """Return those that are suspect all through the watch; without suspects there is no watch."""
    lasting = suspects()
    end = time.monotonic() + _WATCH_S
    while lasting and time.monotonic() < end:
        time.sleep(0.1)
        lasting &= suspects()
    return lasting


def _of_dead_workers(launchpad: LaunchPad, locks: Path) -> set[int]:
    """Return the fireworks whose worker is dead."""
    found = set()
    query = _OURS | {"state": {"$in": ["RUNNING", "RESERVED"]}, "launches": {"$ne": []}}
    for firework in launchpad.fireworks.find(query, {"fw_id": 1, "launches": 1}):
        last = {"launch_id": firework["launches"][-1]}
        launch = launchpad.launches.find_one(last, {"fworker.name": 1, "state_history": 1})
        if launch and not job_of(launch) and is_dead(str(launch["fworker"]["name"]), locks):
            found.add(firework["fw_id"])
    return found


def _half_taken(launchpad: LaunchPad) -> set[int]:
    """Return fireworks that are checked out at this moment but have no launch yet."""
    query = _OURS | {"state": "RESERVED", "launches": []}
    return set(launchpad.get_fw_ids(query))


def _locked(launchpad: LaunchPad) -> set[int]:
    """Return one firework of each workflow that is locked now."""
    found = launchpad.workflows.find({"locked": {"$exists": True}}, {"nodes": 1})
    return {workflow["nodes"][0] for workflow in found}


def _remove_orphans(launchpad: LaunchPad) -> None:
    """Remove fireworks of a submission that was killed before its workflow was written."""
    ids = set(launchpad.get_fw_ids(_OURS | {"state": {"$in": ["READY", "WAITING"]}}))
    for workflow in launchpad.workflows.find({}, {"nodes": 1}):
        ids -= set(workflow["nodes"])
    if ids:
        _log.warning("%d fireworks of a half-written submission are removed", len(ids))
        launchpad.fireworks.delete_many({"fw_id": {"$in": sorted(ids)}})


def _refresh_stuck(launchpad: LaunchPad) -> None:
    """Wake fireworks whose parents are all done, but which were never told."""
    query = {"state": {"$in": ["READY", "RUNNING", "WAITING", "RESERVED"]}}
    for workflow in launchpad.workflows.find(query, {"nodes": 1, "links": 1, "parent_links": 1}):
        found = launchpad.fireworks.find(
            {"fw_id": {"$in": workflow["nodes"]}}, {"fw_id": 1, "state": 1}
        )
        states = {firework["fw_id"]: firework["state"] for firework in found}
        parents = {int(k): v for k, v in workflow.get("parent_links", {}).items()}
        for fw_id, state in states.items():
            above = parents.get(fw_id, [])
            if state == "WAITING" and all(states.get(p) == "COMPLETED" for p in above):
                launchpad._refresh_wf(fw_id)
