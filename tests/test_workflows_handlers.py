"""Corrections of known VASP errors: by a real program that complains once and then computes."""

import gzip
import json
import os
import shutil
import sys
import time
from pathlib import Path

import pytest
from pymatgen.core import Lattice, Structure

from heterofire.launchers.settings import engine_command
from heterofire.results.parsing import parse_run
from heterofire.results.parts import was_stopped
from heterofire.results.records import Label
from heterofire.structures.errors import EngineError
from heterofire.workflows.calculations import Calculation
from heterofire.workflows.clock import StepTimes
from heterofire.workflows.continuing import was_halted
from heterofire.workflows.corrections import apply_to_inputs
from heterofire.workflows.custody import run_vasp
from heterofire.workflows.folders import prepare_folder
from heterofire.workflows.handlers import Frozen, handlers_for

# As VASP prints them.
ZBRENT = "ZBRENT: fatal error in bracketing\n     please rerun with smaller EDIFF, or copy CONTCAR"
EDDDAV = "Error EDDDAV: Call to ZHEGV failed. Returncode =   7 1   8"
GROUP = "ERROR: group operation missing 24"
SUBSPACE = "WARNING: Sub-Space-Matrix is not hermitian in DAV            1"

# Complains into a file as often as asked, then becomes the engine.
COMPLAINS = """\
import os, pathlib, sys
file, message, often, *engine = sys.argv[1:]
marks = len(list(pathlib.Path().glob("complained-*")))
if marks < int(often):
    pathlib.Path(f"complained-{marks}").touch()
    with open(file, "a") as stream:
        stream.write(message + chr(10))
    sys.exit(int(file != "vasp.out"))
os.execv(engine[0], engine)
"""


def complaining(message, file="/dev/stdout", often=1):
    """Return the command of a VASP that fails before it computes."""
    return [sys.executable, "-c", COMPLAINS, file, message, str(often), *engine_command("xtb")]


@pytest.fixture
def dimer():
    lattice = Lattice.orthorhombic(9, 8, 8)
    return Structure(lattice, ["Li", "Li"], [[0.3, 0.5, 0.5], [0.62, 0.5, 0.5]])


@pytest.fixture
def relaxation(dimer):
    return Calculation(
        label=Label(study="s", profile="quick", model="Li2", task="relax", name="Li2/relax"),
        structure=dimer,
        incar={"ISMEAR": -1, "SIGMA": 0.0862, "EDIFF": 1e-5, "IBRION": 2, "NSW": 30, "ALGO": "Fast"}
        | {"EDIFFG": -0.02},
        kpoints={"style": "Gamma", "mesh": [1, 1, 1], "n_kpoints": 1},
        potcar_symbols=("Li",),
        engine="xtb",
        method="GFN1-xTB",
    )


@pytest.fixture
def folder(relaxation, store, tmp_path):
    prepare_folder(relaxation, store, tmp_path / "run")
    return tmp_path / "run"


def band_of(structure, folder, incar):
    """Write a band of two moving images."""
    text = "\n".join(f"{tag} = {value}" for tag, value in incar.items())
    folder.mkdir(exist_ok=True)
    (folder / "INCAR").write_text(text + "\nIMAGES = 2\nSPRING = -5\n")
    (folder / "KPOINTS").write_text("Gamma\n0\nGamma\n1 1 1\n0 0 0\n")
    for i in range(4):
        (folder / f"{i:02d}").mkdir()
        moved = structure.copy()
        moved.translate_sites([0], [0.0, 0.03 * i, 0.0])
        moved.to(str(folder / f"{i:02d}" / "POSCAR"), fmt="poscar")
    return folder


@pytest.mark.parametrize(
    ("message", "error", "change"),
    [
        (ZBRENT, "zbrent", "INCAR EDIFF=1e-06"),
        (EDDDAV, "edddav", "INCAR ALGO=All, ISEARCH=1"),
        (GROUP, "point_group", "INCAR ISYM=0"),
    ],
    ids=["ZBRENT", "EDDDAV", "point group"],
)
def test_a_known_error_is_corrected_and_the_correction_stored(folder, message, error, change):
    corrections = run_vasp(folder, complaining(message))
    assert len(corrections) == 1
    assert corrections[0].startswith(f"VaspErrorHandler: {error} -> ")
    assert change in corrections[0]
    run = parse_run(folder)
    assert run.status == "converged"
    assert run.corrections == corrections


def test_a_correction_outlives_the_death_of_the_run(folder, relaxation, store):
    first = run_vasp(folder, complaining(GROUP))
    (folder / "vasprun.xml").write_text("cut short")
    (folder / "custodian.json").unlink()  # a killed custodian has written none
    assert prepare_folder(relaxation, store, folder) == "resumed"
    assert "ISYM = 0" in (folder / "INCAR").read_text()
    assert run_vasp(folder, engine_command("xtb")) == first
    assert parse_run(folder).corrections == first


def test_corrections_that_did_not_help_are_not_made_again(folder, relaxation, store):
    with pytest.raises(EngineError, match="group operation missing"):
        run_vasp(folder, complaining(GROUP, often=99))
    assert (folder / "failed-corrections.json").exists()
    prepare_folder(relaxation, store, folder)
    assert "ISYM" not in (folder / "INCAR").read_text()
    assert run_vasp(folder, engine_command("xtb")) == ()


def test_a_program_that_is_killed_says_nothing_against_its_corrections(folder):
    dies = [*complaining(GROUP)[:6], sys.executable, "-c", "import sys; sys.exit(137)"]
    with pytest.raises(EngineError, match="return code is 137"):
        run_vasp(folder, dies)
    assert (folder / "corrections.json").exists()
    assert not (folder / "failed-corrections.json").exists()


def test_a_run_that_stopcar_ended_is_no_failure_whatever_srun_says(folder):
    """Its outputs are whole and say so; only the exit code is that of a failure."""
    stopped = "; ".join(
        (
            "import subprocess, sys, pathlib",
            "pathlib.Path('STOPCAR').write_text('LSTOP = .TRUE.')",
            "pathlib.Path('walltime.json').write_text('{}')",
            "subprocess.run(sys.argv[1:], check=True)",
            "sys.exit(1)",
        )
    )
    incar = (folder / "INCAR").read_text().replace("EDIFFG = -0.02", "EDIFFG = -1e-06")
    (folder / "INCAR").write_text(incar)
    assert run_vasp(folder, [sys.executable, "-c", stopped, *engine_command("xtb")]) == ()
    assert was_halted(folder)


def test_a_handler_that_stumbles_is_an_error_with_words(folder):
    (folder / "KPOINTS").write_text("cut")
    with pytest.raises(EngineError, match=r"VaspErrorHandler \(could not be corrected: \w+"):
        run_vasp(folder, complaining(GROUP))


def test_output_that_is_no_text_stops_no_run(folder):
    noise = "import os, sys; os.write(1, bytes(range(128, 256)));"
    noise += "os.execv(sys.argv[1], sys.argv[1:])"
    assert run_vasp(folder, [sys.executable, "-c", noise, *engine_command("xtb")]) == ()
    assert parse_run(folder).status == "converged"


@pytest.mark.parametrize(
    ("file", "image"), [("vasp.out", "01"), ("02/stdout", "02")], ids=["on screen", "own stdout"]
)
def test_an_error_of_any_image_is_found_and_corrected(dimer, tmp_path, relaxation, file, image):
    band = band_of(dimer, tmp_path / "neb", {**relaxation.incar, "NSW": 2})
    screen = "/dev/stdout" if file == "vasp.out" else file
    corrections = run_vasp(band, complaining(EDDDAV, file=screen))
    assert len(corrections) == 1
    assert corrections[0].startswith(f"VaspErrorHandler: image {image}: edddav -> ")
    incar = (band / "INCAR").read_text()
    assert "ALGO = All" in incar
    assert "IMAGES = 2" in incar
    assert (band / "02" / "OUTCAR").exists()
    assert list((band / image).glob("error.1.tar*"))
    assert not (band / "POSCAR").exists()


def test_positions_are_taken_over_in_all_images_or_in_none(dimer, tmp_path, relaxation):
    band = band_of(dimer, tmp_path / "neb", relaxation.incar)
    for i in (1, 2):
        moved = dimer.copy()
        moved.translate_sites([0], [0.0, 0.0, 0.1 * i])
        moved.to(str(band / f"{i:02d}" / "CONTCAR"), fmt="poscar")
    (band / "vasp.out").write_text("")
    (band / "02" / "stdout").write_text(ZBRENT)
    handler = handlers_for(band, StepTimes(band))[0]
    assert handler.check(str(band))
    assert handler.correct(str(band))["errors"] == ["image 02: zbrent"]
    for i in (1, 2):
        image = band / f"{i:02d}"
        assert (image / "POSCAR").read_bytes() == (image / "CONTCAR").read_bytes()
    assert (band / "00" / "POSCAR").exists()


def test_electronic_steps_that_do_not_converge_are_seen_in_an_image(dimer, tmp_path, relaxation):
    band = band_of(dimer, tmp_path / "neb", {**relaxation.incar, "NELM": 4})
    cycle = "".join(
        f"DAV: {n:3d}    -0.1E+02   -0.1E-01   -0.1E-01   700   0.1E+00\n" for n in range(1, 5)
    )
    header = "       N       E                     dE             d eps       ncg     rms\n"
    steps = [f"{header}{cycle}{n:4d} F= -.1E+02 E0= -.1E+02  d E =-.1E-01\n" for n in range(1, 13)]
    (band / "02" / "OSZICAR").write_text("".join(steps))
    dimer.to(str(band / "02" / "CONTCAR"), fmt="poscar")
    (band / "vasp.out").write_text("")
    handler = handlers_for(band, StepTimes(band))[1]
    assert handler.check(str(band))
    assert handler.correct(str(band))["errors"] == ["image 02: Non-converging job"]
    assert "ALGO = Normal" in (band / "INCAR").read_text()


def silent_since(folder, seconds, *names):
    then = time.time() - seconds
    for name in names:
        (folder / name).touch()
        os.utime(folder / name, (then, then))


def test_frozen_is_judged_by_the_steps_of_the_run_itself(tmp_path):
    (tmp_path / "OUTCAR").write_text("LOOP+:  cpu time  30.0: real time  31.0\n")
    frozen = Frozen(StepTimes(tmp_path))
    silent_since(tmp_path, 1700, "vasp.out", "OUTCAR")
    assert not frozen.check(str(tmp_path))
    silent_since(tmp_path, 1900, "vasp.out", "OUTCAR")
    assert frozen.check(str(tmp_path)), "custodian would wait four more hours"


def test_a_long_first_step_is_not_frozen(tmp_path):
    silent_since(tmp_path, 5 * 3600, "vasp.out")
    assert not Frozen(StepTimes(tmp_path)).check(str(tmp_path))
    silent_since(tmp_path, 7 * 3600, "vasp.out")
    assert Frozen(StepTimes(tmp_path)).check(str(tmp_path))


def test_a_band_of_which_one_image_writes_is_not_frozen(dimer, tmp_path, relaxation):
    band = band_of(dimer, tmp_path / "neb", relaxation.incar)
    (band / "01" / "OUTCAR").write_text("LOOP+:  cpu time  30.0: real time  31.0\n")
    silent_since(band, 9000, "vasp.out", "01/OUTCAR", "01/OSZICAR", "02/OUTCAR")
    frozen = Frozen(StepTimes(band))
    assert frozen.check(str(band))
    silent_since(band, 10, "02/OSZICAR")
    assert not frozen.check(str(band))


def test_a_frozen_run_is_ended_and_started_again(folder, monkeypatch):
    """A program that hangs after its first words; patience is cut from hours to seconds."""
    monkeypatch.setattr("heterofire.workflows.handlers._FROZEN_MOST_S", 6.0)
    monkeypatch.setattr("heterofire.workflows.custody._MONITOR_EVERY_S", 0.5)
    hangs = (
        "import os, pathlib, sys, time\n"
        "if not pathlib.Path('hung').exists():\n"
        "    pathlib.Path('hung').touch(); print('running', flush=True); time.sleep(600)\n"
        "os.execv(sys.argv[1], sys.argv[1:])\n"
    )
    start = time.monotonic()
    corrections = run_vasp(folder, [sys.executable, "-c", hangs, *engine_command("xtb")])
    assert time.monotonic() - start < 60
    assert corrections[0] == "Frozen: Frozen job -> INCAR ALGO=Normal"


def test_the_record_is_plain_json_with_handler_errors_and_actions(folder):
    run_vasp(folder, complaining(EDDDAV))
    (entry,) = json.loads((folder / "corrections.json").read_text())
    assert (entry["handler"], entry["errors"]) == ("VaspErrorHandler", ["edddav"])
    assert {"dict": "INCAR", "action": {"_set": {"ALGO": "All", "ISEARCH": 1}}} in entry["actions"]


def test_mesh_corrections_are_made_again_too(folder):
    action = {"dict": "KPOINTS", "action": {"_set": {"kpoints": [[3, 3, 1]]}}}
    apply_to_inputs(folder, [action, {"dict": "INCAR", "action": {"_unset": {"ALGO": 0}}}])
    assert "3 3 1" in (folder / "KPOINTS").read_text()
    assert "ALGO" not in (folder / "INCAR").read_text()


CORPUS = os.environ.get("HETEROFIRE_VASP_CORPUS", "")


@pytest.mark.skipif(not CORPUS, reason="HETEROFIRE_VASP_CORPUS names no folder")
@pytest.mark.parametrize(
    ("log", "error"),
    [
        ("logs/vasp.brmix", "brmix"),
        ("logs/vasp.edddav", "edddav"),
        ("logs/vasp.subspace", "subspacematrix"),
        ("logs/vasp.zbrent", "zbrent"),
        ("zpotrf/vasp.out", "zpotrf"),
    ],
)
def test_what_real_vasp_printed_is_found_in_the_image_that_printed_it(dimer, tmp_path, log, error):
    incar = {"ALGO": "Fast", "NSW": 9, "IBRION": 2, "ISYM": 2, "LREAL": "Auto"}
    band = band_of(dimer, tmp_path / "neb", incar)
    (band / "vasp.out").write_text("fine so far\n")
    shutil.copyfile(Path(CORPUS, "custodian_errors", log), band / "02" / "stdout")
    handler = handlers_for(band, StepTimes(band))[0]
    assert handler.check(str(band))
    result = handler.correct(str(band))
    assert f"image 02: {error}" in result["errors"]
    assert not (band / "02" / "stdout").exists(), "it would be found again"
    assert not handler.check(str(band))


@pytest.mark.skipif(not CORPUS, reason="HETEROFIRE_VASP_CORPUS names no folder")
def test_times_and_stops_of_real_vasp_are_read(tmp_path):
    packed = Path(CORPUS, "bad", "pm_unconverged", "OUTCAR.stopped.gz")
    assert was_stopped(packed)
    (tmp_path / "OUTCAR").write_bytes(gzip.decompress(packed.read_bytes()))
    assert StepTimes(tmp_path).look() == 3073.01
