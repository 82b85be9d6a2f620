"""Faults injected into real Slurm jobs; at the end each calculation must be there exactly once.

    python benchmarks/faults.py --faults 30

Needs root on Debian: .ci/slurm starts Slurm on this machine. The calculations are real ones of the
embedded engine, small enough to take seconds. Rounds alternate between the embedded LaunchPad and
MongoDB's wire protocol. Exit code 1, with the reason, when a calculation was lost, was computed
twice or got stuck.
"""

import argparse
import contextlib
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
from fireworks import LaunchPad, Workflow

from heterofire.launchers.launchpads import open_launchpad
from heterofire.launchers.settings import load_settings
from heterofire.results.parsing import is_complete
from heterofire.results.store import ResultStore
from heterofire.workflows.calculations import Calculation
from heterofire.workflows.flows import step_firework
from heterofire.workflows.planning import plan_study
from heterofire.workflows.study_reading import parse_study

LEAVING_S = 30.0
ROOT = Path(__file__).parents[1]
STUDY = """\
study: faults
title: One molecule, moved about
hosts: []
phases: {S: {molecule: S8}}
"""
QADAPTER = """\
_fw_name: CommonAdapter
_fw_q_type: SLURM
queue: debug
walltime: "00:10:00"
ntasks: 1
"""
MAX_STARTS = 40  # of the launching command, after kills and outages
MAX_LOST = 50  # of the same calculation; 5 by default, fewer than what falls on one here


def small_calculations(n: int, chance: random.Random) -> list[Calculation]:
    """Return relaxations of differently distorted S8, every third followed by a static run."""
    study = parse_study(STUDY, "faults.yaml")
    planned = plan_study(study, "quick", engine="xtb", method="GFN1-xTB").calculations[0]
    shake = np.random.default_rng(chance.randrange(2**32))
    found: list[Calculation] = []
    for i in range(n):
        if i % 3 == 2:
            label = replace(
                planned.label, model=f"S8-{i - 1}", task="static", name=f"S8-{i - 1}/static"
            )
            parents = {"structure": found[-1].key}
            incar = {k: v for k, v in planned.incar.items() if k not in ("NSW", "IBRION", "ISIF")}
            found.append(replace(found[-1], label=label, parents=parents, incar=incar))
            continue
        structure = planned.structure.copy()
        for site in range(len(structure)):
            structure.translate_sites([site], shake.normal(0, 0.25, 3), frac_coords=False)
        label = replace(planned.label, model=f"S8-{i}", task="relax", name=f"S8-{i}/relax")
        incar = {**planned.incar, "NSW": 60, "IBRION": 2, "EDIFFG": -0.001, "EDIFF": 1e-7}
        found.append(replace(planned, label=label, structure=structure, incar=incar))
    return found


@dataclass
class Round:
    """One project folder with its calculations, worked on by ``heterofire launch --follow``."""

    folder: Path
    calculations: list[Calculation]
    uses_mongodb: bool
    server: subprocess.Popen[str] | None = None
    launch: subprocess.Popen[bytes] | None = None
    outages: list[threading.Thread] = field(default_factory=list)
    n_starts: int = 0

    def start(self) -> None:
        """Queue the calculations and start to launch them."""
        self.folder.mkdir(parents=True)
        (self.folder / "my_qadapter.yaml").write_text(QADAPTER)
        if self.uses_mongodb:
            script = ROOT / "tests" / "mongo_server.py"
            self.server = subprocess.Popen(
                [sys.executable, str(script)], stdout=subprocess.PIPE, text=True
            )
            assert self.server.stdout is not None
            port = self.server.stdout.readline().strip()
            (self.folder / "my_launchpad.yaml").write_text(
                f"host: mongodb://127.0.0.1:{port}/fireworks?serverSelectionTimeoutMS=5000"
                "&socketTimeoutMS=10000\nuri_mode: true\nname: fireworks\n"
            )
        launchpad = self.launchpad()
        if self.uses_mongodb:
            launchpad._restart_ids(1, 1)
        fireworks = {}
        for calculation in self.calculations:
            parents = [fireworks[key] for key in calculation.parents.values()]
            firework = step_firework(
                calculation,
                plan="faults",
                runs=self.folder / "runs",
                database=str(self.folder / "results.db"),
                parents=parents,
            )
            firework.spec["heterofire"]["max_lost"] = MAX_LOST
            fireworks[calculation.key] = firework
        launchpad.add_wf(Workflow(list(fireworks.values())))
        self.go_on()

    def launchpad(self) -> LaunchPad:
        """Open the LaunchPad of this round."""
        settings = load_settings(folder=self.folder)
        return open_launchpad(
            my_launchpad=settings.my_launchpad, embedded=settings.launchpad, strm_lvl="CRITICAL"
        )

    def go_on(self) -> None:
        """Start to launch, again where that was killed."""
        self.n_starts += 1
        command = [sys.executable, "-m", "heterofire.launchers.cli", "launch", "--follow"]
        command += ["--every", "2", "--bundle", "2", "--max-jobs", "5"]
        with (self.folder / "launch.log").open("ab") as log:
            self.launch = subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log)

    def is_over(self) -> bool:
        """Tell whether launching has ended by itself, which it does when nothing is left."""
        assert self.launch is not None
        code = self.launch.poll()
        if code is None or code == 0 or self.n_starts > MAX_STARTS:
            return code is not None
        time.sleep(2)  # it was killed, or started while the LaunchPad was away and said so
        self.go_on()
        return False

    def end(self) -> None:
        """End what was started."""
        for outage in self.outages:
            outage.join()
        for process in (self.launch, self.server):
            if process is not None and process.poll() is None:
                process.kill()
                process.wait()

    def jobs(self, state: str) -> list[str]:
        """Return ids of this round's jobs that are in a state."""
        said = ask("squeue", "-h", "-t", state, "-o", "%i %Z")
        rows = (line.split(" ", 1) for line in said.splitlines())
        return [job for job, folder in rows if folder.startswith(str(self.folder))]

    def processes(self, words: str) -> list[int]:
        """Return this round's processes whose command has these words."""
        found = []
        for path in Path("/proc").glob("[0-9]*"):
            try:
                command = (path / "cmdline").read_text().replace("\0", " ")
                where = str((path / "cwd").readlink())
            except OSError:
                continue
            if words in command and where.startswith(str(self.folder)):
                found.append(int(path.name))
        return found


def ask(*command: str) -> str:
    """Return what a command prints."""
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def start_slurm() -> None:
    """Start Slurm, or what of it was killed."""
    subprocess.run([str(ROOT / ".ci" / "slurm")], check=True, stdout=subprocess.DEVNULL)


class Faults:
    """What goes wrong on clusters; each returns its victim, or None when there was none."""

    def __init__(self, chance: random.Random, outage_s: float) -> None:
        self._chance = chance
        self._outage_s = outage_s

    def kinds(self) -> dict[str, Callable[[Round], str | None]]:
        """Return the faults by name."""
        return {
            "scancel of a running job": self.cancel_running,
            "kill -9 of the engine": lambda r: self.kill(r, "cli engine xtb"),
            "kill -9 of the worker": lambda r: self.kill(r, "launchers.worker"),
            "LaunchPad unreachable": self.outage,
            "scancel of a pending job": self.cancel_pending,
            "time limit": self.time_limit,
            "kill -9 of slurmd": self.kill_slurmd,
            "node failure": self.node_failure,
            "kill -9 of heterofire launch": self.kill_launch,
        }

    def cancel_running(self, victim: Round) -> str | None:
        """Cancel a job that runs."""
        return self._on_job(victim, "RUNNING", lambda job: ask("scancel", job))

    def cancel_pending(self, victim: Round) -> str | None:
        """Cancel a job that waits."""
        return self._on_job(victim, "PENDING", lambda job: ask("scancel", "-t", "PENDING", job))

    def time_limit(self, victim: Round) -> str | None:
        """Let the time of a job be over in a second."""
        end = (datetime.now() + timedelta(seconds=1)).isoformat(timespec="seconds")
        return self._on_job(
            victim,
            "RUNNING",
            lambda job: ask("scontrol", "update", f"JobId={job}", f"EndTime={end}"),
        )

    def node_failure(self, victim: Round) -> str | None:
        """Take the node away and give it back."""
        jobs = victim.jobs("RUNNING")
        if not jobs:
            return None
        node = ask("hostname", "-s").strip()
        ask("scontrol", "update", f"nodename={node}", "state=down", "reason=fault")
        time.sleep(1)
        ask("scontrol", "update", f"nodename={node}", "state=resume")
        return f"jobs {', '.join(jobs)}"

    def kill(self, victim: Round, words: str) -> str | None:
        """Kill a process with signal 9."""
        pids = victim.processes(words)
        if not pids:
            return None
        pid = self._chance.choice(pids)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        return f"process {pid}"

    def kill_slurmd(self, victim: Round) -> str | None:
        """Kill slurmd under its jobs and start it again."""
        if not victim.jobs("RUNNING"):
            return None
        pid = int(Path(slurm_folder(), "slurmd.pid").read_text())
        os.kill(pid, signal.SIGKILL)
        time.sleep(2)
        start_slurm()
        return f"process {pid}"

    def kill_launch(self, victim: Round) -> str | None:
        """Kill the command that submits."""
        if victim.launch is None or victim.launch.poll() is not None:
            return None
        victim.launch.kill()
        return f"process {victim.launch.pid}"

    def outage(self, victim: Round) -> str | None:
        """Make the LaunchPad unreachable for a while; other faults go on meanwhile."""
        if victim.outages and victim.outages[-1].is_alive():
            return None
        target = self._pause if victim.server is not None else self._lock
        thread = threading.Thread(target=target, args=(victim,))
        thread.start()
        victim.outages.append(thread)
        return f"for {self._outage_s:.0f} s"

    def _pause(self, victim: Round) -> None:
        """Stop the MongoDB server, which keeps its connections open and answers nothing."""
        assert victim.server is not None
        victim.server.send_signal(signal.SIGSTOP)
        time.sleep(self._outage_s)
        victim.server.send_signal(signal.SIGCONT)

    def _lock(self, victim: Round) -> None:
        """Hold the file of the embedded LaunchPad."""
        with contextlib.closing(sqlite3.connect(victim.folder / "launchpad.db")) as connection:
            connection.execute("PRAGMA busy_timeout = 30000")
            connection.execute("BEGIN IMMEDIATE")
            time.sleep(self._outage_s)
            connection.rollback()

    def _on_job(self, victim: Round, state: str, act: Callable[[str], str]) -> str | None:
        """Do something to a job that is in a state."""
        jobs = victim.jobs(state)
        if not jobs:
            return None
        job = self._chance.choice(jobs)
        act(job)
        return f"job {job}"


def slurm_folder() -> str:
    """Return where .ci/slurm keeps its files."""
    return os.environ.get("HETEROFIRE_SLURM_DIR", "/var/tmp/heterofire-slurm")  # noqa: S108


def engines_watched(victim: Round, twice: set[str]) -> Callable[[], None]:
    """Start to look for two engines in one run folder; the function returned ends that."""
    over = threading.Event()

    def watch() -> None:
        while not over.is_set():
            folders = Counter()
            pids = victim.processes("cli engine xtb")
            for pid in pids:
                with contextlib.suppress(OSError):
                    parent = int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
                    if parent not in pids:
                        folders[str(Path(f"/proc/{pid}/cwd").readlink())] += 1
            twice.update(folder for folder, n in folders.items() if n > 1)
            time.sleep(0.2)

    thread = threading.Thread(target=watch)
    thread.start()
    return lambda: (over.set(), thread.join())[0]


def inject(victim: Round, faults: Faults, most: int, args: argparse.Namespace) -> Iterator[str]:
    """Do one fault after the other until the round is over; yield the kind of each."""
    chance = random.Random(args.seed + most)  # noqa: S311
    done: list[str] = []
    last = begin = time.monotonic()
    while not victim.is_over():
        if time.monotonic() - begin > args.patience:
            raise AssertionError(f"stuck: {victim.folder} is not done after {args.patience} s")
        time.sleep(0.2)
        if len(done) >= most or time.monotonic() - last < args.pause * chance.uniform(0.5, 1.5):
            continue
        if not victim.jobs("RUNNING"):
            continue
        # What happened least often comes first, and nothing twice within three.
        for kind in sorted(faults.kinds(), key=lambda kind: (kind in done[-2:], done.count(kind))):
            found = faults.kinds()[kind](victim)
            if found:
                done.append(kind)
                last = time.monotonic()
                print(f"  {last - begin:6.1f} s  {kind}: {found}", flush=True)
                yield kind
                break


def check(victim: Round, twice: set[str]) -> list[str]:
    """Return what is wrong at the end of a round."""
    launchpad, wrong = victim.launchpad(), []
    for firework in launchpad.fireworks.find({}, {"name": 1, "state": 1}):
        if firework["state"] != "COMPLETED":
            wrong.append(f"{firework['name']} is {firework['state']}")
    ran = Counter(
        launch["fw_id"]
        for launch in launchpad.launches.find({"state": "COMPLETED"}, {"fw_id": 1, "action": 1})
        if launch["action"]["stored_data"].get("engine_started")
    )
    wrong += [f"firework {fw_id} was computed {n} times" for fw_id, n in ran.items() if n > 1]
    with ResultStore.open(victim.folder / "results.db") as store:
        for calculation in victim.calculations:
            if not store.has(calculation.key):
                wrong.append(f"{calculation.label.name} is lost")
        wrong += list(map(str, store.check()))
    for part in (victim.folder / "runs").glob("*/part-*"):
        if is_complete(part):
            wrong.append(f"{part} was finished, and computed again")
    wrong += [f"two engines at a time in {folder}" for folder in sorted(twice)]
    end = time.monotonic() + LEAVING_S  # a job outlives its last firework by its Python's end
    while (left := victim.jobs("PENDING,RUNNING")) and time.monotonic() < end:
        time.sleep(0.5)
    if left:
        wrong.append(f"jobs left in the queue: {left}")
    return wrong


def main() -> int:
    """Run rounds until all faults are injected."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--faults", type=int, default=30)
    parser.add_argument("--calculations", type=int, default=12, help="in each round")
    parser.add_argument("--per-round", type=int, default=15, help="faults in each round, at most")
    parser.add_argument("--pause", type=float, default=3.0, help="seconds between two faults")
    parser.add_argument("--outage", type=float, default=65.0, help="seconds without LaunchPad")
    parser.add_argument("--patience", type=float, default=900.0, help="seconds for one round")
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--first", choices=("embedded", "mongodb"), default="embedded")
    parser.add_argument("--folder", type=Path, help="kept; default: a temporary one")
    args = parser.parse_args()
    start_slurm()
    chance, begin = random.Random(args.seed), time.monotonic()  # noqa: S311
    folder = Path(args.folder or tempfile.mkdtemp(prefix="heterofire-faults-")).resolve()
    kinds: Counter[str] = Counter()
    n_calculations = n_round = 0
    while kinds.total() < args.faults:
        uses_mongodb = (n_round % 2 == 1) == (args.first == "embedded")
        calculations = small_calculations(args.calculations, chance)
        victim = Round(folder / f"round-{n_round}", calculations, uses_mongodb)
        print(f"round {n_round}, LaunchPad {'MongoDB' if uses_mongodb else 'embedded'}")
        victim.start()
        twice: set[str] = set()
        end_watch = engines_watched(victim, twice)
        try:
            faults = Faults(chance, args.outage)
            most = min(args.faults - kinds.total(), args.per_round)
            kinds.update(inject(victim, faults, most, args))
            for outage in victim.outages:
                outage.join()
            wrong = check(victim, twice)
        finally:
            end_watch()
            victim.end()
        if wrong:
            print("WRONG: " + "\n  ".join(wrong), f"\nsee {victim.folder}", sep="")
            return 1
        n_calculations, n_round = n_calculations + len(calculations), n_round + 1
    for kind, n in kinds.items():
        print(f"{n:3d}  {kind}")
    print(
        f"{kinds.total()} faults in {n_round} rounds and {time.monotonic() - begin:.0f} s: "
        f"{n_calculations} calculations, each completed once; none lost, twice or stuck"
    )
    if args.folder is None:
        shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
