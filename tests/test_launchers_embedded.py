"""The embedded store answers as mongomock does, keeps what it answered, and refuses bad files."""

import multiprocessing
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import mongomock
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pymongo.errors import DuplicateKeyError

from heterofire.launchers import sqlite_files
from heterofire.launchers.documents import DocumentFile
from heterofire.launchers.embedded import EmbeddedClient
from heterofire.structures import file_systems
from heterofire.structures.errors import StoreError

# Small ranges, so that filters hit, documents share keys, and numbers meet texts and lists.
SCALARS = st.one_of(st.integers(0, 3), st.sampled_from([1.0, 2.5, True, None, "READY", "RUNNING"]))
VALUES = st.one_of(SCALARS, st.lists(SCALARS, max_size=3))
FIELDS = ("fw_id", "state", "nodes", "launches", "name", "other")
PRIORITIES = st.one_of(st.integers(-2, 2), st.sampled_from([None, 1.5, True, "high", [1, 2], []]))
STATES = st.one_of(st.just("READY"), VALUES)  # READY is what the queue asks for
DOCUMENTS = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(FIELDS, VALUES),
        "state": STATES,
        "spec": st.fixed_dictionaries({}, optional={"_priority": PRIORITIES}),
    },
)
CONDITIONS = st.one_of(
    VALUES,
    st.builds(lambda v: {"$in": v}, st.lists(SCALARS, max_size=3)),
    st.builds(lambda v: {"$in": v, "$exists": True}, st.lists(SCALARS, max_size=2)),
    st.builds(lambda v: {"$eq": v}, SCALARS),
    st.builds(lambda v: {"$ne": v}, SCALARS),
    st.builds(lambda v: {"$nin": v}, st.lists(SCALARS, max_size=2)),
    st.builds(lambda v: {"$exists": v}, st.booleans()),
    st.builds(lambda v: {"$gt": v}, st.integers(0, 3)),
)
SIMPLE = st.dictionaries(st.sampled_from(FIELDS), CONDITIONS, max_size=2)
FILTERS = st.one_of(
    SIMPLE,
    st.builds(lambda a: {**a, "state": "READY"}, SIMPLE),
    st.just({"state": "READY"}),
    st.builds(lambda a, b: {"$or": [a, b]}, SIMPLE, SIMPLE),
    st.builds(lambda a, b, c: {"$and": [a, b], **c}, SIMPLE, SIMPLE, SIMPLE),
)
UPDATES = st.one_of(
    st.builds(lambda f, v: {"$set": {f: v}}, st.sampled_from([*FIELDS, "spec._priority"]), STATES),
    st.builds(lambda f: {"$unset": {f: ""}}, st.sampled_from(FIELDS)),
    st.builds(lambda v: {"$inc": {"counter": v}}, st.integers(-2, 2)),
)
SORTS = st.sampled_from(
    [
        None,
        [("spec._priority", -1)],
        [("spec._priority", -1)],
        [("spec._priority", -1), ("counter", 1)],
        [("spec._priority", 1)],
        [("counter", -1)],
    ]
)
PROJECTIONS = st.sampled_from([None, {"_id": 0, "fw_id": 1}, ["state"], {"spec": 0}])
CALLS = st.one_of(
    st.tuples(st.just("insert_one"), DOCUMENTS),
    st.tuples(st.just("insert_many"), st.lists(DOCUMENTS, min_size=1, max_size=4)),
    st.tuples(st.sampled_from(["update_one", "update_many"]), FILTERS, UPDATES),
    st.tuples(st.sampled_from(["find_one_and_update", "find_one"]), FILTERS, UPDATES, SORTS),
    st.tuples(st.just("find_one_and_replace"), FILTERS, DOCUMENTS, SORTS),
    st.tuples(st.sampled_from(["delete_one", "delete_many", "count_documents"]), FILTERS),
    st.tuples(st.just("find"), FILTERS, PROJECTIONS, SORTS),
    st.tuples(st.just("distinct"), FILTERS, st.sampled_from(FIELDS)),
    st.tuples(st.just("aggregate"), FILTERS, st.sampled_from(FIELDS)),
)


def numbered(documents, counter):
    """Give documents ids of our own, so that both stores hold the same."""
    return [{"_id": next(counter), "counter": 0, **document} for document in documents]


def ask(collection, name, args, counter_start):
    """Make one call and return all that can be seen of its answer, errors included."""
    counter = iter(range(counter_start, counter_start + 10))
    try:
        match name:
            case "insert_one":
                return collection.insert_one(numbered(args, counter)[0]).inserted_id
            case "insert_many":
                return collection.insert_many(numbered(args[0], counter)).inserted_ids
            case "update_one" | "update_many":
                result = getattr(collection, name)(*args)
                return result.matched_count, result.modified_count
            case "find_one":
                return collection.find_one(args[0], sort=args[2])
            case "find_one_and_update" | "find_one_and_replace":
                return getattr(collection, name)(args[0], args[1], sort=args[2])
            case "delete_one" | "delete_many":
                return getattr(collection, name)(*args).deleted_count
            case "count_documents":
                return collection.count_documents(*args)
            case "find":
                return list(collection.find(args[0], args[1], sort=args[2]))
            case "distinct":
                return collection.distinct(args[1], args[0])
            case _:
                stages = [{"$match": args[0]}, {"$group": {"_id": "$" + args[1]}}, {"$limit": 50}]
                return list(collection.aggregate(stages))
    except Exception as error:  # whatever one store raises, the other must raise too
        return type(error)


@settings(max_examples=100, deadline=None)
@given(st.lists(CALLS, min_size=3, max_size=15))
def test_any_sequence_of_calls_is_answered_as_by_mongomock(calls):
    reference = mongomock.MongoClient().fireworks.records
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "launchpad.db"
        collection = EmbeddedClient(path)["fireworks"].records
        for i_call, (name, *args) in enumerate(calls):
            expected = ask(reference, name, args, 10 * i_call)
            assert ask(collection, name, args, 10 * i_call) == expected, (name, args)
        reopened = EmbeddedClient(path)["fireworks"].records
        assert list(reopened.find()) == list(reference.find())
        for (field, *_), filter_ in [(FIELDS, {"state": "READY"}), (FIELDS, {"fw_id": 1})]:
            assert reopened.distinct(field, filter_) == reference.distinct(field, filter_)


QUEUED = st.fixed_dictionaries(
    {"state": st.sampled_from(["READY", "READY", "WAITING", ["READY", "WAITING"]])},
    optional={"spec": st.fixed_dictionaries({}, optional={"_priority": PRIORITIES})},
)
# Mongomock cannot compare every pair of types; where it fails, ours may fail as well.
NUMBERED = QUEUED.filter(
    lambda d: isinstance(d.get("spec", {}).get("_priority"), int | float | None)
)


def queued(*priorities):
    return [{"state": "READY", "spec": {"_priority": p}} for p in priorities]


QUEUE_SORT = [("spec._priority", -1)]


@settings(max_examples=100, deadline=None)
@example(queued([1, 2], 2, []), {}, "READY", QUEUE_SORT)
@example(queued(2, True), {}, "READY", QUEUE_SORT)
@example(queued(2, None, "high"), {}, "READY", QUEUE_SORT)
@example(queued(1, None, 2.5, -1, 2), {0: 7}, "READY", QUEUE_SORT)
@given(
    st.one_of(st.lists(NUMBERED, max_size=12), st.lists(QUEUED, max_size=5)),
    st.dictionaries(st.integers(0, 11), st.integers(-2, 2), max_size=3),
    st.sampled_from(["READY", {"$in": ["READY", "WAITING"]}, {"$eq": "READY"}]),
    SORTS,
)
def test_fireworks_leave_the_queue_in_the_order_of_mongomock(documents, raised, state, sort):
    reference = mongomock.MongoClient().fireworks.records
    with tempfile.TemporaryDirectory() as folder:
        ours = EmbeddedClient(Path(folder) / "launchpad.db")["fireworks"].records
        for collection in (reference, ours):
            for i, document in enumerate(documents):
                collection.insert_one({"_id": i, "counter": -i, **document})
            for i, priority in raised.items():
                collection.update_one({"_id": i}, {"$set": {"spec._priority": priority}})
        for _ in range(len(documents) + 1):
            call = ("find_one_and_update", [{"state": state}, {"$set": {"state": "RUNNING"}}, sort])
            expected = ask(reference, *call, 0)
            assert ask(ours, *call, 0) == expected


def test_no_key_outlives_what_it_leads_to(tmp_path):
    client = EmbeddedClient(tmp_path / "l.db")
    records = client["fireworks"].records
    records.insert_many({"_id": i, "state": "READY", "nodes": [i, i + 1]} for i in range(5))
    records.update_many({}, {"$set": {"state": "RUNNING", "nodes": [7]}})

    def keys():
        with client.file.reading():
            return list(client.file._file.rows("SELECT field, key FROM keys ORDER BY field, key"))

    one_each = sorted([("_id", i) for i in range(5)] + [("nodes", 7), ("state", "RUNNING")] * 5)
    assert keys() == one_each
    records.delete_many({})
    assert keys() == []


def test_an_indexed_look_up_reads_only_the_documents_it_may_need(tmp_path, monkeypatch):
    fireworks = EmbeddedClient(tmp_path / "l.db")["fireworks"].fireworks
    fireworks.insert_many({"fw_id": i, "state": "READY"} for i in range(50))
    read = []
    checked = DocumentFile._checked
    monkeypatch.setattr(
        DocumentFile, "_checked", lambda self, body: read.append(1) or checked(self, body)
    )
    assert fireworks.find_one({"fw_id": 7, "state": "READY"})["fw_id"] == 7
    assert (
        fireworks.find_one_and_update(
            {"state": "READY"}, {"$set": {"state": "RUNNING"}}, sort=[("spec._priority", -1)]
        )["fw_id"]
        == 0
    )
    assert len(read) == 2


def test_an_id_is_given_to_one_document_only(tmp_path):
    fireworks = EmbeddedClient(tmp_path / "l.db")["fireworks"].fireworks
    fireworks.insert_one({"fw_id": 1})
    for documents in ([{"fw_id": 1}], [{"fw_id": 2}, {"fw_id": 2}]):
        with pytest.raises(DuplicateKeyError, match="fw_id"):
            fireworks.insert_many(documents)
    with pytest.raises(DuplicateKeyError):
        fireworks.insert_one(fireworks.find_one({"fw_id": 1}))
    assert fireworks.count_documents({}) == 1


def test_an_exception_keeps_and_an_interrupt_undoes_what_was_written(tmp_path):
    client = EmbeddedClient(tmp_path / "l.db")
    records = client["fireworks"].records

    def fail(error):
        with client.file.writing(keep_on_error=True):
            records.insert_one({"name": error.__name__})
            raise error

    for error in (ValueError, KeyboardInterrupt):
        with pytest.raises(error):
            fail(error)
    assert records.distinct("name") == ["ValueError"]


def add_many(path, first, count):
    records = EmbeddedClient(path)["fireworks"].records
    for i in range(first, first + count):
        records.insert_one({"_id": i})
        records.find_one_and_update({"_id": "sum"}, {"$inc": {"value": 1}}, upsert=True)


def test_threads_and_forked_processes_lose_no_update(tmp_path):
    path = tmp_path / "l.db"
    client = EmbeddedClient(path)
    client["fireworks"].records.find_one()  # the children inherit an open connection
    fork = multiprocessing.get_context("fork")
    workers = [
        *(threading.Thread(target=add_many, args=(path, 1000 * i, 50)) for i in range(2)),
        *(fork.Process(target=add_many, args=(path, 1000 * i, 50)) for i in range(2, 4)),
    ]
    for worker in reversed(workers):
        worker.start()
    for worker in workers:
        worker.join()
    records = client["fireworks"].records
    assert records.find_one({"_id": "sum"})["value"] == 200
    assert records.count_documents({}) == 201


def test_many_processes_may_make_the_file_at_once(tmp_path):
    path = tmp_path / "new" / "l.db"
    workers = [multiprocessing.Process(target=add_many, args=(path, 100 * i, 3)) for i in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * 6
    assert EmbeddedClient(path)["fireworks"].records.count_documents({}) == 19
    assert not [p for p in path.parent.iterdir() if p.name.startswith(".")]


def filled(path, count=300):
    """Make a file with documents, closed, as one piece."""
    code = (
        "import sys; from pathlib import Path; from heterofire.launchers.embedded import *;"
        "EmbeddedClient(Path(sys.argv[1]))['fireworks'].records.insert_many("
        "{'_id': i, 'text': 'x' * 500} for i in range(int(sys.argv[2])))"
    )
    subprocess.run([sys.executable, "-c", code, path, str(count)], check=True)
    assert not Path(f"{path}-wal").exists()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda data: b"", "not a LaunchPad"),
        (lambda data: b"host: localhost\nport: 27017\n" * 50, "not a LaunchPad"),
        (lambda data: data[:68] + b"\0\0\0\0" + data[72:], "not a LaunchPad"),
        (lambda data: data[:60] + b"\0\0\0\x63" + data[64:], "format 99"),
        (lambda data: data[: len(data) // 2], "damaged"),
        (lambda data: data[:8192] + os.urandom(16384) + data[24576:], "damaged"),
    ],
    ids=["empty", "yaml", "other-sqlite", "newer", "cut", "overwritten"],
)
def test_a_bad_file_is_refused_and_kept(tmp_path, damage, message):
    path = tmp_path / "l.db"
    filled(path)
    bad = damage(path.read_bytes())
    path.write_bytes(bad)
    with pytest.raises(StoreError, match=message) as caught:
        EmbeddedClient(path)
    assert str(path) in str(caught.value)
    assert path.read_bytes() == bad


def test_a_flipped_bit_in_a_document_is_noticed_when_it_is_read(tmp_path):
    path = tmp_path / "l.db"
    filled(path)
    data = path.read_bytes()
    assert data.count(b"xxxy") == 0
    spot = data.index(b"x" * 400) + 200
    path.write_bytes(data[:spot] + b"y" + data[spot + 1 :])
    with pytest.raises(StoreError, match="damaged"):
        list(EmbeddedClient(path)["fireworks"].records.find())


def run_limited(code, path, **kwargs):
    """Run code in a process of its own that prints the error it meets."""
    script = (
        "import sys\nfrom pathlib import Path\n"
        "from heterofire.launchers.embedded import EmbeddedClient\n"
        "from heterofire.structures.errors import StoreError\n"
        f"try:\n    {code}\nexcept StoreError as error:\n    print(error); sys.exit(3)\n"
    )
    command = [sys.executable, "-c", script, str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False, **kwargs)


def test_a_full_disk_undoes_the_step_and_says_so(tmp_path):
    path = tmp_path / "l.db"
    filled(path, 10)
    code = (
        "EmbeddedClient(Path(sys.argv[1]))['f'].records.insert_many("
        "{'_id': i, 'text': 'x' * 5000} for i in range(100, 2000))"
    )
    size = 600_000  # no file may grow beyond, which the system reports as it does a full disk
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))  # noqa: E731
    run = run_limited(code, path, preexec_fn=limit)
    assert run.returncode == 3, run.stderr
    assert "Free some space" in run.stdout
    records = EmbeddedClient(path)["fireworks"].records
    assert sorted(records.distinct("_id")) == list(range(10))


def test_a_full_database_is_told_as_a_full_disk(tmp_path):
    client = EmbeddedClient(tmp_path / "l.db")
    client.file._file._connection.execute("PRAGMA max_page_count = 20")
    records = client["fireworks"].records
    with pytest.raises(StoreError, match=r"disk is full.*undone"):
        records.insert_many({"_id": i, "text": "x" * 5000} for i in range(100))
    assert records.count_documents({}) == 0
    records.insert_one({"_id": 1})  # the store goes on once there is room


def test_an_error_of_the_file_inside_a_larger_change_undoes_all_of_it(tmp_path):
    client = EmbeddedClient(tmp_path / "l.db")
    records = client["fireworks"].records
    connection = client.file._file._connection

    def change():
        with client.file.writing(keep_on_error=True):
            records.insert_one({"_id": 1})
            connection.execute("PRAGMA max_page_count = 20")
            try:
                records.insert_many({"_id": i, "text": "x" * 5000} for i in range(2, 100))
            except StoreError as error:
                raise RuntimeError("as FireWorks wraps it") from error

    with pytest.raises((RuntimeError, StoreError)):
        change()
    connection.execute("PRAGMA max_page_count = 100000")
    assert records.count_documents({}) == 0


@pytest.fixture
def locked_folder():
    """A folder that an unprivileged process may enter but not write in."""
    folder = Path(tempfile.mkdtemp())
    filled(folder / "old.db", 3)
    (folder / "old.db").chmod(0o444)
    folder.chmod(0o555)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


def insert_as_nobody(path, pipe):
    """Write as a user who is not root, whom permissions do not stop, and send what happens."""
    if os.getuid() == 0:
        os.setuid(65534)
    try:
        EmbeddedClient(path)["fireworks"].records.insert_one({"_id": 99})
        pipe.send("written")
    except StoreError as error:
        pipe.send(str(error))


@pytest.mark.parametrize("name", ["new.db", "old.db"])
def test_a_read_only_folder_is_an_error_that_names_it(locked_folder, name):
    ours, theirs = multiprocessing.Pipe()
    fork = multiprocessing.get_context("fork")
    child = fork.Process(target=insert_as_nobody, args=(locked_folder / name, theirs))
    child.start()
    message = ours.recv()
    child.join()
    assert str(locked_folder) in message
    assert "change its permissions or choose another" in message.replace(",", "")


def test_a_process_that_keeps_the_file_locked_is_waited_for_and_then_named(tmp_path, monkeypatch):
    monkeypatch.setattr(sqlite_files, "LOCK_SECONDS", 0.3)
    first, second = EmbeddedClient(tmp_path / "l.db"), EmbeddedClient(tmp_path / "l.db")
    with first.file.writing(), pytest.raises(StoreError, match="Another process"):
        second["fireworks"].records.insert_one({})
    second["fireworks"].records.insert_one({})


def test_a_file_system_whose_locks_do_not_exclude_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(file_systems, "_lock", lambda handle: True)
    with pytest.raises(StoreError, match="locks do not work"):
        EmbeddedClient(tmp_path / "l.db")
    assert list(tmp_path.iterdir()) == []


def test_a_shared_file_system_gets_a_journal_that_needs_no_shared_memory(tmp_path, monkeypatch):
    filled(tmp_path / "l.db", 3)
    monkeypatch.setattr(sqlite_files, "is_local", lambda folder: False)
    client = EmbeddedClient(tmp_path / "l.db")
    client["fireworks"].records.insert_one({"_id": 50})
    assert not (tmp_path / "l.db-shm").exists()
    add_many(tmp_path / "l.db", 100, 3)
    assert client["fireworks"].records.count_documents({}) == 8


def test_removed_documents_leave_no_trace_in_the_size(tmp_path):
    path = tmp_path / "l.db"
    filled(path, 2000)
    before = path.stat().st_size
    client = EmbeddedClient(path)
    client["fireworks"].records.delete_many({})
    assert client["fireworks"].command({"compact": "records"}) == {"ok": 1.0}
    client.file._file._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert path.stat().st_size < before / 10
    assert client["fireworks"].list_collection_names() == []
