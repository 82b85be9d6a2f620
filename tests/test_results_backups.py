"""A backup is a whole copy of one moment, or there is none."""

import os
import resource
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from heterofire.results.backups import back_up
from heterofire.results.records import Label, Property
from heterofire.results.snapshots import snapshot
from heterofire.results.store import ResultStore
from heterofire.structures.errors import HeteroError, InputError, StoreError

LABEL = Label(study="s", profile="quick", model="MoS2", task="relax", name="MoS2/relax")


def properties(value: float, count: int = 50) -> list[Property]:
    values = {"study": "s", "profile": "quick", "engine": "xtb", "method": "", "model": "m"}
    values |= {"quantity": "q", "reference": "", "unit": "eV", "energy_kind": "", "status": "ok"}
    return [Property(label=str(i), value=value, keys=("k1",), **values) for i in range(count)]


@pytest.fixture
def filled(database, full_run) -> str:
    with ResultStore.open(database) as store:
        store.add_run("k1", LABEL, full_run)
        store.replace_properties("s", "quick", "xtb", properties(1.0))
    return database


def test_a_backup_holds_all_and_is_one_file(filled, tmp_path, full_run):
    told = []
    made = back_up(filled, tmp_path / "copies" / "b.db", progress=lambda *w: told.append(w))
    assert made.problems == ()
    assert (made.rows["properties"], made.rows["sources"]) == (50, 50)
    assert told
    assert [path.name for path in made.path.parent.iterdir()] == ["b.db"]
    with ResultStore.open(made.path) as copy, ResultStore.open(filled) as store:
        assert copy.properties() == store.properties()
        assert copy.get_run("k1").e0 == full_run.e0
        assert copy.check() == []


def test_a_backup_during_writes_is_of_one_moment(filled, tmp_path):
    ready, stop = threading.Event(), threading.Event()

    def write() -> None:
        with ResultStore.open(filled) as store:
            n = 0.0
            while not stop.is_set():
                n += 1
                store.replace_properties("s", "quick", "xtb", properties(n))
                ready.set()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        ready.wait(20)
        copies = [back_up(filled, tmp_path / f"b{n}.db") for n in range(3)]
    finally:
        stop.set()
        writer.join()
    for copy in copies:
        assert copy.problems == ()
        with ResultStore.open(copy.path) as store:
            items = store.properties()
        assert len(items) == 50
        assert len({item.value for item in items}) == 1


def test_a_file_that_is_there_is_kept_unless_forced(filled, tmp_path):
    target = tmp_path / "b.db"
    target.write_text("mine")
    with pytest.raises(InputError, match="--force"):
        back_up(filled, target)
    assert target.read_text() == "mine"
    back_up(filled, target, force=True)
    with ResultStore.open(target) as store:
        assert len(store.properties()) == 50


def test_the_database_is_not_its_own_backup(tmp_path, full_run):
    with ResultStore.open(tmp_path / "results.db") as store:
        store.add_run("k1", LABEL, full_run)
    (tmp_path / "link.db").symlink_to(tmp_path / "results.db")
    for name in ("results.db", "link.db"):
        with pytest.raises(InputError, match="the database itself"):
            back_up(tmp_path / "results.db", tmp_path / name, force=True)
    with pytest.raises(InputError, match="is a folder"):
        back_up(tmp_path / "results.db", tmp_path, force=True)
    with pytest.raises(InputError, match="goes into a file"):
        back_up(tmp_path / "results.db", "postgresql://host/db")


def test_what_is_no_database_gets_no_backup(tmp_path):
    with pytest.raises(InputError, match="there is no database"):
        back_up(tmp_path / "none.db", tmp_path / "b.db")
    (tmp_path / "text.db").write_text("POSCAR of MoS2\n" * 10)
    with pytest.raises(StoreError, match="not a database"):
        back_up(tmp_path / "text.db", tmp_path / "b.db")
    assert not (tmp_path / "b.db").exists()


def test_an_altered_row_is_copied_as_it_is_and_said(tmp_path, full_run):
    path = tmp_path / "results.db"
    with ResultStore.open(path) as store:
        store.add_run("k1", LABEL, full_run)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE calculations SET e0 = 0")
    made = back_up(path, tmp_path / "b.db")
    assert "calculation k1" in made.problems[0]
    with snapshot(made.path) as (connection, _):
        assert connection.exec_driver_sql("SELECT e0 FROM calculations").scalar() == 0


_BACK_UP = """
import sys
from heterofire.results.backups import back_up
back_up(sys.argv[1], sys.argv[2], force=True)
"""


def test_a_full_disk_leaves_the_old_backup_and_nothing_else(filled, tmp_path):
    target = tmp_path / "copies" / "b.db"
    target.parent.mkdir()
    target.write_text("the last one")

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))

    done = subprocess.run(
        [sys.executable, "-c", _BACK_UP, filled, str(target)],
        capture_output=True, text=True, preexec_fn=limit, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert "cannot" in done.stderr
    assert "space" in done.stderr
    assert target.read_text() == "the last one"
    assert [path.name for path in target.parent.iterdir()] == ["b.db"]


def test_a_backup_is_as_private_as_its_database(tmp_path, full_run):
    path = tmp_path / "results.db"
    with ResultStore.open(path) as store:
        store.add_run("k1", LABEL, full_run)
    path.chmod(0o600)
    made = back_up(path, tmp_path / "b.db")
    assert Path(made.path).stat().st_mode & 0o777 == 0o600


def _add_without_end(store, run, stored) -> None:
    while True:
        store.add_run(f"more-{len(stored)}", LABEL, run)
        stored.append(len(stored))


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to mount a small disk")
def test_a_disk_that_fills_while_writing_loses_nothing(tmp_path, full_run):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if mounted.returncode:
        pytest.skip(f"cannot mount a small disk: {mounted.stderr.strip()}")
    try:
        with ResultStore.open(disk / "results.db") as store:
            store.add_run("k1", LABEL, full_run)
            stored = []
            with pytest.raises(HeteroError, match="free some space"):
                _add_without_end(store, full_run, stored)
        with ResultStore.open(disk / "results.db") as store:
            assert store.calculations()["key"].nunique() == len(stored) + 1
            assert store.check() == []
    finally:
        subprocess.run(["umount", str(disk)], check=True)
