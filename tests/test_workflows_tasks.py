"""FireTasks run as FireWorks runs them: what they tell, and what they do at the end of a job."""

import os
import sys
import time
from pathlib import Path

import pytest
from fireworks import FWorker, Workflow
from fireworks.core.rocket_launcher import launch_rocket
from pymatgen.core import Lattice, Structure

from heterofire.launchers.job_ends import is_time_up
from heterofire.launchers.launchpads import open_launchpad
from heterofire.launchers.listing import print_status
from heterofire.launchers.project import Project
from heterofire.launchers.settings import engine_command, load_settings
from heterofire.launchers.status import job_statuses
from heterofire.launchers.worker import worker_environment
from heterofire.results.records import Label
from heterofire.structures.errors import InputError
from heterofire.workflows.calculations import Calculation
from heterofire.workflows.flows import step_firework
from heterofire.workflows.walltime import JobTimes, worker_options

COMPLAINS = (
    "import os, pathlib, sys\n"
    "said = pathlib.Path('said')\n"
    "if not said.exists():\n"
    "    said.touch(); print('ERROR: group operation missing 24'); sys.exit(0)\n"
    "os.execv(sys.argv[1], sys.argv[1:])\n"
)


@pytest.fixture
def project(tmp_path):
    structure = Structure(Lattice.orthorhombic(9, 8, 8), ["Li", "Li"], [[0.3, 0, 0], [0.6, 0, 0]])
    calculation = Calculation(
        label=Label(study="s", profile="quick", model="Li2", task="relax", name="Li2/relax"),
        structure=structure,
        incar={"ISMEAR": -1, "SIGMA": 0.0862, "IBRION": 2, "NSW": 30, "EDIFFG": -0.02},
        kpoints={"style": "Gamma", "mesh": [1, 1, 1], "n_kpoints": 1},
        potcar_symbols=("Li",),
        engine="xtb",
        method="GFN1-xTB",
    )
    settings = load_settings(engine="xtb", folder=tmp_path)
    launchpad = open_launchpad(embedded=settings.launchpad, strm_lvl="CRITICAL")
    firework = step_firework(calculation, plan="p", runs=settings.runs, database=settings.database)
    launchpad.add_wf(Workflow([firework]))
    return Project(settings), launchpad


def rocket(project, command=None):
    """Run what is ready in this process, as rlaunch does; come back to where we were."""
    opened, launchpad = project
    env = worker_environment(opened.settings)
    here = Path.cwd()
    try:
        fworker = FWorker(env=env | ({"vasp_cmd": command} if command else {}))
        launch_rocket(launchpad, fworker, strm_lvl="CRITICAL")
    finally:
        os.chdir(here)
    return job_statuses(launchpad)


def test_status_shows_what_was_corrected(project, capsys):
    command = [sys.executable, "-c", COMPLAINS, *engine_command("xtb")]
    (status,) = rocket(project, command)
    assert status.state == "COMPLETED", status.reason
    wanted = "VaspErrorHandler: point_group -> INCAR ISYM=0"
    assert status.outcome["corrections"] == [wanted]
    assert print_status(project[0], as_json=False) == 0
    assert f"Li2/relax: corrected: {wanted}" in capsys.readouterr().out


def test_nothing_is_started_at_the_very_end_of_a_job(project, monkeypatch):
    """Plain rlaunch takes it up all the same: it waits for the end and leaves it to the next."""
    monkeypatch.setattr("heterofire.workflows.tasks._LEAST_WAIT_S", 0.2)
    monkeypatch.setenv("HETEROFIRE_WALLTIME_START", f"{time.time() - 3600}")
    monkeypatch.setenv("HETEROFIRE_WALLTIME_END", f"{time.time() + 0.5}")
    (status,) = rocket(project)
    assert status.state == "READY"
    folder = next(project[0].settings.runs.glob("Li2*"))
    assert not (folder / "OUTCAR").exists()
    monkeypatch.delenv("HETEROFIRE_WALLTIME_END")
    (status,) = rocket(project)
    assert status.state == "COMPLETED"
    assert "n_parts" not in status.outcome


@pytest.mark.parametrize(
    ("left", "length", "margin_s", "is_up"),
    [
        (3000, 3600, None, False),
        (100, 3600, None, True),
        (50, 60, None, False),
        (3, 60, None, True),
        (500, 3600, 600, True),
    ],
)
def test_a_worker_knows_when_its_job_is_too_near_its_end(left, length, margin_s, is_up):
    end = time.time() + left
    assert is_time_up(JobTimes(start=end - length, end=end), margin_s) is is_up


def test_without_a_limit_time_is_never_up():
    assert not is_time_up(None)


@pytest.mark.parametrize(
    "options",
    [{"walltime_margin_s": "10 min"}, {"walltime_margin_s": -1}, {"max_parts": 0}, "many"],
    ids=["words", "negative", "no part", "no mapping"],
)
def test_a_worker_file_that_asks_for_nonsense_is_refused(options):
    with pytest.raises(InputError, match=r"my_fworker\.yaml: env: heterofire"):
        worker_options({"heterofire": options})
