"""Questions to the result database are understood exactly, and can change nothing."""

import contextlib
import json
import sqlite3
from pathlib import Path

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from heterofire import results
from heterofire.results.query_language import FilterError, parse_filter
from heterofire.results.query_sql import run_sql
from heterofire.results.querying import Query, count_rows, statement_text
from heterofire.results.read_only import opened_read_only
from heterofire.results.schema import METADATA
from heterofire.structures.errors import InputError, StoreError

HOSTILE = json.loads((Path(__file__).parent / "data" / "hostile_names.json").read_text("utf-8"))


@pytest.fixture
def database(query_database) -> Path:
    """A small result database in a folder with spaces and umlauts."""
    return query_database


@pytest.fixture(params=["sqlite", "postgresql"])
def anywhere(request) -> Path | str:
    """The small result database as a file and on a server."""
    names = {"sqlite": "query_database", "postgresql": "query_database_url"}
    return request.getfixturevalue(names[request.param])


@pytest.fixture
def ask(anywhere):
    """Ask the small database."""
    return lambda text="", **options: results.query(text, database=anywhere, **options)


def contents(database) -> bytes | list:
    """Return all that a test could have changed."""
    if isinstance(database, Path):
        return database.read_bytes()
    with opened_read_only(database) as connection:
        return [connection.execute(select(table)).all() for table in METADATA.sorted_tables]


@pytest.mark.parametrize(
    ("text", "n_rows"),
    [
        ("", 17),
        ("quantity = gap", 2),
        ('quantity = "K binding energy" AND engine = xtb', 2),
        ("quantity = gap OR quantity = distance", 3),
        ("quantity = gap OR quantity = distance AND value > 5", 2),
        ("(quantity = gap OR quantity = distance) AND value > 5", 0),
        ("NOT quantity = odd", 6),
        ("quantity HAS ANY gap, distance", 3),
        ("value < -2", 1),
        ("-2 > value", 1),
        ("quantity != odd AND value >= 0", 2),
        ("quantity = gap AND NOT value > 5", 1),
        ("value IS UNKNOWN", 1),
        ("label is unknown", 1),
        ("model STARTS WITH MoS AND model ENDS WITH @NC and quantity contains binding", 3),
        ("quantity CONTAINS BINDING", 0),
        ("elements HAS K", 3),
        ("elements HAS ALL K, Se", 3),
        ("elements HAS ALL K, C", 0),
        ("elements HAS ANY C, S", 5),
        ("elements HAS ONLY Mo, S", 2),
        ("elements HAS ONLY K", 3),
        ("NOT elements HAS K", 14),
        ("elements IS UNKNOWN", 12),
        ("task = static", 5),
        ("task HAS ALL relax, static", 2),
        ("task HAS ALL molecule, static", 3),
        ("task = relax AND formula = K1", 0),
        ("task = molecule AND formula = K1", 3),
        ("n_atoms > 3", 3),
        ("n_atoms > 1 AND n_atoms < 4 AND quantity != odd", 2),
        ("key = atom", 3),
        ("key != atom AND key IS KNOWN", 2),
        ("created >= 2020-01-01 AND created < 2999", 5),
        ("created < 2020-01-01", 0),
        ("derived < 1999-12-31T23:59:59+02:00", 0),
        ('notes CONTAINS "λ &"', 17),
    ],
)
def test_a_filter_finds_what_it_says(ask, text, n_rows):
    assert len(ask(text)) == n_rows


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("model = MoS2@NC", {"host"}),
        ("study = s AND model = H", set()),  # no single use has both
        ("study = t AND model = H", {"host"}),
        ("kind = band", {"band"}),
        ("e0 IS UNKNOWN", {"band"}),
        ("e0 < -15 AND elements HAS K", {"joint"}),
        ("profile HAS ALL quick, paper", {"host"}),
    ],
)
def test_calculations_are_found_by_what_they_are_for(ask, text, keys):
    assert set(ask(text, of="calculations")["key"]) == keys


def test_the_leg_of_an_electron_has_no_elements(ask):
    assert list(ask("engine = vasp", of="legs")["role"]) == ["host with K", "electron"]
    assert list(ask("engine = vasp AND elements HAS Se", of="legs")["role"]) == ["host with K"]
    assert list(ask("engine = vasp AND NOT elements HAS Se", of="legs")["role"]) == ["electron"]


def test_unknown_values_come_last_and_equal_ones_keep_their_order(ask):
    for sort in ("value", "value:desc"):
        frame = ask("quantity != odd", sort=f"{sort},engine", columns="value,id,quantity")
        assert frame["value"].isna().tolist() == [False] * 5 + [True]
    assert ask("quantity = odd", sort="value")["model"].tolist() == HOSTILE


def test_a_value_never_goes_without_its_unit(ask):
    frame = ask("quantity != odd", columns="model,value,engine,method")
    assert list(frame.columns) == ["model", "value", "unit", "engine", "method"]
    assert frame.attrs["units"] == {"value": "see column unit"}
    assert ask("unit = eV").attrs["units"] == {"value": "eV"}
    units = ask(of="calculations").attrs["units"]
    assert units == {"e0": "eV", "max_force": "eV/Angstrom"}


def test_rows_of_several_engines_are_remarked_upon(ask):
    assert ask("quantity != odd").attrs["notes"] == []  # the columns show it
    notes = ask("quantity != odd", columns="model,value", limit=1).attrs["notes"]
    assert any("several engines (vasp; xtb)" in note for note in notes)
    assert ask("engine = xtb", columns="model,value").attrs["notes"] == []


def test_what_runs_say_is_shown_with_each_property(ask):
    row = ask("engine = vasp", columns="n_atoms,elements,task,key").iloc[0]
    assert row["n_atoms"] == 4
    assert row["elements"].split(" | ") == ["K", "K Mo S Se"]
    assert row["task"] == "molecule | static"
    assert row["key"] == "atom | joint"


def test_an_unknown_value_is_answered_with_those_that_are(ask):
    (note,) = ask("model = MoSe@NC AND value < 0").attrs["notes"]
    assert note.startswith("there is no model 'MoSe@NC'; known are MoSSe@NC, ")
    assert ask("model = MoS2@NC AND value > 99").attrs["notes"] == []


@pytest.mark.parametrize(
    ("text", "words", "caret"),
    [
        ("modle = x", "did you mean model", 0),
        ("value < 1 AND e0 > 2", "calculations do: add --of calculations", 14),
        ("property = x", "did you mean quantity", 0),
        ("value = abc", "value is a number", 8),
        ("value = nan", "value is a number", 8),
        ("created > yesterday", "is a date such as", 10),
        ("created > 2026-13", "is a date such as", 10),
        ("elements = Li", "it takes HAS, HAS ALL", 0),
        ("elements HAS li", "an element such as Li", 13),
        ("value CONTAINS 3", "value is not asked with CONTAINS", 0),
        ("reference = K+ gas", "of several words", 15),
        ('model = "abc', "quote is not closed", 8),
        ("value <", "expected a value", 7),
        ("(value < 1", "expected )", 10),
        ("value < 1)", "this bracket closes none", 9),
        ("(value <) AND label = x", "this bracket closes none, or too early", 8),
        ("model MoS2", "expected =, !=", 6),
        ("a = b\0", "no text", 5),
    ],
)
def test_a_wrong_filter_is_pointed_at(ask, text, words, caret):
    with pytest.raises(FilterError) as caught:
        ask(text)
    problem, _, pointer = str(caught.value).split("\n")
    assert words in problem
    assert pointer.index("^") == caret + 2


@pytest.mark.parametrize("word", ["AND", "or", "Not", "has", "contains", "is", "known", "all"])
def test_a_keyword_is_a_value_where_a_value_is_due(word):
    assert parse_filter(f"model = {word}").values[0].text == word


@pytest.mark.parametrize("text", ["(" * 9000, "NOT " * 4000 + "a = b", " OR ".join(["a=b"] * 900)])
def test_endless_filters_are_refused_and_not_run_into(text):
    with pytest.raises(InputError):
        parse_filter(text)


@given(st.text())
@settings(max_examples=300, deadline=None)
def test_no_text_breaks_the_parser(text):
    with contextlib.suppress(FilterError):
        parse_filter(text)


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
@settings(max_examples=200, deadline=None)
def test_any_text_in_quotes_is_taken_as_it_is(text):
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    assert parse_filter(f'model = "{quoted}"').values[0].text == text


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("operator", ["=", "CONTAINS", "STARTS WITH", "ENDS WITH", "HAS ANY"])
def test_hostile_text_is_only_a_value(ask, anywhere, text, operator):
    before = contents(anywhere)
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    found = ask(f'model {operator} "{quoted}"')["model"].tolist()
    assert (
        found
        == [name for name in HOSTILE if name == text or (operator != "=" and text in name)][
            : len(found)
        ]
    )
    assert text in found
    assert contents(anywhere) == before


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_names_of_columns_and_tables_are_refused(ask, text):
    for options in ({"sort": text}, {"columns": [text]}, {"of": text}):
        with pytest.raises(InputError):
            ask(**options)
    with pytest.raises(InputError):
        ask(sort=f"value:{text}")


def test_all_values_of_a_statement_are_bound(anywhere):
    with opened_read_only(anywhere) as connection:
        for text in HOSTILE:
            quoted = text.replace("\\", "\\\\").replace('"', '\\"')
            asked = Query(filter=f'model = "{quoted}" AND value < 12345.5')
            statement, values = statement_text(connection, asked)
            assert "12345" not in statement
            assert {text, 12345.5} <= set(values.values())


WRITES = [
    "DELETE FROM properties",
    "SELECT 1; DELETE FROM properties",
    "WITH x AS (SELECT 1) DELETE FROM properties",
    "PRAGMA writable_schema = ON",
    "SELECT * FROM pragma_journal_mode('delete')",
    "SELECT * FROM pragma_user_version(5)",
    "ATTACH 'other.db' AS other",
    "VACUUM INTO 'copy.db'",
    "CREATE TEMP TABLE t (x)",
    "SELECT load_extension('x')",
    "BEGIN IMMEDIATE",
    "/* SELECT */ DROP TABLE legs",
    "SELECT 1 INTO t",
]


@pytest.mark.parametrize("sql", WRITES)
def test_sql_that_would_write_is_refused_and_changes_nothing(anywhere, sql):
    before = contents(anywhere)
    with opened_read_only(anywhere) as connection, pytest.raises(InputError):
        run_sql(connection, sql)
    assert contents(anywhere) == before


def test_no_sql_writes_a_file_beside_the_database(database):
    for sql in WRITES:
        with opened_read_only(database) as connection, pytest.raises(InputError):
            run_sql(connection, sql)
    left = {path.name for path in database.parent.iterdir()}
    assert left <= {"results.db", "results.db-wal", "results.db-shm"}


@pytest.mark.parametrize("sql", [sql for sql in WRITES if sql != "SELECT 1 INTO t"])
def test_the_connection_itself_refuses_to_write(database, sql):
    with opened_read_only(database) as connection:
        raw = connection.connection.dbapi_connection
        with pytest.raises((sqlite3.Error, sqlite3.Warning)):
            raw.execute(sql)


def test_the_server_itself_refuses_to_write(query_database_url):
    with opened_read_only(query_database_url) as connection:
        raw = connection.connection.dbapi_connection
        for sql in ("DELETE FROM properties", "CREATE TABLE t (x int)", "DROP TABLE legs"):
            with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
                raw.execute(sql)
            raw.rollback()


def test_sql_reads_names_its_columns_and_keeps_its_limits(anywhere):
    with opened_read_only(anywhere) as connection:
        names, rows, is_cut = run_sql(
            connection, "-- all\nSELECT model, ':x %s ?' AS model FROM properties;", limit=3
        )
        assert (names, len(rows), is_cut) == (["model", "model_2"], 3, True)
        endless = "WITH RECURSIVE t(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM t) SELECT "
        with pytest.raises(InputError, match=r"longer than 0.2 s"):
            run_sql(connection, endless + "count(*) FROM t", time_limit_s=0.2)
        assert len(run_sql(connection, endless + "x FROM t", limit=10)[1]) == 10
        with pytest.raises(InputError, match=r"propertis"):
            run_sql(connection, "SELECT * FROM propertis")


def test_counting_leaves_the_limit_aside(anywhere):
    with opened_read_only(anywhere) as connection:
        assert count_rows(connection, Query(filter="quantity = gap", limit=1, sort=("value",))) == 2
        assert count_rows(connection, Query(of="legs", filter="elements HAS K")) == 2


def test_a_pivot_has_one_number_per_cell(anywhere):
    frame = results.pivot(
        "quantity = 'K binding energy' AND engine = xtb",
        rows="model",
        columns="reference",
        database=anywhere,
    )
    assert frame.to_dict("list") == {"model": ["MoS2@NC", "MoSSe@NC"], "K atom": [-1.5, -2.5]}
    assert frame.attrs["units"] == {"K atom": "eV"}


def test_several_numbers_in_a_cell_need_an_aggregate(anywhere):
    asked = {"rows": "quantity", "columns": "engine", "database": anywhere}
    with pytest.raises(InputError, match="2 rows meet in the cell K binding energy / xtb"):
        results.pivot("quantity != odd", **asked)
    frame = results.pivot("quantity != odd", aggregate="mean", **asked)
    assert frame.set_index("quantity")["xtb"].to_dict() == pytest.approx(
        {"K binding energy": -2.0, "distance": 3.1, "gap": 0.5}
    )
    counted = results.pivot("quantity != odd", aggregate="count", **asked)
    assert counted.set_index("quantity").loc["gap", "xtb"] == 1  # the missing one is no number


def test_a_pivot_joins_no_engines_and_no_units(anywhere):
    asked = {"columns": "profile", "aggregate": "mean", "database": anywhere}
    with pytest.raises(InputError, match="engine 'vasp' and 'xtb' meet"):
        results.pivot("quantity CONTAINS binding", rows="model", **asked)
    with pytest.raises(InputError, match="unit 'Angstrom' and 'eV' meet"):
        results.pivot("engine = xtb", rows="model", **asked)


@pytest.mark.parametrize("fill", [b"", b"no database at all, only text", None])
def test_what_is_no_result_database_is_refused_and_kept(tmp_path, fill):
    path = tmp_path / "results.db"
    if fill is not None:
        path.write_bytes(fill)
    with pytest.raises((StoreError, InputError), match=r"results\.db"):
        results.query(database=path)
    assert (path.read_bytes() if path.exists() else None) == fill


@pytest.mark.parametrize(("version", "words"), [(99, "Update heterofire"), (1, "db migrate")])
def test_another_schema_version_is_refused(tmp_path, database, version, words):
    path = tmp_path / "results.db"
    path.write_bytes(database.read_bytes())
    with sqlite3.connect(path) as connection:
        connection.execute("DELETE FROM heterofire_schema WHERE version > 1")
        connection.execute("UPDATE heterofire_schema SET version = ?", [version])
    connection.close()
    with pytest.raises(StoreError, match=words):
        results.query(database=path)


def test_a_filter_on_json_finds_text_as_people_write_it(ask):
    frame = ask('notes CONTAINS "50 % of λ"', columns="notes", limit=1)
    assert json.loads(frame["notes"].iloc[0]) == ["a note", "50 % of λ & more"]
