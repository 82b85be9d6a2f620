"""GPAW runs that are cut within a self-consistent field, and bands in several processes."""

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms

from heterofire.launchers.engines import gpaw_checkpoints as checkpoints
from heterofire.launchers.engines import gpaw_potential
from heterofire.launchers.engines.run import run_engine
from heterofire.results.neb_parsing import parse_band

pytestmark = pytest.mark.usefixtures("gpaw")
ENGINE = """
import pathlib, sys, time
from heterofire.launchers.engines import gpaw_potential
from heterofire.launchers.engines.run import run_engine

plain = gpaw_potential._cycle
def slow_cycle(*arguments):
    time.sleep({pause})
    return plain(*arguments)

gpaw_potential._cycle = slow_cycle
gpaw_potential.WORTH_KEEPING_S = {worth}
sys.exit(run_engine("gpaw", pathlib.Path("."), "{processes}"))
"""
FINE = "ISMEAR = -1\nSIGMA = 0.1\nEDIFF = 1E-9\nPREC = Low\nIDIPOL = 4\n"
NEVER = FINE.replace("1E-9", "1E-30") + "NELM = 100000\n"


def write_inputs(path: Path, incar: str) -> None:
    (path / "INCAR").write_text(incar)
    (path / "KPOINTS").write_text("Gamma\n0\nGamma\n1 1 1\n0 0 0\n")


def molecule_of(path: Path, incar: str) -> Path:
    """Write hydrogen fluoride in a box."""
    atoms = Atoms("HF", [[3, 3, 4.13], [3, 3, 3.2]], cell=[6, 6, 8], pbc=True)
    path.mkdir(exist_ok=True)
    atoms.write(path / "POSCAR", format="vasp", direct=True)
    write_inputs(path, incar)
    return path


def band_of(path: Path, incar: str) -> Path:
    """Write the hop of the proton in the middle of H-H-H(+)."""
    for i, t in enumerate(np.linspace(-0.35, 0.35, 5)):
        atoms = Atoms("H3", [[2.7, 3, 3], [4.9, 3, 3], [3.8 + t, 3, 3]], cell=[7.6, 6, 6], pbc=True)
        (path / f"{i:02d}").mkdir(parents=True)
        atoms.write(path / f"{i:02d}" / "POSCAR", format="vasp", direct=True)
    (path / "POTCAR.spec").write_text("H\n")
    write_inputs(path, incar + "NELECT = 2\nNSW = 2\nIBRION = 3\nIMAGES = 3\nSPRING = -5\n")
    return path


def started(path: Path, **options) -> subprocess.Popen:
    defaults = {"pause": 0.0, "worth": 30.0, "processes": 1}
    command = [sys.executable, "-c", ENGINE.format(**(defaults | options))]
    return subprocess.Popen(command, cwd=path, stdout=subprocess.DEVNULL)


def wait_for_cycle(process: subprocess.Popen, log: Path, number: int) -> None:
    deadline = time.monotonic() + 120
    while not log.exists() or f"iter:{number:4d}|" not in log.read_text():
        assert process.poll() is None, "ended before"
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)


def cycles(path: Path) -> int:
    """Return the cycles of the one field in OSZICAR."""
    return len((path / "OSZICAR").read_text().splitlines()) - 2


def free_energy(path: Path) -> float:
    return float((path / "OSZICAR").read_text().split("F=")[1].split()[0])


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """A field that nothing cut."""
    path = molecule_of(tmp_path_factory.mktemp("whole"), FINE)
    assert run_engine("gpaw", path) == 0
    return path


def test_sigterm_ends_a_field_within_seconds(tmp_path):
    process = started(molecule_of(tmp_path, NEVER))
    wait_for_cycle(process, tmp_path / "gpaw.log", 5)
    process.terminate()
    assert process.wait(timeout=10) == 143
    assert json.loads((tmp_path / "engine.json").read_text())["status"] == "ended by SIGTERM"
    assert not (tmp_path / "WAVECAR.gpw").exists()  # not worth it after a second


def test_a_field_that_a_signal_cut_goes_on(tmp_path, whole, capfd):
    process = started(molecule_of(tmp_path, FINE), pause=0.3, worth=0.0)
    wait_for_cycle(process, tmp_path / "gpaw.log", 6)
    process.terminate()
    assert process.wait(timeout=10) == 143
    assert run_engine("gpaw", tmp_path) == 0
    assert "going on from WAVECAR.gpw" in capfd.readouterr().err
    assert cycles(tmp_path) < cycles(whole) - 2
    assert free_energy(tmp_path) == pytest.approx(free_energy(whole), abs=1e-6)


def test_a_long_field_is_kept_on_the_way(tmp_path, whole, capfd, monkeypatch):
    monkeypatch.setattr(gpaw_potential, "SAVE_EVERY_S", 0.0)
    assert run_engine("gpaw", molecule_of(tmp_path, FINE)) == 0
    assert run_engine("gpaw", tmp_path) == 0
    assert "going on from WAVECAR.gpw" in capfd.readouterr().err
    assert cycles(tmp_path) < cycles(whole) / 2
    assert free_energy(tmp_path) == pytest.approx(free_energy(whole), abs=1e-6)


def test_a_short_static_run_keeps_no_field(whole):
    assert not (whole / "WAVECAR.gpw").exists()


def test_a_run_that_has_ended_keeps_no_field_where_lwave_is_false(tmp_path, monkeypatch):
    monkeypatch.setattr(gpaw_potential, "SAVE_EVERY_S", 0.0)
    assert run_engine("gpaw", molecule_of(tmp_path, FINE + "LWAVE = F\n")) == 0
    assert not list(tmp_path.glob("*WAVECAR*"))


class Field:
    """Stands for a calculator that writes what it is given."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def write(self, path: Path, mode: str) -> None:
        assert mode == "all"
        path.write_bytes(self.content)


def test_a_kill_between_seal_and_file_leaves_the_field_before(tmp_path):
    for content in (b"first", b"second"):
        checkpoints.save(Field(content), tmp_path, {"of": "HF"}, [0, 0, 0.5])
        assert checkpoints.usable(tmp_path, {"of": "HF"}) is not None
    path = tmp_path / "WAVECAR.gpw"
    path.write_bytes(b"first")  # the seal of the second is there, the file is not yet
    (tmp_path / ".WAVECAR.gpw.tmp").write_bytes(b"sec")
    assert checkpoints.usable(tmp_path, {"of": "HF"}) == (path, [0, 0, 0.5])
    assert not (tmp_path / ".WAVECAR.gpw.tmp").exists()
    path.write_bytes(b"third")
    assert checkpoints.usable(tmp_path, {"of": "HF"}) is None


def test_a_kill_between_seal_and_file_leaves_no_field_of_other_settings(tmp_path):
    checkpoints.save(Field(b"first"), tmp_path, {"of": "300 eV"}, [0, 0, 0.5])
    checkpoints.save(Field(b"second"), tmp_path, {"of": "400 eV"}, [0, 0, 0.5])
    (tmp_path / "WAVECAR.gpw").write_bytes(b"first")  # killed before the second took its place
    assert checkpoints.usable(tmp_path, {"of": "400 eV"}) is None


def test_images_in_processes_have_the_same_energies(tmp_path):
    incar = FINE.replace("1E-9", "1E-5")
    alone, shared = band_of(tmp_path / "alone", incar), band_of(tmp_path / "shared", incar)
    assert run_engine("gpaw", alone) == 0
    assert run_engine("gpaw", shared, "3") == 0
    found = parse_band(shared, initial=None, final=None)
    assert found.n_cores == 3
    for i in range(5):
        texts = [(path / f"{i:02d}" / "OSZICAR").read_text() for path in (alone, shared)]
        one, other = ([float(f) for f in re.findall(r"F= (\S+)", text)] for text in texts)
        assert len(one) >= 1
        # Not the same bits: FFTW tries ways and takes the fastest, which differs from run to run.
        assert one == pytest.approx(other, abs=1e-7)
    assert all((shared / f"{i:02d}" / "WAVECAR.gpw").exists() for i in (1, 2, 3))


def test_sigterm_ends_the_fields_of_all_images_within_seconds(tmp_path):
    process = started(band_of(tmp_path, NEVER), processes=2)
    for i in (1, 2):
        wait_for_cycle(process, tmp_path / f"{i:02d}" / "gpaw.log", 5)
    process.terminate()
    assert process.wait(timeout=15) == 143
