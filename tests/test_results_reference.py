"""The reference database: one name, checked, and never written into."""

import shutil

import pytest
from typer.testing import CliRunner

from heterofire.launchers.cli import app
from heterofire.launchers.project import Project
from heterofire.launchers.shown_studies import project_to_show
from heterofire.results import reference
from heterofire.results.database_checks import check_database
from heterofire.results.merging import merge
from heterofire.results.publishing import publish
from heterofire.results.querying import query
from heterofire.results.records import Label, Property
from heterofire.results.snapshots import require_current, snapshot
from heterofire.results.store import ResultStore
from heterofire.structures.errors import InputError, StoreError

RUNNER = CliRunner()


def _number(**about):
    return Property(
        **about, method="GFN1-xTB", model="K", quantity="K binding energy", label="gallery-1",
        reference="K atom", value=-2.5, unit="eV", energy_kind="E0", status="ok", keys=("aaaaaa",),
    )  # fmt: skip


@pytest.fixture
def numbers(store, make_run, make_structure):
    """A database with one number of potassium-anode, profile gpaw."""
    about = {"study": "potassium-anode", "profile": "gpaw", "engine": "xtb"}
    label = Label(study="potassium-anode", profile="gpaw", model="K", task="relax", name="K/relax")
    store.add_run("aaaaaa", label, make_run(make_structure("K")))
    store.replace_properties(**about, properties=[_number(**about)])
    return store


@pytest.fixture
def shipped(numbers, tmp_path, monkeypatch):
    """That database in the place of the one that ships with the package."""
    path = tmp_path / "package" / "reference.db"
    publish(numbers, path, ["potassium-anode"])
    monkeypatch.setattr(reference, "reference_file", lambda: path)
    monkeypatch.chdir(tmp_path)
    return path


def test_the_name_reads_the_file_of_the_package(shipped):
    frame = query(database="reference")
    assert frame["value"].tolist() == [-2.5]
    with ResultStore.open("reference") as store:
        assert store.name == "reference"
        assert store.has("aaaaaa")


def test_commands_show_the_profile_and_engine_that_it_has(shipped):
    done = RUNNER.invoke(app, ["table", "potassium-anode", "--db", "reference"])
    assert done.exit_code == 0, done.output
    assert "-2.5" in done.output
    assert "profile: gpaw, engine: xtb" in done.output


def test_the_variable_names_it_as_well_as_the_option(shipped, monkeypatch):
    monkeypatch.setenv("HETEROFIRE_DB", "reference")
    project, profile = project_to_show("potassium-anode", None, None, None)
    assert (profile, project.settings.engine) == ("gpaw", "xtb")


def test_of_several_kinds_of_numbers_one_has_to_be_chosen(shipped, numbers):
    about = {"study": "potassium-anode", "profile": "quick", "engine": "xtb"}
    label = Label(study="potassium-anode", profile="quick", model="K", task="relax", name="K/relax")
    numbers.add_use("aaaaaa", label)
    numbers.replace_properties(**about, properties=[_number(**about)])
    publish(numbers, shipped, ["potassium-anode"])
    reference._verified.cache_clear()
    with pytest.raises(InputError, match="choose --profile gpaw --engine xtb, --profile quick"):
        project_to_show("potassium-anode", None, None, "reference")
    assert project_to_show("potassium-anode", "quick", None, "reference")[1] == "quick"


@pytest.mark.parametrize(
    "write",
    [
        lambda store, label, run: store.add_run("bbbbbb", label, run),
        lambda store, label, run: store.add_use("aaaaaa", label),
        lambda store, label, run: store.replace_properties("s", "quick", "xtb", []),
        lambda store, label, run: merge("reference", "results.db"),
    ],
    ids=["run", "use", "properties", "merge"],
)
def test_nothing_is_written_into_it(shipped, write, label, make_run, make_structure):
    before = shipped.read_bytes()
    with (
        ResultStore.open("reference") as store,
        pytest.raises(StoreError, match="nothing is written into the reference database"),
    ):
        write(store, label, make_run(make_structure("K")))
    assert shipped.read_bytes() == before
    assert sorted(path.name for path in shipped.parent.iterdir()) == [
        "reference.db", "reference.db.sha256",
    ]  # fmt: skip


def test_its_path_is_no_way_around(shipped, label, make_run, make_structure):
    with ResultStore.open(shipped) as store, pytest.raises(StoreError, match="nothing is written"):
        store.add_run("bbbbbb", label, make_run(make_structure("K")))


@pytest.mark.parametrize("command", ["submit", "run"])
def test_no_study_is_started_for_it(shipped, command, monkeypatch, molecules, tmp_path):
    monkeypatch.setenv("HETEROFIRE_DB", "reference")
    (tmp_path / "molecules.yaml").write_text(molecules)
    done = RUNNER.invoke(app, [command, "molecules.yaml"])
    assert isinstance(done.exception, StoreError)
    assert "nothing was started" in str(done.exception)


def test_it_is_taken_into_a_database_of_ones_own(shipped, tmp_path):
    ResultStore.open(tmp_path / "own.db").close()
    assert merge(tmp_path / "own.db", "reference").new == ["aaaaaa"]


def test_a_changed_file_is_refused_with_both_hashes(shipped):
    shipped.write_bytes(shipped.read_bytes()[:-1] + b"x")
    with pytest.raises(StoreError, match="is not the reference database that was published"):
        ResultStore.open("reference")


def test_a_missing_checksum_is_said(shipped):
    reference.checksum_file(shipped).unlink()
    with pytest.raises(StoreError, match=r"reference.db.sha256 does not hold"):
        ResultStore.open("reference")


def test_a_package_without_one_says_so(shipped):
    shutil.rmtree(shipped.parent)
    with pytest.raises(InputError, match=r"has no reference database.*--db or HETEROFIRE_DB"):
        Project.here(None, "reference").store  # noqa: B018


def test_figures_keep_no_record_in_it(shipped):
    done = RUNNER.invoke(app, ["figure", "potassium-anode", "--check", "--db", "reference"])
    assert "heterofire figure --read FILE --db reference" in str(done.exception)


def test_a_file_called_reference_is_still_reached_by_its_path():
    assert not reference.is_reference("./reference")
    assert not reference.is_reference("other/reference.db")


def test_the_one_that_ships_is_whole():
    if not reference.reference_file().is_file():
        pytest.skip("no reference database has been published yet")
    with snapshot("reference") as (connection, name):
        require_current(connection, name)
        assert check_database(connection).problems == []
