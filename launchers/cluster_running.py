"""What ``launch`` and ``status --repair`` do where jobs go through a cluster's queue."""

import sys
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from fireworks import LaunchPad
from rich.console import Console

from ..structures.errors import QueueError, StoreError
from .job_sizes import job_sizes
from .ordering import is_offline, order_firework
from .progress import Progress
from .project import Project
from .qadapters import QueueAdapter, load_qadapter
from .queueing import Job, Queueing, Sizes, one_at_a_time, submit_ready, would_submit
from .reconciling import Mended, find_claims, reconcile
from .recovery import recover
from .reservations import Reservation
from .schedulers import find_scheduler
from .settings import Settings
from .spool import give_up, take_in
from .status import job_statuses
from .worker import worker_locks

_PATIENCE_S = 1800.0  # how long LaunchPad or scheduler may be away while we follow


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """A project whose jobs go through a queue."""

    project: Project
    qadapter: QueueAdapter
    how: Queueing

    @classmethod
    def of(cls, project: Project, how: Queueing) -> "Cluster":
        """Read and check ``my_qadapter.yaml`` of a project."""
        path = project.settings.my_qadapter
        if path is None:
            raise QueueError(
                "no my_qadapter.yaml in this folder and none named by FW_config.yaml: "
                "`heterofire init --cluster slurm` writes one"
            )
        return cls(project=project, qadapter=load_qadapter(path), how=how)

    def scripts(self) -> list[Job]:
        """Return the jobs that would be submitted; changes nothing."""
        return would_submit(*self._where, self.how, sizes=self._sizes)

    def repair(self) -> list[Mended]:
        """Put right what lost jobs and killed submitters have left."""
        launchpad, settings = self.project.launchpad, self.project.settings
        scheduler, locks = find_scheduler(self.qadapter.kind), worker_locks(settings)
        if is_offline(settings):
            take_in(self.project)
        with one_at_a_time(settings):
            recover(launchpad, locks)
            return reconcile(
                launchpad, scheduler, settings.runs, locks, give_up=partial(give_up, self.project)
            )

    def round(self, console: Console) -> int:
        """Repair, then submit what is ready; return how many jobs were submitted."""
        for mended in self.repair():
            console.print(mended_words(mended), highlight=False, markup=False, soft_wrap=True)
        n_jobs = 0
        order = self._order if is_offline(self.project.settings) else None
        for job in submit_ready(*self._where, self.how, sizes=self._sizes, order=order):
            n_jobs += 1
            console.print(_job_words(job), highlight=False, markup=False, soft_wrap=True)
        return n_jobs

    def follow(self, console: Console, every_s: float = 10.0) -> None:
        """Submit and repair until nothing is left that could run."""
        with Progress(self.project.launchpad, console, query=self.how.query) as progress:
            failing_since: float | None = None
            while True:
                try:
                    self.round(console)
                    progress.tick(force=True)
                    failing_since = None
                    if not self._is_work_left():
                        return
                except Exception as error:
                    if not _passes(error):
                        raise
                    if failing_since is None:
                        console.print(f"waiting: {error}", style="yellow", markup=False)
                    failing_since = failing_since or time.monotonic()
                    if time.monotonic() - failing_since > _PATIENCE_S:
                        raise
                time.sleep(every_s)

    def _order(self, reservation: Reservation) -> Path | None:
        """Write what a node without a database needs."""
        firework = self.project.launchpad.get_fw_by_id(reservation.fw_id)
        return order_firework(self.project, firework, reservation.launch_id)

    @property
    def _where(self) -> tuple[LaunchPad, Settings, QueueAdapter]:
        return self.project.launchpad, self.project.settings, self.qadapter

    @property
    def _sizes(self) -> Sizes | None:
        return job_sizes(self.project.settings, find_scheduler(self.qadapter.kind).kind)

    def _is_work_left(self) -> bool:
        """Tell whether a firework is ready or in a job."""
        query = dict(self.how.query) | {"state": {"$in": ["READY", "RUNNING", "RESERVED"]}}
        query["spec.heterofire"] = {"$exists": True}
        return bool(self.project.launchpad.get_fw_ids(query, limit=1))


def launch_in_queue(
    project: Project, how: Queueing, *, dry_run: bool, follow: bool, every_s: float = 10.0
) -> int:
    """Submit what is ready as jobs; the exit code is 1 when a calculation has failed."""
    from .running import say_failures

    cluster = Cluster.of(project, how)
    if dry_run:
        jobs = cluster.scripts()
        for job in jobs:
            print(f"# {job.name}: {_names(job)}\n{job.script.strip()}\n")
        print(f"{len(jobs)} jobs would be submitted, {how.max_jobs} at most in the queue at a time")
        return 0
    console = Console(stderr=True)
    if follow:
        cluster.follow(console, every_s)
    else:
        n_jobs = cluster.round(console)
        print(_summary(project, n_jobs))
    return say_failures(project, dict(how.query))


def repair_project(project: Project) -> list[Mended]:
    """Reconcile with the scheduler, or with this machine's processes where there is none."""
    if project.settings.my_qadapter is not None:
        return Cluster.of(project, Queueing()).repair()
    orphans = [claim for claim in find_claims(project.launchpad, failed=False) if claim.job]
    if orphans:
        print(
            f"{len(orphans)} fireworks belong to jobs of a cluster's queue, such as job "
            f"{orphans[0].job}: without my_qadapter.yaml nobody can be asked about them",
            file=sys.stderr,
        )
    lost = recover(project.launchpad, worker_locks(project.settings))
    names = {status.fw_id: status.name for status in job_statuses(project.launchpad)}
    return [
        Mended(
            fw_id=fw_id,
            name=names.get(fw_id, f"firework {fw_id}"),
            job="",
            reason="its worker has died",
            outcome="queued again",
        )
        for fw_id in lost
    ]


def mended_words(mended: Mended) -> str:
    """Return what was done about a lost firework, in one line."""
    job = f"job {mended.job} " if mended.job else ""
    return f"{mended.name}: {job}{mended.reason or 'was told to stop'}: {mended.outcome}"


def _passes(error: Exception) -> bool:
    """Tell whether an error is one of being away: of the LaunchPad or of the scheduler."""
    from pymongo.errors import PyMongoError  # slow to import

    if isinstance(error, QueueError):
        return "refused" not in str(error)
    return isinstance(error, StoreError | PyMongoError)


def _names(job: Job) -> str:
    """Return what a job computes, shortened."""
    names = [wanted.name for wanted in job.fireworks]
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _job_words(job: Job) -> str:
    return f"job {job.job_id} {job.name}: {_names(job)}"


def _summary(project: Project, n_jobs: int) -> str:
    """Return what was submitted and what is left, with the next step."""
    found: dict[str, int] = {}
    for status in job_statuses(project.launchpad):
        found[status.state] = found.get(status.state, 0) + 1
    words = f"{n_jobs} jobs submitted; {found.get('RESERVED', 0)} calculations in the queue"
    if left := found.get("READY", 0) + found.get("WAITING", 0):
        words += f", {left} wait: run `heterofire launch` again later, or with --follow"
    return words
