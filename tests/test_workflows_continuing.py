"""Calculations whose job ends before they do: stopped in time, gone on with, one record."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
from ase.build import mx2
from pymatgen.core import Lattice, Structure
from pymatgen.io.ase import AseAtomsAdaptor

from heterofire.launchers.launchpads import open_launchpad
from heterofire.launchers.pool import Pool
from heterofire.launchers.settings import engine_command, load_settings
from heterofire.launchers.status import job_statuses
from heterofire.results.neb_parsing import parse_band
from heterofire.results.parsing import is_complete, parse_run
from heterofire.results.parts import read_parts, was_stopped
from heterofire.results.records import Label, Part
from heterofire.structures.errors import RunError
from heterofire.workflows.calculations import Calculation
from heterofire.workflows.clock import Clock, Deadline, StepTimes
from heterofire.workflows.continuing import halt_of, last_positions, set_aside, was_halted
from heterofire.workflows.custody import run_vasp
from heterofire.workflows.flows import step_firework
from heterofire.workflows.folders import is_finished, prepare_folder

RELAX = {"ISMEAR": -1, "SIGMA": 0.0862, "EDIFF": 1e-5, "IBRION": 2, "NSW": 60, "EDIFFG": -0.02}
ENDLESS = RELAX | {"NSW": 400, "EDIFFG": -1e-9}


@pytest.fixture(scope="module")
def layer():
    """A small MoS2 layer far from rest, a tenth of a second a step."""
    atoms = mx2("MoS2", a=3.16, thickness=3.13, size=(2, 2, 1), vacuum=6.0)
    atoms.pbc = True
    atoms.rattle(0.08, seed=1)
    return AseAtomsAdaptor.get_structure(atoms[atoms.numbers.argsort()[::-1]])


@pytest.fixture(scope="module")
def make_calculation(layer):
    def build(structure=layer, name="MoS2/relax", **changes):
        label = Label(study="s", profile="quick", model="MoS2", task="relax", name=name)
        calculation = Calculation(
            label=label,
            structure=structure,
            incar=RELAX,
            kpoints={"style": "Gamma", "mesh": [1, 1, 1], "n_kpoints": 1},
            potcar_symbols=tuple(dict.fromkeys(s.specie.symbol for s in structure)),
            engine="xtb",
            method="GFN1-xTB",
        )
        return replace(calculation, **changes)

    return build


@pytest.fixture(scope="module")
def uninterrupted(make_calculation, tmp_path_factory):
    """The relaxation run in one go."""
    from heterofire.results.store import ResultStore

    folder = tmp_path_factory.mktemp("whole")
    with ResultStore.open(folder / "results.db") as store:
        prepare_folder(make_calculation(), store, folder / "run")
    run_vasp(folder / "run", engine_command("xtb"))
    return parse_run(folder / "run")


def run_for(folder, seconds, length_s=None):
    """Run the engine in a job that ends in so many seconds."""
    deadline = time.time() + seconds
    return run_vasp(folder, engine_command("xtb"), deadline=deadline, length_s=length_s)


def wait_for(claim, seconds=60.0):
    end = time.monotonic() + seconds
    while not claim():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def n_lines(folder):
    path = folder / "OSZICAR"
    return path.read_text().count("E0=") if path.exists() else 0


def halt_after(folder, n_steps):
    """Stop a run as the clock does, once it has made so many steps."""
    process = subprocess.Popen(engine_command("xtb"), cwd=folder, stdout=subprocess.DEVNULL)
    wait_for(lambda: n_lines(folder) >= n_steps)
    late = Deadline(end=time.time() + 0.01, length_s=100.0)
    Clock(late, StepTimes(folder)).check(str(folder))
    assert process.wait(timeout=60) == 0


def test_a_relaxation_in_parts_ends_where_one_in_one_go_does(
    make_calculation, uninterrupted, store, tmp_path
):
    calculation, folder = make_calculation(), tmp_path / "run"
    prepare_folder(calculation, store, folder)
    for n_parts in (1, 2):
        halt_after(folder, 3)
        halt = halt_of(folder, calculation.incar)
        assert halt.n_parts == n_parts
        assert not is_finished(calculation, folder)
        assert prepare_folder(calculation, store, folder) == "resumed"
        assert (folder / "HESSIAN.npz").exists(), "what was learnt goes along"
    run_vasp(folder, engine_command("xtb"))
    assert is_finished(calculation, folder)
    assert not (folder / "HESSIAN.npz").exists()
    run = parse_run(folder)
    assert run.status == "converged"
    assert run.e0 == pytest.approx(uninterrupted.e0, abs=2e-3)
    assert [part.ended for part in run.parts] == ["walltime", "walltime"]
    n_last = n_lines(folder)
    assert run.n_ionic_steps == n_last + sum(part.n_ionic_steps for part in run.parts)
    # Each part computes the last geometry once more, and has its first step still to judge.
    assert run.n_ionic_steps <= uninterrupted.n_ionic_steps + 4
    assert run.incar["NSW"] == RELAX["NSW"]
    first = run.initial_structure.frac_coords - calculation.structure.frac_coords
    assert np.abs(first - np.round(first)).max() < 1e-6
    assert is_complete(folder / "part-01")
    store.add_run(calculation.key, calculation.label, run)
    assert store.get_run(calculation.key).parts == run.parts


def test_the_clock_stops_a_run_in_time_and_leaves_no_stopcar(
    make_calculation, store, tmp_path, job_seconds
):
    calculation = make_calculation(incar=ENDLESS)
    prepare_folder(calculation, store, tmp_path)
    start = time.time()
    run_for(tmp_path, job_seconds + 2)
    assert time.time() - start < job_seconds + 2
    assert was_halted(tmp_path)
    assert halt_of(tmp_path, calculation.incar).n_steps == n_lines(tmp_path) > 1
    assert not (tmp_path / "STOPCAR").exists()
    mark = json.loads((tmp_path / "walltime.json").read_text())
    assert mark["asked"] == "LSTOP"
    assert 0 < mark["left_s"] < job_seconds + 2


def test_a_run_with_time_enough_knows_no_clock(make_calculation, store, tmp_path):
    prepare_folder(make_calculation(incar=RELAX | {"NSW": 3}), store, tmp_path)
    run_for(tmp_path, 3600.0)
    assert not (tmp_path / "walltime.json").exists()
    assert not (tmp_path / "part-01").exists()


def test_the_users_own_stopcar_is_the_end_of_a_run(make_calculation, store, tmp_path):
    calculation = make_calculation(incar=ENDLESS)
    prepare_folder(calculation, store, tmp_path)
    (tmp_path / "STOPCAR").write_text("LSTOP = .TRUE.\n")
    run_vasp(tmp_path, engine_command("xtb"))
    assert halt_of(tmp_path, calculation.incar) is None
    assert is_finished(calculation, tmp_path)
    assert "stopped: STOPCAR ended the run" in parse_run(tmp_path).reasons


@pytest.mark.parametrize(
    ("words", "is_stopped"),
    [
        ("soft stop encountered!  aborting job ...", True),
        ("hard stop encountered!  aborting job ...", True),
        ("soft stop encountered!\n reached required accuracy - stopping", False),
        ("General timing", False),
    ],
)
def test_how_a_run_ended_is_read_wherever_it_stands(tmp_path, words, is_stopped):
    for n_before in ((1 << 20) - 9, 0):  # across the border of two chunks
        (tmp_path / "OUTCAR").write_text("." * n_before + words + "." * 3_000_000)
        assert was_stopped(tmp_path / "OUTCAR") is is_stopped


@pytest.fixture
def grown(tmp_path):
    """A folder whose OUTCAR tells of steps of 10 s and 30 s."""
    lines = [f"     LOOP+:  cpu time  1.0: real time  {s:.4f}\n" for s in (10.0, 30.0, 12.0)]
    (tmp_path / "OUTCAR").write_text("".join(lines))
    return tmp_path


@pytest.mark.parametrize(
    ("left", "asked"), [(200, None), (119, "LSTOP"), (39, "LABORT"), (-5, "LABORT")]
)
def test_the_clock_asks_softly_first_and_sharply_when_that_is_too_slow(grown, left, asked):
    clock = Clock(Deadline(end=1000.0, length_s=86400.0), StepTimes(grown))
    assert clock.due(1000.0 - left) == asked


def test_long_steps_are_given_time_to_end(tmp_path):
    (tmp_path / "OUTCAR").write_text("LOOP+:  cpu time  900.0: real time  900.5\n")
    steps = StepTimes(tmp_path)
    clock = Clock(Deadline(end=10000.0, length_s=86400.0), steps)
    assert clock.due(10000.0 - 1802) is None
    assert clock.due(10000.0 - 1800) == "LSTOP"


def test_a_growing_outcar_is_read_on_not_again(grown):
    steps = StepTimes(grown)
    assert steps.look() == 30.0
    with (grown / "OUTCAR").open("a") as stream:
        stream.write("     LOOP+:  cpu time  1.0: real ti")
        stream.flush()
        assert steps.look() == 30.0
        stream.write("me  45.0\n")
    assert steps.look() == 45.0
    (grown / "OUTCAR").write_text("LOOP+: cpu time 1.0: real time 2.0\n")
    assert steps.look() == 45.0, "what was learned before a correction counts"


def test_stopcar_is_sharpened_in_all_images(tmp_path):
    for i in range(4):
        (tmp_path / f"{i:02d}").mkdir()
    soft = Clock(Deadline(end=time.time() + 100, length_s=1e5), StepTimes(tmp_path))
    assert soft.check(str(tmp_path)) is False
    sharp = Clock(Deadline(end=time.time() + 1, length_s=1e5), StepTimes(tmp_path))
    for place in (tmp_path, tmp_path / "01", tmp_path / "02"):
        assert (place / "STOPCAR").read_text() == "LSTOP = .TRUE.\n"
    sharp.check(str(tmp_path))
    assert (tmp_path / "02" / "STOPCAR").read_text() == "LABORT = .TRUE.\n"
    assert not (tmp_path / "00" / "STOPCAR").exists()


def test_a_part_without_progress_names_walltime_and_step_time(make_calculation, store, tmp_path):
    calculation = make_calculation(incar=ENDLESS)
    prepare_folder(calculation, store, tmp_path)
    halt_after(tmp_path, 1)
    (tmp_path / "CONTCAR").write_bytes((tmp_path / "POSCAR").read_bytes())
    mark = json.loads((tmp_path / "walltime.json").read_text())
    (tmp_path / "walltime.json").write_text(
        json.dumps(mark | {"had_s": 90.0, "length_s": 100.0, "longest_step_s": 61.5})
    )
    wanted = r"longest took 61\.5 s; it had 90 s of a job of 100 s.*not enough for a single step"
    with pytest.raises(RunError, match=wanted):
        halt_of(tmp_path, calculation.incar)
    (tmp_path / "walltime.json").write_text(json.dumps(mark | {"had_s": 9.0, "length_s": 100.0}))
    assert halt_of(tmp_path, calculation.incar), "one that started late in its job goes on"


def test_a_chain_of_parts_has_an_end(make_calculation, store, tmp_path):
    calculation = make_calculation(incar=ENDLESS)
    prepare_folder(calculation, store, tmp_path)
    halt_after(tmp_path, 3)
    with pytest.raises(RunError, match=r"in part 1 of at most 1\. Look at its forces"):
        halt_of(tmp_path, calculation.incar, max_parts=1)
    assert halt_of(tmp_path, calculation.incar, max_parts=2).n_parts == 1


def test_vibrations_that_run_out_of_time_say_so(make_calculation, store, tmp_path):
    calculation = make_calculation(incar=ENDLESS)
    prepare_folder(calculation, store, tmp_path)
    halt_after(tmp_path, 2)
    with pytest.raises(RunError, match="With IBRION = 5 it cannot go on from there"):
        halt_of(tmp_path, {**ENDLESS, "IBRION": 5})


def test_the_parts_together_make_no_more_steps_than_planned(make_calculation, store, tmp_path):
    calculation = make_calculation(incar=RELAX | {"NSW": 6, "EDIFFG": -1e-3})
    prepare_folder(calculation, store, tmp_path)
    halt_after(tmp_path, 3)
    n_first = n_lines(tmp_path)
    prepare_folder(calculation, store, tmp_path)
    assert f"NSW = {max(2, 6 - n_first + 1)}" in (tmp_path / "INCAR").read_text()
    run_vasp(tmp_path, engine_command("xtb"))
    run = parse_run(tmp_path)
    assert run.status == "unconverged"
    assert run.incar["NSW"] == 6
    assert "left for part 2" in run.reasons[0]


def test_wavefunction_and_density_stay_for_the_next_part(make_calculation, store, tmp_path):
    calculation = make_calculation(incar=ENDLESS)
    prepare_folder(calculation, store, tmp_path)
    halt_after(tmp_path, 2)
    for name in ("WAVECAR", "CHGCAR"):
        (tmp_path / name).write_text("large")
    prepare_folder(calculation, store, tmp_path)
    assert (tmp_path / "WAVECAR").exists()
    assert (tmp_path / "CHGCAR").exists()
    kept = {path.name for path in (tmp_path / "part-01").iterdir()}
    assert {"OUTCAR", "OSZICAR", "CONTCAR", "POSCAR", "INCAR", "walltime.json"} <= kept


def test_a_part_that_died_before_its_first_step_starts_where_the_last_one_ended(
    make_calculation, store, tmp_path
):
    calculation = make_calculation(incar=ENDLESS)
    prepare_folder(calculation, store, tmp_path)
    halt_after(tmp_path, 3)
    prepare_folder(calculation, store, tmp_path)
    (tmp_path / "CONTCAR").write_text("")  # as VASP leaves it until its first step has ended
    reached = (tmp_path / "POSCAR").read_text()
    assert prepare_folder(calculation, store, tmp_path) == "resumed"
    assert (tmp_path / "POSCAR").read_text() == reached
    assert not (tmp_path / "part-02").exists()


class Killed(BaseException):
    """Stands for kill -9 between two renames."""


@pytest.mark.parametrize("n_renames", range(9))
def test_a_kill_while_a_part_is_set_aside_loses_nothing(
    layer, make_calculation, store, tmp_path, monkeypatch, n_renames
):
    folder, calculation = tmp_path / "run", make_calculation()
    prepare_folder(calculation, store, folder)
    moved = layer.copy()
    moved.translate_sites([0], [0.01, 0.0, 0.0])
    moved.to(str(folder / "CONTCAR"), fmt="poscar")
    for name in ("OSZICAR", "OUTCAR", "vasprun.xml", "vasp.out", "engine.json"):
        (folder / name).write_text("   1 F= -1.0\n" if name == "OSZICAR" else "{}")
    done = []
    true_replace = type(folder).replace

    def dying(self, target):
        if len(done) == n_renames:
            raise Killed
        done.append(self.name)
        return true_replace(self, target)

    with monkeypatch.context() as patched:
        patched.setattr(type(folder), "replace", dying)
        try:
            set_aside(folder)
        except Killed:
            assert len(done) == n_renames
    assert prepare_folder(calculation, store, folder) == "resumed"
    assert last_positions(folder, layer)[0].distance(moved[0]) < 1e-6
    kept = {path.name for path in (folder / "part-01").iterdir()}
    assert {"OSZICAR", "OUTCAR", "CONTCAR", "POSCAR", "vasp.out"} <= kept
    assert not (folder / "part-02").exists()


@pytest.mark.parametrize("n_renames", range(11))
def test_a_kill_while_a_band_is_set_aside_loses_no_image(layer, tmp_path, monkeypatch, n_renames):
    images = [tmp_path / f"{i:02d}" for i in range(4)]
    moved = layer.copy()
    moved.translate_sites([0], [0.01, 0.0, 0.0])
    for image in images:
        image.mkdir()
        layer.to(str(image / "POSCAR"), fmt="poscar")
    for image in images[1:-1]:
        moved.to(str(image / "CONTCAR"), fmt="poscar")
        (image / "OSZICAR").write_text("   1 F= -1.0\n   2 F= -1.0\n")
        (image / "OUTCAR").write_text("cut")
    (tmp_path / "vasp.out").write_text("cut")
    (tmp_path / "walltime.json").write_text("{}")
    done = []
    true_replace = type(tmp_path).replace

    def dying(self, target):
        if len(done) == n_renames:
            raise Killed
        done.append(self.name)
        return true_replace(self, target)

    with monkeypatch.context() as patched, contextlib.suppress(Killed):
        patched.setattr(type(tmp_path), "replace", dying)
        set_aside(tmp_path, images[1:-1])
    for image in images[1:-1]:
        assert last_positions(image, layer)[0].distance(moved[0]) < 1e-6
    set_aside(tmp_path, images[1:-1])
    for image in images[1:-1]:
        kept = {path.name for path in (image / "part-01").iterdir()}
        assert kept == {"OSZICAR", "OUTCAR", "CONTCAR", "POSCAR"}
        assert not (image / "part-02").exists()
    assert [part.n_ionic_steps for part in read_parts(tmp_path, images[1:-1])] == [2]


@pytest.fixture
def hop():
    """Both ends of a hop of Li over a Li dimer's side, few electrons, milliseconds a step."""
    lattice = Lattice.orthorhombic(12, 9, 9)
    ends = []
    for x in (4.2, 7.8):
        coords = [[4.0, 4.5, 4.5], [6.0, 4.5, 4.5], [8.0, 4.5, 4.5], [x, 6.9, 4.5]]
        ends.append(Structure(lattice, ["Li"] * 4, coords, coords_are_cartesian=True))
    return ends


def test_a_band_in_parts_is_one_band(hop, make_calculation, make_run, store, tmp_path):
    band_incar = RELAX | {"IMAGES": 2, "SPRING": -5, "NSW": 6, "EDIFFG": -1e-6}
    ends = {}
    for role, structure in zip(("initial", "final"), hop, strict=True):
        end = make_calculation(structure, f"hop/{role}", incar=RELAX | {"NSW": 0, "IBRION": -1})
        prepare_folder(end, store, tmp_path / role)
        run_vasp(tmp_path / role, engine_command("xtb"))
        store.add_run(end.key, end.label, parse_run(tmp_path / role))
        ends[role] = end.key
    band = make_calculation(
        hop[0], "hop/neb", incar=band_incar, n_images=2, final=hop[1], parents=ends
    )
    folder = tmp_path / "neb"
    prepare_folder(band, store, folder)
    process = subprocess.Popen(engine_command("xtb"), cwd=folder, stdout=subprocess.DEVNULL)
    wait_for(lambda: n_lines(folder / "01") >= 2)
    late = Deadline(end=time.time() + 0.01, length_s=100.0)
    Clock(late, StepTimes(folder)).check(str(folder))
    assert process.wait(timeout=60) == 0
    assert halt_of(folder, band.incar).n_parts == 1
    assert not is_finished(band, folder)
    assert prepare_folder(band, store, folder) == "resumed"
    assert not (folder / "02" / "STOPCAR").exists()
    for image in ("01", "02"):
        assert (folder / image / "HESSIAN.npz").exists(), "what was learnt goes along"
    reached = (folder / "02" / "part-01" / "CONTCAR").read_text().splitlines()[8:12]
    goes_on = (folder / "02" / "POSCAR").read_text().splitlines()[8:12]
    for one, other in zip(reached, goes_on, strict=True):
        difference = np.array(one.split()[:3], float) - np.array(other.split()[:3], float)
        assert np.abs(difference - np.round(difference)).max() < 1e-8
    run_vasp(folder, engine_command("xtb"))
    assert is_finished(band, folder)
    initial, final = (store.get_run(key) for key in ends.values())
    record = parse_band(folder, initial=initial, final=final)
    n_first = record.parts[0].n_ionic_steps
    assert record.parts == (
        Part(
            name="part-01",
            n_ionic_steps=n_first,
            elapsed_s=record.parts[0].elapsed_s,
            ended="walltime",
        ),
    )
    assert record.n_ionic_steps == n_first + n_lines(folder / "01")
    assert record.elapsed_s > record.parts[0].elapsed_s > 0
    store.add_band(band.key, band.label, record)
    assert store.get_band(band.key).parts == record.parts


@pytest.fixture
def project(tmp_path, make_calculation):
    """A LaunchPad with one relaxation, and a child that waits for it."""
    settings = load_settings(engine="xtb", folder=tmp_path)
    launchpad = open_launchpad(embedded=settings.launchpad, strm_lvl="CRITICAL")
    return settings, launchpad


@pytest.fixture
def job_seconds(start_seconds):
    """Length of a job that has time for some steps after its start, but not for all."""
    return max(12.0, 3 * start_seconds)


def work_in_jobs_of(seconds, project, most=12):
    """Work in one job after the other until nothing is left; return how many it took."""
    settings, launchpad = project
    environ = os.environ
    for n_jobs in range(1, most + 1):
        environ["HETEROFIRE_WALLTIME_END"] = f"{time.time() + seconds:.3f}"
        environ.pop("HETEROFIRE_WALLTIME_START", None)
        Pool(launchpad, settings, 1).run(lambda: None)
        if not launchpad.get_fw_ids({"state": {"$nin": ["COMPLETED", "FIZZLED"]}}):
            return n_jobs
    raise AssertionError("it never ends")


@pytest.mark.slow
def test_a_study_goes_on_from_job_to_job(
    project, make_calculation, monkeypatch, store, job_seconds
):
    from fireworks import Workflow

    for name in ("HETEROFIRE_WALLTIME_END", "HETEROFIRE_WALLTIME_START"):
        monkeypatch.setenv(name, "1")
    settings, launchpad = project
    about = {"plan": "p", "runs": settings.runs, "database": settings.database}
    first = make_calculation(incar=ENDLESS | {"NSW": 60})
    child = make_calculation(
        incar=RELAX | {"NSW": 0, "IBRION": -1},
        name="MoS2/static",
        parents={"structure": first.key},
    )
    parent_firework = step_firework(first, **about)
    child_firework = step_firework(child, parents=[parent_firework], **about)
    launchpad.add_wf(Workflow([parent_firework, child_firework]))
    assert work_in_jobs_of(job_seconds, project) > 1
    statuses = {status.name: status for status in job_statuses(launchpad)}
    assert set(statuses) == {"MoS2/relax", "MoS2/static"}, "a chain is one calculation"
    assert {status.state for status in statuses.values()} == {"COMPLETED"}
    outcome = statuses["MoS2/relax"].outcome
    assert outcome["n_parts"] > 1
    assert outcome["n_steps"] >= 60
    run = store.get_run(first.key)
    assert len(run.parts) == outcome["n_parts"] - 1


@pytest.mark.slow
def test_kill_9_after_the_stop_and_before_the_detour_loses_nothing(
    project, make_calculation, store, tmp_path, job_seconds
):
    """The worker dies while the engine takes STOPCAR: the next one goes on from there."""
    settings, launchpad = project
    calculation = make_calculation(incar=ENDLESS | {"NSW": 150})
    about = {"plan": "p", "runs": settings.runs, "database": settings.database}
    from fireworks import Workflow

    launchpad.add_wf(Workflow([step_firework(calculation, **about)]))
    folder = settings.runs / calculation.folder_name
    environ = os.environ | {"HETEROFIRE_WALLTIME_END": f"{time.time() + job_seconds + 3:.3f}"}
    command = [sys.executable, "-P", "-m", "heterofire.launchers.worker"]
    command += ["--folder", str(settings.folder), "--engine", "xtb"]
    worker = subprocess.Popen(command, cwd=tmp_path, env=environ)
    wait_for((folder / "walltime.json").exists)
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    before = n_lines(folder)
    assert before >= 1
    Pool(launchpad, settings, 1).run(lambda: None)
    run = store.get_run(calculation.key)
    assert [part.name for part in run.parts] == ["part-01"]
    assert run.parts[0].n_ionic_steps >= before
    assert run.n_ionic_steps > run.parts[0].n_ionic_steps
