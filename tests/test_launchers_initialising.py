"""init asks for what is missing, replaces nothing unasked, and says what comes next."""

import os
import pty
import subprocess
import sys

import pytest

from heterofire.launchers.initialising import initialise
from heterofire.structures.errors import InputError

ANSWERS = {"kind": "slurm", "cores": 32, "vasp_std": "srun vasp_std"}


def files_in(folder):
    return {p.name: p.read_text() for p in folder.iterdir() if p.is_file()}


def test_the_written_files_and_the_next_steps_are_named(tmp_path, capsys):
    initialise(tmp_path, ANSWERS, force=False, dry_run=False)
    said = capsys.readouterr()
    assert set(files_in(tmp_path)) == {"my_fworker.yaml", "my_qadapter.yaml", "FW_config.yaml"}
    assert all(str(tmp_path / name) in said.err for name in files_in(tmp_path))
    assert [word for word in ("doctor", "plan", "submit", "launch") if word not in said.out] == []


def test_nothing_is_replaced_without_force(tmp_path):
    (tmp_path / "my_qadapter.yaml").write_text("mine: true\n")
    with pytest.raises(InputError, match=r"my_qadapter.yaml .*would be replaced.*--force"):
        initialise(tmp_path, ANSWERS, force=False, dry_run=False)
    assert files_in(tmp_path) == {"my_qadapter.yaml": "mine: true\n"}
    initialise(tmp_path, ANSWERS, force=True, dry_run=False)
    assert "CommonAdapter" in files_in(tmp_path)["my_qadapter.yaml"]


def test_the_same_answers_twice_need_no_force(tmp_path):
    initialise(tmp_path, ANSWERS, force=False, dry_run=False)
    before = files_in(tmp_path)
    initialise(tmp_path, ANSWERS, force=False, dry_run=False)
    assert files_in(tmp_path) == before


def test_a_dry_run_shows_all_but_the_password_and_writes_nothing(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("HETEROFIRE_MONGODB_PASSWORD", "hidden1")
    answers = ANSWERS | {"mongodb": "mongodb://ann@db.org/battery"}
    initialise(tmp_path, answers, force=False, dry_run=True)
    shown = capsys.readouterr().out
    assert "mongodb://ann:***@db.org/battery" in shown
    assert "hidden1" not in shown
    assert list(tmp_path.iterdir()) == []


def test_a_launchpad_file_that_stays_in_charge_is_told(tmp_path, capsys):
    (tmp_path / "my_launchpad.yaml").write_text("host: db.org\n")
    initialise(tmp_path, ANSWERS, force=False, dry_run=False)
    assert "still names the LaunchPad" in capsys.readouterr().out


def test_this_machine_alone_gets_no_queue(tmp_path):
    initialise(tmp_path, {"kind": "local"}, force=False, dry_run=False)
    assert set(files_in(tmp_path)) == {"my_fworker.yaml", "FW_config.yaml"}


def test_a_folder_that_a_job_script_would_take_apart_is_refused(tmp_path):
    folder = tmp_path / "my project"
    folder.mkdir()
    with pytest.raises(InputError, match="my project holds ' '"):
        initialise(folder, ANSWERS, force=False, dry_run=False)


def test_without_cluster_and_terminal_the_flag_is_asked_for(tmp_path, heterofire):
    done = heterofire(tmp_path, "init")
    assert done.returncode == 2
    assert "--cluster is missing; choose among slurm, pbs, sge, lsf, local" in done.stderr


def test_on_a_terminal_what_is_missing_is_asked_and_the_password_is_not_shown(tmp_path):
    typed = ["slurm", "vasp", "acc1", "", "12:00:00", "2", "64", "vasp/6", "", "", "-", "y", "", "",
             "mongodb://ann@db.org/battery", "hidden1"]  # fmt: skip
    code, shown = on_a_terminal(tmp_path, ["init"], typed)
    assert code == 0, shown
    written = files_in(tmp_path)
    assert "account: acc1" in written["my_qadapter.yaml"]
    assert "gam: srun vasp_gam" in written["my_fworker.yaml"]
    assert "vtst: true" in written["my_fworker.yaml"]
    assert "ann:hidden1@" in written["my_launchpad.yaml"]
    assert "hidden1" not in shown
    code, shown = on_a_terminal(tmp_path, ["init", "--cluster", "local", "--engine", "xtb"],
                                ["1", "", "", "n"])  # fmt: skip
    assert code == 2
    assert "Replace them?" in shown
    assert files_in(tmp_path) == written


def on_a_terminal(folder, arguments, typed):
    """Run heterofire on a terminal of its own; return its exit code and what it showed."""
    master, slave = pty.openpty()
    command = [sys.executable, "-P", "-m", "heterofire.launchers.cli", *arguments]
    running = subprocess.Popen(command, cwd=folder, stdin=slave, stdout=slave, stderr=slave,
                               start_new_session=True)  # fmt: skip
    os.close(slave)
    shown, answers = b"", list(typed)
    while True:
        try:
            part = os.read(master, 4096)
        except OSError:  # Linux says so when the last writer has closed
            break
        if not part:
            break
        shown += part
        if answers and shown.rstrip(b" ").endswith((b":", b"[Y/n]", b"[y/N]")):
            os.write(master, answers.pop(0).encode() + b"\n")
            shown += b"\n"
    os.close(master)
    return running.wait(timeout=30), shown.decode()
