"""Workers of this machine are waited for when they are told to end, but not against one's will."""

import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from heterofire.launchers import pool as pools
from heterofire.launchers.pool import Pool

# Told to end, this worker needs a while for the cycle of its engine, then leaves a mark.
LATE = """
import pathlib, signal, sys, time
def end(*_):
    time.sleep(1.0)
    pathlib.Path(sys.argv[1]).write_text("kept")
    raise SystemExit
signal.signal(signal.SIGTERM, end)
print("ready", flush=True)
time.sleep(60)
"""


@pytest.fixture
def pool(tmp_path, monkeypatch):
    """A pool with one worker, who has begun; what it keeps is in the file "kept"."""
    monkeypatch.setattr(pools, "_SAY_S", 0.2)
    made = Pool(None, SimpleNamespace(worker_env={}), 1)
    worker = subprocess.Popen(
        [sys.executable, "-c", LATE, str(tmp_path / "kept")], stdout=subprocess.PIPE, text=True
    )
    assert worker.stdout.readline() == "ready\n"
    made._processes.append(worker)
    yield made, worker
    worker.kill()
    worker.wait()


def test_a_worker_whose_cycle_takes_long_is_waited_for(pool, tmp_path, caplog):
    made, worker = pool
    made._end_all()
    assert (tmp_path / "kept").read_text() == "kept"
    assert worker.returncode == 0
    assert "waiting for running cycles to end; Ctrl-C again does not wait" in caplog.text


def test_a_second_ctrl_c_does_not_wait(pool, tmp_path, monkeypatch, caplog):
    made, worker = pool

    def impatient(_seconds):
        raise KeyboardInterrupt

    monkeypatch.setattr(pools.time, "sleep", impatient)
    made._end_all()
    assert worker.returncode == -signal.SIGKILL
    assert not (tmp_path / "kept").exists()
    assert "go on from their last checkpoint" in caplog.text


def test_patience_has_an_end(pool, monkeypatch):
    made, worker = pool
    monkeypatch.setattr(pools, "_PATIENCE_S", 0.4)
    begin = time.monotonic()
    made._end_all()
    assert time.monotonic() - begin < 0.9
    assert worker.returncode == -signal.SIGKILL


@pytest.mark.parametrize(
    ("work", "code", "said"),
    [
        ("return 143", 143, ""),
        ("raise SystemExit(2)", 2, ""),
        ("raise OSError('No space left on device')", 1, "No space left on device"),
    ],
)
def test_a_worker_does_not_wait_for_the_ping_that_fireworks_left_behind(work, code, said, tmp_path):
    script = f"""
import threading
from heterofire.launchers.worker import leave
def run():
    threading.Thread(target=threading.Event().wait).start()
    {work}
leave(run)
"""
    for log in (tmp_path / "worker.log", Path("/dev/full")):
        with log.open("w") as stderr:
            done = subprocess.run(
                [sys.executable, "-c", script], stderr=stderr, timeout=60, check=False
            )
        assert done.returncode == code
    assert said in (tmp_path / "worker.log").read_text()
