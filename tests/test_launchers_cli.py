import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from heterofire.launchers.cli import app
from heterofire.results.store import ResultStore

README = Path(__file__).parents[1] / "README.md"
COMMANDS = sorted(c.name or c.callback.__name__ for c in app.registered_commands)


@pytest.fixture(scope="module")
def finished(tmp_path_factory, heterofire, molecules):
    folder = tmp_path_factory.mktemp("project")
    (folder / "molecules.yaml").write_text(molecules)
    # Folders of data that are called like the packages are in nobody's way.
    for name in ("structures", "workflows"):
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text("raise RuntimeError('data, not code')")
    first = heterofire(folder, "run", "molecules.yaml")
    assert first.returncode == 0, first.stderr
    return folder, first


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_in_the_readme_and_ends_its_help_with_an_example(command):
    assert f"heterofire {command}" in README.read_text()
    if command in ("lpad", "rlaunch", "qlaunch"):
        return  # their help is FireWorks' own
    shown = CliRunner().invoke(app, [command, "--help"])
    assert shown.exit_code == 0
    assert "Example: " in shown.output


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["build", "MoS3"], 2, "no model named 'MoS3'"),
        (["build", "CoPc", "--kind", "crystal"], 2, "CoPc is no crystal, but a molecule"),
        (["build", "CoPc", "--kind", "dye"], 2, "no kind 'dye'; there are model, crystal"),
        (["build", "TFSI-", "--padding", "3"], 2, "a padding of 3 Angstrom"),
        (["build", "MoS2@NC", "-o", "model.pdb"], 2, "model.pdb"),
        (["plan", "potasium-anode"], 2, "unknown study 'potasium-anode'"),
        (["plan", "potassium-anode", "--profile", "fast"], 2, "unknown profile 'fast'"),
        (["plan", "potassium-anode", "--engine", "castep"], 2, "unknown engine 'castep'"),
        (["table", "potassium-anode"], 2, "no results of potassium-anode.*run: heterofire run"),
        (["figure", "potassium-anode", "7z"], 2, "no figure 7z in profile quick; it has 5a"),
        (["engine", "xtb"], 2, "cannot read INCAR"),
        (["nonsense"], 2, "nonsense"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_bad_input_is_one_clear_error(tmp_path, arguments, code, message, heterofire):
    done = heterofire(tmp_path, *arguments)
    assert done.returncode == code, done.stderr
    assert re.search(message, done.stderr, re.DOTALL), done.stderr
    assert "Traceback" not in done.stderr


def test_a_molecule_is_built_into_a_box_and_written(tmp_path, heterofire):
    done = heterofire(tmp_path, "build", "TFSI-", "-o", "ion.xyz", "--json")
    assert done.returncode == 0, done.stderr
    about = json.loads(done.stdout)
    assert (about["charge"], about["multiplicity"], about["point_group"]) == (-1, 1, "C2")
    assert max(abs(value["deviation"]) for value in about["coordinates"]) < 0.1
    assert (tmp_path / "ion.xyz").read_text().startswith("15\n")


def test_a_name_of_a_crystal_and_a_molecule_says_which_is_built(tmp_path, heterofire):
    crystal = heterofire(tmp_path, "build", "LiF", "-o", "POSCAR")
    assert "taken as the crystal; --kind molecule builds the other" in crystal.stderr
    assert "8 atoms" in crystal.stdout
    molecule = heterofire(tmp_path, "build", "LiF", "--kind", "molecule")
    assert "Li1 F1, 2 atoms" in molecule.stdout


def test_the_first_run_ends_with_tables(finished):
    _, first = finished
    assert "reaction energy" in first.stdout
    assert "GFN1-xTB" in first.stdout


def test_a_second_run_starts_nothing_and_says_the_same(finished, heterofire):
    folder, first = finished
    before = {p: p.stat().st_mtime_ns for p in (folder / "runs").rglob("OUTCAR")}
    second = heterofire(folder, "run", "molecules.yaml")
    assert second.returncode == 0, second.stderr
    assert "4 steps, 4 stored already" in second.stderr
    assert {p: p.stat().st_mtime_ns for p in (folder / "runs").rglob("OUTCAR")} == before
    assert second.stdout == first.stdout


def test_a_lost_database_is_collected_again_from_the_run_folders(finished, heterofire, tmp_path):
    folder, first = finished
    other = str(tmp_path / "again.db")
    done = heterofire(folder, "collect", "runs", "--json", HETEROFIRE_DB=other)
    assert done.returncode == 0, done.stderr
    taken = json.loads(done.stdout)["taken"]
    assert {item["study"] for item in taken} == {"molecules"}
    with ResultStore.open(folder / "results.db") as lost, ResultStore.open(other) as found:
        columns = ["study", "profile", "model", "task", "name", "key", "e0", "folder"]
        rows = [s.calculations()[columns].sort_values("key") for s in (lost, found)]
        assert rows[0].to_numpy().tolist() == rows[1].to_numpy().tolist()
    second = heterofire(folder, "run", "molecules.yaml", HETEROFIRE_DB=other)
    assert "4 steps, 4 stored already" in second.stderr
    assert second.stdout == first.stdout
    assert "0 taken in" in heterofire(folder, "collect", "runs", HETEROFIRE_DB=other).stderr


def test_status_and_plan_and_table_speak_json(finished, heterofire):
    folder, _ = finished
    states = json.loads(heterofire(folder, "status", "--json").stdout)
    assert {status["state"] for status in states} == {"COMPLETED"}
    rows = json.loads(heterofire(folder, "plan", "molecules.yaml", "--json").stdout)
    assert [row["done"] for row in rows] == [True] * 4
    numbers = json.loads(heterofire(folder, "table", "molecules.yaml", "--json").stdout)
    assert numbers


def test_numbers_of_another_profile_or_engine_are_named_where_none_are_found(finished, heterofire):
    folder, _ = finished
    for options in (["--profile", "paper"], ["--engine", "vasp"], ["--engine", "vasp", "--anew"]):
        done = heterofire(folder, "table", "molecules.yaml", *options)
        assert done.returncode == 2
        assert "no results of molecules" in done.stderr
        assert "there are others of it: add --profile quick --engine xtb" in done.stderr


def test_a_study_under_way_has_the_numbers_of_what_is_stored(finished, heterofire, tmp_path):
    folder, _ = finished
    other = {"HETEROFIRE_DB": str(tmp_path / "under_way.db")}
    assert heterofire(folder, "collect", "runs", **other).returncode == 0
    before = heterofire(folder, "table", "molecules.yaml", **other)
    assert before.returncode == 2
    assert "4 of its calculations are stored" in before.stderr
    assert "--anew" in before.stderr
    done = heterofire(folder, "table", "molecules.yaml", "--anew", **other)
    assert done.returncode == 0, done.stderr
    assert "4 of 4 steps of molecules are stored" in done.stderr
    assert done.stdout == heterofire(folder, "table", "molecules.yaml").stdout


def test_fireworks_own_commands_see_the_projects_launchpad(finished, heterofire):
    folder, _ = finished
    shown = heterofire(folder, "lpad", "get_fws", "-d", "count")
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.strip().splitlines()[-1] == "5"


def test_a_dry_run_changes_nothing(tmp_path, heterofire, molecules):
    (tmp_path / "molecules.yaml").write_text(molecules)
    done = heterofire(tmp_path, "run", "molecules.yaml", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "4 of 4 steps would be queued" in done.stdout
    assert not (tmp_path / "runs").exists()


def test_inputs_are_written_without_a_queue(tmp_path, heterofire, molecules):
    (tmp_path / "molecules.yaml").write_text(molecules)
    done = heterofire(tmp_path, "inputs", "molecules.yaml", "-o", "here")
    assert done.returncode == 0, done.stderr
    folders = sorted((tmp_path / "here").iterdir())
    assert len(folders) == 4
    for folder in folders:
        names = {path.name for path in folder.iterdir()}
        assert names == {"INCAR", "KPOINTS", "POSCAR", "POTCAR.spec", "heterofire.json"}


def test_a_folder_that_waits_for_others_says_that_its_poscar_is_a_placeholder(tmp_path, heterofire):
    (tmp_path / "host.yaml").write_text(
        "{study: host, title: one, ion: K, hosts: [MoS2@NC], dos: true}"
    )
    done = heterofire(tmp_path, "inputs", "host.yaml", "--engine", "vasp", "-o", "here")
    assert done.returncode == 0, done.stderr
    assert "1 of 2 folders start from results of others" in done.stderr
    starts = {
        about["name"]: about["start"]
        for path in (tmp_path / "here").glob("*/heterofire.json")
        for about in [json.loads(path.read_text())]
    }
    assert starts["MoS2@NC/relax"] == "POSCAR is the start"
    assert "placeholder for results of MoS2@NC/relax (structure)" in starts["MoS2@NC/dos"]


def test_a_corrupt_store_or_launchpad_is_refused_and_kept(tmp_path, heterofire, molecules):
    (tmp_path / "molecules.yaml").write_text(molecules)
    for name in ("results.db", "launchpad.db"):
        damaged = tmp_path / name
        damaged.write_bytes(b"this is not what you think it is" * 200)
        done = heterofire(tmp_path, "run", "molecules.yaml")
        assert done.returncode == 1, done.stderr
        assert name in done.stderr
        assert "Traceback" not in done.stderr
        assert damaged.read_bytes().startswith(b"this is not")
        damaged.unlink()


def test_an_engine_that_dies_is_reported_and_the_exit_code_is_1(tmp_path, heterofire, molecules):
    (tmp_path / "molecules.yaml").write_text(molecules)
    dying = tmp_path / "vasp_that_dies"
    dying.write_text("#!/bin/sh\necho 'no licence' >&2\nexit 3\n")
    dying.chmod(0o755)
    (tmp_path / "my_fworker.yaml").write_text(f"name: here\nenv: {{vasp_cmd: {dying}}}\n")
    done = heterofire(tmp_path, "run", "molecules.yaml")
    assert done.returncode == 1, done.stderr
    assert "no licence" in done.stderr
    assert "4 steps of molecules are missing" in done.stderr


def test_the_command_line_starts_without_the_heavy_libraries(tmp_path):
    heavy = "{'numpy', 'pandas', 'pymatgen', 'ase', 'fireworks', 'matplotlib', 'pydantic', 'scipy'}"
    code = f"import sys, heterofire.launchers.cli; print({heavy} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"
