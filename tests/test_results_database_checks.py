"""A check names every row that was altered, or that refers to what is gone."""

import re
from dataclasses import replace

import pytest
from sqlalchemy import create_engine, text

from heterofire.results.database_checks import check_database
from heterofire.results.databases import locate
from heterofire.results.records import Label, Leg, Property
from heterofire.results.snapshots import snapshot
from heterofire.results.store import ResultStore

LABEL = Label(study="s", profile="quick", model="MoS2", task="relax", name="MoS2/relax")


@pytest.fixture
def checked(database, full_run, make_run, make_structure) -> str:
    """A database with two runs and three properties; two of the same names."""
    legs = tuple(
        Leg(role=r, factor=f, key=k, energy=e, charge=0.0, formula=x)
        for r, f, k, e, x in [("a", 1.0, "k1", full_run.e0, "Mo1"), ("b", -1.0, "k2", -1.0, "K1")]
    )
    values = {"study": "s", "profile": "quick", "engine": "xtb", "method": "x", "model": "MoS2"}
    values |= {"label": "", "reference": "", "unit": "eV", "energy_kind": "E0", "status": "ok"}
    items = [
        Property(quantity="binding energy", value=-30.0, legs=legs, keys=("k1", "k2"), **values),
        Property(quantity="gap", value=1.5, keys=("k1",), **values),
        Property(quantity="gap", value=1.6, keys=("k1",), **values),
    ]
    with ResultStore.open(database) as store:
        store.add_run("k1", LABEL, full_run)
        store.add_run("k2", replace(LABEL, name="K"), make_run(make_structure("K"), -1.0))
        store.replace_properties("s", "quick", "xtb", items)
    return database


def change(where: str, *commands: str) -> None:
    """Run SQL that no foreign key stands in the way of."""
    engine = create_engine(locate(where)[0])
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SET session_replication_role = replica"))
        for command in commands:
            connection.execute(text(command))
    engine.dispose()


def check(where: str):
    with snapshot(where) as (connection, _):
        return check_database(connection)


def test_an_untouched_database_has_no_problem_and_is_counted(checked):
    told = []
    with snapshot(checked) as (connection, _):
        found = check_database(connection, lambda *words: told.append(words))
    assert (found.problems, found.notes) == ([], [])
    assert found.checked["calculations"] == 2
    assert found.checked["properties"] == 3
    assert (found.checked["legs"], found.checked["sources"]) == (2, 4)
    assert ("properties", 3, 3) in told


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("UPDATE calculations SET e0 = e0 + 1e-9 WHERE key = 'k2'", "calculation k2"),
        ("UPDATE calculations SET elements = ' Fe ' WHERE key = 'k1'", "not those of its formula"),
        ("UPDATE arrays SET sha256 = 'x' WHERE name = 'moments'", "calculation k1"),
        ("UPDATE properties SET value = 0 WHERE value = 1.5", "gap of s/quick/xtb does not match"),
        ("UPDATE properties SET identity = 'x' WHERE value = 1.6", "gap .* its identity"),
        ("UPDATE legs SET factor = 2 WHERE position = 1", "binding energy of s/quick/xtb"),
        ("UPDATE sources SET key = 'k2' WHERE position = 0", "does not match its hash"),
        ("DELETE FROM sources WHERE key = 'k2'", "binding energy"),
        ("DELETE FROM arrays WHERE name = 'moments'", "set of arrays"),
    ],
)
def test_an_altered_row_is_named(checked, command, message):
    change(checked, command)
    found = check(checked)
    assert found.problems
    assert re.search(message, found.problems[0])


@pytest.mark.parametrize(
    ("command", "messages"),
    [
        ("DELETE FROM calculations WHERE key = 'k2'",
         ["uses (", "sources (", "legs ("]),
        ("DELETE FROM properties WHERE value = 1.5", ["row of sources"]),
    ],
    ids=["calculation", "property"],
)  # fmt: skip
def test_a_row_that_refers_to_nothing_is_named(checked, command, messages):
    change(checked, command)
    found = "\n".join(check(checked).problems)
    for message in messages:
        assert message in found


def test_a_calculation_that_nobody_uses_is_a_note(checked, full_run):
    with ResultStore.open(checked) as store:
        store.add_run("k3", LABEL, full_run)
    change(checked, "DELETE FROM uses WHERE key = 'k3'")
    found = check(checked)
    assert found.problems == []
    assert "calculation k3" in found.notes[0]


def test_a_number_older_than_its_run_is_a_note_that_says_how_to_go_on(database, full_run):
    poor = replace(full_run, status="unconverged", reasons=("NSW reached",), e0=-30.0)
    leg = Leg(role="a", factor=1.0, key="k1", energy=-30.0, charge=0.0, formula="Mo1")
    item = Property(
        study="s", profile="quick", engine="xtb", method="", model="m", quantity="q", label="",
        reference="", value=-30.0, unit="eV", energy_kind="E0", status="unconverged", legs=(leg,),
    )  # fmt: skip
    with ResultStore.open(database) as store:
        store.add_run("k1", LABEL, poor)
        store.replace_properties("s", "quick", "xtb", [item])
        store.add_run("k1", LABEL, full_run)
    found = check(database)
    assert found.problems == []
    assert "heterofire run s --profile quick --engine xtb" in found.notes[0]


def test_damaged_pages_are_said_and_end_the_check(tmp_path, full_run):
    path = tmp_path / "results.db"
    with ResultStore.open(path) as store:
        store.add_run("k1", LABEL, full_run)
    data = bytearray(path.read_bytes())
    data[4096 * 3 : 4096 * 8] = b"\xa5" * (4096 * 5)
    path.write_bytes(data)
    found = check(str(path))
    assert any("SQLite" in line or "malformed" in line for line in found.problems)
