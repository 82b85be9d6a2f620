"""Named tables: which rows they take, and what they say below."""

from dataclasses import replace

import pytest

from heterofire.results.conditions import satisfies
from heterofire.results.records import Label, Property
from heterofire.results.table_definitions import TABLES, named_table, table_definition
from heterofire.results.tables import format_table
from heterofire.structures.errors import InputError

STUDY = {"study": "potassium-anode", "profile": "quick", "engine": "xtb"}


def _property(quantity, label, value, **changes) -> Property:
    values = {**STUDY, "method": "GFN1-xTB, 1000 K", "model": "MoS2@NC", "reference": "",
              "unit": "eV", "energy_kind": "E0", "status": "ok"}  # fmt: skip
    return Property(quantity=quantity, label=label, value=value, **(values | changes))


@pytest.fixture
def items(store, full_run):
    label = Label(study="potassium-anode", profile="quick", model="m", task="relax", name="m/relax")
    for i in range(3):
        store.add_run(f"run-{i}", label, full_run)
    other = replace(full_run.settings, sigma=0.2, smearing="Gaussian")
    store.add_run("other", label, replace(full_run, settings=other))
    note = "host was corrected: VaspErrorHandler: brmix -> INCAR ISYM=0"
    return [
        _property("K binding energy", "gallery-1", -5.0, reference="K atom", keys=("run-0",)),
        _property("K binding energy", "gallery-2", -4.0, reference="K atom", keys=("run-1",),
                  notes=(note,)),
        _property("K binding energy", "outer-1", -3.0, reference="K atom",
                  keys=("run-2", "other"), status="unconverged",
                  notes=("runs/m is not converged: NSW",)),
        _property("barrier forward", "gallery", 0.3, keys=("run-0",)),
    ]  # fmt: skip


def test_a_named_table_has_its_rows_and_footnotes(store, items):
    frame = named_table(store, items, TABLES["binding"])
    assert list(frame["label"]) == ["gallery-1", "gallery-2", "outer-1"]
    text = format_table(frame, "text")
    assert "] host was corrected: VaspErrorHandler: brmix -> INCAR ISYM=0" in text
    assert "] runs/m is not converged: NSW" in text
    assert "] settings differ: smearing Gaussian (most others" in text
    assert "sigma 0.2 (most others" in text


def test_rows_of_one_setting_have_no_footnote(store, items):
    assert list(named_table(store, items, TABLES["barriers"])["notes"]) == [""]
    assert named_table(store, items, TABLES["binding"])["notes"].iloc[0] == ""


def test_the_rows_behind_a_figure_are_a_table_as_well(store, items):
    by_figure = named_table(store, items, table_definition("potassium-anode", "5b"))
    assert list(by_figure["value"]) == [-5.0, -4.0, -3.0]


def test_an_unknown_table_names_those_there_are():
    with pytest.raises(InputError, match="no table 'nought': choose of electronic, binding"):
        table_definition("potassium-anode", "nought")


@pytest.mark.parametrize("name", TABLES)
def test_every_query_of_a_table_can_be_read(name, items):
    taken = {
        "binding": "K binding energy",
        "barriers": "barrier forward",
    }
    found = {item.quantity for item in items if satisfies(TABLES[name].query, item)}
    assert found == ({taken[name]} if name in taken else set())


def test_a_latex_table_says_engine_and_notes_once_below(store, items):
    text = format_table(named_table(store, items, TABLES["binding"]), "latex")
    below = text[text.index(r"\bottomrule") :]
    assert "engine: xtb" in below
    assert "was corrected" in below
    assert r"\toprule" + "\nmodel & quantity" in text


def test_a_table_without_rows_is_empty(store):
    assert format_table(named_table(store, [], TABLES["charges"]), "text") == "no rows"
