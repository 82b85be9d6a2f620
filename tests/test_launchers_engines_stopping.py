"""How a run ends early: STOPCAR, SIGTERM, a killed parent, a second engine in the folder."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from ase.build import mx2
from ase.io import read

from heterofire.launchers.engines.run import run_engine
from heterofire.launchers.engines.stopping import locked
from heterofire.structures.errors import EngineError

ENGINE = [
    sys.executable,
    "-c",
    "import sys, pathlib; from heterofire.launchers.engines.run import run_engine;"
    "sys.exit(run_engine('xtb', pathlib.Path('.')))",
]
INCAR = "ISMEAR = -1\nSIGMA = 0.0862\nEDIFF = 1E-5\nNSW = 2000\nIBRION = 2\nEDIFFG = -1E-9\n"


@pytest.fixture
def endless(tmp_path):
    """A relaxation that never converges, 0.2 s a step."""
    atoms = mx2("MoS2", a=3.16, thickness=3.13, size=(2, 2, 1), vacuum=6.0)
    atoms.pbc = True
    atoms.rattle(0.1, seed=1)
    atoms[atoms.numbers.argsort()].write(tmp_path / "POSCAR", format="vasp", direct=True)
    (tmp_path / "INCAR").write_text(INCAR)
    (tmp_path / "KPOINTS").write_text("Gamma\n0\nGamma\n1 1 1\n0 0 0\n")
    return tmp_path


def n_steps(folder):
    path = folder / "OSZICAR"
    return path.read_text().count("E0=") if path.exists() else 0


def wait_until(condition, seconds=60.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)


def positions_in_outcar(folder):
    block = (folder / "OUTCAR").read_text().rsplit("TOTAL-FORCE", 1)[1].splitlines()[2:14]
    return np.array([[float(x) for x in line.split()[:3]] for line in block])


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_sigterm_ends_with_143_and_a_contcar_to_go_on_from(endless):
    process = subprocess.Popen(ENGINE, cwd=endless, stdout=subprocess.DEVNULL)
    wait_until(lambda: n_steps(endless) >= 2)
    process.terminate()
    assert process.wait(timeout=30) == 143
    assert "</modeling>" not in (endless / "vasprun.xml").read_text()
    assert "Total CPU time used" not in (endless / "OUTCAR").read_text()
    assert json.loads((endless / "engine.json").read_text())["status"] == "ended by SIGTERM"
    last = read(endless / "CONTCAR")
    np.testing.assert_allclose(last.positions, positions_in_outcar(endless), atol=2e-5)


def test_a_run_goes_on_from_the_contcar_of_one_that_was_ended(endless):
    process = subprocess.Popen(ENGINE, cwd=endless, stdout=subprocess.DEVNULL)
    wait_until(lambda: n_steps(endless) >= 3)
    process.terminate()
    process.wait(timeout=30)
    reached = float((endless / "OSZICAR").read_text().rsplit("F=", 1)[1].split()[0])
    (endless / "CONTCAR").replace(endless / "POSCAR")
    (endless / "INCAR").write_text(INCAR.replace("NSW = 2000", "NSW = 1"))
    assert run_engine("xtb", endless) == 0
    again = float((endless / "OSZICAR").read_text().rsplit("F=", 1)[1].split()[0])
    assert again == pytest.approx(reached, abs=1e-5)


@pytest.mark.parametrize(("tag", "kind"), [("LSTOP", "soft"), ("LABORT", "hard")])
def test_stopcar_ends_after_the_step_with_complete_files(endless, tag, kind):
    (endless / "STOPCAR").write_text(f"{tag} = .TRUE.\n")
    assert run_engine("xtb", endless) == 0
    outcar = (endless / "OUTCAR").read_text()
    assert n_steps(endless) == 1
    assert f"{kind} stop encountered!  aborting job" in outcar
    assert "reached required accuracy" not in outcar
    assert "Total CPU time used" in outcar
    assert (endless / "vasprun.xml").read_text().rstrip().endswith("</modeling>")
    assert not (endless / "STOPCAR").exists()
    assert json.loads((endless / "engine.json").read_text())["status"] == "stopped"


def test_a_stopcar_that_asks_for_nothing_is_ignored(endless):
    (endless / "STOPCAR").write_text("LSTOP = .FALSE.\n")
    (endless / "INCAR").write_text(INCAR.replace("NSW = 2000", "NSW = 2"))
    assert run_engine("xtb", endless) == 0
    assert n_steps(endless) == 2
    assert (endless / "STOPCAR").exists()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="prctl is Linux's own")
def test_a_killed_parent_leaves_no_orphan(endless):
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import subprocess, sys, time\n"
            "p = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)\n"
            "print(p.pid, flush=True); time.sleep(600)",
            *ENGINE,
        ],
        cwd=endless,
        stdout=subprocess.PIPE,
        text=True,
    )
    child = int(parent.stdout.readline())
    wait_until(lambda: n_steps(endless) >= 1)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    wait_until(lambda: not is_running(child), seconds=20)
    assert "</modeling>" not in (endless / "vasprun.xml").read_text()


def test_a_second_engine_in_a_folder_waits_and_gives_up(tmp_path):
    handle = os.open(tmp_path / ".heterofire.lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        with pytest.raises(EngineError, match="another engine"), locked(tmp_path, patience=0.3):
            pytest.fail("two engines in one folder")
    finally:
        os.close(handle)


def test_the_lock_is_free_again_after_kill_9(endless):
    process = subprocess.Popen(ENGINE, cwd=endless, stdout=subprocess.DEVNULL)
    wait_until(lambda: n_steps(endless) >= 1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    with locked(endless, patience=0.5):
        assert "</modeling>" not in (endless / "vasprun.xml").read_text()
