"""FireWorks' own client over MongoDB's wire protocol; see mongo_server.py."""

import subprocess

from fireworks import Firework, ScriptTask, Workflow
from fireworks.utilities.fw_serializers import load_object_from_file

from heterofire.launchers.cluster_files import ClusterChoices, write_cluster_files
from heterofire.launchers.launchpads import open_launchpad
from heterofire.launchers.status import job_statuses


def test_the_same_study_runs_through_a_mongodb_server(tmp_path, mongodb, heterofire, molecules):
    (tmp_path / "molecules.yaml").write_text(molecules)
    launchpad_file = tmp_path / "my_launchpad.yaml"
    launchpad_file.write_text(f"host: 127.0.0.1\nport: {mongodb}\nname: fireworks\n")
    done = heterofire(tmp_path, "run", "molecules.yaml")
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "launchpad.db").exists()
    launchpad = open_launchpad(my_launchpad=launchpad_file, embedded=tmp_path / "unused.db")
    statuses = job_statuses(launchpad)
    assert {status.state for status in statuses} == {"COMPLETED"}
    assert len(statuses) == 5
    assert all(len(launchpad.get_fw_by_id(s.fw_id).launches) == 1 for s in statuses)
    again = heterofire(tmp_path, "run", "molecules.yaml")
    assert "4 steps, 4 stored already" in again.stderr


def test_a_mongodb_server_that_is_not_there_is_one_clear_error(tmp_path, heterofire, molecules):
    (tmp_path / "molecules.yaml").write_text(molecules)
    uri = "mongodb://127.0.0.1:9/fireworks?serverSelectionTimeoutMS=500"
    (tmp_path / "my_launchpad.yaml").write_text(f"host: {uri}\nuri_mode: true\nname: fireworks\n")
    done = heterofire(tmp_path, "run", "molecules.yaml")
    assert done.returncode == 1
    assert "my_launchpad.yaml" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_job_finds_the_server_whose_address_is_in_its_environment(tmp_path, mongodb, monkeypatch):
    answers = {"kind": "slurm", "engine": "xtb", "mongodb_env": "BATTERY_DB"}
    write_cluster_files(tmp_path, ClusterChoices.checked(answers))
    monkeypatch.setenv("BATTERY_DB", f"mongodb://127.0.0.1:{mongodb}/battery")
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
