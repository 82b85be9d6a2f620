"""Overhead per calculation: bundles on a real Slurm beside plain ``rlaunch rapidfire``.

    python benchmarks/bundles.py -n 500

Both work on the same kind of LaunchPad file with as many processes as there are cores; the
calculations do nothing, so that all the time is overhead. Needs root on Debian (.ci/slurm).
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from fireworks import Firework, PyTask, Workflow

from heterofire.launchers.launchpads import open_launchpad

ROOT = Path(__file__).parents[1]
QADAPTER = "_fw_name: CommonAdapter\n_fw_q_type: SLURM\nqueue: debug\nntasks: 1\n"
HETEROFIRE = [sys.executable, "-m", "heterofire.launchers.cli"]


def prepare(folder: Path, n: int) -> None:
    """Make a project folder with n calculations that do nothing."""
    folder.mkdir()
    (folder / "my_qadapter.yaml").write_text(QADAPTER)
    launchpad = open_launchpad(embedded=folder / "launchpad.db", strm_lvl="CRITICAL")
    about = {"study": "bundles", "model": "nothing", "task": "sleep"}
    workflows = [
        Workflow(
            [
                Firework(
                    PyTask(func="time.sleep", args=[0]),
                    spec={"heterofire": about, "_launch_dir": str(folder / "runs" / str(i))},
                    name=f"calculation {i}",
                )
            ]
        )
        for i in range(n)
    ]
    launchpad.bulk_add_wfs(workflows)


def check(folder: Path, n: int) -> None:
    """Every calculation completed, with one launch each."""
    launchpad = open_launchpad(embedded=folder / "launchpad.db", strm_lvl="CRITICAL")
    assert len(launchpad.get_fw_ids({"state": "COMPLETED"})) == n
    assert launchpad.launches.count_documents({}) == n


def rapidfire(folder: Path, n_processes: int) -> float:
    """Return the wall time of FireWorks' rlaunch rapidfire."""
    begin = time.monotonic()
    command = [*HETEROFIRE, "rlaunch", "--silencer", "rapidfire"]
    processes = [
        subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(n_processes)
    ]
    assert [process.wait() for process in processes] == [0] * n_processes
    return time.monotonic() - begin


def bundles(folder: Path, size: int) -> float:
    """Return the wall time of heterofire launch through Slurm, queueing and all."""
    begin = time.monotonic()
    command = [*HETEROFIRE, "launch", "--bundle", str(size), "--follow", "--every", "0.5"]
    with (folder / "launch.log").open("wb") as log:
        subprocess.run(command, cwd=folder, check=True, stdout=log, stderr=log)
    return time.monotonic() - begin


def main() -> int:
    """Print one line for each way."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-n", type=int, default=500, help="calculations")
    parser.add_argument("-j", type=int, default=2, help="processes, and bundles")
    args = parser.parse_args()
    subprocess.run([str(ROOT / ".ci" / "slurm")], check=True, stdout=subprocess.DEVNULL)
    with tempfile.TemporaryDirectory(prefix="heterofire-bundles-") as scratch:
        seconds = {}
        for way in ("rlaunch rapidfire", "heterofire launch, bundles in Slurm"):
            folder = Path(scratch) / way.split()[0]
            prepare(folder, args.n)
            if way.startswith("rlaunch"):
                seconds[way] = rapidfire(folder, args.j)
            else:
                seconds[way] = bundles(folder, -(-args.n // args.j))
            check(folder, args.n)
            print(
                f"{way:37s} {args.n} calculations on {args.j} cores in {seconds[way]:6.1f} s: "
                f"{1000 * args.j * seconds[way] / args.n:6.1f} ms of a core for each",
                flush=True,
            )
        plain, ours = seconds.values()
        print(f"ratio {ours / plain:.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
