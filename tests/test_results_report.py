"""A report says what is wrong first, holds all that is stored, and links numbers to their runs."""

import dataclasses
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from heterofire.results.report import ReportStudy, collect_report
from heterofire.results.report_calculations import Geometry
from heterofire.results.report_page import render_report
from heterofire.results.report_stills import still
from heterofire.results.store import ResultStore
from heterofire.structures.errors import InputError


@pytest.fixture(scope="module")
def filled(tmp_path_factory, pages, make_run, make_band, make_dos):
    with ResultStore.open(tmp_path_factory.mktemp("report") / "results.db") as store:
        pages.fill(store, make_run, make_band, make_dos)
        yield store


@pytest.fixture(scope="module")
def report(filled, pages):
    return collect_report(filled, pages.WANTED)


@pytest.fixture(scope="module")
def page(report):
    return render_report(report)


@pytest.fixture(scope="module")
def parsed(page):
    return Page(page)


class Page(HTMLParser):
    """Ids, links, scripts and headings of a page."""

    def __init__(self, text):
        super().__init__()
        self.ids, self.links, self.sources, self.headings, self.scripts = [], [], [], [], []
        self._in_script = None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        if "id" in found:
            self.ids.append(found["id"])
        if tag == "a":
            self.links.append(found["href"])
        if tag in ("script", "link", "img", "iframe") and (
            address := found.get("src") or found.get("href")
        ):
            self.sources.append(address)
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        self._in_script = found.get("type", "program") if tag == "script" else None
        if tag == "script":
            self.scripts.append((self._in_script, ""))
        assert not [name for name in found if name.startswith("on")], f"handler in <{tag}>"

    def handle_data(self, data):
        if self._in_script:
            self.scripts[-1] = (self._in_script, self.scripts[-1][1] + data)

    def handle_endtag(self, tag):
        if tag == "script":
            self._in_script = None


def test_warnings_come_first_and_the_gravest_first(report):
    titles = [caution.title for caution in report.cautions if not caution.is_remark]
    assert titles == [
        "1 of 9 numbers are missing",
        "1 of 6 calculations are not converged",
        "1 of 9 numbers rest on calculations that are not converged",
        "Figures that could not be drawn: charges",
        "custodian corrected 1 of 6 calculations",
        "Published values that nothing computed stands beside",
    ]


def test_settings_that_differ_are_a_warning_that_names_the_run(
    store, make_run, make_structure, pages
):
    for i, sigma in enumerate((0.1, 0.1, 0.2)):
        run = make_run(make_structure("K", box=10.0 + i), sigma=sigma)
        store.add_run(f"run{i}", pages.label_of("K", "molecule", f"K/{i}"), run)
    found = collect_report(store, pages.WANTED)
    caution = next(c for c in found.cautions if "settings differ" in c.title)
    assert [item.keys for item in caution.items] == [("run2",)]
    assert "sigma 0.2 eV instead of 0.1 eV" in caution.items[0].text


def test_a_model_is_shown_without_the_ion(report):
    shown = {model.name: model.calculation.key for model in report.models}
    assert shown == {"MoS2@NC": "host0", "MoSSe@NC": "host1"}


def test_a_number_names_its_legs_and_a_note_its_run(report):
    group = next(g for g in report.groups if g.title == "Binding energies")
    first = group.rows[0]
    assert [(s.words, s.anchor) for s in first.sources] == [
        ("+1 host with K", "run-site0"),
        ("−1 host", "run-host0"),
    ]
    assert "MoS2@NC/K-gallery-1/relax is the lowest of 2" in group.notes


def test_compared_values_link_to_their_runs(report):
    computed = [row for row in report.comparison.rows if row.cells["computed"] is not None]
    assert computed
    assert all(row.sources for row in computed)


def test_a_hop_has_its_images_and_their_band(report):
    band = report.bands[0]
    assert band["key"] == "band0"
    assert band["energies"] == [0.0, 0.4, 0.1]
    row = next(row for row in report.calculations if row.key == "band0")
    assert len(row.geometries) == 3


def test_a_dos_can_be_read_off(report, pages):
    figure = next(figure for figure in report.figures if figure.name == "5a")
    assert [panel["title"] for panel in figure.dos] == list(pages.HOSTS)
    assert all(len(s["y"]) == len(p["x"]) for p in figure.dos for s in p["series"])


def test_calculations_without_numbers_still_make_a_report(store, make_run, make_structure, pages):
    store.add_run("a", pages.label_of("Mo", "bulk", "Mo/bulk"), make_run(make_structure("Mo")))
    report = collect_report(store, pages.WANTED)
    assert report.cautions[0].title == "No derived numbers"
    assert "Mo/bulk" in render_report(report)


def test_an_empty_database_is_an_error_that_says_what_to_run(store, pages):
    with pytest.raises(InputError, match="heterofire run potassium-anode --profile quick"):
        collect_report(store, pages.WANTED)


def test_other_studies_stay_out(filled):
    words = r"no calculations of lithium-sei.*it has: potassium-anode"
    with pytest.raises(InputError, match=words):
        collect_report(filled, ReportStudy(name="lithium-sei", profile="quick", engine="xtb"))


def test_the_same_database_gives_the_same_page(filled, page, pages):
    assert render_report(collect_report(filled, pages.WANTED)) == page


def test_every_link_leads_somewhere_and_every_id_is_there_once(parsed):
    inside = {link.removeprefix("#") for link in parsed.links if link.startswith("#")}
    assert inside <= set(parsed.ids)
    assert len(parsed.ids) == len(set(parsed.ids))
    assert {"run-site0", "run-host1"} <= inside


def test_the_page_takes_nothing_from_outside(parsed):
    assert [source for source in parsed.sources if not source.startswith("data:")] == []


def test_headings_are_in_order_with_one_at_the_top(parsed):
    assert parsed.headings.count(1) == 1
    steps = zip(parsed.headings, parsed.headings[1:], strict=False)
    assert all(later - earlier <= 1 for earlier, later in steps)


def test_texts_of_the_database_stay_texts(page, parsed):
    assert "<img src=x" not in page
    programs = [text for kind, text in parsed.scripts if kind == "program"]
    assert len(programs) == 3  # 3Dmol.js, uPlot, and the page's own
    assert not any("broken" in text for text in programs)


def test_data_cannot_end_its_script_element(report, pages):
    band = {**report.bands[0], "label": pages.HOSTILE}
    changed = dataclasses.replace(report, bands=(band,))
    parsed = Page(render_report(changed))
    data = next(text for kind, text in parsed.scripts if kind == "application/json")
    assert json.loads(data)["bands"][0]["label"] == pages.HOSTILE
    assert "<" not in data


def test_a_still_draws_every_atom_and_says_what_it_is(report):
    model = report.models[0]
    assert model.still.count("<circle") == model.calculation.n_atoms
    assert 'aria-label="MoS2@NC: 9 atoms (C6 Mo S2), cell 6.30 x 6.30 x 22.00 Å"' in model.still


def test_the_flat_side_of_a_molecule_is_turned_to_the_reader(pages):
    ring = [[15.0, 15 + 1.4 * y, 15 + 1.4 * z] for y, z in ((1, 0), (-0.5, 0.87), (-0.5, -0.87))]
    geometry = Geometry(symbols=("C",) * 3, positions=np.array(ring), cell=30 * np.eye(3))
    spots = re.findall(r'cx="([\d.]+)" cy="([\d.]+)"', still(geometry, "C3"))
    assert len(set(spots)) == 3
    assert "<path" not in still(geometry, "C3")


def test_a_calculation_whose_name_was_planned_anew_is_no_warning(
    store, make_run, make_structure, pages
):
    label = pages.label_of("K", "bulk", "K/bulk")
    old = make_run(make_structure("K"), status="unconverged", reasons=("NELM",))
    store.add_run("old", label, old)
    store.add_run("new", label, make_run(make_structure("K", a=5.0)))
    report = collect_report(store, pages.WANTED)
    assert [row.key for row in report.calculations if row.is_current] == ["new"]
    titles = [caution.title for caution in report.cautions]
    assert "1 calculation of an earlier plan, no number rests on them" in titles
    assert not any("not converged" in title for title in titles)
    assert report.models[0].calculation.key == "new"
