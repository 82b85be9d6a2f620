"""Charges at sites: the ion's panel, a panel for each layer, rows that are places."""

import csv
from dataclasses import replace

import pytest

from heterofire.results.figures import draw_figure
from heterofire.results.records import Property
from heterofire.results.site_charge_figures import site_charge_frame

ABOUT = {"study": "s", "profile": "gpaw", "engine": "gpaw"}
CELL = [[10.9, 0.0, 0.0], [-5.5, 9.5, 0.0], [0.0, 0.0, 24.0]]
HERE, THERE = ([0.1, 0.2, 0.5], [0.6, 0.7, 0.5])


def number(model, quantity, label, reference, value, **more) -> Property:
    return Property(
        **ABOUT, method="PBE-D3(zero)", model=model, quantity=quantity, label=label,
        reference=reference, value=value, unit="e", energy_kind="", status="ok", keys=("r1",),
        **more,
    )  # fmt: skip


def charges(model, label, of_ion, below, above, film) -> list[Property]:
    return [
        number(model, quantity, label, scheme, value + shift)
        for scheme, shift in (("Mulliken", -0.3), ("Bader near-grid", 0.0))
        for quantity, value in (
            ("net charge of K", of_ion),
            ("electrons gained by N-graphene", below),
            (f"electrons gained by {film}", above),
        )
    ]


def binding(model, label, place) -> Property:
    item = number(model, "K binding energy", label, "K atom", -1.3)
    return replace(item, unit="eV", detail={"place": {"fractional": place, "cell": CELL}})


NUMBERS = [
    binding("MoS2@NC", "gallery-1", HERE),
    binding("MoSSe@NC", "gallery-1", THERE),
    binding("MoSSe@NC", "gallery-2", HERE),
    *charges("MoS2@NC", "gallery-1", 0.85, 0.32, 0.53, "MoS2"),
    *charges("MoSSe@NC", "gallery-1", 0.84, 0.31, 0.53, "MoSSe"),
    *charges("MoSSe@NC", "gallery-2", 0.83, 0.30, 0.53, "MoSSe"),
    *charges("MoS2@NC", "without ion", 0.0, -0.1, 0.1, "MoS2"),
    number("MoS2@NC", "net charge of K", "gallery image 1", "Bader near-grid", 0.8),
]


def test_layers_of_different_names_share_a_panel_and_schemes_are_not_mixed():
    frame = site_charge_frame(NUMBERS)
    assert set(frame["scheme"]) == {"Bader near-grid"}
    assert set(frame[frame["panel"] == 0]["quantity"]) == {"net charge of K"}
    assert set(frame[frame["panel"] == 1]["quantity"]) == {"electrons gained by N-graphene"}
    assert set(frame[frame["panel"] == 2]["quantity"]) == {
        "electrons gained by MoS2", "electrons gained by MoSSe",
    }  # fmt: skip
    of_ion = frame[frame["panel"] == 0].set_index(["model", "label"])["value"]
    assert of_ion["MoSSe@NC", "gallery-2"] == 0.83


def test_what_one_site_gives_is_what_the_layers_take():
    frame = site_charge_frame(NUMBERS)
    for _, site in frame.groupby(["model", "label"]):
        value = site.set_index("panel")["value"]
        assert value[0] == pytest.approx(value[1] + value[2])


def test_rows_are_places_and_neither_images_nor_bare_hosts_are_sites():
    frame = site_charge_frame(NUMBERS)
    assert set(frame["label"]) == {"gallery-1", "gallery-2"}
    same = frame[frame["place"] == "gallery-1"]
    assert set(zip(same["model"], same["label"], strict=True)) == {
        ("MoS2@NC", "gallery-1"), ("MoSSe@NC", "gallery-2"),
    }  # fmt: skip


def test_without_charges_there_is_no_figure():
    assert site_charge_frame([binding("MoS2@NC", "gallery-1", HERE)]).empty


def test_the_figure_names_scheme_sign_and_moved_rows(
    store, make_run, make_structure, label, tmp_path
):
    store.add_run("r1", label, make_run(make_structure("K")))
    poor = [replace(p, status="unconverged") for p in NUMBERS]
    store.replace_properties(**ABOUT, properties=poor)
    draw_figure(store, "site-charges", **ABOUT, folder=tmp_path)
    text = (tmp_path / "site-charges.svg").read_text()
    assert "Bader near-grid charges; of the ion positive: electrons lost" in text
    assert "gallery-2 at gallery-1" in text
    assert "crossed: not converged" in text
    with (tmp_path / "site-charges.csv").open() as stream:
        assert len([row for row in csv.DictReader(stream) if row["label"] == "gallery-2"]) == 3
