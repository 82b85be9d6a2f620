"""``heterofire query`` as typed: what is printed, written, refused, and its exit codes."""

import csv
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from heterofire.launchers.cli import app
from heterofire.structures.errors import InputError

DOCS = (Path(__file__).parents[1] / "docs" / "query.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"```bash\n(.*?)```", DOCS, re.DOTALL)[0].strip().splitlines()


@pytest.fixture
def ask(query_database, tmp_path, monkeypatch):
    """Run the command in a project folder of its own."""
    shutil.copy(query_database, tmp_path / "results.db")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HETEROFIRE_DB", raising=False)

    def run(*arguments: str):
        done = CliRunner().invoke(app, ["query", *arguments])
        if isinstance(done.exception, Exception):
            raise done.exception
        return done

    return run


@pytest.mark.parametrize("command", COMMANDS)
def test_every_documented_command_runs(ask, command):
    program, name, *arguments = shlex.split(command)
    assert (program, name) == ("heterofire", "query")
    done = ask(*arguments)
    assert done.exit_code == 0
    if "-o" in arguments or "--ase" in arguments:
        assert Path(arguments[-1]).stat().st_size > 0
    else:
        assert done.stdout.strip()


def test_no_rows_are_no_failure_and_say_why(ask):
    done = ask("model = MoSe@NC")
    assert (done.exit_code, done.stdout) == (0, "no rows\n")
    assert "known are MoSSe@NC" in done.stderr


def test_json_is_for_scripts(ask):
    rows = json.loads(ask("quantity = gap", "--json", "--columns", "value").stdout)
    assert rows == [{"value": None, "unit": "eV"}, {"value": 0.5, "unit": "eV"}]
    columns = json.loads(ask("--list-columns", "--json").stdout)
    assert {
        "column": "elements",
        "kind": "elements",
        "unit": "",
        "of": "any of its runs",
    } in columns


def test_a_file_is_replaced_as_a_whole(ask):
    Path("rows.csv").write_text("old")
    ask("quantity != odd", "-o", "rows.csv")
    rows = list(csv.DictReader(Path("rows.csv").read_text(encoding="utf-8").splitlines()))
    assert [row["unit"] for row in rows] == ["eV", "eV", "eV", "Angstrom", "eV", "eV"]
    with pytest.raises(InputError):
        ask("modle = x", "-o", "rows.csv")
    assert len(Path("rows.csv").read_text(encoding="utf-8").splitlines()) == 7
    assert not list(Path().glob(".rows*"))


def test_counting_and_pivots_say_their_numbers(ask):
    assert ask("quantity = gap", "--count").stdout == "2\n"
    shown = ask("quantity != odd", "--pivot", "quantity", "engine", "--aggregate", "mean")
    assert shown.stdout.splitlines()[0].split() == ["quantity", "vasp", "(eV)", "xtb"]
    assert "mean of their rows" in shown.stderr


def test_a_dry_run_prints_the_statement_and_asks_nothing(ask):
    text = ask("model = MoS2@NC", "--dry-run", "-o", "rows.csv").stdout
    assert "SELECT" in text
    assert "'MoS2@NC'" in text
    assert not Path("rows.csv").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["--count", "--sql", "SELECT 1"],
        ["model = x", "--sql", "SELECT 1"],
        ["--pivot", "model", "quantity", "--sort", "value"],
        ["--aggregate", "mean"],
        ["--ase", "a.db", "-o", "a.csv"],
        ["--sql", "SELECT 1", "--format", "parquet"],
        ["--pivot", "model", "model"],
        ["--pivot", "model", "quantity", "--value", "label"],
        ["--pivot", "model", "quantity", "--aggregate", "median"],
        ["--of", "figures"],
        ["--list-columns", "--of", "figures"],
        ["--format", "xlsx"],
    ],
    ids=" ".join,
)
def test_contradictions_are_refused(ask, arguments):
    with pytest.raises(InputError):
        ask(*arguments)


def test_a_wrong_filter_or_a_missing_database_ends_with_2(heterofire, query_database, tmp_path):
    wrong = heterofire(tmp_path, "query", "value <", HETEROFIRE_DB=str(query_database))
    assert wrong.returncode == 2
    assert wrong.stderr.endswith("value <\n         ^\n")
    missing = heterofire(tmp_path, "query", HETEROFIRE_DB="nowhere.db")
    assert missing.returncode == 2
    assert "there is no database nowhere.db" in missing.stderr
    assert not list(tmp_path.iterdir())
    if Path("/dev/full").exists():
        command = f"{sys.executable} -P -m heterofire.launchers.cli query > /dev/full"
        environment = os.environ | {"HETEROFIRE_DB": str(query_database)}
        full = subprocess.run(
            ["bash", "-c", command], env=environment, capture_output=True, text=True, check=False
        )
        assert full.returncode == 1
        assert "The disk is full" in full.stderr
