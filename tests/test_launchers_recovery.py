import os
import signal
import subprocess
import sys
import time

import pytest
from fireworks import Firework, PyTask, Workflow

from heterofire.launchers.launchpads import open_launchpad
from heterofire.launchers.recovery import recover, rerun_failed
from heterofire.launchers.status import job_statuses

OURS = {"heterofire": {"study": "small", "task": "static"}}


def sleeping(seconds: float, name: str = "sleeps") -> Firework:
    return Firework(PyTask(func="time.sleep", args=[seconds]), spec=dict(OURS), name=name)


@pytest.fixture
def launchpad(tmp_path):
    return open_launchpad(embedded=tmp_path / "launchpad.db", strm_lvl="CRITICAL")


@pytest.fixture
def start_worker(tmp_path):
    processes = []

    def start():
        command = [sys.executable, "-P", "-m", "heterofire.launchers.worker"]
        command += ["--folder", str(tmp_path), "--engine", "xtb"]
        processes.append(subprocess.Popen(command, cwd=tmp_path))
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.wait()


def wait_for(claim, seconds=30.0):
    end = time.monotonic() + seconds
    while not claim():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.1)


def states(launchpad):
    return {status.name: status.state for status in job_statuses(launchpad)}


def test_what_a_killed_worker_ran_is_queued_again(launchpad, start_worker, tmp_path):
    launchpad.add_wf(Workflow([sleeping(60)]))
    worker = start_worker()
    wait_for(lambda: states(launchpad) == {"sleeps": "RUNNING"})
    workers = tmp_path / "runs" / ".workers" / "locks"
    assert recover(launchpad, workers) == []
    assert states(launchpad) == {"sleeps": "RUNNING"}, "a live worker was robbed"
    worker.kill()
    worker.wait()
    assert recover(launchpad, workers) == [1]
    assert states(launchpad) == {"sleeps": "READY"}


def test_a_worker_that_is_told_to_stop_gives_its_firework_back(launchpad, start_worker, tmp_path):
    launchpad.add_wf(Workflow([sleeping(3)]))
    worker = start_worker()
    wait_for(lambda: states(launchpad) == {"sleeps": "RUNNING"})
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(timeout=30) == 128 + signal.SIGTERM
    # This task cannot be interrupted: it was let finish. One that failed would be READY again.
    assert states(launchpad) == {"sleeps": "COMPLETED"}


def test_a_firework_checked_out_by_a_killed_process_is_not_lost(launchpad, tmp_path):
    launchpad.add_wf(Workflow([sleeping(0)]))
    launchpad.fireworks.update_one({"fw_id": 1}, {"$set": {"state": "RESERVED"}})
    assert recover(launchpad, tmp_path / "locks") == [1]
    assert states(launchpad) == {"sleeps": "READY"}


def test_a_workflow_left_locked_is_freed(launchpad, tmp_path):
    launchpad.add_wf(Workflow([sleeping(0)]))
    launchpad.workflows.update_one({"nodes": 1}, {"$set": {"locked": True}})
    recover(launchpad, tmp_path / "locks")
    assert "locked" not in launchpad.workflows.find_one({"nodes": 1})


def test_fireworks_without_a_workflow_are_removed_and_others_kept(launchpad, tmp_path):
    launchpad.add_wf(Workflow([sleeping(0, "kept")]))
    launchpad._upsert_fws([sleeping(0, "orphan")], reassign_all=True)
    assert set(states(launchpad)) == {"kept", "orphan"}
    recover(launchpad, tmp_path / "locks")
    assert set(states(launchpad)) == {"kept"}


def test_a_child_that_was_never_told_is_woken(launchpad, tmp_path):
    parent = sleeping(0, "parent")
    child = Firework(PyTask(func="time.sleep", args=[0]), spec=dict(OURS), parents=[parent])
    child.name = "child"
    launchpad.add_wf(Workflow([parent, child]))
    done = {"$set": {"state": "COMPLETED"}}
    fw_id = launchpad.get_fw_ids({"name": "parent"})[0]
    launchpad.fireworks.update_one({"fw_id": fw_id}, done)
    launchpad.workflows.update_one({"nodes": fw_id}, {"$set": {f"fw_states.{fw_id}": "COMPLETED"}})
    recover(launchpad, tmp_path / "locks")
    assert states(launchpad)["child"] == "READY"


def test_only_failed_fireworks_are_rerun(launchpad, start_worker, tmp_path):
    failing = Firework(PyTask(func="os.remove", args=["not-there"]), spec=dict(OURS), name="fails")
    launchpad.add_wf(Workflow([failing, sleeping(0, "works")]))
    assert start_worker().wait(timeout=60) == 0
    assert states(launchpad) == {"fails": "FIZZLED", "works": "COMPLETED"}
    failed = next(s for s in job_statuses(launchpad) if s.state == "FIZZLED")
    assert "not-there" in failed.reason
    assert failed.remedy
    assert rerun_failed(launchpad, [1, 2]) == [failed.fw_id]
    assert states(launchpad) == {"fails": "READY", "works": "COMPLETED"}


def test_workers_die_with_the_process_that_started_them(launchpad, tmp_path):
    launchpad.add_wf(Workflow([sleeping(1)]))
    code = (
        "import subprocess, sys, time\n"
        "p = subprocess.Popen([sys.executable, '-P', '-m', 'heterofire.launchers.worker',"
        f" '--folder', {str(tmp_path)!r}, '--engine', 'xtb'], start_new_session=True)\n"
        "print(p.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    pid = int(parent.stdout.readline())
    wait_for(lambda: states(launchpad) == {"sleeps": "RUNNING"})
    parent.kill()
    parent.wait()
    wait_for(lambda: not _runs(pid), seconds=15)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
