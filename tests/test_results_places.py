"""Sites of different hosts are set side by side by the place of the ion, not by their rank."""

import re
from dataclasses import replace

import pandas as pd
import pytest

from heterofire.results.compare import compare
from heterofire.results.energies import energy_property
from heterofire.results.figures import draw_figure
from heterofire.results.places import place_labels
from heterofire.results.requests import EnergyRequest, LegRequest
from heterofire.structures.boxes import atom_in_box
from heterofire.structures.models import build_model
from heterofire.structures.sites import find_sites, insert_ion

DOI = "10.1007/s40820-025-01992-x"
STUDY = {"study": "potassium-anode", "profile": "gpaw", "engine": "gpaw"}
MODELS = ("MoS2@NC", "MoSSe@NC", "MoSSe(outer)@NC")
SAME = "K binding energy at one site, with Se minus without"


@pytest.fixture(scope="module")
def bindings(make_run):
    """K at the two best sites of each gallery; -1 eV over the hollow, -2 eV over Mo."""
    atom, items = make_run(atom_in_box("K"), 0.0), []
    for model in (build_model(name) for name in MODELS):
        host = make_run(model.structure, -100.0)
        for site in find_sites(model, "gallery", max_sites=2):
            energy = -101.0 if site.above == "hollow" else -102.0
            runs = {
                "with": make_run(insert_ion(model, site), energy),
                "host": host,
                "atom": atom,
            }
            request = EnergyRequest(
                model=model.name,
                label=site.name,
                quantity="K binding energy",
                reference="K atom",
                legs=tuple(
                    LegRequest(role=key, factor=factor, key=key)
                    for key, factor in (("with", 1), ("host", -1), ("atom", -1))
                ),
            )
            items.append(energy_property(request, runs, study=STUDY["study"], profile="gpaw"))
    return items


def test_a_binding_energy_says_where_the_ion_began(bindings):
    place = bindings[0].detail["place"]
    assert place["fractional"][:2] == pytest.approx([0.0, 0.0])
    assert place["cell"][2] == pytest.approx(build_model(MODELS[0]).structure.lattice.matrix[2])


def test_one_place_has_one_label_in_all_hosts(bindings):
    assert [(item.model, item.label) for item in bindings[2:4]] == [
        ("MoSSe@NC", "gallery-1"),
        ("MoSSe@NC", "gallery-2"),
    ]
    assert place_labels(bindings) == [
        *("gallery-1", "gallery-2"),
        *("gallery-2", "gallery-1"),  # beside Se, Mo-top comes first
        *("gallery-1", "gallery-2"),
    ]


def test_a_label_that_is_taken_by_another_place_gets_the_name_of_its_host(bindings):
    first, _, other = bindings[:3]
    assert place_labels([first, other]) == ["gallery-1", "gallery-1 of MoSSe@NC"]


def test_the_effect_of_selenium_at_one_site_is_taken_at_one_place(bindings):
    frame = compare(bindings, DOI)
    rows = frame[frame["quantity"] == SAME]
    assert sorted(rows["label"]) == ["gallery-1 - gallery-2", "gallery-2 - gallery-1"]
    assert list(rows["computed"]) == pytest.approx([0.0, 0.0], abs=1e-9)


def test_a_row_of_the_figure_is_one_place_and_the_caption_says_so(bindings, store, tmp_path):
    alone = [replace(item, engine="gpaw", legs=(), keys=()) for item in bindings]  # no runs stored
    store.replace_properties(**STUDY, properties=alone)
    paths = draw_figure(store, "5b", **STUDY, folder=tmp_path)
    frame = pd.read_csv(paths[3])
    assert frame.groupby("place")["value"].nunique().to_dict() == {"gallery-1": 1, "gallery-2": 1}
    texts = re.findall("<text[^>]*>([^<]*)</text>", paths[1].read_text(encoding="utf-8"))
    shown = " ".join(texts)  # remarks are broken into lines
    assert "MoSSe(outer)@NC" in shown
    assert "MoSSe@NC gallery-1 at gallery-2" in shown
