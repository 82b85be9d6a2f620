"""``heterofire db`` as a user calls it."""

import gzip
import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from heterofire.launchers.cli import app
from heterofire.launchers.cli_db import db
from heterofire.results.records import Label
from heterofire.results.store import ResultStore

LABEL = Label(study="s", profile="quick", model="MoS2", task="relax", name="MoS2/relax")
COMMANDS = sorted(c.name or c.callback.__name__ for c in db.registered_commands)


@pytest.fixture
def project(tmp_path, full_run, monkeypatch) -> Path:
    """A project folder with one run, by its name in the environment."""
    with ResultStore.open(tmp_path / "results.db") as store:
        store.add_run("k1", LABEL, full_run)
    monkeypatch.setenv("HETEROFIRE_DB", str(tmp_path / "results.db"))
    return tmp_path


def call(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "heterofire.launchers.cli", "db", *arguments],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_ends_its_help_with_an_example(command):
    shown = CliRunner().invoke(app, ["db", command, "--help"])
    assert f"Example: heterofire db {command}" in shown.output.replace("\n", " ")


def test_info_names_schema_rows_and_studies(project):
    done = call("info", "--json")
    info = json.loads(done.stdout)
    assert info["rows"]["calculations"] == 1
    assert info["studies"][0]["study"] == "s"
    assert "1 calculations" in call("info").stdout


def test_check_is_silent_about_what_is_right_and_exits_1_where_not(project):
    fine = call("check")
    assert (fine.returncode, "0 problems" in fine.stdout) == (0, True)
    with sqlite3.connect(project / "results.db") as connection:
        connection.execute("UPDATE calculations SET e0 = 0")
    wrong = call("check")
    assert wrong.returncode == 1
    assert "calculation k1 (runs/MoS2) does not match its hash" in wrong.stdout
    assert json.loads(call("check", "--json").stdout)["problems"]


def test_backup_and_merge_bring_a_lost_database_back(project, full_run):
    assert call("backup", str(project / "b.db")).returncode == 0
    assert call("backup", str(project / "b.db")).returncode == 2
    (project / "results.db").unlink()
    assert call("merge", str(project / "b.db")).returncode == 0
    with ResultStore.open(project / "results.db") as store:
        assert store.get_run("k1").e0 == full_run.e0


def test_merge_exits_1_when_something_was_left(project, tmp_path, make_run, make_structure):
    with ResultStore.open(tmp_path / "other.db") as other:
        other.add_run("k1", LABEL, make_run(make_structure("K"), -1.0))
    done = call("merge", str(tmp_path / "other.db"), "--dry-run")
    assert done.returncode == 1
    assert "conflict: calculation k1" in done.stdout
    assert "nothing was changed" in done.stderr


def test_migrate_says_which_steps_and_where_the_copy_is(tmp_path, monkeypatch):
    packed = Path(__file__).parent / "data" / "results_schema1.db.gz"
    (tmp_path / "old.db").write_bytes(gzip.decompress(packed.read_bytes()))
    monkeypatch.setenv("HETEROFIRE_DB", str(tmp_path / "old.db"))
    assert "bring it up to date" in call("info").stderr
    assert "db migrate" in call("check").stderr
    assert "would go from schema 1" in call("migrate", "--dry-run").stdout
    assert "old.schema1.db" in call("migrate").stdout
    assert "up to date" in call("migrate").stdout
    assert call("check").returncode == 0


@pytest.mark.parametrize("command", [["info"], ["check"], ["backup", "b.db"], ["migrate"]])
def test_a_database_that_is_not_there_is_said_and_not_made(tmp_path, monkeypatch, command):
    monkeypatch.setenv("HETEROFIRE_DB", str(tmp_path / "none.db"))
    done = call(*command)
    assert done.returncode == 2
    assert "there is no database" in done.stderr
    assert list(tmp_path.iterdir()) == []
