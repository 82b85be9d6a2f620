"""A figure is tied to the rows it was drawn from: in its files, in the database, and checked."""

import sqlite3
from dataclasses import replace

import pytest
from PIL import Image

from heterofire.results import figures
from heterofire.results.conditions import satisfies
from heterofire.results.figure_checks import check_figures, row_changes
from heterofire.results.figure_definitions import DEFINITIONS, FigureDefinition, matches
from heterofire.results.figure_files import read_figure
from heterofire.results.figure_names import TITLES
from heterofire.results.figure_records import read_record, record_text
from heterofire.results.figure_sources import StoredStudy
from heterofire.results.figure_tables import drawn_figures
from heterofire.results.figures import draw_figure, render_figure
from heterofire.results.records import Label, Property
from heterofire.results.store import ResultStore
from heterofire.structures.errors import InputError, RunError

STUDY = {"study": "potassium-anode", "profile": "quick", "engine": "xtb"}
METHOD = "GFN1-xTB, 1000 K"


def _property(model, quantity, label, value, **changes) -> Property:
    values = {**STUDY, "method": METHOD, "reference": "", "unit": "eV", "energy_kind": "E0",
              "status": "ok"}  # fmt: skip
    return Property(model=model, quantity=quantity, label=label, value=value, **(values | changes))


def _binding(value=-5.0, **changes) -> Property:
    about = {"reference": "K atom", "keys": ("run-1",), **changes}
    return _property("MoS2@NC", "K binding energy", "gallery-1", value, **about)


def _others() -> list[Property]:
    return [
        _property("MoS2@NC", "DOS at E_F", "host", 3.0, keys=("run-1",)),
        _property("MoS2@NC", "interlayer distance", "host", 6.2, unit="Angstrom"),
    ]


@pytest.fixture
def filled(store, full_run):
    label = Label(study="potassium-anode", profile="quick", model="MoS2@NC", task="dos",
                  name="MoS2@NC/dos")  # fmt: skip
    store.add_run("run-1", label, full_run)
    store.replace_properties(**STUDY, properties=[_binding(), *_others()])
    return store


def _check(store, name, folder):
    (found,) = check_figures(StoredStudy(store, **STUDY), [name], [folder])
    return found


@pytest.mark.parametrize("kind", ["png", "svg", "pdf"])
def test_every_file_says_what_it_was_drawn_from(filled, tmp_path, kind):
    draw_figure(filled, "5b", **STUDY, folder=tmp_path)
    record = read_figure(tmp_path / f"5b.{kind}")
    assert record.query == 'quantity ENDS WITH "binding energy"'
    assert (record.engine, record.method) == ("xtb", METHOD)
    (row,) = record.of("property").values()
    assert row.words() == "K binding energy of MoS2@NC, gallery-1 against K atom: -5 eV"
    with sqlite3.connect(tmp_path / "results.db") as connection:
        query = "SELECT identity, sha256 FROM properties WHERE quantity = 'K binding energy'"
        assert connection.execute(query).fetchone() == (row.identity, row.sha256)
        query = "SELECT sha256 FROM calculations WHERE key = 'run-1'"
        assert connection.execute(query).fetchone() == (record.of("calculation")["run-1"].sha256,)


def test_the_record_in_the_database_is_the_one_in_the_files(filled, tmp_path):
    draw_figure(filled, "5a", **STUDY, folder=tmp_path)
    (drawn,) = drawn_figures(filled, **STUDY)
    assert drawn.record == read_figure(tmp_path / "5a.png")
    assert drawn.record.libraries["matplotlib"]
    assert {file.name for file in drawn.files} == {"5a.png", "5a.svg", "5a.pdf", "5a.csv"}


def test_arrays_that_a_figure_shows_are_in_its_record_and_no_others(filled, tmp_path):
    draw_figure(filled, "5a", **STUDY, folder=tmp_path)
    names = {row.name.split()[0] for row in read_figure(tmp_path / "5a.pdf").of("array").values()}
    assert names == {"dos.energies", "dos.total", "dos.projected"}


def test_drawing_the_same_again_leaves_one_record_and_the_same_bytes(filled, tmp_path):
    for folder in ("one", "other"):
        draw_figure(filled, "5b", **STUDY, folder=tmp_path / folder)
    assert len(drawn_figures(filled, **STUDY)) == 1
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "other" / path.name).read_bytes(), path.name


def test_a_figure_that_is_as_drawn_is_current(filled, tmp_path):
    draw_figure(filled, "5b", **STUDY, folder=tmp_path)
    found = _check(filled, "5b", tmp_path)
    assert (found.state, found.changes, found.files, found.remarks) == ("current", (), (), ())


def test_a_value_that_changed_makes_its_figure_stale_and_no_other(filled, tmp_path):
    for name in ("5a", "5b"):
        draw_figure(filled, name, **STUDY, folder=tmp_path)
    filled.replace_properties(**STUDY, properties=[_binding(-4.5), *_others()])
    assert _check(filled, "5a", tmp_path).state == "current"
    found = _check(filled, "5b", tmp_path)
    assert found.state == "stale"
    assert [change.words() for change in found.changes] == [
        "changed: K binding energy of MoS2@NC, gallery-1 against K atom: -5 eV -> -4.5 eV"
    ]


def test_rows_that_are_gone_or_new_are_named(filled, tmp_path):
    draw_figure(filled, "5b", **STUDY, folder=tmp_path)
    other = replace(_binding(-3.0), label="outer-1")
    filled.replace_properties(**STUDY, properties=[other, *_others()])
    words = [change.words() for change in _check(filled, "5b", tmp_path).changes]
    assert words == [
        "gone: K binding energy of MoS2@NC, gallery-1 against K atom: -5 eV",
        "new: K binding energy of MoS2@NC, outer-1 against K atom: -3 eV",
    ]


def test_the_same_value_from_other_runs_is_a_change(filled, full_run, tmp_path):
    draw_figure(filled, "5b", **STUDY, folder=tmp_path)
    label = Label(study="s", profile="quick", model="m", task="dos", name="m")
    filled.add_run("run-2", label, full_run)
    filled.replace_properties(**STUDY, properties=[_binding(keys=("run-2",)), *_others()])
    (change,) = _check(filled, "5b", tmp_path).changes
    assert change.words().endswith("still -5 eV, its runs, notes or details differ")


def test_a_run_that_was_computed_anew_makes_its_figures_stale(store, full_run, tmp_path):
    label = Label(study="potassium-anode", profile="quick", model="MoS2@NC", task="dos",
                  name="MoS2@NC/dos")  # fmt: skip
    store.add_run("run-1", label, replace(full_run, status="unconverged"))
    store.replace_properties(**STUDY, properties=[_binding()])
    draw_figure(store, "5b", **STUDY, folder=tmp_path)
    store.add_run("run-1", label, replace(full_run, e0=full_run.e0 - 1))
    (change,) = _check(store, "5b", tmp_path).changes
    assert change.words().startswith("changed: MoS2@NC/dos (run-1): ")
    assert change.now.value == pytest.approx(change.row.value - 1)


def test_a_number_altered_behind_our_back_is_seen(filled, tmp_path):
    draw_figure(filled, "5b", **STUDY, folder=tmp_path)
    with sqlite3.connect(tmp_path / "results.db") as connection:
        connection.execute("UPDATE properties SET value = -9 WHERE quantity = 'K binding energy'")
    connection.close()
    (change,) = _check(filled, "5b", tmp_path).changes
    assert change.words().endswith("-5 eV -> -9 eV")


def test_files_that_are_missing_edited_or_of_an_older_drawing_are_told_apart(filled, tmp_path):
    draw_figure(filled, "5b", **STUDY, folder=tmp_path)
    old = (tmp_path / "5b.pdf").read_bytes()
    filled.replace_properties(**STUDY, properties=[_binding(-4.5), *_others()])
    draw_figure(filled, "5b", **STUDY, folder=tmp_path)
    (tmp_path / "5b.pdf").write_bytes(old)
    (tmp_path / "5b.png").unlink()
    (tmp_path / "5b.csv").write_text("value\n1\n")
    found = _check(filled, "5b", tmp_path)
    assert (found.state, found.is_good) == ("current", False)
    words = {text.removeprefix(f"{tmp_path}/").partition(" ")[::2] for text in found.files}
    assert ("5b.png", "is missing") in words
    assert ("5b.csv", "was edited, or drawn from another database") in words
    assert any(name == "5b.pdf" and what.startswith("is the drawing of") for name, what in words)
    assert len(words) == 3


def test_another_version_is_said_and_does_not_make_a_figure_stale(filled, tmp_path, monkeypatch):
    draw_figure(filled, "5b", **STUDY, folder=tmp_path)
    monkeypatch.setattr(figures, "__version__", "99.0")
    found = _check(filled, "5b", tmp_path)
    assert (found.state, found.is_good) == ("current", True)
    assert found.remarks == ("drawn by heterofire 0.1.0, this is 99.0",)


def test_a_figure_sees_the_rows_of_its_query_alone(filled, monkeypatch):
    seen = []
    definition = FigureDefinition(
        name="binding", query='quantity = "interlayer distance"',
        draw=lambda source: seen.extend(source.properties),
    )  # fmt: skip
    monkeypatch.setattr(figures, "definition_of", lambda study, name: definition)
    with pytest.raises(RunError, match="no number for it"):
        render_figure(StoredStudy(filled, **STUDY), "5b")
    assert [item.quantity for item in seen] == ["interlayer distance"]
    assert matches(definition, seen[0])


def test_a_run_of_another_method_is_never_drawn_beside_the_numbers(filled, make_run, full_run,
                                                                    tmp_path):  # fmt: skip
    other = replace(full_run, settings=replace(full_run.settings, method="GFN2-xTB, 1000 K"))
    label = Label(study="potassium-anode", profile="quick", model="MoSSe@NC", task="dos", name="x")
    filled.add_run("run-2", label, other)
    more = _property("MoSSe@NC", "DOS at E_F", "host", 3.0, keys=("run-2",))
    filled.replace_properties(**STUDY, properties=[*_others(), more])
    with pytest.raises(RunError, match="methods GFN1-xTB, 1000 K and GFN2-xTB, 1000 K"):
        draw_figure(filled, "5a", **STUDY, folder=tmp_path)
    assert drawn_figures(filled, **STUDY) == []
    assert list(tmp_path.glob("5a*")) == []


def test_every_figure_that_has_a_name_can_be_drawn():
    assert list(TITLES) == list(DEFINITIONS)


@pytest.mark.parametrize("name", DEFINITIONS)
def test_every_query_can_be_read(name):
    assert satisfies(DEFINITIONS[name].query, _binding()) == (
        name in ("binding", "site-charges", "complexes")
    )


@pytest.mark.parametrize(
    "query",
    ["quantity", 'colour = "red"', 'quantity = "x" XOR label = "y"', 'quantity = "x" AND',
     "value < 1", "elements HAS K"],
)  # fmt: skip
def test_a_condition_that_no_property_alone_can_meet_is_an_error(query):
    with pytest.raises(InputError, match=r"expected|tests"):
        satisfies(query, _binding())


def test_and_binds_stronger_than_or():
    query = 'model = "none" AND quantity = "none" OR unit = "eV"'
    assert satisfies(query, _binding())


def _damage(path):
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 3])


@pytest.mark.parametrize("kind", ["png", "svg", "pdf"])
def test_a_damaged_file_is_a_clear_error(filled, tmp_path, kind):
    draw_figure(filled, "5b", **STUDY, folder=tmp_path)
    _damage(tmp_path / f"5b.{kind}")
    with pytest.raises(InputError, match=f"5b.{kind}"):
        read_figure(tmp_path / f"5b.{kind}")


def test_files_without_a_record_are_clear_errors(filled, tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "other.png")
    (tmp_path / "other.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"/>')
    (tmp_path / "numbers.csv").write_text("a\n1\n")
    for name, words in (
        ("other.png", "holds no record"),
        ("other.svg", "holds no record"),
        ("numbers.csv", "no PNG, SVG or PDF"),
        ("nowhere.png", "No such file"),
    ):
        with pytest.raises(InputError, match=words):
            read_figure(tmp_path / name)


def test_a_record_that_was_changed_or_is_newer_is_refused(filled):
    text = record_text(render_figure(StoredStudy(filled, **STUDY), "5b").record)
    with pytest.raises(InputError, match="was changed"):
        read_record(text.replace("-5.0,", "-6.0,"), "5b.png")
    with pytest.raises(InputError, match="update heterofire"):
        read_record(text.replace('"heterofire_figure":1', '"heterofire_figure":2'), "5b.png")


def test_a_file_from_another_database_is_compared_row_by_row(filled, full_run, tmp_path):
    draw_figure(filled, "5b", **STUDY, folder=tmp_path)
    record = read_figure(tmp_path / "5b.svg")
    with ResultStore.open(tmp_path / "other.db") as other:
        changes = row_changes(StoredStudy(other, **STUDY), record)
    assert [change.how for change in changes] == ["gone", "gone"]
    assert row_changes(StoredStudy(filled, **STUDY), record) == []
