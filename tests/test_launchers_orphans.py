"""A worker or engine whose parent is killed ends, however early that happens."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from heterofire.launchers.orphans import as_parent

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="prctl is Linux's own")
ENGINE = [sys.executable, "-P", "-m", "heterofire.launchers.cli", "engine", "xtb"]
WORKER = [sys.executable, "-P", "-m", "heterofire.launchers.worker", "--engine", "xtb"]


@pytest.fixture
def dead_pid():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def start(
    command: list[str], folder: Path, pid: int, host: str = ""
) -> subprocess.CompletedProcess:
    parent = {"HETEROFIRE_PARENT": f"{host or socket.gethostname()}:{pid}"}
    return subprocess.run(
        command,
        check=False,
        cwd=folder,
        env=os.environ | parent,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize("command", [ENGINE, [*WORKER, "--folder", "."]], ids=["engine", "worker"])
def test_one_that_starts_after_its_parents_end_ends_at_once(command, tmp_path, dead_pid):
    assert start(command, tmp_path, dead_pid).returncode == -signal.SIGTERM
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("host", ["", "another-machine"], ids=["lives", "elsewhere"])
def test_one_whose_parent_lives_or_is_elsewhere_starts(host, tmp_path, dead_pid):
    done = start(ENGINE, tmp_path, dead_pid if host else os.getpid(), host)
    assert done.returncode == 2
    assert "INCAR" in done.stderr


def test_a_parent_that_nobody_waited_for_has_ended_too(tmp_path):
    parent = subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE)
    with parent:
        parent.stdout.read()  # it has ended, and stays in the table of processes
        assert start(ENGINE, tmp_path, parent.pid).returncode == -signal.SIGTERM


def test_a_process_names_itself_as_parent():
    assert as_parent() == {"HETEROFIRE_PARENT": f"{socket.gethostname()}:{os.getpid()}"}
