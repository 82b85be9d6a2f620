"""SQLite and PostgreSQL keep the same things in the same way, and say what is wrong."""

import logging
import os
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, text

from heterofire.results import writer_locks
from heterofire.results.databases import connect_to_read, locate
from heterofire.results.records import Label, Leg, Property
from heterofire.results.store import ResultStore
from heterofire.structures import file_systems
from heterofire.structures.errors import InputError, StoreError

LABEL = Label(study="s", profile="quick", model="m", task="relax", name="m/relax")
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)


def prop(**changes) -> Property:
    values = {"study": "s", "profile": "quick", "engine": "xtb", "method": "", "model": "m"}
    values |= {"quantity": "q", "label": "", "reference": "", "value": 1.0, "unit": "eV"}
    values |= {"energy_kind": "E0", "status": "ok"}
    return Property(**(values | changes))


@pytest.fixture(params=["sqlite", "postgresql"])
def filled(request, tmp_path_factory, full_run):
    """A store of each kind with one run."""
    if request.param == "sqlite":
        where = str(tmp_path_factory.mktemp("databases") / "results.db")
    else:
        where = request.getfixturevalue("postgresql")
    with ResultStore.open(where) as store:
        store.add_run("k1", LABEL, full_run)
        yield store


def test_a_run_and_its_arrays_come_back_to_the_last_bit(filled, full_run):
    back = filled.get_run("k1")
    assert back.e0 == full_run.e0
    assert back.structure == full_run.structure
    assert np.array_equal(back.dos.projected, full_run.dos.projected)
    assert asdict(back.settings) == asdict(full_run.settings)
    assert filled.check() == []


@example(value=-0.0, factor=1, name="K → Å\n'\"--", charge=-0.0)
@example(value=5e-324, factor=-1, name="😀", charge=1.7976931348623157e308)
@given(value=FLOATS, factor=st.one_of(FLOATS, st.integers(-9, 9)), name=NAMES, charge=FLOATS)
@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_number_and_name_of_a_property_comes_back(filled, value, factor, name, charge):
    leg = Leg(role=name, factor=factor, key="k1", energy=-31.1, charge=charge, formula="K1")
    item = prop(value=value, label=name, legs=(leg,), keys=("k1",), detail={"x": name, "y": [-0.0]})
    filled.replace_properties("s", "quick", "xtb", [item])
    assert filled.properties() == [item]
    assert filled.check() == []


def test_numpy_numbers_are_stored_as_plain_ones(filled):
    leg = Leg(role="r", factor=np.float64(1), key=None, energy=np.float64(-0.0),
              charge=np.float32(-1), formula="")  # fmt: skip
    filled.replace_properties("s", "quick", "xtb", [prop(value=np.float64(0.1), legs=(leg,))])
    assert filled.properties()[0].value == 0.1
    assert filled.check() == []


def test_a_name_that_is_no_text_is_refused_with_what_to_do(filled, full_run):
    with pytest.raises(StoreError, match="rename the folder"):
        filled.add_run("k2", LABEL, replace(full_run, folder="runs/\udcff"))
    assert not filled.has("k2")


def test_a_name_with_a_nul_is_refused_by_postgresql(postgresql, full_run):
    with ResultStore.open(postgresql) as store:
        with pytest.raises(StoreError, match="rename the folder"):
            store.add_run("k2", LABEL, replace(full_run, folder="a\0b"))
        assert not store.has("k2")


def test_deriving_again_and_again_numbers_properties_in_order(filled):
    for n in range(3):
        items = [prop(label=str(i), value=float(n)) for i in range(50)]
        filled.replace_properties("s", "quick", "xtb", items)
        filled.replace_properties("other", "quick", "xtb", [prop(study="other", value=float(n))])
    assert [item.label for item in filled.properties("s")] == [str(i) for i in range(50)]
    assert len(filled.properties()) == 51


_ADD = """
import sys
from heterofire.results.records import Label, Property
from heterofire.results.store import ResultStore
target, source, me = sys.argv[1:]
run = ResultStore.open(source).get_run("k1")
store = ResultStore.open(target)
values = dict(profile="quick", engine="xtb", method="", model="m", quantity="q", label="",
              reference="", unit="eV", energy_kind="E0", status="ok")
for i in range(15):
    label = Label(study="s", profile="quick", model="m", task="relax", name=f"{me}-{i}")
    store.add_run(f"shared-{i}", label, run)
    store.add_run(f"own-{me}-{i}", label, run)
    new = [Property(study=me, value=float(i), keys=(f"shared-{i}",), **values) for _ in range(20)]
    store.replace_properties(me, "quick", "xtb", new)
"""


def test_four_processes_that_create_and_fill_one_database_lose_nothing(
    database, tmp_path, full_run
):
    with ResultStore.open(tmp_path / "source.db") as source:
        source.add_run("k1", LABEL, full_run)
    command = [sys.executable, "-c", _ADD, database, str(tmp_path / "source.db")]
    workers = [
        subprocess.Popen([*command, str(i)], stderr=subprocess.PIPE, text=True) for i in range(4)
    ]
    assert [worker.communicate()[1] for worker in workers] == [""] * 4
    with ResultStore.open(database) as store:
        rows = store.calculations()
        assert len(rows) == 4 * 15 * 2
        assert rows["key"].nunique() == 15 + 4 * 15
        assert [len(store.properties(study=str(i))) for i in range(4)] == [20] * 4
        assert store.check() == []


def test_readers_see_one_moment_while_numbers_are_replaced(database, full_run):
    """A property without its legs would be half of one derivation and half of the next."""
    leg = Leg(role="r", factor=1.0, key="k1", energy=full_run.e0, charge=0.0, formula="K1")
    items = [prop(label=str(i), legs=(leg,), keys=("k1",)) for i in range(30)]
    with ResultStore.open(database) as store, ResultStore.open(database) as reader:
        store.add_run("k1", LABEL, full_run)
        store.replace_properties("s", "quick", "xtb", items)
        ends = time.monotonic() + 1.5

        def write() -> None:
            while time.monotonic() < ends:
                store.replace_properties("s", "quick", "xtb", items)

        writer = threading.Thread(target=write)
        writer.start()
        while writer.is_alive():
            assert reader.properties() == items
        writer.join()


OPENS = """
import sys, time
from heterofire.results.store import ResultStore
ends = time.monotonic() + 3
while time.monotonic() < ends:
    with ResultStore.open(sys.argv[1]) as store:
        store.properties()
"""


def test_a_database_may_be_opened_whenever_another_closes_it(tmp_path, full_run):
    """The last to close it removes its write-ahead log, between two looks of another."""
    where = str(tmp_path / "results.db")
    with ResultStore.open(where) as store:
        store.add_run("k1", LABEL, full_run)
    command = [sys.executable, "-c", OPENS, where]
    others = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    errors = [other.communicate(timeout=120)[1] for other in others]
    assert [other.returncode for other in others] == [0, 0, 0], errors


def test_a_writer_that_holds_the_lock_is_waited_for_and_said(database, monkeypatch, caplog):
    monkeypatch.setattr(writer_locks, "SAY_AFTER_S", 0.2)
    with ResultStore.open(database) as store, ResultStore.open(database) as other:
        holder = store._writer.connect()
        held = holder.begin()
        timer = threading.Timer(0.8, held.rollback)
        timer.start()
        with caplog.at_level(logging.WARNING):
            other.replace_properties("s", "quick", "xtb", [prop()])
        timer.join()
        holder.close()
    assert "another process is writing" in caplog.text
    with ResultStore.open(database) as store:
        assert len(store.properties()) == 1


def test_a_writer_that_never_ends_is_an_error_that_says_so(database, monkeypatch):
    monkeypatch.setattr(writer_locks, "SAY_AFTER_S", 0.1)
    monkeypatch.setattr(writer_locks, "GIVE_UP_S", 0.3)
    with ResultStore.open(database) as store, ResultStore.open(database) as other:
        with store._writer.begin(), pytest.raises(StoreError, match="look for a hung one"):
            other.replace_properties("s", "quick", "xtb", [prop()])
        assert other.properties() == []
        other.replace_properties("s", "quick", "xtb", [prop()])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("/nosuch?", "createdb"),
        ("no such host", "Is the server running"),
        ("stranger", "user and password"),
    ],
    ids=["database", "host", "password"],
)
def test_a_server_that_does_not_let_us_in_is_explained(postgresql_server, change, message):
    base = postgresql_server
    if change.startswith("/"):
        url = base.replace("/postgres?", change)
    elif change == "stranger":
        _create_role(base, "stranger")
        url = base.replace("heterofire@", "stranger:wrong-secret@")
    else:
        url = "postgresql://me:wrong-secret@127.0.0.1:1/results"
    with pytest.raises(StoreError, match=message) as caught:
        ResultStore.open(url)
    assert "secret" not in str(caught.value)


def _create_role(url: str, name: str) -> None:
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        query = text("SELECT count(*) FROM pg_roles WHERE rolname = :name")
        if connection.execute(query, {"name": name}).scalar() == 0:
            connection.execute(text(f"CREATE ROLE {name} LOGIN PASSWORD 'right'"))
    engine.dispose()


def test_a_role_that_may_not_create_tables_is_told_what_to_ask_for(postgresql):
    _create_role(postgresql, "stranger")
    with pytest.raises(StoreError, match="GRANT CREATE"):
        ResultStore.open(postgresql.replace("heterofire@", "stranger:right@"))


def test_another_programs_server_database_is_refused_and_kept(postgresql):
    engine = create_engine(postgresql)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE photos (id INTEGER)"))
    with pytest.raises(StoreError, match=r"another program \(photos\)"):
        ResultStore.open(postgresql)
    with engine.connect() as connection:
        names = engine.dialect.get_table_names(connection)
    engine.dispose()
    assert names == ["photos"]


@pytest.mark.parametrize("url", ["mysql://me:secret@host/db", "postgresql://me:secret@host:x/db"])
def test_other_servers_and_wrong_urls_are_refused_without_the_password(url):
    with pytest.raises(StoreError) as caught:
        ResultStore.open(url)
    assert "secret" not in str(caught.value)


def test_a_plain_postgresql_url_uses_the_driver_that_comes_along():
    url, name = locate("postgresql://me:secret@host/results")
    assert url.drivername == "postgresql+psycopg"
    assert name == "postgresql+psycopg://me:***@host/results"


def test_a_connection_to_read_cannot_write(database, full_run):
    with ResultStore.open(database) as store:
        store.add_run("k1", LABEL, full_run)
    engine, _ = connect_to_read(database)
    with pytest.raises(Exception, match=r"read-?only"), engine.begin() as connection:
        connection.execute(text("DELETE FROM uses"))
    engine.dispose()
    with ResultStore.open(database) as store:
        assert len(store.calculations()) == 1


def test_a_database_to_look_at_must_be_there(tmp_path):
    with pytest.raises(InputError, match="there is no database"):
        connect_to_read(str(tmp_path / "none" / "results.db"))
    assert not (tmp_path / "none").exists()


def test_a_file_on_a_disk_of_several_machines_gets_no_shared_memory(tmp_path, monkeypatch):
    def journal() -> str:
        with closing(sqlite3.connect(tmp_path / "results.db")) as connection:
            return connection.execute("PRAGMA journal_mode").fetchone()[0]

    ResultStore.open(tmp_path / "results.db").close()
    here = file_systems.file_system_type(tmp_path)
    assert journal() == ("wal" if here in file_systems.LOCAL_TYPES else "delete")
    monkeypatch.setattr(file_systems, "file_system_type", lambda _: "nfs4")
    ResultStore.open(tmp_path / "results.db").close()
    assert journal() == "delete"


_AS_NOBODY = """
import os, sys
from heterofire.results.records import Label
from heterofire.results.store import ResultStore
with ResultStore.open(sys.argv[2]) as store:
    store.get_run("k1"), store.check()  # imports all, which nobody may not read
os.setgroups([]); os.setgid(65534); os.setuid(65534)
with ResultStore.open(sys.argv[1]) as store:
    run = store.get_run("k1")
    print(run.e0, len(store.check()))
    store.add_run("k2", Label(study="s", profile="q", model="m", task="t", name="n"), run)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to read as a user who may not write")
@pytest.mark.parametrize("what", ["folder", "file"])
def test_a_read_only_database_can_be_read_and_nothing_is_left_beside_it(
    what, full_run, tmp_path_factory
):
    folder = Path(tmp_path_factory.mktemp("shared"))
    with ResultStore.open(folder / "results.db") as store:
        store.add_run("k1", LABEL, full_run)
    for parent in (folder, *list(folder.parents)[:-2]):
        parent.chmod(0o755)
    if what == "file":
        folder.chmod(0o777)
    before = (folder / "results.db").read_bytes()
    copy = tmp_path_factory.mktemp("copy") / "results.db"
    copy.write_bytes(before)
    done = subprocess.run(
        [sys.executable, "-c", _AS_NOBODY, str(folder / "results.db"), str(copy)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout.split() == [str(full_run.e0), "0"], done.stderr
    assert "read-only: change the permissions" in done.stderr
    assert (folder / "results.db").read_bytes() == before
    assert [path.name for path in folder.iterdir()] == ["results.db"]
