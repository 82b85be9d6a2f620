"""Real runs with the embedded engine, killed at random moments."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from heterofire.results.store import ResultStore
from heterofire.workflows.planning import plan_study
from heterofire.workflows.study import load_study

N_KILLS = 22
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
    (tmp_path / "small.yaml").write_text(STUDY)
    chance = random.Random(20261120)
    finished_before: set[str] = set()
    n_kills = 0
    for round_number in range(4 * N_KILLS):
        process = start(tmp_path)
        time.sleep(chance.uniform(1.0, 11.0))
        family = descendants(process.pid)
        if process.poll() is not None:
            assert process.returncode == 0, (tmp_path / "run.log").read_text()[-3000:]
            if n_kills >= N_KILLS:
                break
            (tmp_path / "results.db").rename(tmp_path / f"results-{round_number}.db")
            for leftover in tmp_path.glob("results.db-*"):
                leftover.unlink()
            finished_before = set()
            continue
        # The run itself, one of its workers or engines, or all of them at once.
        victims = chance.choice([[process.pid], [chance.choice(family)], family])
        for victim in victims:
            try:
                os.kill(victim, signal.SIGKILL)
                n_kills += 1
            except ProcessLookupError:
                continue
            if victims is family:
                n_kills -= victim != family[0]
        if process.pid not in victims:
            time.sleep(chance.uniform(0.0, 2.0))
            os.kill(process.pid, signal.SIGKILL)
        process.wait()
        wait_until_gone(family)
        finished = stored_names(tmp_path)
        assert finished_before <= finished, "a stored calculation was lost"
        finished_before = finished
    final = start(tmp_path)
    assert final.wait(timeout=300) == 0, (tmp_path / "run.log").read_text()[-3000:]
    check_everything_is_there_once(tmp_path)


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
        record = part / "engine.json"
        if record.exists():
            told = json.loads(record.read_text())
            assert told.get("finished") is None, f"{part} was finished, and computed again"
