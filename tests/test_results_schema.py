"""An old result database is brought up to date without a loss, on SQLite and PostgreSQL."""

import gzip
import json
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import MetaData, create_engine, insert, inspect, text

from heterofire.results import migrations
from heterofire.results.backups import migrate_database
from heterofire.results.database_info import database_info
from heterofire.results.databases import locate
from heterofire.results.schema import METADATA
from heterofire.results.snapshots import schema_differences
from heterofire.results.store import ResultStore
from heterofire.structures.errors import InputError, StoreError

# Written by the code of schema 1 (commit 264cb20): two studies, runs, a band, legs, and a source
# whose run is gone.
OLD = Path(__file__).parent / "data" / "results_schema1.db.gz"
TABLES = ("calculations", "uses", "arrays", "properties", "legs")


@pytest.fixture
def old_file(tmp_path) -> Path:
    path = tmp_path / "results.db"
    path.write_bytes(gzip.decompress(OLD.read_bytes()))
    return path


@pytest.fixture(params=["sqlite", "postgresql"])
def old(request, old_file) -> str:
    """A database as schema 1 left it, of each kind."""
    if request.param == "sqlite":
        return str(old_file)
    url = request.getfixturevalue("postgresql")
    _copy_old_tables(old_file, url)
    return str(url)


def _copy_old_tables(path: Path, url: str) -> None:
    """Make the tables of schema 1 on a server: SQLite's own CREATE commands, in its words."""
    engine = create_engine(url)
    source = sqlite3.connect(path)
    source.row_factory = sqlite3.Row
    query = "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid"
    with engine.begin() as target:
        for name, sql in source.execute(query).fetchall():
            words = sql.replace("BLOB", "BYTEA").replace("\tid INTEGER", "\tid SERIAL")
            target.exec_driver_sql(words)
            if not sql.startswith("CREATE TABLE"):
                continue
            rows = [dict(row) for row in source.execute(f"SELECT * FROM {name}")]  # noqa: S608
            table = MetaData()
            table.reflect(target, only=[name])
            target.execute(insert(table.tables[name]), rows)
        target.exec_driver_sql("SELECT setval('properties_id_seq', 4)")
    engine.dispose()


def _rows(path_or_url: str, table: str) -> list[dict]:
    engine = create_engine(locate(path_or_url)[0])
    with engine.connect() as connection:
        columns = inspect(connection).get_columns(table)
        order = ", ".join(f'"{column["name"]}"' for column in columns)
        query = text(f"SELECT * FROM {table} ORDER BY {order}")  # noqa: S608
        found = connection.execute(query).mappings().all()
    engine.dispose()
    return [{n: bytes(v) if n == "blob" else v for n, v in row.items()} for row in found]


def test_every_row_of_an_old_database_survives(old):
    before = {table: _rows(old, table) for table in TABLES}
    with ResultStore.open(old) as store:
        assert store.check() == []
        items = store.properties()
    after = {table: _rows(old, table) for table in TABLES}
    for table in TABLES:
        assert len(after[table]) == len(before[table]) > 0
        for was, row in zip(before[table], after[table], strict=True):
            assert {n: row[n] for n in was if n != "keys"} == {
                n: value for n, value in was.items() if n != "keys"
            }
    was = {row["id"]: json.loads(row["keys"]) for row in before["properties"]}
    assert [list(item.keys) for item in items] == [
        [key for key in keys if key != "gone"] for _, keys in sorted(was.items())
    ]


def test_an_old_database_goes_on_being_used(old):
    with ResultStore.open(old) as store:
        items = store.properties("potassium-anode", "quick", "xtb")
        store.replace_properties("potassium-anode", "quick", "xtb", items)
        assert store.properties() == items
        assert store.check() == []


def test_names_that_occur_twice_get_identities_of_their_own(old):
    ResultStore.open(old).close()
    identities = [row["identity"] for row in _rows(old, "properties")]
    assert len(set(identities)) == len(identities) == 4
    assert {row["elements"] for row in _rows(old, "calculations")} == {
        " Mo S ", " K Mo S ", " K ",
    }  # fmt: skip


def _schema(path_or_url: str) -> dict[str, object]:
    """Return all that the database says about its tables."""
    engine = create_engine(locate(path_or_url)[0])
    with engine.connect() as connection:
        inspector = inspect(connection)
        found = {
            name: {
                "columns": [
                    (
                        c["name"],
                        str(c["type"]),
                        c["nullable"],
                        str(c["default"] or "").split("::")[0],
                    )
                    for c in inspector.get_columns(name)
                ],
                "primary key": inspector.get_pk_constraint(name)["constrained_columns"],
                "foreign keys": sorted(
                    (key["constrained_columns"], key["referred_table"], key["referred_columns"])
                    for key in inspector.get_foreign_keys(name)
                ),
                "indexes": sorted(
                    (index["name"], index["column_names"], bool(index["unique"]))
                    for index in inspector.get_indexes(name)
                ),
            }
            for name in inspector.get_table_names()
        }
    engine.dispose()
    return found


def test_a_migrated_database_has_the_tables_of_a_new_one(old, tmp_path, request):
    ResultStore.open(old).close()
    if "://" not in old:
        fresh = str(tmp_path / "fresh.db")
        ResultStore.open(fresh).close()
        assert _schema(old) == _schema(fresh)
        return
    migrated = _schema(old)
    engine = create_engine(old)
    with engine.begin() as connection:
        METADATA.drop_all(connection)
    engine.dispose()
    ResultStore.open(old).close()
    assert migrated == _schema(old)


def test_a_dry_run_names_the_steps_and_changes_nothing(old_file):
    before = old_file.read_bytes()
    done = migrate_database(old_file, dry_run=True)
    assert (done.before, done.after) == (1, len(migrations.STEPS))
    assert done.steps == tuple(name for name, _ in migrations.STEPS[1:])
    assert old_file.read_bytes() == before
    assert done.backup is None


def test_migrating_a_file_keeps_a_copy_of_before(old_file):
    done = migrate_database(old_file)
    assert done.backup.name == "results.schema1.db"
    assert database_info(done.backup).schema == 1
    assert database_info(old_file).schema == len(migrations.STEPS)
    assert _rows(str(done.backup), "arrays") == _rows(str(old_file), "arrays")
    assert migrate_database(old_file).steps == ()


def test_a_second_copy_of_before_gets_a_name_of_its_own(old_file, tmp_path):
    (tmp_path / "results.schema1.db").write_text("somebody's")
    done = migrate_database(old_file)
    assert done.backup.name == "results.schema1-2.db"
    assert (tmp_path / "results.schema1.db").read_text() == "somebody's"


def test_a_step_that_fails_leaves_the_database_as_it_was(old, monkeypatch):
    def break_off(connection) -> None:
        connection.exec_driver_sql("CREATE TABLE half (a INTEGER)")
        connection.exec_driver_sql("INSERT INTO nowhere VALUES (1)")

    before = _schema(old)
    monkeypatch.setattr(migrations, "STEPS", [*migrations.STEPS, ("break off", break_off)])
    monkeypatch.setattr("heterofire.results.store.STEPS", migrations.STEPS)
    with pytest.raises(StoreError, match="nowhere"):
        ResultStore.open(old)
    assert _schema(old) == before


def test_a_database_that_is_not_there_is_not_made_by_migrating(tmp_path):
    with pytest.raises(InputError, match="there is no database"):
        migrate_database(tmp_path / "none.db")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_index_or_column_is_named(tmp_path):
    ResultStore.open(tmp_path / "results.db").close()
    engine = create_engine(f"sqlite:///{tmp_path / 'results.db'}")
    with engine.begin() as connection:
        connection.execute(text("DROP INDEX ix_sources_key"))
        connection.execute(text("ALTER TABLE properties DROP COLUMN derived"))
        assert schema_differences(connection) == [
            "column properties.derived is missing",
            "index ix_sources_key of sources is missing",
        ]
    engine.dispose()
