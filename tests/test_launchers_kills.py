"""Real runs with the embedded engine, killed at random moments."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from heterofire.results.parsing import is_complete
from heterofire.results.store import ResultStore
from heterofire.workflows.planning import plan_study
from heterofire.workflows.study_reading import load_study

# Each costs a quarter of a minute: 8 where CI has to be done in time, more by hand.
N_KILLS = int(os.environ.get("HETEROFIRE_KILLS", "8"))
STUDY = """\
study: small
title: One host, one site, one hop, few steps
hosts: [MoS2@NC]
sites: [{region: outer, count: 1}]
hops: [{kind: surface, images: 1}]
phases:
  K atom: {atom: K}
  S: {molecule: S8}
  K: {crystal: K_bcc, supercell: [2, 2, 2]}
ion_references: [{name: K atom, phase: K atom}]
overrides: {quick: {relax: {NSW: 4}, neb: {NSW: 3}}}
"""


def start(folder: Path) -> subprocess.Popen:
    command = [sys.executable, "-m", "heterofire.launchers.cli", "run", "small.yaml", "-j", "2"]
    log = (folder / "run.log").open("ab")
    return subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, start_new_session=True)


def descendants(pid: int) -> list[int]:
    """Return the process and all below it, as /proc knows them now."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        parents[int(stat.parent.name)] = int(fields[1])
    found = [pid]
    for candidate in found:
        found += [child for child, parent in parents.items() if parent == candidate]
    return found


def wait_until_gone(pids: list[int]) -> None:
    end = time.monotonic() + 60
    while any(_runs(pid) for pid in pids):
        assert time.monotonic() < end, "a killed run left processes behind"
        time.sleep(0.1)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.slow
def test_a_run_killed_again_and_again_loses_nothing_and_computes_nothing_twice(tmp_path):
    chance = random.Random(20261120)
    n_kills = n_rounds = 0
    while n_kills < N_KILLS:
        folder = tmp_path / f"round-{n_rounds}"
        folder.mkdir()
        (folder / "small.yaml").write_text(STUDY)
        n_kills += kill_until_finished(folder, chance, N_KILLS - n_kills)
        check_everything_is_there_once(folder)
        n_rounds += 1
    print(f"{n_kills} kills, {n_rounds} studies finished")


def kill_until_finished(folder: Path, chance: random.Random, most: int) -> int:
    """Start the same command again and again, killing it, until it ends by itself."""
    finished: set[str] = set()
    for n_kills in range(most + 1):
        process = start(folder)
        if n_kills < most and not ends_within(process, chance.uniform(2.0, 14.0)):
            kill(process, chance)
            now = stored_names(folder)
            assert finished <= now, "a stored calculation was lost"
            finished = now
            continue
        assert process.wait(timeout=600) == 0, (folder / "run.log").read_text()[-3000:]
        return n_kills
    raise AssertionError("unreachable: the last round is not killed")


def ends_within(process: subprocess.Popen, seconds: float) -> bool:
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def kill(process: subprocess.Popen, chance: random.Random) -> None:
    """Kill -9 the run itself, one of its workers or engines, or all of them at once."""
    family = descendants(process.pid)
    for victim in chance.choice([[process.pid], [chance.choice(family)], family]):
        with contextlib.suppress(ProcessLookupError):
            os.kill(victim, signal.SIGKILL)
    time.sleep(chance.uniform(0.0, 3.0))  # a run that only lost a worker goes on meanwhile
    process.kill()
    process.wait()
    wait_until_gone(family)


def stored_names(folder: Path) -> set[str]:
    if not (folder / "results.db").exists():
        return set()
    with ResultStore.open(folder / "results.db") as store:
        return set(store.calculations()["name"])


def check_everything_is_there_once(folder: Path) -> None:
    plan = plan_study(load_study(folder / "small.yaml"), "quick", engine="xtb", method="GFN1-xTB")
    with ResultStore.open(folder / "results.db") as store:
        assert all(store.has(calculation.key) for calculation in plan.calculations)
        assert store.check() == []
        properties = store.properties(study="small", profile="quick", engine="xtb")
    assert {p.status for p in properties} <= {"ok", "unconverged"}
    for part in (folder / "runs").rglob("part-*"):
        assert not is_complete(part), f"{part} was finished, and computed again"
