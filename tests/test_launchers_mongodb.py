"""FireWorks' own client over MongoDB's wire protocol; see mongo_server.py."""

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
