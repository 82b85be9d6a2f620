"""What ``submit``, ``launch`` and ``run`` do."""

import json
import sys
from collections.abc import Iterator

from rich.console import Console

from ..workflows.calculations import Calculation
from ..workflows.plans import Plan
from .collecting import collect_first
from .memory_checks import check_memory
from .pool import Pool
from .progress import Progress
from .project import Project
from .reporting import finish_study, refresh_properties
from .status import job_statuses
from .submission import Submission, plan_query, submit_plan


def submit_study(project: Project, plan: Plan, *, dry_run: bool, as_json: bool = False) -> None:
    """Add a plan to the LaunchPad and say what was added."""
    if dry_run:
        print(_what_is_left(project, plan))
        return
    submission = submit_plan(project, plan)
    if as_json:
        print(json.dumps(vars(submission)))
        return
    print(submission_words(submission))


def launch_ready(project: Project, n_workers: int, *, dry_run: bool) -> int:
    """Run what is ready on this machine; the exit code is 1 when a calculation failed."""
    if not dry_run:
        project.check_writable()
        collect_first(project)
    ready = [s for s in job_statuses(project.launchpad) if s.state in ("READY", "WAITING")]
    if dry_run:
        print("\n".join(status.name for status in ready) or "nothing is ready")
        return 0
    check_memory(_queued(project, [status.fw_id for status in ready]), n_workers)
    console = Console(stderr=True)
    with Progress(project.launchpad, console) as progress:
        Pool(project.launchpad, project.settings, n_workers).run(progress.tick)
    return say_failures(project, {})


def _queued(project: Project, fw_ids: list[int]) -> Iterator[Calculation]:
    """Give the calculations of queued fireworks whose engine tells its memory."""
    query = {"fw_id": {"$in": fw_ids}, "spec.heterofire.engine": "gpaw"}
    for document in project.launchpad.fireworks.find(query, {"spec._tasks": 1}):
        task = document["spec"]["_tasks"][0]
        if "calculation" in task:
            yield Calculation.from_dict(task["calculation"])


def run_study(project: Project, plan: Plan, n_workers: int, *, dry_run: bool) -> int:
    """Submit, launch here, print tables and draw figures; 1 when a calculation failed."""
    if dry_run:
        print(_what_is_left(project, plan))
        return 0
    console = Console(stderr=True)
    print_warnings(plan)
    done = project.stored_keys(plan)
    check_memory((step for step in plan.steps if step.key not in done), n_workers)
    submission = submit_plan(project, plan)
    console.print(submission_words(submission), highlight=False)
    query = plan_query(plan)
    if submission.n_stored < submission.n_steps:
        with Progress(project.launchpad, console, query=query, plan=plan) as progress:
            Pool(project.launchpad, project.settings, n_workers, query).run(progress.tick)
    refresh_properties(project, plan)
    finish_study(project, plan)
    n_missing = len(plan.steps) - len(project.stored_keys(plan))
    if n_missing:
        say_failures(project, query)
        print(f"{n_missing} steps of {plan.study} are missing", file=sys.stderr)
    return 1 if n_missing else 0


def submission_words(submission: Submission) -> str:
    """Return what a submission did, in one line."""
    words = [f"{submission.n_steps} steps", f"{submission.n_stored} stored already"]
    if submission.n_added:
        words.append(f"{submission.n_added} fireworks added")
    if submission.n_rerun:
        words.append(f"{submission.n_rerun} failed ones queued again")
    return ", ".join(words)


def print_warnings(plan: Plan) -> None:
    """Print each warning once, with how many calculations it is about."""
    for text, names in plan.grouped_warnings.items():
        about = names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
        print(f"warning: {about}: {text}", file=sys.stderr)


def _what_is_left(project: Project, plan: Plan) -> str:
    """Return which steps would be queued."""
    done = project.stored_keys(plan)
    left = [c.label.name for c in plan.steps if c.key not in done]
    head = f"{len(left)} of {len(plan.steps)} steps would be queued"
    return "\n".join([head, *(f"  {name}" for name in left)])


def say_failures(project: Project, query: dict[str, str]) -> int:
    """Print what failed, why, and what to do; return 1 if anything did."""
    failed = [s for s in job_statuses(project.launchpad, query) if s.state == "FIZZLED"]
    for status in failed:
        print(
            f"failed: {status.name} (in {status.folder})\n  {status.reason}\n  {status.remedy}",
            file=sys.stderr,
        )
    return 1 if failed else 0
