"""Jobs on a real Slurm, which the project's own script starts on this machine."""

import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fireworks import Firework, PyTask, Workflow

from heterofire.launchers.launchpads import open_launchpad
from heterofire.launchers.reservations import holds, job_of, release, reserve
from heterofire.launchers.status import job_statuses
from heterofire.results.store import ResultStore
from heterofire.workflows.flows import step_firework
from heterofire.workflows.planning import plan_study
from heterofire.workflows.plans import relative_cost
from heterofire.workflows.study_reading import load_study

QADAPTER = """\
_fw_name: CommonAdapter
_fw_q_type: SLURM
queue: {queue}
walltime: "00:10:00"
ntasks: 1
"""


def squeue(folder: Path, states: str = "PENDING,RUNNING,COMPLETING") -> list[str]:
    """Return the ids of jobs that were submitted from below a folder."""
    command = ["squeue", "-h", "-t", states, "-o", "%i %Z"]
    rows = [line.split(" ", 1) for line in subprocess.check_output(command, text=True).splitlines()]
    return [job for job, where in rows if Path(where).is_relative_to(folder)]


def every_job() -> set[str]:
    """Return the ids of all jobs of the queue."""
    return set(subprocess.check_output(["squeue", "-h", "-o", "%i"], text=True).split())


@pytest.fixture
def project(tmp_path, slurm, own_home):
    """A folder with a queue; its jobs are cancelled at the end."""
    (tmp_path / "my_qadapter.yaml").write_text(QADAPTER.format(queue="debug"))
    yield tmp_path
    for job in squeue(tmp_path):
        subprocess.run(["scancel", job], check=False)


@pytest.fixture
def launchpad(project):
    return open_launchpad(embedded=project / "launchpad.db", strm_lvl="CRITICAL")


def sleeping(seconds: float, model: str, **about) -> Firework:
    spec = {"heterofire": {"study": "small", "model": model, "task": "static", **about}}
    task = PyTask(func="time.sleep", args=[seconds])
    return Firework(task, spec=spec, name=f"{model}/static")


def states(launchpad) -> dict[str, str]:
    return {status.name: status.state for status in job_statuses(launchpad)}


def wait_for(claim, seconds=60.0):
    end = time.monotonic() + seconds
    while not claim():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.2)


def test_small_calculations_go_into_one_job_that_says_what_it_does(project, launchpad, heterofire):
    launchpad.add_wf(Workflow([sleeping(0, "MoS2@NC"), sleeping(0, "MoSSe@NC")]))
    planned = heterofire(project, "launch", "--bundle", "5", "--dry-run")
    assert "--job-name=small.2-models.static" in planned.stdout
    assert "#SBATCH --time=00:10:00" in planned.stdout
    assert not squeue(project, "all"), "a dry run submitted something"
    done = heterofire(project, "launch", "--bundle", "5", "--follow", "--every", "1")
    assert done.returncode == 0, done.stderr
    assert set(states(launchpad).values()) == {"COMPLETED"}
    assert len(squeue(project, "all")) == 1


def test_children_are_submitted_when_their_parents_are_done(project, launchpad, heterofire):
    parent, child = sleeping(0, "parent"), sleeping(0, "child")
    launchpad.add_wf(Workflow([parent, child], {parent: [child]}))
    once = heterofire(project, "launch")
    assert "1 jobs submitted; 1 calculations in the queue, 1 wait" in once.stdout
    done = heterofire(project, "launch", "--follow", "--every", "1")
    assert done.returncode == 0, done.stderr
    assert set(states(launchpad).values()) == {"COMPLETED"}


def test_a_wrong_partition_shows_the_words_of_sbatch_and_releases(project, launchpad, heterofire):
    (project / "my_qadapter.yaml").write_text(QADAPTER.format(queue="nowhere"))
    launchpad.add_wf(Workflow([sleeping(0, "a"), sleeping(0, "b")]))
    done = heterofire(project, "launch", "--bundle", "2")
    assert done.returncode == 1
    assert "invalid partition specified: nowhere" in done.stderr
    assert set(states(launchpad).values()) == {"READY"}


def test_no_more_jobs_are_submitted_than_allowed(project, launchpad, heterofire):
    others = every_job()  # of tests that run at the same time; some may end while this one submits
    launchpad.add_wf(Workflow([sleeping(30, f"m{i}") for i in range(len(others) + 3)]))
    done = heterofire(project, "launch", "--max-jobs", str(len(others) + 2))
    assert done.returncode == 0, done.stderr
    stayed = others & every_job()
    assert len(squeue(project)) <= len(others) + 2 - len(stayed)
    assert "READY" in states(launchpad).values()


def test_a_cancelled_job_is_told_and_queued_again_and_a_live_one_is_left(
    project, launchpad, heterofire
):
    launchpad.add_wf(Workflow([sleeping(60, "running", max_lost=1)]))
    heterofire(project, "launch")
    wait_for(lambda: states(launchpad) == {"running/static": "RUNNING"})
    alive = heterofire(project, "status", "--repair")
    assert "0 lost calculations" in alive.stderr
    assert states(launchpad) == {"running/static": "RUNNING"}
    (job,) = squeue(project)
    subprocess.run(["scancel", "--signal=KILL", "--full", job], check=True)
    wait_for(lambda: not squeue(project))
    shown = heterofire(project, "status")
    assert f"{job} gone" in shown.stdout
    repaired = heterofire(project, "status", "--repair")
    assert "running/static: job" in repaired.stderr
    assert "queued again" in repaired.stderr
    assert states(launchpad) == {"running/static": "READY"}
    assert heterofire(project, "status", "--repair").stderr.startswith("0 lost")


def test_a_job_that_never_starts_anything_is_given_up_with_its_history(
    project, launchpad, heterofire
):
    with (project / "my_qadapter.yaml").open("a") as stream:
        stream.write("pre_rocket: exit 3\n")
    launchpad.add_wf(Workflow([sleeping(0, "never", max_lost=1)]))
    done = heterofire(project, "launch", "--follow", "--every", "1")
    assert done.returncode == 1
    assert states(launchpad) == {"never/static": "FIZZLED"}
    assert "lost 2 times" in done.stderr
    assert done.stderr.count("FAILED, exit code 3") >= 2


def test_a_released_firework_is_left_alone_by_the_job_it_was_reserved_for(
    project, launchpad, heterofire
):
    launchpad.add_wf(Workflow([sleeping(0, "released")]))
    stale = reserve(launchpad, 1, "somebody", project)
    script = project / "stale.sh"
    command = [sys.executable, "-m", "heterofire.launchers.worker", "--folder", str(project)]
    command += ["--engine", "xtb", "--fireworks", str(stale)]
    script.write_text(f"#!/bin/bash\nexec {' '.join(command)}\n")
    release(launchpad, stale)
    again = reserve(launchpad, 1, "somebody", project)
    assert again != stale
    done = subprocess.run(["sbatch", "--wait", str(script)], cwd=project, check=False)
    assert done.returncode == 0
    assert holds(launchpad, again) == "RESERVED"
    # The submitter of this one died before it could note the job: the job does.
    script.write_text(script.read_text().replace(str(stale), str(again)))
    subprocess.run(["sbatch", "--wait", str(script)], cwd=project, check=True)
    assert states(launchpad) == {"released/static": "COMPLETED"}
    assert job_of(launchpad.launches.find_one({"launch_id": again.launch_id}))


def test_nothing_is_repaired_when_the_scheduler_does_not_answer(project, launchpad, heterofire):
    launchpad.add_wf(Workflow([sleeping(0, "reserved")]))
    reservation = reserve(launchpad, 1, "somebody", project)
    launchpad.set_reservation_id(reservation.launch_id, "1")
    python = str(Path(sys.executable).parent)
    done = heterofire(project, "status", "--repair", PATH=python)
    assert done.returncode == 1
    assert "squeue is not on this machine" in done.stderr
    shown = heterofire(project, "status", PATH=python)
    assert "nothing is known about the jobs" in shown.stderr
    assert states(launchpad) == {"reserved/static": "RESERVED"}


def test_nodes_without_a_database_lose_nothing_when_a_job_is_cancelled(
    project, heterofire, molecules
):
    with (project / "my_qadapter.yaml").open("a") as stream:
        stream.write("rocket_launch: rlaunch singleshot --offline\n")
    (project / "molecules.yaml").write_text(molecules)
    assert heterofire(project, "submit", "molecules.yaml").returncode == 0
    subprocess.run(["scontrol", "update", "partition=debug", "state=DOWN"], check=True)
    try:
        once = heterofire(project, "launch", "--bundle", "2")
        assert once.returncode == 0, once.stderr
        scripts = [path.read_text() for path in (project / "runs" / ".jobs").glob("*/*script*")]
        assert scripts
        assert all("--offline" in script for script in scripts)
        subprocess.run(["scancel", squeue(project)[0]], check=True)
    finally:
        subprocess.run(["scontrol", "update", "partition=debug", "state=UP"], check=True)
    done = heterofire(project, "launch", "--follow", "--every", "1")
    assert done.returncode == 0, done.stderr
    assert "CANCELLED" in done.stderr
    launchpad = open_launchpad(embedded=project / "launchpad.db", strm_lvl="CRITICAL")
    assert set(states(launchpad).values()) == {"COMPLETED"}
    started = launchpad.launches.count_documents({"action.stored_data.engine_started": True})
    assert started == len([name for name in states(launchpad) if "derive" not in name])


RELAXATIONS = """
study: relaxations
title: more than fits into one job of a minute
ion: K
hosts: [MoS2@NC]
sites: [{region: outer, count: 2}, {region: gallery, count: 2}]
phases: {K: {atom: K}}
"""


@pytest.mark.slow
def test_what_does_not_fit_its_job_is_stopped_in_time_and_goes_on_in_the_next(project, heterofire):
    adapter = QADAPTER.format(queue="debug").replace("00:10:00", "00:01:00")
    (project / "my_qadapter.yaml").write_text(adapter)
    (project / "relaxations.yaml").write_text(RELAXATIONS)
    assert heterofire(project, "submit", "relaxations.yaml").returncode == 0
    done = heterofire(project, "launch", "--bundle", "6", "--follow", "--every", "2")
    assert done.returncode == 0, done.stderr
    assert "TIMEOUT" not in done.stderr, "Slurm had to kill a job"
    launchpad = open_launchpad(embedded=project / "launchpad.db", strm_lvl="CRITICAL")
    assert set(states(launchpad).values()) == {"COMPLETED"}
    continued = {"action.stored_data.continued": {"$exists": True}}
    assert launchpad.launches.count_documents(continued) >= 1
    with ResultStore.open(project / "results.db") as store:
        runs = [store.get_run(key) for key in store.calculations()["key"]]
    assert len(runs) == 7
    assert {run.status for run in runs} == {"converged"}
    assert any(run.parts for run in runs)


@pytest.mark.slow
def test_the_quick_potassium_anode_has_the_same_energies_through_sbatch(
    project, launchpad, heterofire, tmp_path
):
    study = load_study("potassium-anode")
    plan = plan_study(study, "quick", engine="xtb", method="GFN1-xTB")
    free = [c for c in plan.calculations if not c.parents and not c.n_images]
    cheapest = sorted(free, key=relative_cost)[:6]
    here = tmp_path / "here"
    here.mkdir()
    for folder in (project, here):
        fireworks = [
            step_firework(c, plan="cheap", runs=folder / "runs", database=None) for c in cheapest
        ]
        open_launchpad(embedded=folder / "launchpad.db").add_wf(Workflow(fireworks))
    queued = heterofire(project, "launch", "--bundle", "3", "--follow", "--every", "2")
    assert queued.returncode == 0, queued.stderr
    assert heterofire(here, "launch", "--local").returncode == 0
    with (
        ResultStore.open(project / "results.db") as theirs,
        ResultStore.open(here / "results.db") as ours,
    ):
        for calculation in cheapest:
            difference = theirs.get_run(calculation.key).e0 - ours.get_run(calculation.key).e0
            assert abs(difference) < 1e-6, calculation.label.name


@pytest.mark.slow
def test_twelve_faults_lose_nothing_and_compute_nothing_twice(slurm, tmp_path):
    script = Path(__file__).parents[1] / "benchmarks" / "faults.py"
    folder = tmp_path / "faults"
    command = [sys.executable, str(script), "--faults", "12", "--outage", "30"]
    done = subprocess.run(
        [*command, "--folder", str(folder)],
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "12 faults in" in done.stdout
    shutil.rmtree(folder)
