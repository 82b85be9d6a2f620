"""Rows of a query come out the same in every format, and nothing in them is code."""

import csv
import io
import json
import re
import sqlite3
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from ase.db import connect

from heterofire import results
from heterofire.results.ase_output import write_ase
from heterofire.results.query_output import FORMATS, format_of, frame_latex, write_rows
from heterofire.results.querying import Query
from heterofire.results.read_only import opened_read_only
from heterofire.results.store import ResultStore
from heterofire.structures.errors import InputError

COLUMNS = ("model", "value", "unit", "n_atoms", "notes", "detail")


@pytest.fixture
def write(query_database):
    """Write a query's rows in a format."""

    def written(fmt: str, **asked) -> bytes:
        out = io.BytesIO()
        with opened_read_only(query_database) as connection:
            write_rows(connection, Query(**asked), fmt, out)
        return out.getvalue()

    return written


def test_every_format_has_the_same_rows(write):
    asked = {"columns": COLUMNS, "sort": ("value:desc", "model")}
    rows = json.loads(write("json", **asked))
    lines = [json.loads(line) for line in write("jsonl", **asked).decode().splitlines()]
    cells = list(csv.DictReader(io.StringIO(write("csv", **asked).decode())))
    assert lines == rows
    assert len(rows) == 17
    assert rows[0]["notes"] == ["a note", "50 % of λ & more"]
    assert rows[-1] | {"detail": {}} == rows[-1]
    for row, cell in zip(rows, cells, strict=True):
        assert cell["model"] == row["model"]
        assert (float(cell["value"]) if cell["value"] else None) == row["value"]
        assert cell["notes"] == " | ".join(row["notes"])


def test_parquet_knows_its_units(write):
    parquet = pytest.importorskip("pyarrow.parquet")
    asked = {"columns": COLUMNS, "filter": "quantity != odd"}
    table = parquet.read_table(io.BytesIO(write("parquet", **asked)))
    rows = json.loads(write("json", **asked))
    assert table["value"].to_pylist() == [row["value"] for row in rows]
    about = json.loads(table.schema.metadata[b"heterofire"])
    assert about["query"]["filter"] == "quantity != odd"
    assert about["units"] == {"value": "see column unit"}
    only = parquet.read_table(io.BytesIO(write("parquet", filter="unit = eV")))
    assert only.schema.field("value").metadata == {b"unit": b"eV"}


@pytest.mark.parametrize("fmt", [fmt for fmt in FORMATS if fmt != "parquet"])
def test_no_rows_are_well_formed(write, fmt):
    text = write(fmt, filter="model = nothing").decode()
    if fmt == "json":
        assert json.loads(text) == []
    elif fmt == "csv":
        assert text.startswith("study,profile,engine")
        assert text.count("\n") == 1
    elif fmt == "table":
        assert text == "no rows\n"


def test_latex_has_units_in_its_head_and_escapes_all_else(write):
    text = write(
        "latex", filter="unit = eV AND quantity = odd", columns=("model", "value")
    ).decode()
    assert r"model & value (eV) \\" in text
    assert text.count(r"\toprule") == text.count(r"\midrule") == text.count(r"\bottomrule") == 1
    body = text.split(r"\midrule")[1].split(r"\bottomrule")[0]
    for line in body.strip().splitlines():
        cell = line.removesuffix(r" \\").rsplit(" & ", 1)[0]
        bare = re.sub(r"\\(text\w+\{\}|[&%$#_{}])", "", cell)
        assert not set(bare) & set("\\&%$#_{}~^"), cell


def test_a_filter_cannot_leave_its_comment_in_latex(query_database):
    text = 'model =\n"MoS2@NC"'
    frame = results.query(text, database=query_database)
    first, second, *_ = frame_latex(frame, Query(filter=text)).splitlines()
    assert first == '% heterofire query: model = "MoS2@NC"'
    assert second.startswith(r"\begin{tabular}")


def test_a_table_says_small_numbers_and_units(write):
    text = write("table", of="calculations", columns=("key", "e0", "max_force")).decode()
    assert text.endswith("units: e0 eV, max_force eV/Angstrom\n")
    assert re.search(r"^band\s+-\s+-$", text, re.MULTILINE)


@pytest.mark.parametrize(
    ("path", "asked", "found"),
    [("a.tex", None, "latex"), ("a.csv", "json", "json"), (None, "text", "table")],
)
def test_the_ending_says_the_format(path, asked, found):
    assert format_of(path, asked) == found


def test_unknown_formats_are_refused():
    for path, asked in ((None, "xlsx"), (None, "parquet")):
        with pytest.raises(InputError):
            format_of(path, asked)


def test_large_results_are_written_without_holding_them(tmp_path):
    path = tmp_path / "results.db"
    ResultStore.open(path).close()
    names = "study,profile,engine,method,model,quantity,label,reference,value,unit,energy_kind"
    row = ("s", "quick", "xtb", "GFN1-xTB", "MoS2@NC", "gap", "x" * 200, "", 1.0, "eV", "")
    with sqlite3.connect(path) as connection:
        connection.executemany(
            f"INSERT INTO properties ({names}, status, detail, notes) "  # noqa: S608
            "VALUES (?,?,?,?,?,?,?,?,?,?,?,'ok','{}','[]')",
            [row] * 60_000,
        )
    connection.close()
    with opened_read_only(path) as connection, (tmp_path / "rows.csv").open("wb") as out:
        tracemalloc.start()
        assert write_rows(connection, Query(), "csv", out) == 60_000
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert (tmp_path / "rows.csv").stat().st_size > 14e6
    assert peak < 12e6


def test_an_ase_database_has_energies_forces_and_what_runs_are_for(query_database, tmp_path):
    with opened_read_only(query_database) as connection:
        assert write_ase(connection, Query(of="calculations"), tmp_path / "all.db") == 4
    with connect(tmp_path / "all.db") as database:
        assert len(database) == 6  # three images of the band
        row = database.get(key="joint")
        assert (row.energy, row.free_energy, row.natoms) == (-26.0, -26.01, 4)
        assert np.allclose(row.forces, np.linspace(-0.03, 0.03, 12).reshape(-1, 3))
        assert (row.model, row.task, row.engine) == ("MoSSe@NC", "static", "xtb")
        assert [use["study"] for use in database.get(key="host").data["uses"]] == ["s", "t"]
        assert [image.energy for image in database.select(kind="band")] == [-26.0, -25.5, -26.0]


def test_an_ase_database_of_properties_has_their_runs_once(query_database, tmp_path):
    asked = Query(filter="engine = vasp OR value = -2.5")
    with opened_read_only(query_database) as connection:
        write_ase(connection, asked, tmp_path / "some.db")
    with connect(tmp_path / "some.db") as database:
        assert {row.key for row in database.select()} == {"joint", "atom"}
        found = database.get(key="atom").data["properties"]
        assert [item["value"] for item in found] == [-2.5, -1.5]


def test_an_ase_database_that_is_there_is_kept(query_database, tmp_path):
    mine = tmp_path / "mine.db"
    mine.write_text("years of work")
    with opened_read_only(query_database) as connection:
        with pytest.raises(InputError, match="left as it is"):
            write_ase(connection, Query(), mine)
        with pytest.raises(InputError, match=r"ends in \.db"):
            write_ase(connection, Query(), Path("mine.xyz"))
    assert mine.read_text() == "years of work"
    assert [path.name for path in tmp_path.iterdir()] == ["mine.db"]
