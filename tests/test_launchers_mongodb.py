"""FireWorks' own client over MongoDB's wire protocol; see mongo_server.py."""

import os
import random
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace

import bson
import pytest
from fireworks import Firework, ScriptTask, Workflow
from fireworks.utilities.fw_serializers import load_object_from_file

from heterofire.launchers.cluster_files import ClusterChoices, write_cluster_files
from heterofire.launchers.launchpads import open_launchpad
from heterofire.launchers.status import job_statuses
from heterofire.results.store import ResultStore
from heterofire.workflows.flows import step_firework, study_flow
from heterofire.workflows.planning import plan_study
from heterofire.workflows.study_reading import load_study

N_CALCULATIONS = 40
HASTY = (  # a pause of seconds then breaks connections, as one of a minute does otherwise
    "mongoclient_kwargs: {connectTimeoutMS: 800, socketTimeoutMS: 1500, "
    "serverSelectionTimeoutMS: 800, heartbeatFrequencyMS: 500}\n"
)
NOTE_STARTS = """
import os, sys
if "engine" in sys.orig_argv:
    with open("{0}", "a") as stream:
        stream.write(os.getcwd() + chr(10))
"""


def open_server(folder, server, more=""):
    return open_launchpad(
        my_launchpad=server.name_in(folder, more=more), embedded=folder / "unused.db"
    )


def test_the_same_study_runs_through_a_mongodb_server(tmp_path, mongodb, heterofire, molecules):
    (tmp_path / "molecules.yaml").write_text(molecules)
    mongodb.name_in(tmp_path)
    done = heterofire(tmp_path, "run", "molecules.yaml")
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "launchpad.db").exists()
    launchpad = open_server(tmp_path, mongodb)
    statuses = job_statuses(launchpad)
    assert {status.state for status in statuses} == {"COMPLETED"}
    assert len(statuses) == 5
    assert all(len(launchpad.get_fw_by_id(s.fw_id).launches) == 1 for s in statuses)
    again = heterofire(tmp_path, "run", "molecules.yaml")
    assert "4 steps, 4 stored already" in again.stderr


def atoms_in_boxes(molecules, folder):
    """Return a workflow of one K atom in a box, each a little larger than the one before."""
    (folder / "molecules.yaml").write_text(molecules)
    study = load_study(folder / "molecules.yaml")
    plan = plan_study(study, "quick", engine="xtb", method="GFN1-xTB")
    atom = next(c for c in plan.calculations if c.label.name.startswith("K atom"))
    fireworks = []
    for i in range(N_CALCULATIONS):
        structure = atom.structure.copy()
        structure.scale_lattice(structure.volume * (1 + 0.01 * i))
        label = replace(atom.label, name=f"K-{i}/static")
        step = replace(atom, structure=structure, label=label)
        fireworks.append(
            step_firework(
                step,
                plan="boxes",
                runs=folder / "runs",
                database=str(folder / "results.db"),
                parents=fireworks[:1],  # so that all ends meet in one workflow's lock
            )
        )
    return Workflow(fireworks, name="boxes")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("more", "n_pauses"), [("", 3), (HASTY, 8)], ids=["patient client", "connections break"]
)
def test_four_workers_complete_each_once_while_the_server_is_paused(
    tmp_path, mongodb, molecules, more, n_pauses
):
    chance = random.Random(n_pauses)
    launchpad = open_server(tmp_path, mongodb)
    launchpad._restart_ids(1, 1)
    launchpad.add_wf(atoms_in_boxes(molecules, tmp_path))
    mongodb.name_in(tmp_path, more=more)
    command = [sys.executable, "-P", "-m", "heterofire.launchers.cli", "launch", "-j", "4"]
    # Python runs this file first: it notes each start of the engine, whoever starts it.
    (tmp_path / "site" / "sitecustomize.py").parent.mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(NOTE_STARTS.format(tmp_path / "starts"))
    path = os.pathsep.join([str(tmp_path / "site"), os.environ.get("PYTHONPATH", "")])
    with (tmp_path / "launch.log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=tmp_path, stdout=log, stderr=log, env=os.environ | {"PYTHONPATH": path}
        )
    for _ in range(n_pauses):
        time.sleep(chance.uniform(0.5, 5.0))
        mongodb.process.send_signal(signal.SIGSTOP)
        time.sleep(chance.uniform(1.0, 4.0))
        mongodb.process.send_signal(signal.SIGCONT)
    assert process.wait(timeout=400) == 0, (tmp_path / "launch.log").read_text()[-3000:]
    check_each_ran_once(tmp_path, launchpad)


def check_each_ran_once(folder, launchpad):
    statuses = job_statuses(launchpad)
    assert len(statuses) == N_CALCULATIONS
    assert {status.state for status in statuses} == {"COMPLETED"}
    with ResultStore.open(folder / "results.db") as store:
        assert len(store.calculations()) == N_CALCULATIONS
        assert store.check() == []
    starts = (folder / "starts").read_text().splitlines()
    assert len(starts) == len(set(starts)) == N_CALCULATIONS, "an engine was started twice"
    names = {launch["fworker"]["name"] for launch in launchpad.launches.find({})}
    print(f"{len(names)} workers, {launchpad.launches.count_documents({})} launches")
    assert len(names) >= 4


def test_documents_stay_far_below_the_limit(tmp_path):
    plan = plan_study(
        load_study("potassium-anode"), "paper", engine="vasp", method="", has_vtst=False
    )
    flow = study_flow(plan, runs=tmp_path / "runs", database=None)
    sizes = {fw.name: len(bson.encode(fw.to_db_dict())) for fw in flow.fws}
    sizes["the workflow"] = len(bson.encode(flow.to_db_dict()))
    largest = max(sizes, key=sizes.__getitem__)
    print(f"{len(flow.fws)} fireworks; largest document {sizes[largest]} bytes: {largest}")
    assert sizes[largest] < 1_000_000


def test_a_mongodb_server_that_is_not_there_is_one_clear_error(
    tmp_path, heterofire, molecules, start_seconds
):
    (tmp_path / "molecules.yaml").write_text(molecules)
    uri = "mongodb://127.0.0.1:9/fireworks"
    (tmp_path / "my_launchpad.yaml").write_text(f"host: {uri}\nuri_mode: true\nname: fireworks\n")
    started = time.monotonic()
    done = heterofire(tmp_path, "status")
    assert time.monotonic() - started < 10 + 2 * start_seconds
    assert done.returncode == 1
    assert "my_launchpad.yaml" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_job_finds_the_server_whose_address_is_in_its_environment(tmp_path, mongodb, monkeypatch):
    answers = {"kind": "slurm", "engine": "xtb", "mongodb_env": "BATTERY_DB"}
    write_cluster_files(tmp_path, ClusterChoices.checked(answers))
    monkeypatch.setenv("BATTERY_DB", f"mongodb://127.0.0.1:{mongodb.port}/battery")
    launchpad = open_launchpad(
        my_launchpad=tmp_path / "my_launchpad.yaml", embedded=tmp_path / "unused.db"
    )
    launchpad._restart_ids(1, 1)
    launchpad.add_wf(Workflow([Firework(ScriptTask.from_str("echo ran > here"))]))
    adapter = load_object_from_file(str(tmp_path / "my_qadapter.yaml"))
    (tmp_path / "job").mkdir()
    (tmp_path / "job.sh").write_text(adapter.get_script_str(str(tmp_path / "job")))
    done = subprocess.run(
        ["bash", tmp_path / "job.sh"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert launchpad.get_fw_by_id(1).state == "COMPLETED"
    assert (tmp_path / "job" / "here").read_text() == "ran\n"


@pytest.mark.parametrize(
    "arguments",
    [("status",), ("launch",), ("collect",), ("lpad", "get_fws")],
    ids=" ".join,
)
@pytest.mark.parametrize("way", ["fields", "uri"])
def test_a_wrong_password_is_told_at_once_and_not_shown(
    tmp_path, start_mongodb, heterofire, arguments, way, start_seconds
):
    server = start_mongodb("--refuse")
    if way == "fields":
        server.name_in(tmp_path, more="username: me\npassword: hunter2/x\n")
    else:
        uri = f"mongodb://me:hunter2%2Fx@127.0.0.1:{server.port}/fireworks"
        (tmp_path / "my_launchpad.yaml").write_text(f"host: {uri}\nuri_mode: true\nname: fw\n")
    started = time.monotonic()
    done = heterofire(tmp_path, *arguments)
    assert time.monotonic() - started < 5 + 2 * start_seconds
    assert done.returncode == 1
    assert "refuses the login" in done.stderr
    assert "my_launchpad.yaml" in done.stderr
    assert "hunter2" not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_a_host_that_says_nothing_is_told_within_seconds(tmp_path, heterofire, start_seconds):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        (tmp_path / "my_launchpad.yaml").write_text(f"host: 127.0.0.1\nport: {port}\nname: fw\n")
        started = time.monotonic()
        done = heterofire(tmp_path, "status")
    assert time.monotonic() - started < 8 + 2 * start_seconds  # 8 s for the host
    assert done.returncode == 1
    assert "does not answer" in done.stderr


@pytest.mark.parametrize(
    "text",
    [
        "host: 127.0.0.1\nport: 1\nname: fw\npassword: [hunter2\n",
        "host: mongodb://me:hunter2@127.0.0.1:port/fw\nuri_mode: true\nname: fw\n",
        "host: mongodb://me:hunter2:x@h@127.0.0.1/fw\nuri_mode: true\nname: fw\n",
        "password: hunter2\n",
    ],
    ids=["yaml", "port", "unescaped", "no host"],
)
def test_a_file_that_cannot_be_read_shows_no_password(tmp_path, heterofire, text):
    (tmp_path / "my_launchpad.yaml").write_text(text)
    done = heterofire(tmp_path, "status")
    assert done.returncode == 2
    assert "my_launchpad.yaml" in done.stderr
    assert "hunter2" not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
