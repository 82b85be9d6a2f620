"""What a killed worker leaves behind in a LaunchPad, put right.

FireWorks judges a lost run by time alone (4 h without a ping). Workers of heterofire hold a
file lock while they live, so a dead one is known at once and a live one is never touched.
"""

import logging
import time
from collections.abc import Iterable
from pathlib import Path

from fireworks import LaunchPad

from .liveness import alive_workers, is_alive

_log = logging.getLogger(__name__)

_OURS = {"spec.heterofire": {"$exists": True}}
_LOCK_WATCH_S = 3.0
_CHECKOUT_S = 1.0


def recover(launchpad: LaunchPad, workers: Path) -> list[int]:
    """Queue again what dead workers were running, and mend half-written workflow states.

    Parameters
    ----------
    launchpad
        The LaunchPad.
    workers
        The folder with the workers' lock files.

    Returns
    -------
    list of int
        Fireworks that are queued again; finished outputs in their folders are kept and used.
    """
    _release_stale_locks(launchpad, workers)
    _remove_orphans(launchpad)
    lost = _lost_fireworks(launchpad, workers)
    for fw_id in lost:
        _log.warning("firework %d was lost with its worker: queued again", fw_id)
        launchpad.rerun_fw(fw_id)
    _refresh_stuck(launchpad)
    return lost


def rerun_failed(launchpad: LaunchPad, fw_ids: Iterable[int]) -> list[int]:
    """Queue failed fireworks again."""
    query = {"fw_id": {"$in": list(fw_ids)}, "state": "FIZZLED"}
    failed = list(launchpad.get_fw_ids(query))
    for fw_id in failed:
        launchpad.rerun_fw(fw_id)
    return failed


def _lost_fireworks(launchpad: LaunchPad, workers: Path) -> list[int]:
    """Return fireworks that are RUNNING or half checked out, but whose worker is dead."""
    lost = _dead_or_half_taken(launchpad, workers)
    if lost and alive_workers(workers):
        time.sleep(_CHECKOUT_S)
        lost &= _dead_or_half_taken(launchpad, workers)
    return sorted(lost)


def _dead_or_half_taken(launchpad: LaunchPad, workers: Path) -> set[int]:
    """Return fireworks of dead workers, and those checked out but not launched at this moment.

    Between the two a live worker spends milliseconds, a dead one for ever.
    """
    found = set()
    query = _OURS | {"state": {"$in": ["RUNNING", "RESERVED"]}}
    for firework in launchpad.fireworks.find(query, {"fw_id": 1, "launches": 1, "state": 1}):
        worker = _worker_of(launchpad, firework["launches"])
        half_taken = worker is None and firework["state"] == "RESERVED"
        dead = worker is not None and worker.startswith("heterofire-")
        if half_taken or (dead and not is_alive(workers, str(worker))):
            found.add(firework["fw_id"])
    return found


def _worker_of(launchpad: LaunchPad, launches: list[int]) -> str | None:
    """Return the name of the worker of the last launch."""
    if not launches:
        return None
    launch = launchpad.launches.find_one({"launch_id": launches[-1]}, {"fworker.name": 1})
    return str(launch["fworker"]["name"]) if launch else None


def _release_stale_locks(launchpad: LaunchPad, workers: Path) -> None:
    """Free workflows that a killed process left locked.

    FireWorks holds a workflow's lock for milliseconds; one that stays locked through the whole
    watch has lost its holder. Without this, others would wait five minutes and then give up.
    """
    stuck = _locked(launchpad)
    end = time.monotonic() + (_LOCK_WATCH_S if alive_workers(workers) else 0.0)
    while stuck and time.monotonic() < end:
        time.sleep(0.1)
        stuck &= _locked(launchpad)
    for fw_id in stuck:
        _log.warning("the workflow of firework %d was left locked: freed", fw_id)
        launchpad.workflows.update_one({"nodes": fw_id}, {"$unset": {"locked": True}})


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
