"""Folders that heterofire did not make: all of a real corpus, and what may happen to one run."""

import contextlib
import gzip
import json
import multiprocessing
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
import yaml

from heterofire.launchers import reading_pool
from heterofire.launchers.ingesting import collect_folders
from heterofire.launchers.reading_pool import Asked, read_all
from heterofire.results import foreign_runs
from heterofire.results.foreign_runs import Reading, guarded, read_candidate
from heterofire.results.run_discovery import Candidate, find_runs
from heterofire.results.store import ResultStore

CORPUS = Path(os.environ.get("HETEROFIRE_VASP_CORPUS", "")).resolve()  # as collect names files
HAS_CORPUS = (CORPUS / "reference.yaml").is_file()
pytestmark = pytest.mark.skipif(
    not HAS_CORPUS, reason="HETEROFIRE_VASP_CORPUS does not name a folder with reference.yaml"
)
REFERENCE = yaml.safe_load((CORPUS / "reference.yaml").read_text()) if HAS_CORPUS else {}
FILES = REFERENCE.get("files", {})
VASPRUNS = sorted(name for name, entry in FILES.items() if entry["type"] == "vasprun")
LEFT_OUT = {
    "bad/aiida_exit_codes/unfinished/out": "vasprun.xml: cut: does not end with </modeling>",
    "bad/custodian_bad_vasprun": "vasprun.xml.gz: cut",
    "bad/nomad_broken (broken)": "vasprun.xml.broken.gz: cut",
    "bad/pm_unconverged (bad)": "vasprun.bad.xml.gz: cut",
    "bad/pyiron_aborted": "vasprun.xml.gz: cut",
    "neb/aiida_neb": "00: no energy of this end point",
    "slab/ir_h_adsorbate_1": "vasprun.xml.gz: the atoms differ from POSCAR",
    "bader/si_static": "no vasprun.xml and no OUTCAR, only AECCAR0, AECCAR2, CHGCAR",
    "custodian_errors/logs": "inputs only",
    "custodian_errors/too_few_bands": "inputs only",
    "custodian_errors/nonconv": "no vasprun.xml and no OUTCAR",
    "custodian_errors/zpotrf": "no vasprun.xml and no OUTCAR",
    "bad/aiida_nelm/calc-000/inp": "inputs only",
    "bad/aiida_nelm/calc-001/inp": "inputs only",
    "bad/aiida_outcar_extras": "no vasprun.xml beside OUTCAR.gz",
    "bad/aiida_outcar_extras (converged)": "no vasprun.xml beside",
    "bad/aiida_outcar_extras (nelm-breach-consistent)": "no vasprun.xml beside",
    "bad/aiida_outcar_extras (nelm-breach-partial)": "no vasprun.xml beside",
    "bad/aiida_outcar_extras (not-converged)": "no vasprun.xml beside",
    "bad/aiida_outcar_extras (unfinished)": "no vasprun.xml beside",
    "bad/pm_unconverged (stopped)": "no vasprun.xml beside OUTCAR.stopped.gz",
    "bad/pm_unconverged (merged_numbers)": "no vasprun.xml beside OUTCAR_merged_numbers.gz",
    "custodian_errors/drift": "no vasprun.xml beside OUTCAR.gz",
    "custodian_errors/large_sigma (fail_sigma_check)": "no vasprun.xml beside",
    "custodian_errors/large_sigma (pass_sigma_check)": "no vasprun.xml beside",
    "custodian_errors/potim": "no vasprun.xml beside OUTCAR.gz",
    "molecule/ase_outcar (example_1)": "no vasprun.xml beside OUTCAR_example_1.gz",
    "plusU/pm_misc (LinearResponseU)": "no vasprun.xml beside OUTCAR.LinearResponseU.gz",
}
SAME = {"bad/aiida_exit_codes/converged-with-error/out": "bad/aiida_exit_codes/converged/out"}
# Bader charges of other programs, and the corpus's own notes: nothing that VASP wrote.
NOT_OF_VASP = re.compile(r"SOURCES\.md|reference\.yaml|ACF\..*\.dat")


def plain(name: str) -> str:
    return name.removeprefix(f"{CORPUS.name}/")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """The corpus collected by two processes, and the database it went into."""
    database = tmp_path_factory.mktemp("corpus") / "results.db"
    with ResultStore.open(database) as store:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(foreign_runs, "RECENT_S", 0.0)  # a new copy of it is not being written
            ingest = collect_folders(store, [CORPUS], n_workers=2)
        yield ingest, store, database


@pytest.fixture(scope="module")
def name_of():
    """The name under which each vasprun.xml of the corpus is collected."""
    return {
        str(item.vasprun.relative_to(CORPUS)): plain(item.name)
        for item in find_runs([CORPUS])
        if isinstance(item, Candidate) and item.vasprun
    }


def test_all_that_is_left_out_of_the_corpus_has_its_reason(corpus):
    found = {plain(left.name): left.reason for left in corpus[0].left_out}
    assert set(found) == set(LEFT_OUT)
    assert [name for name, reason in LEFT_OUT.items() if not found[name].startswith(reason)] == []
    assert {plain(name): plain(other) for name, other in corpus[0].same} == SAME


@pytest.mark.parametrize("name", VASPRUNS)
def test_each_vasprun_of_the_corpus_is_stored_with_the_reference_numbers(name, corpus, name_of):
    ingest, store, _ = corpus
    if name not in name_of:  # of a band, which has the energies of its images
        assert "neb/" in name
        return
    taken = {plain(item.name): item for item in ingest.taken}
    run_name = SAME.get(name_of[name], name_of[name])
    if run_name in LEFT_OUT:
        assert run_name not in taken
        return
    item, entry = taken[run_name], FILES[name]
    run = store.get_run(item.key)
    assert run.e0 == pytest.approx(entry["final_energy_eV"], abs=1e-6)
    assert item.e0 == run.e0
    assert item.formula == entry["formula"]
    assert run.n_ionic_steps == entry["n_ionic"]
    assert run.settings.engine == "vasp"
    is_whole = entry["conv_el"] and entry["conv_ion"]
    assert item.status == ("converged" if is_whole else "unconverged")


def test_bands_of_the_corpus_have_the_reference_barriers(corpus):
    taken = {plain(item.name): item for item in corpus[0].taken}
    reference = REFERENCE["neb"]
    band = taken["neb/mast_fivefreq_AlMg/neb_pureinit-purefin_q=p0_stat"]
    assert band.highest_image == pytest.approx(
        reference["mast_fivefreq_Al_vacancy"]["barrier_E0"], abs=1e-6
    )
    other = corpus[1].get_band(taken["neb/mast_vacancy_3images"].key)
    energies = [image.e0 for image in other.images]
    assert energies == pytest.approx(reference["mast_vacancy_3images"]["E0"], abs=1e-6)


def test_every_file_of_the_corpus_is_accounted_for(corpus):
    ingest = corpus[0]
    folders = {item.folder for item in (*ingest.taken, *ingest.left_out)}
    folders |= {str(CORPUS / plain(name)) for name, _ in ingest.same}
    files = [path for path in CORPUS.rglob("*") if path.is_file()]
    lost = [
        path
        for path in files
        if not NOT_OF_VASP.fullmatch(path.name)
        and str(path.parent) not in folders
        and not (re.fullmatch(r"\d\d", path.parent.name) and str(path.parent.parent) in folders)
    ]
    assert lost == []


def test_stored_runs_are_whole_and_one_row_each(corpus):
    ingest, store, _ = corpus
    rows = store.calculations(study="collected")
    assert len(rows) == len(set(rows["key"])) == len(ingest.taken)
    assert store.check() == []


def test_no_potcar_text_is_in_the_database(corpus):
    data = b"".join(path.read_bytes() for path in corpus[2].parent.glob("results.db*"))
    assert b"PAW_PBE Si" in data  # symbols and dates are
    assert not re.search(rb"VRHFIN|LEXCH|End of Dataset|POMASS", data)


def test_second_call_reads_nothing_and_says_the_same(corpus):
    ingest, store, _ = corpus
    second = collect_folders(store, [CORPUS])
    assert second.to_read == []
    assert len(second.unchanged) == len(ingest.taken) + len(ingest.same)
    assert [left.reason for left in second.left_out] == [left.reason for left in ingest.left_out]


# ---- one run, and what may happen to it ----------------------------------------------------

STATIC = "static/si_static_v5"


def unpack(source: Path, folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(gzip.decompress((source / f"{name}.gz").read_bytes()))
    return folder


@pytest.fixture
def static(tmp_path):
    """A copy of a real run with plain outputs."""
    return unpack(CORPUS / STATIC, tmp_path / "tree/si static ü", "vasprun.xml", "OUTCAR", "POSCAR")


@pytest.fixture
def store(database):
    """A new result database of each kind."""
    with ResultStore.open(database) as store:
        yield store


def edit(path: Path, old: bytes, new: bytes) -> None:
    """Replace the last occurrence."""
    head, found, tail = path.read_bytes().rpartition(old)
    assert found
    path.write_bytes(head + new + tail)


def age(folder: Path, hours: float = 48.0) -> None:
    """Make every file look as if nobody had touched it for long."""
    then = time.time() - 3600 * hours
    for path in folder.iterdir():
        os.utime(path, (then, then))


def only(items):
    (item,) = items
    return item


def test_run_is_labelled_by_where_it_lies_and_what_it_is(static, store):
    taken = only(collect_folders(store, [static.parent]).taken)
    assert (taken.name, taken.model, taken.task) == ("tree/si static ü", "Si", "static")
    row = store.calculations().iloc[0]
    assert (row["study"], row["profile"], row["engine"]) == ("collected", "collected", "vasp")
    assert row["folder"] == str(static)


def test_study_and_model_can_be_named(static, store):
    collect_folders(store, [static], study="mine", model="diamond")
    row = store.calculations(study="mine").iloc[0]
    assert (row["model"], row["name"]) == ("diamond", "si static ü")


def test_copied_moved_and_packed_runs_are_the_same_row(static, store):
    collect_folders(store, [static.parent])
    shutil.copytree(static, static.parent / "copy")
    shutil.copytree(CORPUS / STATIC, static.parent / "packed")
    static.rename(static.parent / "moved")
    second = collect_folders(store, [static.parent])
    assert [name for name, _ in second.same] == ["tree/copy", "tree/moved", "tree/packed"]
    assert {other for _, other in second.same} == {"tree/si static ü"}
    assert second.taken == []
    assert len(store.calculations()) == 1


def test_copies_in_one_call_are_one_row(static, store):
    shutil.copytree(static, static.parent / "copy")
    ingest = collect_folders(store, [static.parent], n_workers=2)
    assert (len(ingest.taken), len(ingest.same)) == (1, 1)


def test_run_of_two_studies_is_stored_once_and_listed_twice(static, store):
    keys = {only(collect_folders(store, [static], study=s).taken).key for s in ("a", "b")}
    assert len(keys) == 1
    assert sorted(store.calculations()["study"]) == ["a", "b"]


def test_touched_run_is_looked_at_again_and_stays_one_row(static, store):
    collect_folders(store, [static])
    age(static)
    ingest = collect_folders(store, [static])
    assert (ingest.n_read, len(ingest.unchanged), ingest.taken) == (1, 1, [])


def test_run_that_is_being_written_is_left_for_the_next_call(static, store):
    whole = (static / "OUTCAR").read_bytes()
    (static / "OUTCAR").write_bytes(whole[: len(whole) // 2])
    left = only(collect_folders(store, [static]).left_out)
    assert left.again
    assert re.match(r"still being written \(last change \d+ s ago\): OUTCAR: cut", left.reason)
    (static / "OUTCAR").write_bytes(whole)
    assert len(collect_folders(store, [static]).taken) == 1


def test_run_that_was_cut_long_ago_is_not_read_again_until_it_changes(static, store):
    whole = (static / "vasprun.xml").read_bytes()
    (static / "vasprun.xml").write_bytes(whole[: len(whole) // 2])
    age(static)
    first, second = (collect_folders(store, [static]) for _ in range(2))
    assert only(first.left_out).reason.startswith("vasprun.xml: cut")
    assert (first.n_read, second.n_read) == (1, 0)
    assert only(second.left_out).reason == only(first.left_out).reason
    (static / "vasprun.xml").write_bytes(whole)
    assert len(collect_folders(store, [static]).taken) == 1


def test_gzip_that_is_being_packed_is_left_for_the_next_call(static, store):
    packed = gzip.compress((static / "vasprun.xml").read_bytes())
    (static / "vasprun.xml").unlink()
    (static / "vasprun.xml.gz").write_bytes(packed[:-500])
    assert only(collect_folders(store, [static]).left_out).again


def test_run_that_changes_while_it_is_read_is_not_stored(static):
    run = only(find_runs([static]))

    def read(before):
        with (static / "OUTCAR").open("a") as stream:
            stream.write("one line more\n")
        return Reading(fingerprint=before, key="k")

    reading = guarded(run, read)
    assert reading.again
    assert reading.key == ""


def test_run_that_vanishes_before_it_is_read_is_named(static):
    run = only(find_runs([static]))
    shutil.rmtree(static)
    reading = read_candidate(run, study="s")
    assert reading.again
    assert "No such file" in reading.reason


@pytest.mark.parametrize(
    ("name", "old", "new", "reason"),
    [
        ("vasprun.xml", b'name="program" type="string">vasp', b'name="program">fhi', "not by VASP"),
        (
            "vasprun.xml",
            b"<incar>",
            b'<incar>\n  <i type="logical" name="ML_LMLFF"> T  </i>',
            "machine-learned force field",
        ),
        ("vasprun.xml", b"-10.84678256", b"NaN         ", "NaN"),
        ("OUTCAR", b"TOTEN  =       -10.84678256", b"TOTEN  =       -11.84678256", "same run"),
        ("POSCAR", b"\nSi", b"\nGe", "atoms differ"),
    ],
    ids=["another program", "force field", "NaN", "files of two runs", "another POSCAR"],
)
def test_what_cannot_be_trusted_is_left_out(static, store, name, old, new, reason):
    edit(static / name, old, new)
    shutil.copytree(CORPUS / "static/pm_fe_monomer", static.parent / "other")
    ingest = collect_folders(store, [static.parent])
    assert reason in only(ingest.left_out).reason
    assert only(ingest.taken).name == "tree/other"


@contextlib.contextmanager
def nobody():
    """Read with the rights of nobody where the tests run as root, who may read everything."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_unreadable_file_is_named_and_tried_again(static):
    read_candidate(only(find_runs([static])), study="s")  # imports what nobody may not read
    with tempfile.TemporaryDirectory() as open_to_all:
        folder = Path(shutil.copytree(static, f"{open_to_all}/run"))
        Path(open_to_all).chmod(0o755)
        (folder / "OUTCAR").chmod(0)
        with nobody():
            reading = read_candidate(only(find_runs([folder])), study="s")
        assert reading.reason == "OUTCAR: cannot be read: Permission denied."
        assert reading.again  # the day its rights are given, no date changes
        (folder / "OUTCAR").chmod(0o600)
        folder.chmod(0)
        with nobody():
            left = only(find_runs([open_to_all]))
        assert left.reason == "cannot be listed: Permission denied"


def test_path_that_is_no_text_is_left_out_in_words_that_can_be_printed(
    static, tmp_path, heterofire
):
    odd = Path(os.fsdecode(os.fsencode(static.parent) + b"/gr\xfc\xdfe"))
    static.rename(odd)
    for _ in range(2):  # the second time from the database
        done = heterofire(tmp_path, "collect", str(static.parent))
        assert done.returncode == 0
        assert "left out: tree/gr\\xfc\\xdfe: its path has bytes that are no UTF-8" in done.stderr


# ---- processes that die --------------------------------------------------------------------


class Bomb:
    """Ends the process that unpickles it, as a crash in a library would."""

    def __reduce__(self):
        return os._exit, (9,)


def test_process_that_dies_takes_no_other_run_with_it(static):
    runs = [item for item in find_runs([CORPUS / "static"]) if isinstance(item, Candidate)]
    run = only(find_runs([static]))
    deadly = Candidate(**{**vars(run), "notes": (Bomb(),)})
    asked = Asked(study="s", model=None, known=frozenset(), own=frozenset())
    readings = dict(read_all([runs[0], deadly, *runs[1:]], asked, 2))
    assert len(readings) == len(runs) + 1
    assert "process that read it died" in readings[deadly].reason
    assert all(readings[item].encoded for item in runs)


def test_readers_killed_in_the_middle_of_an_answer_cost_nothing(monkeypatch):
    answer = Reading(fingerprint="f", reason="x" * 5_000_000)  # more than a pipe holds
    monkeypatch.setattr(reading_pool, "_read", lambda *_: answer)
    asked = Asked(study="s", model=None, known=frozenset(), own=frozenset())
    outcomes = read_all(["a", "b", "c", "d"], asked, 2)
    first = next(outcomes)  # what the others answer waits in the pipes now
    time.sleep(0.2)
    for process in multiprocessing.active_children():
        process.kill()
    assert [first, *outcomes] == [(name, answer) for name in "abcd"]
    assert multiprocessing.active_children() == []


def test_readers_killed_while_they_are_idle_are_not_what_a_run_is_blamed_for(monkeypatch):
    answer = Reading(fingerprint="f", reason="read")
    monkeypatch.setattr(reading_pool, "_read", lambda *_: answer)
    asked = Asked(study="s", model=None, known=frozenset(), own=frozenset())
    with reading_pool._Readers(["a"], asked, 2) as readers:
        readers._idle += [reading_pool._Reader(asked) for _ in range(2)]
        for process in multiprocessing.active_children():
            process.kill()
            process.join()
        assert readers.outcome() == answer


@pytest.fixture
def many(tmp_path):
    """Thirty runs, each of its own second."""
    data = gzip.decompress((CORPUS / STATIC / "vasprun.xml.gz").read_bytes())
    for i in range(30):
        folder = tmp_path / f"many/{i:02d} run"
        folder.mkdir(parents=True)
        new = data.replace(b"2016 03 21", b"2016 03 %02d" % i)
        (folder / "vasprun.xml").write_bytes(new)
    return tmp_path


def start(folder: Path, *options: str, **environment: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-P", "-m", "heterofire.launchers.cli", "collect", "many", *options]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    # A job in the background of a script ignores Ctrl-C, and so would what it starts.
    return subprocess.Popen(
        command,
        cwd=folder,
        env=os.environ | environment,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
        **pipes,
    )


def n_stored(folder: Path) -> int:
    if not (folder / "results.db").exists():
        return 0
    with ResultStore.open(folder / "results.db") as store:
        return len(store.calculations())


def wait_for(what, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def group_is_gone(number: int) -> bool:
    try:
        os.killpg(number, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT], ids=["kill -9", "Ctrl-C"])
def test_after_a_kill_the_same_call_goes_on_where_it_was(many, number, heterofire):
    process = start(many, "-j", "2")
    wait_for(lambda: n_stored(many) >= 3)
    (process.send_signal if number == signal.SIGKILL else lambda n: os.killpg(process.pid, n))(
        number
    )
    errors = process.communicate(timeout=60)[1]
    wait_for(lambda: group_is_gone(process.pid))  # no reader is left behind
    if number == signal.SIGINT:
        assert process.returncode == 130
        assert errors.strip().splitlines()[-1] == "stopped; the same command goes on from here"
    n_before = n_stored(many)
    done = json.loads(heterofire(many, "collect", "many", "--json").stdout)
    assert n_stored(many) == 30
    assert (done["n_read"], len(done["unchanged"])) == (30 - n_before, n_before)


def test_two_calls_at_once_lose_nothing_and_store_nothing_twice(many, database):
    processes = [start(many, "-j", "1", HETEROFIRE_DB=database) for _ in range(2)]
    for process in processes:
        errors = process.communicate(timeout=120)[1]
        assert process.returncode == 0, errors
    with ResultStore.open(database) as store:
        rows = store.calculations()
        assert len(rows) == len(set(rows["key"])) == 30
        assert store.check() == []


# ---- the command ---------------------------------------------------------------------------


def test_table_goes_to_stdout_and_the_summary_to_stderr(static, tmp_path, heterofire):
    done = heterofire(tmp_path, "collect", "tree", "-j", "1")
    assert done.returncode == 0
    assert re.search(
        r"tree/si static ü +Si2 +static +converged +-10\.846783 +PBE, 520 eV", done.stdout
    )
    assert re.search(r"1 taken in as study collected, 0 left out .* MB/s", done.stderr)


def test_brackets_in_names_are_printed_as_they_are(static, tmp_path, heterofire):
    (static.parent / "x [/]").mkdir(parents=True)
    static.rename(static.parent / "x [/]/[red]a[b]")
    done = heterofire(tmp_path, "collect", "tree")
    assert "tree/x [/]/[red]a[b]" in done.stdout


def test_disk_that_refuses_to_write_loses_nothing(many, heterofire):
    # 900 kB fit neither into the database nor into half of it and a write-ahead log beside it.
    command = f"ulimit -f 300; exec {sys.executable} -P -m heterofire.launchers.cli collect many"
    done = subprocess.run(
        ["bash", "-c", command], cwd=many, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert re.search(r"error: cannot (write|open) .*results.db", done.stderr)
    n_before = n_stored(many)
    assert n_before < 30
    assert heterofire(many, "collect", "many").returncode == 0
    with ResultStore.open(many / "results.db") as store:
        assert len(store.calculations()) == 30
        assert store.check() == []


def test_json_tells_all(static, tmp_path, heterofire):
    (static.parent / "inputs").mkdir()
    (static.parent / "inputs/POSCAR").write_text("x")
    done = heterofire(tmp_path, "collect", "tree", "--json")
    told = json.loads(done.stdout)
    assert told["n_found"] == 2
    assert told["taken"][0]["e0"] == pytest.approx(-10.84678256)
    assert told["left_out"][0]["reason"].startswith("inputs only")


def test_dry_run_makes_no_database(static, tmp_path, heterofire):
    done = heterofire(tmp_path, "collect", "tree", "--dry-run")
    assert (done.returncode, done.stdout) == (0, "tree/si static ü\n")
    assert "1 to read" in done.stderr
    assert not (tmp_path / "results.db").exists()


def test_nothing_found_is_a_failure_and_no_folder_a_wrong_use(tmp_path, heterofire):
    (tmp_path / "empty").mkdir()
    done = heterofire(tmp_path, "collect", "empty")
    assert (done.returncode, done.stderr.strip()) == (
        1,
        "nothing of VASP's was found: no vasprun.xml, OUTCAR or inputs",
    )
    done = heterofire(tmp_path, "collect", "nowhere")
    assert done.returncode == 2
    assert "nowhere: no such folder" in done.stderr
