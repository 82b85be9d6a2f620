"""From a plan into the LaunchPad: only what is neither stored nor queued already."""

from dataclasses import dataclass

from fireworks import LaunchPad

from ..workflows.flows import study_flow
from ..workflows.plans import Plan
from .project import Project
from .recovery import recover, rerun_failed
from .worker import worker_locks

_OPEN = ["READY", "RUNNING", "WAITING", "RESERVED", "FIZZLED", "PAUSED"]


@dataclass(frozen=True, kw_only=True)
class Submission:
    """What a submission found and did."""

    n_steps: int  # in the plan: calculations and density differences
    n_stored: int  # already in the result store
    n_added: int  # fireworks new in the LaunchPad, the deriving one included
    n_rerun: int  # failed fireworks that are queued again


def submit_plan(project: Project, plan: Plan) -> Submission:
    """Add a plan to the LaunchPad, or take up the one that is there.

    Parameters
    ----------
    project
        Whose LaunchPad and result store are used.
    plan
        The planned study.

    Returns
    -------
    Submission
        Submitting the same plan twice adds nothing; calculations that failed are queued again.
    """
    project.check_writable()
    launchpad, settings = project.launchpad, project.settings
    _start_counting(launchpad)
    recover(launchpad, worker_locks(settings))
    done = project.stored_keys(plan)
    n_all = len(plan.steps)
    queued = _open_workflow(launchpad, plan)
    if queued:
        rerun = rerun_failed(launchpad, queued)
        return Submission(n_steps=n_all, n_stored=len(done), n_added=0, n_rerun=len(rerun))
    if len(done) == n_all:
        return Submission(n_steps=n_all, n_stored=n_all, n_added=0, n_rerun=0)
    _archive_older(launchpad, plan)
    settings.runs.mkdir(parents=True, exist_ok=True)
    database = None if "://" in settings.database else settings.database  # URLs may hold secrets
    flow = study_flow(plan, runs=settings.runs, database=database, done=done)
    launchpad.add_wf(flow)
    return Submission(n_steps=n_all, n_stored=len(done), n_added=len(flow.fws), n_rerun=0)


def _start_counting(launchpad: LaunchPad) -> None:
    """Give a new MongoDB LaunchPad its first ids; FireWorks asks for a reset, which deletes."""
    collections = (launchpad.fw_id_assigner, launchpad.fireworks, launchpad.workflows)
    if all(collection.find_one({}, {"_id": 1}) is None for collection in collections):
        launchpad._restart_ids(1, 1)


def plan_query(plan: Plan) -> dict[str, str]:
    """Return the query that matches the fireworks of this very plan."""
    return {"spec.heterofire.plan": plan.identity}


def _open_workflow(launchpad: LaunchPad, plan: Plan) -> list[int]:
    """Return the firework ids of an unfinished workflow of this very plan."""
    query = {"metadata.plan": plan.identity, "state": {"$in": _OPEN}}
    workflow = launchpad.workflows.find_one(query, {"nodes": 1})
    return list(workflow["nodes"]) if workflow else []


def _archive_older(launchpad: LaunchPad, plan: Plan) -> None:
    """Put away what an earlier version of the study left in the queue; stored results stay."""
    query = {
        "metadata.study": plan.study,
        "metadata.profile": plan.profile,
        "metadata.engine": plan.engine,
        "state": {"$in": _OPEN},
    }
    for workflow in list(launchpad.workflows.find(query, {"nodes": 1})):
        busy = {"fw_id": {"$in": workflow["nodes"]}, "state": {"$in": ["RUNNING", "RESERVED"]}}
        if not launchpad.get_fw_ids(busy, limit=1):
            launchpad.archive_wf(workflow["nodes"][0])
