"""Time per firework of the embedded LaunchPad beside FireWorks on bare mongomock.

Run it with ``python benchmarks/launchpad.py``. Each queue holds that many one-firework workflows;
a sample of them is then run by FireWorks' own `rapidfire`, one worker, a task that does nothing.
Bare mongomock keeps the queue in memory, in one process, and loses it with the process. `cpu` is
the processor time of the run, which other load on the machine disturbs less.
"""

import argparse
import logging
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import mongomock
from fireworks import Firework, LaunchPad, PyTask
from fireworks.core.rocket_launcher import rapidfire

from heterofire.launchers.launchpads import open_launchpad

QUIET = "CRITICAL"


def bare_launchpad(_: Path) -> LaunchPad:
    """Return FireWorks' LaunchPad with its client replaced by a mongomock one, and no more."""
    launchpad = LaunchPad(strm_lvl=QUIET, mongoclient_kwargs={"connect": False})
    launchpad.connection = mongomock.MongoClient()
    launchpad.db = launchpad.connection[launchpad.name]
    for name in ("fireworks", "launches", "offline_runs", "fw_id_assigner", "workflows"):
        setattr(launchpad, name, launchpad.db[name])
    launchpad.gridfs_fallback = None
    launchpad.reset("", require_password=False)
    return launchpad


def embedded_launchpad(folder: Path) -> LaunchPad:
    """Return an embedded LaunchPad in a new file."""
    return open_launchpad(embedded=folder / "launchpad.db", strm_lvl=QUIET)


def time_queue(
    make: Callable[[Path], LaunchPad], n_queued: int, n_sample: int
) -> tuple[float, float, float]:
    """Return ms per firework: to add `n_queued`, to run `n_sample`, and processor ms of that."""
    with tempfile.TemporaryDirectory() as folder:
        launchpad = make(Path(folder))
        task = PyTask(func="time.time")
        started = time.perf_counter()
        launchpad.bulk_add_wfs([Firework([task], name=f"no-op {i}") for i in range(n_queued)])
        added, cpu = time.perf_counter(), time.process_time()
        before = Path.cwd()
        os.chdir(folder)
        try:
            rapidfire(launchpad, nlaunches=n_sample, strm_lvl=QUIET)
        finally:
            os.chdir(before)
        ended, cpu = time.perf_counter(), time.process_time() - cpu
        done = launchpad.fireworks.count_documents({"state": "COMPLETED"})
        if done != n_sample:
            raise SystemExit(f"{done} of {n_sample} fireworks completed")
    add, run = 1000 * (added - started) / n_queued, 1000 * (ended - added) / n_sample
    return add, run, 1000 * cpu / n_sample


def time_opening(n_queued: int) -> float:
    """Return the milliseconds that a new process needs to open a queue of that size."""
    with tempfile.TemporaryDirectory() as folder:
        launchpad = embedded_launchpad(Path(folder))
        launchpad.bulk_add_wfs([Firework([], name=f"no-op {i}") for i in range(n_queued)])
        started = time.perf_counter()
        embedded_launchpad(Path(folder))
        return 1000 * (time.perf_counter() - started)


def main() -> None:
    """Print one line per queue size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[100, 1000, 10_000])
    parser.add_argument("--sample", type=int, default=50, help="fireworks run per queue")
    options = parser.parse_args()
    logging.disable(logging.ERROR)
    print(f"ms per firework, at most {options.sample} run of each queue; ratio: embedded / bare")
    columns = "".join(
        f"   {name + ': bare':>9s}  embedded  ratio" for name in ("add", "run", "cpu")
    )
    print(f"queued{columns}   embedded opens in")
    for size in options.sizes:
        sample = min(size, options.sample)
        bare = time_queue(bare_launchpad, size, sample)
        ours = time_queue(embedded_launchpad, size, sample)
        pairs = zip(bare, ours, strict=True)
        columns = "".join(f"   {b:9.2f}  {o:8.2f}  {o / b:5.2f}" for b, o in pairs)
        print(f"{size:6d}{columns}   {time_opening(size):8.1f} ms", flush=True)


if __name__ == "__main__":
    main()
