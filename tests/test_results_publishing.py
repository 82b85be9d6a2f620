"""A published database is small, of no machine, and the same bytes each time."""

import sqlite3
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest

from heterofire.results.database_checks import check_database
from heterofire.results.publishing import publish, without_places
from heterofire.results.records import Label, Property
from heterofire.results.snapshots import snapshot
from heterofire.results.store import ResultStore
from heterofire.structures.errors import InputError, StoreError

HERE = "/home/somebody/project/runs"


@pytest.fixture
def finished(store, full_run, make_run, make_structure):
    """A relaxation and a DOS of one study, and a run of another one."""
    for key, study, task in (("relaxed", "ours", "relax"), ("dosdos", "ours", "dos")):
        run = replace(
            full_run,
            folder=f"{HERE}/{key}-{key}",
            notes=(
                f"started 0.2 Angstrom away from {HERE}/{key}-{key}/POSCAR",
                "see /opt/vasp/log",
            ),
        )
        label = Label(study=study, profile="gpaw", model="m", task=task, name=f"m/{task}")
        store.add_run(key, label, run)
    label = Label(study="theirs", profile="gpaw", model="m", task="relax", name="m/relax")
    store.add_run("theirs", label, make_run(make_structure("S"), folder=f"{HERE}/theirs"))
    about = {"study": "ours", "profile": "gpaw", "engine": "xtb"}
    number = Property(
        **about, method="m", model="m", quantity="K binding energy", label="", reference="",
        value=-1.0, unit="eV", energy_kind="E0", status="ok", keys=("relaxed",),
        notes=(f"{HERE}/relaxed-relaxed is not converged",),
    )  # fmt: skip
    store.replace_properties(**about, properties=[number])
    return store


def _columns(path, query):
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


def test_only_the_studies_asked_for_are_in_it(finished, tmp_path):
    made = publish(finished, tmp_path / "x.db", ["ours"])
    assert _columns(made.path, "SELECT key FROM calculations") == [("dosdos",), ("relaxed",)]
    assert made.groups == (("ours", "gpaw", "xtb"),)
    assert made.statuses == {"ok": 1}


def test_what_was_computed_anew_comes_once_and_what_numbers_rest_on_stays(
    finished, full_run, tmp_path
):
    about = {"study": "ours", "profile": "gpaw", "model": "m"}
    for key, task in (("anew-dos", "dos"), ("anew-relax", "relax")):
        finished.add_run(key, Label(**about, task=task, name=f"m/{task}"), full_run)
    finished.add_use("dosdos", Label(**about | {"study": "other"}, task="dos", name="m/dos"))
    made = publish(finished, tmp_path / "x.db", ["ours"])
    keys = "SELECT key FROM calculations ORDER BY key"
    # The relaxation of before has a number; the density of states of before is another study's.
    wanted = ["anew-dos", "anew-relax", "dosdos", "relaxed"]
    assert [key for (key,) in _columns(made.path, keys)] == wanted
    finished.add_run("newest", Label(**about, task="dos", name="m/dos"), full_run)
    made = publish(finished, tmp_path / "y.db", ["ours"])
    wanted = ["anew-relax", "dosdos", "newest", "relaxed"]
    assert [key for (key,) in _columns(made.path, keys)] == wanted
    with ResultStore.open(made.path) as store:
        assert store.check() == []


def test_no_folder_of_the_machine_is_in_it(finished, tmp_path):
    made = publish(finished, tmp_path / "x.db", ["ours", "theirs"])
    data = made.path.read_bytes()
    assert b"/home/" not in data
    assert b"/opt/" not in data
    folders = _columns(made.path, "SELECT folder FROM calculations ORDER BY key")
    assert folders == [("dosdos-dosdos",), ("relaxed-relaxed",), ("theirs",)]
    notes = _columns(made.path, "SELECT notes FROM properties")
    assert notes == [('["relaxed-relaxed is not converged"]',)]


def test_what_no_study_plans_any_more_is_left_out(finished, tmp_path):
    made = publish(finished, tmp_path / "x.db", ["ours"], unplanned={"dosdos": "m/dos"})
    assert _columns(made.path, "SELECT key FROM calculations") == [("relaxed",)]


def test_a_number_without_what_it_rests_on_is_not_published(finished, tmp_path):
    said = r"K binding energy of m .* rests on m/relax \(relaxed\).*heterofire table ours .*--anew"
    with pytest.raises(InputError, match=said):
        publish(finished, tmp_path / "x.db", ["ours"], unplanned={"relaxed": "m/relax"})
    assert not (tmp_path / "x.db").exists()


def test_hashes_are_those_of_what_is_published(finished, tmp_path):
    made = publish(finished, tmp_path / "x.db", ["ours", "theirs"])
    with snapshot(made.path) as (connection, _):
        assert check_database(connection).problems == []


def test_numbers_and_keys_stay_what_they_are(finished, tmp_path):
    made = publish(finished, tmp_path / "x.db", ["ours"])
    with ResultStore.open(made.path) as published:
        new, old = published.get_run("dosdos"), finished.get_run("dosdos")
        assert (new.e0, new.structure) == (old.e0, old.structure)
        np.testing.assert_allclose(new.dos.projected, old.dos.projected, rtol=1e-6, atol=1e-12)
        np.testing.assert_array_equal(new.dos.total, old.dos.total)


def test_projections_stay_with_the_runs_whose_densities_of_states_are_shown(finished, tmp_path):
    made = publish(finished, tmp_path / "x.db", ["ours"])
    with ResultStore.open(made.path) as published:
        assert published.get_run("relaxed").dos.projected is None
        assert published.get_run("dosdos").dos.projected is not None


def test_the_same_database_gives_the_same_bytes(finished, tmp_path):
    first = publish(finished, tmp_path / "x.db", ["ours"])
    second = publish(finished, tmp_path / "y.db", ["ours"])
    assert first.path.read_bytes() == second.path.read_bytes()
    assert (tmp_path / "x.db.sha256").read_text() == f"{first.sha256}  x.db\n"


def test_published_once_more_it_stays_as_it_is(finished, tmp_path):
    first = publish(finished, tmp_path / "x.db", ["ours"])
    content = first.path.read_bytes()  # a store that is opened for writing marks its file
    with ResultStore.open(first.path) as published:
        again = publish(published, tmp_path / "y.db", ["ours"])
    assert again.path.read_bytes() == content


def test_a_dry_run_writes_nothing(finished, tmp_path):
    made = publish(finished, tmp_path / "x.db", ["ours"], dry_run=True)
    assert made.n_bytes > 10_000
    assert not (tmp_path / "x.db").exists()


def test_a_study_that_is_not_there_is_named_with_those_that_are(finished, tmp_path):
    with pytest.raises(InputError, match=r"nothing of lithium-sei.*it has ours/gpaw/xtb, theirs"):
        publish(finished, tmp_path / "x.db", ["ours", "lithium-sei"])
    with pytest.raises(InputError, match="nothing of ours, profile paper"):
        publish(finished, tmp_path / "x.db", ["ours"], profile="paper")


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE calculations SET e0 = e0 + 0.1 WHERE key = 'relaxed'",
        "UPDATE properties SET value = -3",
        "UPDATE arrays SET blob = zeroblob(20) WHERE name = 'forces'",
    ],
    ids=["energy", "number", "array"],
)
def test_an_altered_row_is_not_published(finished, tmp_path, change):
    with closing(sqlite3.connect(finished.name)) as connection:
        connection.execute(change)
        connection.commit()
    with pytest.raises(StoreError, match="nothing was published"):
        publish(finished, tmp_path / "x.db", ["ours"])
    assert not (tmp_path / "x.db").exists()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 states/eV/cell and and/or", "1 states/eV/cell and and/or"),
        ("see https://vasp.at/wiki/NCORE", "see https://vasp.at/wiki/NCORE"),
        ("(/scratch/me/INCAR)", "(INCAR)"),
    ],
)
def test_only_paths_from_the_root_are_cut(text, expected):
    assert without_places(text) == expected
