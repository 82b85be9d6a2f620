"""The doctor finds what is wrong, says what to do, and leaves everything as it was."""

import socket
import sys
import time
from pathlib import Path

import pytest
from fireworks import Firework, ScriptTask, Workflow

from heterofire.launchers import doctor
from heterofire.launchers import machine_checks as machine
from heterofire.launchers import vasp_checks as vasp
from heterofire.launchers.launchpads import open_launchpad
from heterofire.launchers.settings import engine_command, load_settings


@pytest.fixture
def project(tmp_path, monkeypatch):
    """An empty project folder of a user who has configured nothing."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("PMG_VASP_PSP_DIR", "HETEROFIRE_DB", "FW_CONFIG_FILE"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


def everything_in(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_empty_project_passes_with_the_embedded_engine_and_stays_empty(project):
    checks = doctor.run_checks(load_settings(folder=project))
    assert {check.name: check.status for check in checks} == {
        "Python": "ok",
        "packages": checks[1].status,  # the versions are this machine's
        "disk space": checks[2].status,
        "run folder": "ok",
        "scratch": "ok",
        "file locks": checks[5].status,
        "LaunchPad": "ok",
        "clocks": "ok",
        "result store": "ok",
        "POTCAR library": "ok",
        "engine": "ok",
    }
    assert "computed H2" in checks[-1].message
    assert list(project.iterdir()) == []


def test_every_check_that_is_not_ok_says_what_to_do(project):
    (project / "my_fworker.yaml").write_text("env: {vasp_cmd: no_such_vasp}\n")
    (project / "launchpad.db").write_text("not a LaunchPad")
    checks = doctor.run_checks(load_settings(folder=project))
    bad = [check for check in checks if check.status != "ok"]
    assert {"LaunchPad", "POTCAR library", "engine"} <= {check.name for check in bad}
    assert all(check.remedy or "." in check.message for check in bad)


def test_filled_launchpad_is_counted_and_unchanged(project):
    path = project / "launchpad.db"
    launchpad = open_launchpad(embedded=path, strm_lvl="ERROR")
    launchpad.add_wf(Workflow([Firework(ScriptTask.from_str("true"))]))
    launchpad.connection.close()
    check = doctor.check_launchpad(None, path)
    assert (check.status, check.message) == ("ok", f"{path} holds 1 fireworks")


def test_damaged_stores_fail_and_are_kept(project):
    for name in ("launchpad.db", "results.db"):
        (project / name).write_text("damaged " * 100)
    before = everything_in(project)
    checks = {check.name: check for check in doctor.run_checks(load_settings(folder=project))}
    assert checks["LaunchPad"].status == "failed"
    assert checks["result store"].status == "failed"
    assert "launchpad.db" in checks["LaunchPad"].message
    assert everything_in(project) == before


def test_server_that_does_not_answer_fails_within_seconds(project):
    with socket.socket() as free:  # a port on which nobody listens
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    path = project / "my_launchpad.yaml"
    path.write_text(f"host: 127.0.0.1\nport: {port}\nname: fireworks\n")
    check = doctor.check_launchpad(path, project / "launchpad.db")
    assert check.status == "failed"
    assert f"127.0.0.1:{port}" in check.message
    assert "my_launchpad.yaml" in check.remedy


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("import sys; sys.exit('no licence')", "exit code 1: no licence"),
        ("open('OSZICAR', 'w').write('nothing')", "no energy in OSZICAR"),
        ("pass", "no OSZICAR"),
    ],
    ids=["dies", "writes nonsense", "writes nothing"],
)
def test_engine_that_fails_is_quoted(tmp_path, script, message):
    check = doctor.check_embedded_engine([sys.executable, "-c", script], tmp_path)
    assert check.status == "failed"
    assert message in check.message
    assert list(tmp_path.iterdir()) == []


def test_engine_that_is_not_there_is_named(tmp_path):
    check = doctor.check_embedded_engine(["/no/such/engine"], tmp_path)
    assert check.status == "failed"
    assert "/no/such/engine" in check.message


def test_embedded_engine_answers_through_the_command_workers_use(tmp_path):
    check = doctor.check_embedded_engine(engine_command("xtb"), tmp_path)
    assert check.status == "ok", check.message


@pytest.mark.parametrize(
    ("command", "status"),
    [((), "failed"), (("no_such_vasp",), "warning"), ((sys.executable,), "ok")],
    ids=["not configured", "not found", "found"],
)
def test_vasp_command_is_looked_for_but_not_started(command, status):
    assert vasp.check_vasp_command(command).status == status


def test_starter_without_its_program_is_a_warning(tmp_path, monkeypatch):
    for name in ("srun", "vasp_std"):
        (tmp_path / name).write_text("#!/bin/sh\nexit 9\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert vasp.check_vasp_command(("srun", "-n", "4", "vasp_std")).status == "ok"
    assert vasp.check_vasp_command(("srun", "-n", "4", "vasp_gam")).status == "warning"


def test_library_is_wanted_only_where_vasp_runs(project, monkeypatch):
    assert vasp.check_potcar_library(needed=False).status == "ok"
    missing = vasp.check_potcar_library(needed=True)
    assert missing.status == "warning"
    assert "PMG_VASP_PSP_DIR" in missing.remedy
    monkeypatch.setenv("PMG_VASP_PSP_DIR", str(project))
    assert vasp.check_potcar_library(needed=True).message == str(project)


def test_package_of_another_version_than_tried_is_a_warning():
    check = machine.check_packages(["numpy<1", "pytest>=1; extra == 'test'"])
    assert check.status == "warning"
    assert check.message.startswith("numpy ")


def test_missing_packages_fail_with_the_command_that_installs_them():
    check = machine.check_packages(["numpy", "no-such-package>=2", "nor-this"])
    assert (check.status, check.remedy) == ("failed", "pip install no-such-package nor-this")


@pytest.mark.parametrize(
    ("free_gb", "status"), [(0.1, "failed"), (2.0, "warning"), (50.0, "ok")], ids=str
)
def test_disk_space_is_judged_by_what_is_free(tmp_path, monkeypatch, free_gb, status):
    usage = type(machine.shutil.disk_usage(tmp_path))(10**12, 0, int(free_gb * 1e9))
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda folder: usage)
    check = machine.check_disk_space(tmp_path / "not" / "yet")
    assert check.status == status
    assert bool(check.remedy) is (status != "ok")


def test_a_wrong_password_answers_within_seconds_and_is_not_shown(
    project, mongodb, heterofire, start_seconds
):
    uri = f"mongodb://ann:hidden1@127.0.0.1:{mongodb.port}/battery"
    (project / "my_launchpad.yaml").write_text(f"host: {uri}\nuri_mode: true\nname: battery\n")
    for command in (("doctor", "--json"), ("status",), ("submit", "potassium-anode")):
        started = time.monotonic()
        done = heterofire(project, *command)
        assert time.monotonic() - started < 10 + 3 * start_seconds
        assert done.returncode == 1
        assert "Authentication failed" in done.stdout + done.stderr
        assert "hidden1" not in done.stdout + done.stderr


def test_the_clock_of_the_server_is_compared(project, mongodb):
    path = project / "my_launchpad.yaml"
    path.write_text(f"host: 127.0.0.1\nport: {mongodb.port}\nname: fireworks\n")
    checks = {check.name: check for check in doctor.run_checks(load_settings(folder=project))}
    assert checks["clocks"].status == "ok"
    assert "the MongoDB server" in checks["clocks"].message


@pytest.mark.parametrize(
    ("ahead_s", "status"), [(0.5, "ok"), (-60.0, "warning"), (7200.0, "failed")]
)
def test_clocks_that_differ_are_told(tmp_path, ahead_s, status):
    check = machine.check_clock(tmp_path, ahead_s)
    assert check.status == status
    assert ("the MongoDB server is" in check.message) is (status != "ok")


def test_a_scratch_that_is_not_here_is_a_warning_and_one_that_is_is_written(tmp_path, monkeypatch):
    monkeypatch.setenv("PLACE", str(tmp_path))
    assert machine.check_scratch("$PLACE").status != "failed"
    assert machine.check_scratch("$PLACE/gone").status == "warning"
    assert machine.check_scratch(None).status == "ok"
    assert list(tmp_path.iterdir()) == []


def test_potentials_of_a_study_are_looked_for_where_vasp_runs(project):
    (project / "my_fworker.yaml").write_text("env: {vasp_cmd: vasp_std}\n")
    study = project / "small.yaml"
    study.write_text("study: small\ntitle: t\nhosts: []\nphases: {K atom: {atom: K}}\n")
    settings = load_settings(folder=project)
    checks = {c.name: c for c in doctor.run_checks(settings, study=str(study))}
    assert checks["POTCARs"].status == "failed"
    assert "K_sv" in checks["POTCARs"].message


def test_a_test_job_without_a_queue_says_so(project):
    checks = doctor.run_checks(load_settings(folder=project), test_job=True)
    assert checks[-1].name == "test job"
    assert checks[-1].status == "failed"
    assert "heterofire init" in checks[-1].message


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc")
def test_folder_that_cannot_be_written_fails():
    # not even root makes files there
    checks = {check.name: check for check in doctor.run_checks(load_settings(folder=Path("/proc")))}
    assert checks["run folder"].status == "failed"
    assert checks["LaunchPad"].status == "failed"
    assert "writable" in checks["run folder"].remedy
