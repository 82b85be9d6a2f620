"""The result database keeps what it is given, and refuses what is not its own."""

import os
import resource
import sqlite3
import subprocess
import sys
import time
import tracemalloc
import zlib
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from heterofire.results import migrations
from heterofire.results.parsing import parse_run
from heterofire.results.records import Label, Leg, Property
from heterofire.results.store import ResultStore
from heterofire.structures.errors import InputError, RunError, StoreError


def _equal(a, b) -> bool:
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(_equal(a[name], b[name]) for name in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(_equal, a, b))
    if isinstance(a, np.ndarray):
        return np.array_equal(a, b)
    return a == b


def _property(**changes) -> Property:
    values = {
        "study": "s",
        "profile": "quick",
        "engine": "xtb",
        "method": "GFN1-xTB",
        "model": "MoS2@NC",
        "quantity": "K binding energy",
        "label": "gallery-1",
        "reference": "K atom",
        "value": -1.5,
        "unit": "eV",
        "energy_kind": "E0",
        "status": "ok",
    }
    return Property(**(values | changes))


def test_a_run_comes_back_as_it_went_in(store, label, full_run):
    store.add_run("k1", label, full_run)
    back = store.get_run("k1")
    assert _equal(asdict(back), asdict(full_run))
    assert back.structure.site_properties == full_run.structure.site_properties


def test_a_run_without_dos_comes_back_without_dos(store, label, make_run, make_structure):
    store.add_run("k1", label, make_run(make_structure("K")))
    back = store.get_run("k1")
    assert back.dos is None
    assert back.bands is None
    assert back.site_charges is None
    assert (back.moments, back.vacuum_level, back.vacuum_spread) == (None, None, None)


def test_a_negative_zero_is_not_taken_for_damage(store, label, full_run):
    store.add_run("k1", label, replace(full_run, magnetization=-0.0, charge=-0.0))
    assert store.get_run("k1").magnetization == 0.0


@given(st.floats(allow_nan=False, allow_infinity=False), st.integers(1, 500))
@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_energy_survives_to_the_last_bit(full_run, energy, steps):
    run = replace(full_run, e0=energy, n_ionic_steps=steps, elapsed_s=float(steps))
    with TemporaryDirectory() as folder, ResultStore.open(f"{folder}/r.db") as store:
        label = Label(study="s", profile="p", model="m", task="t", name="n")
        store.add_run("k", label, run)
        assert store.get_run("k").e0 == energy


def test_a_band_comes_back_as_it_went_in(store, label, make_band, make_structure):
    band = make_band(make_structure("K", "S"), [-5.0, -4.5, -5.0], is_climbing=False)
    store.add_band("b1", label, band)
    assert _equal(asdict(store.get_band("b1")), asdict(band))


def test_adding_twice_keeps_one_row_and_a_further_label(store, label, full_run):
    other = replace(label, profile="paper")
    for _ in range(2):
        store.add_run("k1", label, full_run)
    store.add_use("k1", other)
    store.add_use("k1", other)
    rows = store.calculations()
    assert list(rows["profile"]) == ["quick", "paper"]
    assert set(rows["key"]) == {"k1"}
    assert len(store.calculations(profile="paper", engine="xtb")) == 1


def test_a_converged_run_replaces_an_unconverged_one_and_not_the_reverse(
    store, label, make_run, make_structure
):
    poor = make_run(make_structure("K"), -1.0, status="unconverged", reasons=("NSW reached",))
    good = make_run(make_structure("K"), -2.0)
    for run in (poor, good, poor):
        store.add_run("k1", label, run)
    assert store.get_run("k1").e0 == -2.0
    assert store.check() == []


def test_asking_for_the_wrong_kind_or_key_says_so(store, label, full_run):
    store.add_run("k1", label, full_run)
    with pytest.raises(StoreError, match="is a run, a band was asked for"):
        store.get_band("k1")
    with pytest.raises(StoreError, match="no calculation nope"):
        store.get_run("nope")
    with pytest.raises(StoreError, match="no calculation nope"):
        store.add_use("nope", label)
    with pytest.raises(InputError, match="no 'colour'"):
        store.calculations(colour="red")


def test_a_nan_is_not_stored(store, label, full_run):
    with pytest.raises(RunError, match="forces holds NaN"):
        store.add_run("k1", label, replace(full_run, forces=np.full((3, 3), np.nan)))
    assert not store.has("k1")


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE calculations SET e0 = e0 + 0.1",
        "UPDATE calculations SET incar = '{}'",
        "UPDATE arrays SET blob = x'00' WHERE name = 'dos.total'",
        "UPDATE arrays SET blob = (SELECT blob FROM arrays WHERE name = 'dos.energies') "
        "WHERE name = 'dos.total'",
        "DELETE FROM arrays WHERE name = 'forces'",
    ],
    ids=["energy", "incar", "garbage", "swapped", "gone"],
)
def test_a_changed_row_is_noticed_and_named(store, label, full_run, tmp_path, change):
    store.add_run("k1", label, full_run)
    with sqlite3.connect(tmp_path / "results.db") as connection:
        connection.execute(change)
    with pytest.raises(StoreError, match=r"calculation k1 .* does not match its hash"):
        store.get_run("k1")
    assert len(store.check()) == 1


def test_properties_come_back_with_their_legs_in_order(store, label, full_run):
    store.add_run("k1", label, full_run)
    legs = (
        Leg(role="host", factor=-1.0, key="k1", energy=-1.0, charge=0.0, formula="Mo1 S2"),
        Leg(role="electron", factor=-1.0, key=None, energy=0.0, charge=-1.0, formula=""),
    )
    item = _property(legs=legs, keys=("k1",), detail={"path": [0.0, 1.5]}, notes=("coarse",))
    store.replace_properties("s", "quick", "xtb", [item, _property(value=None, status="missing")])
    assert store.properties(study="s")[0] == item
    assert store.properties(study="s")[1].value is None


def test_replacing_properties_leaves_those_of_others(store):
    store.replace_properties("s", "quick", "xtb", [_property()])
    store.replace_properties("s", "quick", "vasp", [_property(engine="vasp", value=-2.0)])
    store.replace_properties("s", "quick", "xtb", [_property(value=-1.6)])
    assert [item.value for item in store.properties()] == [-2.0, -1.6]
    with pytest.raises(InputError, match="belongs to s/paper/xtb"):
        store.replace_properties("s", "quick", "xtb", [_property(profile="paper")])


def test_a_failed_replacement_keeps_the_old_properties(store):
    store.replace_properties("s", "quick", "xtb", [_property()])
    leg = Leg(role="host", factor=1.0, key="absent", energy=0.0, charge=0.0, formula="K1")
    with pytest.raises(StoreError):
        store.replace_properties("s", "quick", "xtb", [_property(value=0.0, legs=(leg,))])
    assert [item.value for item in store.properties()] == [-1.5]


@pytest.mark.parametrize(
    "content", [b"POSCAR of MoS2\n1.0\n" * 100, b"SQLite format 3\x00" + b"\xff" * 4096], ids=str
)
def test_a_file_that_is_no_database_is_refused_and_kept(tmp_path, content):
    path = tmp_path / "results.db"
    path.write_bytes(content)
    with pytest.raises(StoreError, match=r"results\.db"):
        ResultStore.open(path)
    assert path.read_bytes() == content


def test_a_damaged_store_says_how_to_go_on(tmp_path, label, full_run):
    path = tmp_path / "results.db"
    with ResultStore.open(path) as store:
        store.add_run("k1", label, full_run)
    whole = path.read_bytes()
    cut = whole[: len(whole) // 3]
    path.write_bytes(cut)
    with pytest.raises(StoreError, match="restore a backup"), ResultStore.open(path) as store:
        store.get_run("k1")
    assert path.read_bytes() == cut


def test_another_programs_database_is_refused_and_kept(tmp_path):
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE photos (id INTEGER)")
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"another program \(photos\)"):
        ResultStore.open(path)
    assert path.read_bytes() == before


def test_a_newer_schema_is_refused_and_kept(tmp_path):
    path = tmp_path / "results.db"
    ResultStore.open(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("INSERT INTO heterofire_schema VALUES (99, 'from the future', 'now')")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"schema version 99.*Update heterofire"):
        ResultStore.open(path)
    assert path.read_bytes() == before


def test_an_older_store_is_brought_up_to_date_once(tmp_path, label, full_run, monkeypatch):
    path = tmp_path / "results.db"
    with ResultStore.open(path) as store:
        store.add_run("k1", label, full_run)
    step = ("add a table", lambda connection: connection.exec_driver_sql("CREATE TABLE extra (a)"))
    monkeypatch.setattr(migrations, "STEPS", [*migrations.STEPS, step])
    for module in ("store", "backups"):
        monkeypatch.setattr(f"heterofire.results.{module}.STEPS", migrations.STEPS)
    for _ in range(2):
        with ResultStore.open(path) as store:
            assert store.get_run("k1").e0 == full_run.e0
    with sqlite3.connect(path) as connection:
        rows = connection.execute("SELECT version, name FROM heterofire_schema").fetchall()
    names = [name for name, _ in migrations.STEPS]
    assert rows == list(enumerate(names, start=1))
    assert names[-1] == "add a table"
    assert [p.name for p in tmp_path.glob("*.schema*")] == [f"results.schema{len(names) - 1}.db"]


@pytest.mark.parametrize("url", ["nosuch://host/db", "postgresql+nosuch://u:secret@host/db"])
def test_an_unusable_url_is_an_error_without_its_password(url):
    with pytest.raises(StoreError) as caught:
        ResultStore.open(url)
    assert "secret" not in str(caught.value)


def test_a_folder_or_a_path_through_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match="is a folder"):
        ResultStore.open(tmp_path)
    with pytest.raises(StoreError, match="Name another file"):
        ResultStore.open(tmp_path / "file" / "results.db")


_FILL = """
import sys
from heterofire.results.store import ResultStore
from heterofire.results.records import Property
values = dict(study="s", profile="quick", engine="xtb", method="", model="m", quantity="q",
              label="", reference="", value=1.0, unit="eV", energy_kind="E0", status="ok")
store = ResultStore.open(sys.argv[1])
n = 0
while True:
    n += 1
    new = [Property(**{**values, "label": str(n), "value": float(i)}) for i in range(400 * n)]
    store.replace_properties("s", "quick", "xtb", new)
    print(n, flush=True)
"""


def test_a_full_disk_is_a_clear_error_and_keeps_what_was_there(tmp_path):
    path = tmp_path / "results.db"
    ResultStore.open(path).close()

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, 150_000))

    done = subprocess.run(
        [sys.executable, "-c", _FILL, str(path)],
        capture_output=True, text=True, preexec_fn=limit, timeout=60, check=False,
    )  # fmt: skip
    assert "StoreError: cannot write" in done.stderr
    assert "space" in done.stderr
    with ResultStore.open(path) as store:
        assert store.check() == []


def test_a_killed_writer_leaves_whole_transactions(tmp_path):
    path = tmp_path / "results.db"
    for _ in range(3):
        writer = subprocess.Popen(
            [sys.executable, "-c", _FILL, str(path)], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout.readline().strip() == "1"
        time.sleep(0.05)
        writer.kill()
        writer.wait()
        with ResultStore.open(path) as store:
            properties = store.properties()
        (label,) = {item.label for item in properties}
        assert len(properties) == 400 * int(label)


_ADD = """
import sys
from heterofire.results.store import ResultStore
from heterofire.results.records import Label
store = ResultStore.open(sys.argv[1])
run = ResultStore.open(sys.argv[2]).get_run("k")
for i in range(25):
    label = Label(study="s", profile="quick", model="m", task="relax", name=f"{sys.argv[3]}-{i}")
    store.add_run(f"shared-{i}", label, run)
"""


def test_processes_that_create_and_fill_one_store_at_once_lose_nothing(tmp_path, label, full_run):
    with ResultStore.open(tmp_path / "source.db") as source:
        source.add_run("k", label, full_run)
    paths = [str(tmp_path / name) for name in ("results.db", "source.db")]
    workers = [
        subprocess.Popen([sys.executable, "-c", _ADD, *paths, str(i)], stderr=subprocess.PIPE)
        for i in range(3)
    ]
    assert [worker.communicate()[1] for worker in workers] == [b"", b"", b""]
    with ResultStore.open(tmp_path / "results.db") as store:
        assert len(store.calculations()) == 75
        assert store.check() == []


@pytest.mark.parametrize("folder", ["static/si_static_v5", "relax/lif_vdw", "static/pm_fe_monomer"])
def test_a_real_run_comes_back_as_it_was_parsed(store, label, folder):
    root = os.environ.get("HETEROFIRE_VASP_CORPUS")
    if not root:
        pytest.skip("HETEROFIRE_VASP_CORPUS names no folder")
    run = parse_run(Path(root) / folder)
    store.add_run("k1", label, run)
    back = asdict(store.get_run("k1"))
    wanted = asdict(run)
    assert _equal({n: v for n, v in back.items() if n != "incar"},
                  {n: v for n, v in wanted.items() if n != "incar"})  # fmt: skip
    assert back["incar"].keys() == dict(wanted["incar"]).keys()


def test_a_blob_that_swells_beyond_its_shape_is_damage_and_takes_no_memory(store, label, full_run):
    store.add_run("k1", label, full_run)
    bomb = zlib.compress(b"\0" * 200_000_000, 9)
    with sqlite3.connect(store.name) as connection:
        connection.execute("UPDATE arrays SET blob = ? WHERE name = 'forces'", (bomb,))
    tracemalloc.start()
    with pytest.raises(StoreError, match="forces"):
        store.get_run("k1")
    largest = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert largest < 20_000_000
