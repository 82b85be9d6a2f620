"""Stored energies are computed once more from their inputs, and a wrong one is found."""

import json
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from heterofire.launchers.cli import app
from heterofire.launchers.rebuild_printing import Choice, chosen
from heterofire.launchers.rebuilding import MARK, Rebuilder, Rebuilding, environment, study_source
from heterofire.launchers.settings import load_settings
from heterofire.results.chosen_calculations import random_calculations, stored_calculations
from heterofire.results.reference import reference_file
from heterofire.results.store import ResultStore
from heterofire.structures.errors import InputError

GPAW_STUDY = """\
study: hydrogen
title: One molecule that takes seconds
hosts: []
phases:
  H2: {molecule: H2}
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory, heterofire, molecules) -> Path:
    """A project folder with a finished small study."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "molecules.yaml").write_text(molecules)
    done = heterofire(folder, "run", "molecules.yaml")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def copied(project, tmp_path) -> Path:
    """The study's file and database in a folder of its own."""
    for name in ("molecules.yaml", "results.db"):
        shutil.copy(project / name, tmp_path / name)
    return tmp_path


@pytest.fixture
def rebuild(copied, monkeypatch):
    """Run the command in that folder, in this process."""
    monkeypatch.chdir(copied)
    return lambda *arguments: CliRunner().invoke(app, ["rebuild", *arguments])


def key_of(folder: Path, name: str) -> str:
    with closing(sqlite3.connect(folder / "results.db")) as connection:
        return connection.execute("SELECT key FROM uses WHERE name = ?", (name,)).fetchone()[0]


def shift(folder: Path, name: str, by: float) -> None:
    """Store a run anew with another energy, its hash being right."""
    key = key_of(folder, name)
    with ResultStore.open(folder / "results.db") as store:
        run, rows = store.get_run(key), store.calculations(key=key)
        label = next(i.labels[0] for i in stored_calculations(store) if i.key == key)
        assert len(rows) == 1
        with store.writing() as connection:
            for table in ("arrays", "uses", "sources", "legs"):
                connection.exec_driver_sql(f"DELETE FROM {table} WHERE key = '{key}'")  # noqa: S608
            connection.exec_driver_sql(f"DELETE FROM calculations WHERE key = '{key}'")  # noqa: S608
        store.add_run(key, label, replace(run, e0=run.e0 + by))


def rebuilt(done) -> list[dict]:
    return json.loads(done.stdout)["rebuilt"]


def test_an_atom_and_a_relaxed_molecule_are_what_is_stored(copied, heterofire):
    before = (copied / "results.db").read_bytes()
    done = heterofire(copied, "rebuild", "K atom/molecule", "S/molecule", "--json")
    assert done.returncode == 0, done.stderr
    atom, molecule = rebuilt(done)
    assert abs(atom["difference"]) < 1e-6
    assert abs(molecule["difference"]) < 1e-3
    assert (atom["what"], molecule["what"]) == ("static", "static, at the relaxed geometry")
    assert not (copied / "rebuilt").exists()
    assert (copied / "results.db").read_bytes() == before


def test_an_energy_that_was_stored_wrong_is_found(copied, rebuild):
    shift(copied, "S/molecule", 0.1)
    done = rebuild("S/molecule", "--json")
    assert done.exit_code == 1
    (row,) = rebuilt(done)
    assert row["verdict"] == "differs"
    assert row["difference"] == pytest.approx(-0.1, abs=1e-3)
    assert Path(copied / row["reason"].removeprefix("see ")).is_dir()  # to look at


def test_a_row_that_was_altered_by_hand_is_found_without_a_run(copied, rebuild):
    with closing(sqlite3.connect(copied / "results.db")) as connection:
        connection.execute("UPDATE calculations SET e0 = e0 + 0.1")
        connection.commit()
    done = rebuild("S/molecule")
    assert done.exit_code == 1
    assert "does not match its hash" in done.stderr


def test_a_wider_tolerance_takes_what_a_narrow_one_refuses(copied, rebuild):
    shift(copied, "K atom/molecule", 0.004)
    assert rebuild("K atom/molecule").exit_code == 0
    narrow = rebuild("K atom/molecule", "--tolerance", "0.003")
    assert narrow.exit_code == 1
    assert "1 of 1 energies are not within 3 meV" in narrow.stdout


def test_a_relaxation_can_be_done_again_as_a_whole(copied, rebuild):
    done = rebuild("S/molecule", "--whole", "--keep", "--json")
    assert done.exit_code == 0, done.stderr
    (row,) = rebuilt(done)
    assert row["what"] == "as a whole"
    (folder,) = (copied / "rebuilt").iterdir()
    assert "NSW = 0" not in (folder / "INCAR").read_text()
    assert json.loads((folder / MARK).read_text())["judged"]


def test_what_an_interrupted_rebuild_left_is_read_and_what_was_judged_is_run_anew(copied, rebuild):
    first = rebuild("K atom/molecule", "--keep")
    assert first.exit_code == 0, first.stderr
    (folder,) = (copied / "rebuilt").iterdir()
    mark = json.loads((folder / MARK).read_text())
    started = (folder / "vasprun.xml").stat().st_mtime_ns
    (folder / MARK).write_text(json.dumps(mark | {"judged": False}))
    rebuild("K atom/molecule", "--keep")
    assert (folder / "vasprun.xml").stat().st_mtime_ns == started
    rebuild("K atom/molecule", "--keep")
    assert (folder / "vasprun.xml").stat().st_mtime_ns > started


def test_a_folder_of_somebody_else_is_left_alone(copied, rebuild):
    rebuild("K atom/molecule", "--keep")
    (folder,) = (copied / "rebuilt").iterdir()
    (folder / MARK).unlink()
    done = rebuild("K atom/molecule")
    assert done.exit_code == 1
    assert "is no run folder of a rebuild" in done.stderr
    assert (folder / "vasprun.xml").exists()


def test_a_dry_run_says_what_would_run_and_runs_nothing(copied, rebuild):
    done = rebuild("S/molecule", key_of(copied, "K/bulk")[:8], "--dry-run")
    assert done.exit_code == 0, done.stderr
    assert "S/molecule" in done.stdout
    assert "K/bulk" in done.stdout
    assert "nothing was run" in done.stdout
    assert not (copied / "rebuilt").exists()


def test_a_key_that_no_study_plans_any_more_is_not_rebuilt(copied, rebuild):
    study = (copied / "molecules.yaml").read_text()
    (copied / "molecules.yaml").write_text(study.replace("[2, 2, 2]", "[3, 3, 3]"))
    done = rebuild("K/bulk", "--json")
    assert done.exit_code == 1
    (row,) = rebuilt(done)
    assert row["verdict"] == "not rebuilt"
    assert "plans no calculation of this key today" in row["reason"]


def test_without_its_study_a_run_is_rebuilt_from_what_is_stored(copied, rebuild):
    (copied / "molecules.yaml").unlink()
    refused = rebuild("K/bulk")
    assert refused.exit_code == 1
    assert "no study 'molecules'" in refused.stderr
    done = rebuild("K/bulk", "--as-stored", "--json")
    assert done.exit_code == 0, done.stderr
    assert abs(rebuilt(done)[0]["difference"]) < 1e-3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name calculations, by name or key"),
        (["S/molecule", "--random", "1"], "name calculations, by name or key"),
        (["S/molecul"], "no calculation 'S/molecul'; it has S/molecule"),
        (["--random", "9", "--cheap"], "9 cheap calculations were asked for, there are 4"),
        (["S/molecule", "--profile", "paper"], "no calculation 'S/molecule'"),
        (["S/molecule", "--db", "none.db"], "there is no result database none.db"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_bad_input_is_one_clear_error(rebuild, arguments, message):
    done = rebuild(*arguments)
    assert isinstance(done.exception, InputError)
    assert message in str(done.exception)


def test_the_same_seed_draws_the_same_calculations(project):
    with ResultStore.open(project / "results.db") as store:
        known = stored_calculations(store)
        first, second = (random_calculations(known, 2, seed=7, cheap=True) for _ in range(2))
        assert first == second
        drawn = {tuple(random_calculations(known, 2, seed=seed)) for seed in range(20)}
        assert len(drawn) > 3
        assert len(chosen(store, Choice(n_random=2, cheap=True, study="molecules"))) == 2


def test_one_name_of_two_profiles_wants_a_key(copied, label):
    with ResultStore.open(copied / "results.db") as store:
        key, other = key_of(copied, "S/molecule"), key_of(copied, "K/bulk")
        twice = replace(label, study="molecules", profile="paper", name="S/molecule")
        store.add_use(other, twice)
        with pytest.raises(InputError, match="stands for 2 calculations"):
            chosen(store, Choice(words=("S/molecule",)))
        (found,) = chosen(store, Choice(words=("S/molecule",), profile="quick"))
        assert found.key == key


def test_a_study_is_found_by_name_by_file_and_by_the_file_here(copied, monkeypatch):
    monkeypatch.chdir(copied)
    assert study_source("potassium-anode", ()) == "potassium-anode"
    assert study_source("molecules", ()) == "molecules.yaml"
    (copied / "molecules.yaml").rename(copied / "mine.yaml")
    assert study_source("molecules", ("mine.yaml",)) == "mine.yaml"
    with pytest.raises(InputError, match=r"no file molecules\.yaml here"):
        study_source("molecules", ())


@pytest.fixture
def publish(copied, monkeypatch):
    """Publish that study, in this process."""
    monkeypatch.chdir(copied)
    command = ["db", "publish", "molecules.yaml", "--to", "published.db"]
    return lambda *options: CliRunner().invoke(app, [*command, *options])


def test_only_what_can_be_rebuilt_is_published(copied, publish, rebuild):
    study = copied / "molecules.yaml"
    assert publish().exit_code == 0
    assert rebuild("--db", "published.db", "--dry-run", "K atom/molecule").exit_code == 0
    study.write_text(study.read_text().replace("[2, 2, 2]", "[3, 3, 3]"))
    refused = publish()
    assert isinstance(refused.exception, InputError)
    assert "heterofire table molecules --profile quick --engine xtb --anew" in str(
        refused.exception
    )
    assert publish("--everything").exit_code == 0


def test_a_study_without_its_file_is_published_as_it_is(copied, monkeypatch):
    monkeypatch.chdir(copied)
    (copied / "molecules.yaml").unlink()
    done = CliRunner().invoke(app, ["db", "publish", "molecules", "--to", "published.db"])
    assert done.exit_code == 0, done.stderr
    assert "molecules cannot be planned, all of it is published" in done.stderr
    assert (copied / "published.db").is_file()


def test_a_method_that_was_stored_is_computed_whatever_the_shell_says(monkeypatch):
    monkeypatch.setenv("HETEROFIRE_XTB_METHOD", "GFN2-xTB")
    with environment({"HETEROFIRE_XTB_METHOD": "GFN1-xTB"}):
        assert load_settings(engine="xtb").method == "GFN1-xTB"
    assert load_settings(engine="xtb").method == "GFN2-xTB"


def test_numbers_are_derived_again_and_a_wrong_one_is_named(copied, rebuild):
    good = rebuild("--numbers")
    assert good.exit_code == 0, good.stderr
    assert "molecules/quick/xtb: 1 of 1 numbers are derived again" in good.stdout
    with ResultStore.open(copied / "results.db") as store:
        (number,) = store.properties()
        wrong = replace(number, value=number.value + 0.1)
        store.replace_properties("molecules", "quick", "xtb", [wrong])
    bad = rebuild("--numbers")
    assert bad.exit_code == 1
    assert f"{wrong.value} is stored, {number.value} {number.unit} derived" in bad.stdout


@pytest.mark.slow
def test_gpaw_gives_what_is_stored_and_finds_what_is_wrong(gpaw, tmp_path, heterofire):
    (tmp_path / "hydrogen.yaml").write_text(GPAW_STUDY)
    about = ("--profile", "gpaw", "--engine", "gpaw")
    heterofire(tmp_path, "run", "hydrogen.yaml", *about, "-j", "1")  # it has no numbers to show
    good = heterofire(tmp_path, "rebuild", "H2/molecule", "--json")
    assert good.returncode == 0, good.stderr
    assert abs(rebuilt(good)[0]["difference"]) < 2e-3
    shift(tmp_path, "H2/molecule", 0.1)
    assert heterofire(tmp_path, "rebuild", "H2/molecule").returncode == 1


@pytest.mark.slow
def test_three_cheap_rows_of_the_reference_database_are_rebuilt(gpaw, tmp_path, heterofire):
    if not reference_file().is_file():
        pytest.skip("no reference database has been published yet")
    done = heterofire(tmp_path, "rebuild", "--db", "reference", "--random", "3", "--cheap")
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"


@pytest.mark.slow
def test_every_row_of_the_reference_database_is_one_that_its_study_plans(tmp_path, monkeypatch):
    if not reference_file().is_file():
        pytest.skip("no reference database has been published yet")
    monkeypatch.chdir(tmp_path)
    with ResultStore.open("reference") as store:
        rebuilder = Rebuilder(store, "reference", Rebuilding())
        for item in stored_calculations(store):
            assert all(rebuilder.trials_of(part) for part in rebuilder.parts_of(item))
