"""Tables keep every number, in every format."""

import csv
import io
import json

import numpy as np
import pandas as pd
import pytest

from heterofire.results.records import Property
from heterofire.results.tables import COLUMNS, format_table, table
from heterofire.structures.errors import InputError


def _property(**changes) -> Property:
    values = {
        "study": "s", "profile": "quick", "engine": "xtb", "method": "GFN1-xTB, 1000 K",
        "model": "MoS2@NC", "quantity": "K binding energy", "label": "gallery-1",
        "reference": "K atom", "value": -1.23456789, "unit": "eV", "energy_kind": "E0",
        "status": "ok",
    }  # fmt: skip
    return Property(**(values | changes))


ITEMS = [
    _property(keys=("k1", "k2"), notes=("coarse", "50 % & more_")),
    _property(model="MoSSe@NC", value=None, status="missing", notes=("coarse",)),
]


def test_the_table_has_a_row_per_property_and_all_columns():
    frame = table(ITEMS)
    assert tuple(frame.columns) == COLUMNS
    assert frame["value"][0] == -1.23456789
    assert np.isnan(frame["value"][1])
    assert frame["keys"][0] == "k1 k2"


def test_text_says_engine_and_method_once_and_numbers_the_notes():
    text = format_table(table(ITEMS), "text").splitlines()
    assert text[0] == "study: s, profile: quick, engine: xtb, method: GFN1-xTB, 1000 K"
    assert "-1.235  eV" in text[2]
    assert text[2].endswith("[1][2]")
    assert text[3].endswith("[1]")
    assert text[-2:] == ["[1] coarse", "[2] 50 % & more_"]


def test_text_keeps_the_engine_in_the_row_where_engines_differ():
    text = format_table(table([ITEMS[0], _property(engine="vasp", method="PBE")]), "text")
    assert [line.split()[0] for line in text.splitlines()[1:4]] == ["engine", "xtb", "vasp"]


def test_both_sides_of_an_energy_are_told():
    side = {"atoms": 72.0, "charge": -1.0, "electrons": 431.0}
    item = _property(detail={"balance": {"reactants": side, "products": dict(side)}})
    frame = table([item, ITEMS[0]])
    words = "72 atoms, charge -1, 431 electrons on each side"
    assert list(frame["balance"]) == [words, ""]
    assert f"[1] {words}" in format_table(frame, "text")


def test_csv_and_json_read_back_to_the_same_numbers():
    frame = table(ITEMS)
    rows = list(csv.DictReader(io.StringIO(format_table(frame, "csv"))))
    assert [row["value"] for row in rows] == ["-1.23456789", ""]
    entries = json.loads(format_table(frame, "json"))
    assert [entry["value"] for entry in entries] == [-1.23456789, None]
    assert entries[0]["notes"] == "coarse | 50 % & more_"


def test_latex_escapes_what_latex_would_read():
    text = format_table(table(ITEMS), "latex")
    assert r"50 \% \& more\_" in text
    rows = text[text.index(r"\toprule") : text.index(r"\bottomrule")]
    assert rows.count(r" \\") == 3
    assert r"\footnotesize [1] coarse" in text[text.index(r"\bottomrule") :]


@pytest.mark.parametrize("fmt", ["text", "latex"])
def test_published_values_keep_their_digits_and_nothing_is_said_of_what_is_missing(fmt):
    frame = pd.DataFrame(
        {"published": [-1.96, "lower"], "value": [None, None], "engine": [None] * 2}
    )
    text = format_table(frame, fmt)
    assert "-1.96" in text
    assert "-1.960" not in text
    assert "engine" not in text


@pytest.mark.parametrize("fmt", ["text", "csv", "json", "latex"])
def test_an_empty_table_is_no_error(fmt):
    assert isinstance(format_table(table([]), fmt), str)


def test_an_unknown_format_is_refused_with_the_known_ones():
    with pytest.raises(InputError, match="choose of text, csv, json, latex"):
        format_table(table(ITEMS), "xlsx")
