"""Everything that can be wrong with an archive is found and named."""

import gzip
import json
import sqlite3
import stat
import zipfile
from contextlib import closing
from pathlib import Path

import pytest

from heterofire.results.archives import ArchiveRequest, write_archive
from heterofire.results.bags import write_bag
from heterofire.results.records import Label, Property
from heterofire.results.store import ResultStore
from heterofire.results.verifying import verify_archive
from heterofire.structures.errors import InputError

ABOUT = {"study": "s", "profile": "quick", "engine": "xtb"}
TOP = "s-quick-xtb/"
POTCAR = b" parameters from PSCTR are:\n   VRHFIN =Xx\n END of PSCTR-controll parameters\n"


@pytest.fixture(scope="module")
def good(tmp_path_factory, make_run, make_structure):
    """The files of an archive that is good, by their full path in it."""
    folder = tmp_path_factory.mktemp("good")
    with ResultStore.open(folder / "results.db") as store:
        for key in ("one", "two"):
            label = Label(study="s", profile="quick", model="m", task="relax", name=f"{key}/relax")
            store.add_run(key, label, make_run(make_structure("S", "S"), max_force=0.01))
        number = Property(
            **ABOUT, method="GFN1-xTB, 1000 K", model="m", quantity="K binding energy",
            label="gallery-1", reference="K atom", value=-1.25, unit="eV", energy_kind="E0",
            status="ok", keys=("one",),
        )  # fmt: skip
        store.replace_properties(**ABOUT, properties=[number])
        write_archive(store, ArchiveRequest(**ABOUT, title="t"), folder / "a.zip")
    with zipfile.ZipFile(folder / "a.zip") as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.zip"


def _write(path, files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def _rebag(path, good, **changes):
    """Write an archive whose checksums are right, with some of its content changed."""
    payload = {n.removeprefix(f"{TOP}data/"): d for n, d in good.items() if "/data/" in n}
    payload |= {name: data for name, data in changes.items() if data is not None}
    for name in [name for name, data in changes.items() if data is None]:
        del payload[name]
    write_bag(path, payload, {}, TOP.rstrip("/"))
    return path


def _problems(path):
    return " | ".join(verify_archive(path).problems)


def test_a_good_archive_is_good(path, good):
    found = verify_archive(_write(path, good))
    assert found.is_good, found.problems
    assert "no POTCAR, by name and by content" in found.checks
    assert "tables and inputs are what the database holds" in found.checks
    assert found.about["study"] == "s"


def test_verifying_writes_nothing_beside_the_archive(path, good):
    _write(path, good)
    verify_archive(path)
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({f"{TOP}data/methods.md": b"other"}, "data/methods.md was changed"),
        ({f"{TOP}data/methods.md": None}, "data/methods.md is missing"),
        ({f"{TOP}data/new.txt": b"x"}, "data/new.txt is not in manifest-sha256.txt"),
        ({f"{TOP}bag-info.txt": b"x: y\n"}, "bag-info.txt was changed"),
        ({f"{TOP}extra.txt": b"x"}, "extra.txt is not in tagmanifest-sha256.txt"),
        ({f"{TOP}bagit.txt": b"BagIt-Version: 9\n"}, "declares another version"),
        ({f"{TOP}manifest-sha256.txt": None}, "manifest-sha256.txt missing"),
        ({f"{TOP}data/POTCAR": b"x"}, "data/POTCAR is a POTCAR by its name"),
        ({f"{TOP}data/a/POTCAR.gz": b"x"}, "POTCAR by its name"),
        ({f"{TOP}data/a/x.txt": POTCAR}, "data/a/x.txt holds text of a POTCAR"),
        ({f"{TOP}data/a/x.gz": gzip.compress(POTCAR)}, "data/a/x.gz holds text of a POTCAR"),
        ({"../evil.txt": b"x"}, "'../evil.txt' leads out of the archive"),
        ({f"{TOP}data/../../evil": b"x"}, "leads out of the archive"),
        ({"/etc/passwd": b"x"}, "'/etc/passwd' is an absolute path"),
        ({"C:\\x": b"x"}, "backslash or a drive"),
        ({"second/file": b"x"}, "it is no archive of heterofire"),
    ],
    ids=lambda value: str(value)[:50] if isinstance(value, str) else "",
)
def test_what_was_done_to_an_archive_is_named(path, good, change, said):
    files = {n: d for n, d in (good | change).items() if d is not None}
    found = verify_archive(_write(path, files))
    assert not found.is_good
    assert said in " | ".join(found.problems)


def test_all_problems_are_named_at_once(path, good):
    files = {**good, f"{TOP}data/methods.md": b"other", f"{TOP}data/new.txt": b"x"}
    del files[f"{TOP}data/README.md"]
    said = _problems(_write(path, files))
    for name in ("methods.md was changed", "new.txt is not in", "README.md is missing"):
        assert name in said


def test_a_link_in_an_archive_is_refused_before_anything_is_read(path, good):
    _write(path, good)
    link = zipfile.ZipInfo(f"{TOP}data/link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(link, "/etc/passwd")
    assert "is a link or device" in _problems(path)


def test_two_files_of_one_name_are_refused(path, good):
    _write(path, good)
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr(f"{TOP}data/methods.md", "other")
    assert "is there twice" in _problems(path)


def test_a_zip_bomb_is_not_unpacked(path, good):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in good.items():
            archive.writestr(name, data)
        archive.filelist[-1].file_size = 5 << 30  # as its directory will declare
    found = verify_archive(path)
    assert found.checks == ()
    assert "it would unpack to 5,3" in found.problems[0]
    assert "--max-size" in found.problems[0]


def test_a_file_that_unpacks_to_more_than_it_declares_is_cut_off(path, good):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in good.items():
            archive.writestr(name, data)
        archive.filelist[-1].file_size = 3
    assert "is damaged and cannot be read" in _problems(path)


def test_the_size_that_may_be_unpacked_can_be_set(path, good):
    _write(path, good)
    assert "more than 1,000" in verify_archive(path, max_bytes=1000).problems[0]
    assert verify_archive(path, max_bytes=10**9).is_good


@pytest.mark.parametrize("kept", [0.3, 0.7, 0.99])
def test_a_cut_archive_is_named_as_such(path, good, kept):
    whole = _write(path, good).read_bytes()
    path.write_bytes(whole[: int(kept * len(whole))])
    assert "was cut or damaged" in _problems(path)


def test_a_flipped_byte_is_found(path, good):
    data = bytearray(_write(path, good).read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    assert _problems(path)


@pytest.mark.parametrize("content", [b"", b"hello", b"\x1f\x8b\x08" + b"x" * 50], ids=str)
def test_what_is_no_zip_is_said_to_be_none(path, content):
    path.write_bytes(content)
    assert "is not a zip archive" in _problems(path)


def test_a_file_that_is_not_there_is_an_error(path):
    with pytest.raises(InputError, match="there is no file"):
        verify_archive(path)


def test_a_newer_format_is_left_to_a_newer_heterofire(path, good):
    about = json.loads(good[f"{TOP}data/archive.json"]) | {"format": 99}
    said = _problems(_rebag(path, good, **{"archive.json": json.dumps(about).encode()}))
    assert "format is 99" in said
    assert "update" in said


@pytest.mark.parametrize("text", [b"[]", b"{}", b"{", b'{"format": "x"}', b'{"format": 1}'])
def test_a_description_that_is_none_is_named(path, good, text):
    assert "archive.json" in _problems(_rebag(path, good, **{"archive.json": text}))


def _changed_database(good, tmp_path, statement):
    """Return the archive's database after an SQL statement."""
    database = tmp_path / "changed.db"
    database.write_bytes(good[f"{TOP}data/database/results.db"])
    with closing(sqlite3.connect(database)) as connection:
        connection.execute(statement)
        connection.commit()
    return database.read_bytes()


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE calculations SET e0 = -99 WHERE key = 'one'", "does not match its hash"),
        ("UPDATE arrays SET blob = zeroblob(9)", "does not match its hash"),
        ("DELETE FROM calculations WHERE key = 'one'", "leads to no row of calculations"),
        ("DELETE FROM uses WHERE key = 'two'", "calculations.csv has 2 rows, the database 1"),
        ("CREATE TRIGGER t AFTER INSERT ON uses BEGIN DELETE FROM uses; END", "has a trigger 't'"),
        ("UPDATE heterofire_schema SET version = 99 WHERE version = 1", "schema version 99"),
    ],
)
def test_a_changed_database_is_found_although_the_checksums_fit(
    path, good, tmp_path, statement, said
):
    database = _changed_database(good, tmp_path, statement)
    assert said in _problems(_rebag(path, good, **{"database/results.db": database}))


@pytest.mark.parametrize("database", [b"no database", None], ids=["text", "missing"])
def test_a_database_that_is_none_is_named(path, good, database):
    assert "results.db" in _problems(_rebag(path, good, **{"database/results.db": database}))


def test_a_number_changed_in_a_table_is_named_with_both_values(path, good):
    table = good[f"{TOP}data/tables/table.csv"].replace(b"-1.25", b"-1.75")
    said = _problems(_rebag(path, good, **{"tables/table.csv": table}))
    assert "K binding energy" in said
    assert "value is '-1.75', in the database '-1.25'" in said


def test_an_input_that_is_not_what_the_database_holds_is_named(path, good):
    name = next(n for n in good if n.endswith("/INCAR")).removeprefix(f"{TOP}data/")
    said = _problems(_rebag(path, good, **{name: b"ENCUT = 999\n"}))
    assert f"data/{name} is not what the database holds" in said


def test_inputs_of_another_version_are_not_compared_to_the_byte(path, good):
    about = json.loads(good[f"{TOP}data/archive.json"])
    about["software"]["heterofire"] = "0.0.1"
    name = next(n for n in good if n.endswith("/INCAR")).removeprefix(f"{TOP}data/")
    changes = {"archive.json": json.dumps(about).encode(), name: b"ALGO = Normal\n"}
    assert verify_archive(_rebag(path, good, **changes)).is_good


def test_an_archive_in_a_path_with_spaces_and_umlauts(tmp_path, good):
    folder = tmp_path / "data für alle"
    folder.mkdir()
    assert verify_archive(_write(Path(folder) / "ä b.zip", good)).is_good
