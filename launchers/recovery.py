"""What a killed worker leaves behind in a LaunchPad, put right.

FireWorks judges a lost run by time alone (4 h without a ping). Workers of heterofire claim to
live by a lock that the kernel drops with them, so a dead one is known at once, and a live one, or
one of another machine, is never touched. Of jobs on a cluster the scheduler knows more
(`reconciling`): they are left alone here. On MongoDB a kill may also fall between two changes that
belong together; the embedded LaunchPad makes them one.
"""

import fcntl
import logging
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

from fireworks import LaunchPad

from .launchpads import rerun_lost
from .liveness import is_dead
from .reservations import forget_losses, job_of

_log = logging.getLogger(__name__)

_Suspect = TypeVar("_Suspect")
_OPEN = {"state": {"$in": ["READY", "RUNNING", "WAITING", "RESERVED", "FIZZLED"]}}
_OURS = {"spec.heterofire": {"$exists": True}}
_LONG_LOOK_S = 0.5
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
    with (locks.parent / "recovering").open("ab") as handle:
        # Two at once would each queue again what the other has, and somebody has taken since.
        fcntl.lockf(handle, fcntl.LOCK_EX)
        return _recover(launchpad, locks)


def _recover(launchpad: LaunchPad, locks: Path) -> list[int]:
    """Put right what is wrong; see `recover`."""
    for fw_id, _ in _lasting(lambda: _locked(launchpad)):
        _log.warning("the workflow of firework %d was left locked: freed", fw_id)
        launchpad.workflows.update_one({"nodes": fw_id}, {"$unset": {"locked": True}})
    _remove_orphans(launchpad)
    lost = rerun_lost(launchpad)
    for fw_id, taken_on in _lasting(lambda: _half_taken(launchpad)):
        # Only as it was seen: it may have been given back and taken by a live worker since.
        query = {"fw_id": fw_id, "state": "RESERVED", "launches": [], "updated_on": taken_on}
        ready = launchpad.fireworks.update_one(query, {"$set": {"state": "READY"}})
        lost += [fw_id] * ready.matched_count
    for fw_id in _of_dead_workers(launchpad, locks):
        launchpad.rerun_fw(fw_id)
        lost.append(fw_id)
    for fw_id in lost:
        _log.warning("firework %d was lost with its worker: queued again", fw_id)
    for fw_id in _lasting(lambda: _half_ended(launchpad)):
        _tell_workflow(launchpad, fw_id)
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


def _lasting(suspects: Callable[[], set[_Suspect]]) -> set[_Suspect]:
    """Return those that are suspect all through the watch; without suspects there is no watch.

    The watch starts anew after a look that took long: a server that was paused held up the
    live processes as well.
    """
    lasting = suspects()
    end = time.monotonic() + _WATCH_S
    while lasting and time.monotonic() < end:
        time.sleep(0.1)
        before = time.monotonic()
        lasting &= suspects()
        if time.monotonic() - before > _LONG_LOOK_S:
            end = time.monotonic() + _WATCH_S
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


def _half_taken(launchpad: LaunchPad) -> set[tuple[int, Any]]:
    """Return fireworks that are checked out but have no launch yet, and since when."""
    query = _OURS | {"state": "RESERVED", "launches": []}
    found = launchpad.fireworks.find(query, {"fw_id": 1, "updated_on": 1})
    return {(firework["fw_id"], firework.get("updated_on")) for firework in found}


def _locked(launchpad: LaunchPad) -> set[tuple[int, str]]:
    """Return one firework of each workflow that is locked now, and when it was last changed.

    A busy workflow is locked at every look, but changed between them.
    """
    query = {"locked": {"$exists": True}}
    found = launchpad.workflows.find(query, {"nodes": 1, "updated_on": 1})
    return {(workflow["nodes"][0], str(workflow.get("updated_on"))) for workflow in found}


def _remove_orphans(launchpad: LaunchPad) -> None:
    """Remove fireworks of a submission that was killed before its workflow was written."""
    ids = set(launchpad.get_fw_ids(_OURS | {"state": {"$in": ["READY", "WAITING"]}}))
    for workflow in launchpad.workflows.find({}, {"nodes": 1}):
        ids -= set(workflow["nodes"])
    if ids:
        _log.warning("%d fireworks of a half-written submission are removed", len(ids))
        launchpad.fireworks.delete_many({"fw_id": {"$in": sorted(ids)}})


def _half_ended(launchpad: LaunchPad) -> set[int]:
    """Return fireworks whose last launch is completed, and of which their workflow is not told.

    FireWorks calls some of them FIZZLED: its server went away while it told.
    """
    found: set[int] = set()
    for workflow in launchpad.workflows.find(_OPEN, {"nodes": 1, "fw_states": 1}):
        nodes, known = {"fw_id": {"$in": workflow["nodes"]}}, workflow.get("fw_states", {})
        done = launchpad.get_fw_ids(nodes | {"state": "COMPLETED"})
        found |= {i for i in done if known.get(str(i)) != "COMPLETED"}
        failed = launchpad.fireworks.find(nodes | {"state": "FIZZLED"}, {"fw_id": 1, "launches": 1})
        for firework in failed:
            last = {"launch_id": {"$in": firework["launches"][-1:]}, "state": "COMPLETED"}
            if launchpad.launches.find_one(last, {"launch_id": 1}):
                found.add(firework["fw_id"])
    return found


def _tell_workflow(launchpad: LaunchPad, fw_id: int) -> None:
    """Let the end of a firework have its effects: its children ready, its detours added."""
    _log.warning("firework %d had ended, and its workflow was not told: told now", fw_id)
    # Else FireWorks sees nothing new in it.
    launchpad.fireworks.update_one({"fw_id": fw_id}, {"$set": {"state": "RUNNING"}})
    try:
        launchpad._refresh_wf(fw_id)
    except RuntimeError as error:
        _log.warning("%s", str(error).strip().splitlines()[-1])


def _refresh_stuck(launchpad: LaunchPad) -> None:
    """Wake fireworks whose parents are all done, but which were never told."""
    for workflow in launchpad.workflows.find(_OPEN, {"nodes": 1, "links": 1, "parent_links": 1}):
        found = launchpad.fireworks.find(
            {"fw_id": {"$in": workflow["nodes"]}}, {"fw_id": 1, "state": 1}
        )
        states = {firework["fw_id"]: firework["state"] for firework in found}
        parents = {int(k): v for k, v in workflow.get("parent_links", {}).items()}
        for fw_id, state in states.items():
            above = parents.get(fw_id, [])
            if state == "WAITING" and all(states.get(p) == "COMPLETED" for p in above):
                launchpad._refresh_wf(fw_id)
