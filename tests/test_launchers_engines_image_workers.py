"""Images of a band in processes of their own: the same numbers, errors, signals, leftovers."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.constraints import FixAtoms

from heterofire.launchers.engines.processes import chosen_processes
from heterofire.launchers.engines.run import run_engine
from heterofire.launchers.engines.stopping import locked
from heterofire.results.neb_parsing import parse_band
from heterofire.results.outcar import parse_outcar
from heterofire.structures.errors import InputError

pytestmark = pytest.mark.filterwarnings("ignore")
ENGINE = [
    sys.executable,
    "-c",
    "import sys, pathlib; from heterofire.launchers.engines.run import run_engine;"
    "sys.exit(run_engine('xtb', pathlib.Path('.'), '2'))",
]
INCAR = (
    "ISMEAR = -1\nSIGMA = 0.0862\nEDIFF = 1E-6\nNELECT = 16\nIDIPOL = 4\nNSW = 3\nIBRION = 3\n"
    "EDIFFG = -0.03\nIMAGES = 3\nSPRING = -5\nLCLIMB = .TRUE.\n"
)
ENDLESS = INCAR.replace("NSW = 3", "NSW = 5000").replace("-0.03", "-1E-9")


def band_of(path: Path, incar: str = INCAR, *, is_rough: bool = False) -> Path:
    """Write the hop of the proton in F-H-F(-), bent off the straight line."""
    for i, t in enumerate(np.linspace(0, 1, 5)):
        bend = (0.9 if is_rough else 0.15) * np.sin(np.pi * t)
        proton = [3.98 + 0.74 * t, 4 + 0.1 * bend, 4 + bend]
        atoms = Atoms("F2H", [[3, 4, 4], [5.7, 4, 4], proton], cell=[9, 8, 8], pbc=True)
        atoms.set_constraint(FixAtoms([0] if is_rough else [0, 1]))
        (path / f"{i:02d}").mkdir(parents=True)
        atoms.write(path / f"{i:02d}" / "POSCAR", format="vasp", direct=True, vasp5=True)
    (path / "INCAR").write_text(incar)
    (path / "KPOINTS").write_text("Gamma\n0\nGamma\n1 1 1\n0 0 0\n")
    (path / "POTCAR.spec").write_text("F\nH\n")
    return path


def contents(path: Path, name: str) -> list[str]:
    return [(path / f"{i:02d}" / name).read_text() for i in range(5)]


_NUMBER = re.compile(r"[+-]?\d*\.\d+(?:E[+-]?\d+)?")


def numbers(text: str) -> np.ndarray:
    return np.array(_NUMBER.findall(text), dtype=float)


def words(text: str) -> list[str]:
    return _NUMBER.sub("", text).split()


def n_steps(path: Path) -> int:
    oszicar = path / "01" / "OSZICAR"
    return oszicar.read_text().count("E0=") if oszicar.exists() else 0


def wait_until(condition, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)


def children(pid: int) -> list[int]:
    return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture
def endless(tmp_path):
    """An engine with two workers in a band that never converges, some steps on its way."""
    band_of(tmp_path, ENDLESS)
    pipe = subprocess.PIPE
    process = subprocess.Popen(ENGINE, cwd=tmp_path, stderr=pipe, text=True, start_new_session=True)
    wait_until(lambda: n_steps(tmp_path) >= 2)
    yield process, tmp_path
    if process.poll() is None:
        process.kill()
    process.communicate()


@pytest.mark.parametrize("is_rough", [False, True], ids=["smooth", "rough"])
def test_processes_change_no_number(tmp_path, capfd, is_rough):
    incar = INCAR if is_rough else INCAR + "LCHARG = T\nNGXF = 64\nNGYF = 56\nNGZF = 56\n"
    alone = band_of(tmp_path / "alone", incar, is_rough=is_rough)
    shared = band_of(tmp_path / "shared", incar, is_rough=is_rough)
    assert run_engine("xtb", alone) == 0
    assert ("made smooth" in capfd.readouterr().out) == is_rough
    assert run_engine("xtb", shared, "3") == 0
    assert ("made smooth" in capfd.readouterr().out) == is_rough
    # The library's last digits depend on where its arrays lie in memory: seen at 1E-13 eV.
    for name, absolute in (("OSZICAR", 1e-8), ("CONTCAR", 1e-9)):
        for ours, wanted in zip(contents(shared, name), contents(alone, name), strict=True):
            assert words(ours) == words(wanted)
            np.testing.assert_allclose(numbers(ours), numbers(wanted), rtol=1e-9, atol=absolute)
    for i in () if is_rough else (1, 2, 3):
        ours, wanted = ((path / f"{i:02d}" / "CHGCAR").read_text() for path in (shared, alone))
        np.testing.assert_allclose(numbers(ours), numbers(wanted), rtol=1e-8, atol=1e-7)


def test_cores_of_all_processes_are_counted(tmp_path):
    band = band_of(tmp_path, INCAR.replace("NSW = 3", "NSW = 1"))
    assert run_engine("xtb", band, "2") == 0
    assert json.loads((band / "engine.json").read_text())["processes"] == 2
    assert parse_band(band, initial=None, final=None).n_cores == 2


def test_more_processes_than_moving_images_are_not_started(tmp_path, monkeypatch):
    monkeypatch.setenv("HETEROFIRE_ENGINE_PROCESSES", "40")
    band = band_of(tmp_path, INCAR.replace("NSW = 3", "NSW = 1"))
    assert run_engine("xtb", band) == 0
    assert parse_outcar(band / "02" / "OUTCAR").n_cores == 3


def test_sigterm_ends_all_processes_and_leaves_a_band_to_go_on_from(endless):
    process, band = endless
    workers = children(process.pid)
    assert len(workers) == 2
    process.terminate()
    assert process.wait(timeout=30) == 143
    assert not any(is_running(pid) for pid in workers)
    assert json.loads((band / "engine.json").read_text())["status"] == "ended by SIGTERM"
    assert "</modeling>" not in (band / "01" / "vasprun.xml").read_text()
    assert all(contents(band, "CONTCAR")[1:-1])


def test_a_worker_that_is_killed_ends_the_band_with_its_reason(endless):
    process, band = endless
    workers = children(process.pid)
    os.kill(workers[1], signal.SIGKILL)
    assert process.wait(timeout=30) == 1
    assert not is_running(workers[0])
    said = process.stderr.read()
    assert "ended with SIGKILL" in said
    assert "lack of memory" in said
    assert json.loads((band / "engine.json").read_text())["status"] == "failed"


def test_a_signal_to_a_worker_alone_ends_the_band_as_well(endless):
    process, _ = endless
    os.kill(children(process.pid)[0], signal.SIGTERM)
    assert process.wait(timeout=30) == 143


def test_ctrl_c_reaches_all_and_leaves_no_traceback(endless):
    process, _ = endless
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(timeout=30) == 130
    assert process.stderr.read() == "heterofire engine xtb: ended by SIGINT\n"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="prctl is Linux's own")
def test_workers_of_a_killed_engine_end_and_free_the_folder(endless):
    process, band = endless
    workers = children(process.pid)
    process.kill()
    process.wait()
    wait_until(lambda: not any(is_running(pid) for pid in workers), seconds=20)
    with locked(band, patience=0.5):
        assert n_steps(band) >= 2


def test_stopcar_ends_a_shared_band_with_complete_files(tmp_path):
    band = band_of(tmp_path, ENDLESS)
    (band / "STOPCAR").write_text("LSTOP = .TRUE.\n")
    assert run_engine("xtb", band, "2") == 0
    assert n_steps(band) == 1
    assert all("</modeling>" in text for text in contents(band, "vasprun.xml"))


def test_an_error_in_one_process_is_that_of_the_run(tmp_path, capfd):
    band = band_of(tmp_path, INCAR + "LCHARG = T\nNGXF = 12\nNGYF = 12\nNGZF = 12\n")
    assert run_engine("xtb", band, "3") == 1
    assert "too coarse for densities" in capfd.readouterr().err


@pytest.mark.parametrize("value", ["0", "-2", "two", "1.5", "²"])
def test_a_number_of_processes_that_is_none_is_refused(tmp_path, capfd, value):
    assert run_engine("xtb", band_of(tmp_path), value) == 2
    said = capfd.readouterr().err
    assert f"--processes = {value!r}" in said
    assert "auto" in said


def test_auto_takes_what_slurm_gives_else_the_cores_of_this_process():
    assert chosen_processes("auto", {"SLURM_CPUS_PER_TASK": "6"}) == 6
    assert chosen_processes("auto", {}) == len(os.sched_getaffinity(0))
    with pytest.raises(InputError, match="HETEROFIRE_ENGINE_PROCESSES = 'many'"):
        chosen_processes(None, {"HETEROFIRE_ENGINE_PROCESSES": "many"})
