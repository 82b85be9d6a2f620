"""Ready fireworks submitted to the cluster's queue, several small ones in one job."""

import fcntl
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fireworks import LaunchPad

from ..structures.errors import StoreError
from ..structures.files import write_error
from .bundles import jobs_folder
from .liveness import worker_name
from .qadapters import NAME_LENGTHS, QueueAdapter, job_name, rocket_launch
from .reservations import Reservation, release, reserve, set_job
from .schedulers import find_scheduler
from .settings import Settings
from .walltimes import format_walltime, parse_walltime
from .worker import worker_locks

_OURS = {"spec.heterofire": {"$exists": True}}
_FIELDS = {"fw_id": 1, "name": 1, "spec": 1}


@dataclass(frozen=True, kw_only=True)
class Queueing:
    """How to submit."""

    max_jobs: int = 50  # of this user in the queue, waiting and running
    bundle: int = 1  # fireworks in one job, at most
    query: Mapping[str, Any] = field(default_factory=dict)  # which fireworks; all by default


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A firework that is ready, and the job it wants."""

    fw_id: int
    name: str
    about: Mapping[str, Any]  # spec.heterofire
    values: Mapping[str, Any]  # for the queue adapter, where they differ from the file


@dataclass(frozen=True, kw_only=True)
class Job:
    """A job as it was submitted, or would be."""

    job_id: str  # empty when it was not submitted
    name: str
    fireworks: tuple[Wanted, ...]
    script: str


Sizes = Callable[[Mapping[str, Any]], Mapping[str, Any]]  # keys for the qadapter, by the spec
# Writes what a node without a database needs; None when nothing is left to compute.
Order = Callable[[Reservation], Path | None]


def submit_ready(
    launchpad: LaunchPad,
    settings: Settings,
    qadapter: QueueAdapter,
    how: Queueing,
    *,
    sizes: Sizes | None = None,
    order: Order | None = None,
) -> Iterator[Job]:
    """Submit what is ready, job by job, as far as the cap allows.

    Parameters
    ----------
    launchpad, settings
        Of the project.
    qadapter
        Where and how jobs are submitted.
    how
        Caps and bundles.
    sizes
        What a firework with this spec needs, in the keys of the queue adapter.
    order
        Given where compute nodes reach no database: they run what it writes.

    Yields
    ------
    Job
        Each job once it is in the queue.

    Raises
    ------
    QueueError
        The scheduler refused a job; its fireworks are ready again.
    """
    bundles = ready_bundles(launchpad, qadapter, how, sizes)
    room = how.max_jobs - find_scheduler(qadapter.kind).n_queued() if bundles else 0
    with one_at_a_time(settings):
        for bundle in bundles[: max(room, 0)]:
            job = _submit(launchpad, settings, qadapter, bundle, order)
            if job is not None:
                yield job


def would_submit(
    launchpad: LaunchPad,
    settings: Settings,
    qadapter: QueueAdapter,
    how: Queueing,
    *,
    sizes: Sizes | None = None,
) -> list[Job]:
    """Return the jobs that `submit_ready` would submit without any cap; changes nothing."""
    jobs = []
    for bundle in ready_bundles(launchpad, qadapter, how, sizes):
        name = _name(qadapter, bundle)
        unreserved = [Reservation(fw_id=wanted.fw_id, launch_id=0) for wanted in bundle]
        folder = _folder(settings, name)
        script = _script(settings, qadapter, folder, bundle, _take(unreserved))
        jobs.append(Job(job_id="", name=name, fireworks=tuple(bundle), script=script))
    return jobs


def ready_bundles(
    launchpad: LaunchPad, qadapter: QueueAdapter, how: Queueing, sizes: Sizes | None = None
) -> list[list[Wanted]]:
    """Return what is ready, the longest chain first, in bundles of the same nodes and cores.

    The walltimes of a bundle add up to no more than that of ``my_qadapter.yaml``.
    """
    query = {**_OURS, **how.query, "state": "READY"}
    found = launchpad.fireworks.find(query, _FIELDS)
    order = sorted(found, key=lambda d: (-d["spec"].get("_priority", 0.0), d["fw_id"]))
    last: dict[str, list[Wanted]] = {}
    bundles: list[list[Wanted]] = []
    for document in order:
        wanted = _wanted(document, sizes)
        alike = repr(sorted((k, v) for k, v in wanted.values.items() if k != "walltime"))
        bundle = last.get(alike, [])
        if not bundle or not _fits(qadapter, how, [*bundle, wanted]):
            last[alike] = bundle = []
            bundles.append(bundle)
        bundle.append(wanted)
    return bundles


def _fits(qadapter: QueueAdapter, how: Queueing, bundle: Sequence[Wanted]) -> bool:
    """Tell whether one job can hold so much."""
    if len(bundle) > how.bundle:
        return False
    longest = qadapter.adapter.get("walltime")
    return longest is None or _walltime_s(bundle) <= parse_walltime(str(longest))


def _walltime_s(bundle: Sequence[Wanted]) -> int:
    """Return the walltime that calculations after each other want; 0 where they do not say."""
    wanted = (str(one.values["walltime"]) for one in bundle if "walltime" in one.values)
    return sum(parse_walltime(walltime) for walltime in wanted)


@contextmanager
def one_at_a_time(settings: Settings) -> Iterator[None]:
    """Keep two commands on one project from submitting, or reconciling, at the same time."""
    path = jobs_folder(settings.runs) / "lock"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise StoreError(str(write_error(path, error))) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _wanted(document: Mapping[str, Any], sizes: Sizes | None) -> Wanted:
    """Return a ready firework with what it wants; its own ``_queueadapter`` wins."""
    spec = document["spec"]
    values = dict(sizes(spec)) if sizes else {}
    return Wanted(
        fw_id=document["fw_id"],
        name=document["name"],
        about=spec["heterofire"],
        values=values | dict(spec.get("_queueadapter") or {}),
    )


def _take(reservations: Sequence[Reservation]) -> list[str]:
    """Return the worker's arguments for fireworks that are reserved for a job."""
    return ["--fireworks", ",".join(map(str, reservations))]


def _submit(
    launchpad: LaunchPad,
    settings: Settings,
    qadapter: QueueAdapter,
    bundle: Sequence[Wanted],
    order: Order | None,
) -> Job | None:
    """Reserve the fireworks of a bundle and submit the job that runs them."""
    name = _name(qadapter, bundle)
    folder = _folder(settings, name)
    folder.mkdir(parents=True, exist_ok=True)
    worker = worker_name(worker_locks(settings))
    reserved: dict[int, Reservation] = {}
    job_id = ""
    try:
        for wanted in bundle:
            reservation = reserve(launchpad, wanted.fw_id, worker, folder)
            if reservation is not None:
                reserved[wanted.fw_id] = reservation
        what = _take(list(reserved.values()))
        if order is not None:
            what = ["--offline", *_ordered(reserved, order)]
        left = [wanted for wanted in bundle if wanted.fw_id in reserved]
        if not left:
            folder.rmdir()
            return None
        script = _script(settings, qadapter, folder, left, what)
        job_id = qadapter.submit(folder, script, _environment(qadapter))
    finally:
        # A job that is in the queue takes its fireworks by itself, whatever happens from here.
        if not job_id:
            for reservation in reserved.values():
                release(launchpad, reservation)
    for reservation in reserved.values():
        set_job(launchpad, reservation.launch_id, job_id)
    return Job(job_id=job_id, name=name, fireworks=tuple(left), script=script)


def _ordered(reserved: dict[int, Reservation], order: Order) -> list[str]:
    """Order what is reserved; what needs no node is finished by that, and leaves the job."""
    folders = []
    for reservation in list(reserved.values()):
        folder = order(reservation)
        if folder is None:
            del reserved[reservation.fw_id]
        else:
            folders.append(str(folder))
    return folders


def _script(
    settings: Settings,
    qadapter: QueueAdapter,
    folder: Path,
    bundle: Sequence[Wanted],
    what: Sequence[str],
) -> str:
    """Return the script of a job that gives its worker these arguments."""
    worker = [sys.executable, "-P", "-m", "heterofire.launchers.worker"]
    worker += ["--folder", str(settings.folder), "--engine", settings.engine]
    worker += what
    configured = str(qadapter.adapter.get("rocket_launch") or "")
    is_last = not (qadapter.adapter.get("post_rocket") or bundle[0].values.get("post_rocket"))
    values = dict(bundle[0].values) | {
        "job_name": _name(qadapter, bundle),
        "rocket_launch": rocket_launch(configured, worker, is_last=is_last),
    }
    if seconds := _walltime_s(bundle):
        values["walltime"] = format_walltime(seconds, find_scheduler(qadapter.kind).kind)
    return qadapter.script(folder, values)


def _name(qadapter: QueueAdapter, bundle: Sequence[Wanted]) -> str:
    """Return a job's name: study, model and task, or how many there are of them."""
    words = []
    for part in ("study", "model", "task"):
        names = sorted({str(wanted.about.get(part) or "") for wanted in bundle})
        words.append(names[0] if len(names) == 1 else f"{len(names)}-{part}s")
    return job_name(*words, most=NAME_LENGTHS.get(qadapter.kind, 63))


def _folder(settings: Settings, name: str) -> Path:
    """Return a folder of its own for a job's script and output."""
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")
    return jobs_folder(settings.runs) / f"{stamp}-{re.sub(r'[^A-Za-z0-9.-]', '-', name)[:40]}"


def _environment(qadapter: QueueAdapter) -> dict[str, str]:
    """Return the environment to submit from."""
    environment = dict(os.environ)
    if qadapter.kind == "SLURM":
        # What becomes of a lost job is decided here, with its reason kept.
        environment["SBATCH_NO_REQUEUE"] = "1"
    return environment
