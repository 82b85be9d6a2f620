"""An extract holds one study, all of it, and the same bytes every time."""

import sqlite3
from contextlib import closing

import pytest
from sqlalchemy import false

from heterofire.results.extracts import rows_of, write_extract
from heterofire.results.records import Label, Leg, Property
from heterofire.results.schema import METADATA
from heterofire.results.store import ResultStore
from heterofire.structures.errors import StoreError

ABOUT = {"study": "ours", "profile": "quick", "engine": "xtb"}
OF_NO_STUDY = {"collected_folders"}  # tables of this machine alone


def _number(study, keys, **changes):
    legs = tuple(
        Leg(role="host", factor=1.0, key=key, energy=-1.0, charge=0.0, formula="S1") for key in keys
    )
    values = {
        **ABOUT, "method": "m", "model": "host", "quantity": "binding energy", "label": "",
        "reference": "K atom", "value": -1.0, "unit": "eV", "energy_kind": "E0", "status": "ok",
        "legs": legs, "keys": tuple(keys),
    }  # fmt: skip
    return Property(**{**values, **changes, "study": study})


@pytest.fixture
def two_studies(store, full_run, make_run, make_structure):
    """Two studies: one calculation each, and one of the other that our number needs."""
    for key, study in (("mine", "ours"), ("shared", "theirs"), ("other", "theirs")):
        label = Label(study=study, profile="quick", model="m", task="relax", name=f"{key}/relax")
        store.add_run(key, label, full_run if key == "mine" else make_run(make_structure("S")))
    store.replace_properties(**ABOUT, properties=[_number("ours", ["mine", "shared"])])
    theirs = ABOUT | {"study": "theirs"}
    store.replace_properties(**theirs, properties=[_number("theirs", ["other"])])
    return store


def _rows(path, query):
    with closing(sqlite3.connect(path)) as connection:
        return [tuple(row) for row in connection.execute(query)]


def test_rows_of_other_studies_stay_behind(two_studies, tmp_path):
    write_extract(two_studies, tmp_path / "x.db", **ABOUT)
    assert _rows(tmp_path / "x.db", "SELECT DISTINCT study FROM properties") == [("ours",)]
    assert _rows(tmp_path / "x.db", "SELECT study, key FROM uses") == [("ours", "mine")]


def test_calculations_that_numbers_need_come_along_whatever_they_are_for(two_studies, tmp_path):
    write_extract(two_studies, tmp_path / "x.db", **ABOUT)
    found = _rows(tmp_path / "x.db", "SELECT key FROM calculations ORDER BY key")
    assert found == [("mine",), ("shared",)]
    assert _rows(tmp_path / "x.db", "PRAGMA foreign_key_check") == []


def test_what_comes_back_from_an_extract_is_what_was_stored(two_studies, full_run, tmp_path):
    write_extract(two_studies, tmp_path / "x.db", **ABOUT)
    with ResultStore.open(tmp_path / "x.db") as extract:
        assert extract.check() == []
        assert extract.properties() == two_studies.properties(study="ours")
        assert extract.get_run("mine").dos.total.tolist() == full_run.dos.total.tolist()


def test_the_same_database_gives_the_same_bytes(two_studies, tmp_path):
    for name in ("a.db", "b.db"):
        write_extract(two_studies, tmp_path / name, **ABOUT)
    assert (tmp_path / "a.db").read_bytes() == (tmp_path / "b.db").read_bytes()


def test_an_extract_is_one_file_without_a_log_beside_it(two_studies, tmp_path):
    (tmp_path / "new").mkdir()
    write_extract(two_studies, tmp_path / "new" / "x.db", **ABOUT)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["x.db"]


def test_a_file_that_is_there_is_not_written_over(two_studies, tmp_path):
    (tmp_path / "x.db").write_text("mine")
    with pytest.raises(StoreError, match="there already"):
        write_extract(two_studies, tmp_path / "x.db", **ABOUT)
    assert (tmp_path / "x.db").read_text() == "mine"


def test_every_table_of_the_schema_is_taken_or_known_to_belong_to_no_study():
    left = {t.name for t in METADATA.sorted_tables if rows_of(t, "s", "p", "e") is false()}
    assert left <= OF_NO_STUDY
