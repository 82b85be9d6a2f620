"""Printed values stand beside computed ones, with their doubts and without a verdict."""

import pytest

from heterofire.results.compare import COLUMNS, compare
from heterofire.results.published import papers
from heterofire.results.records import Property

DOI = "10.1007/s40820-025-01992-x"


def _property(model, quantity, label, value, reference="", **changes) -> Property:
    values = {
        "study": "potassium-anode", "profile": "quick", "engine": "xtb", "method": "GFN1-xTB",
        "unit": "eV", "energy_kind": "E0", "status": "ok",
    }  # fmt: skip
    return Property(
        model=model, quantity=quantity, label=label, value=value, reference=reference,
        **(values | changes),
    )  # fmt: skip


def _binding(shift: float, reference: str, **changes) -> list[Property]:
    sites = {
        "MoS2@NC": {"gallery-1": -5.4, "outer-1": -5.2},
        "MoSSe@NC": {"gallery-1": -5.3, "outer-1": -5.6},
    }
    return [
        _property(model, "K binding energy", label, value + shift, reference, **changes)
        for model, energies in sites.items()
        for label, value in energies.items()
    ]


def _rows(frame, quantity):
    return frame[frame["quantity"] == quantity]


def test_the_four_numbers_of_the_first_paper_are_on_file():
    printed = [item.value for item in papers()[DOI].values if item.quantity.endswith("y")]
    assert printed == [-1.96, -1.47]
    barriers = [item.value for item in papers()[DOI].values if "barrier" in item.quantity]
    assert barriers == [0.78, 3.19]
    assert [i.value for i in papers()[DOI].values if "route to Mo" in i.quantity] == [9.26, 9.26]


def test_every_value_has_figure_quote_and_doubt():
    for item in papers()[DOI].values:
        assert item.figure.startswith("Fig. 5")
        assert item.quote
        assert item.doubts


def test_the_best_site_stands_beside_the_printed_energy_for_each_reference():
    frame = compare([*_binding(0.0, "K atom"), *_binding(0.9, "bcc K")], DOI)
    rows = _rows(frame, "K binding energy")
    rows = rows[rows["system"] == "MoSSe@NC"]
    assert list(rows["reference"]) == ["K atom", "bcc K"]
    assert list(rows["label"]) == ["outer-1", "outer-1"]
    assert list(rows["computed"]) == pytest.approx([-5.6, -4.7])
    assert list(rows["difference"]) == pytest.approx([-5.6 + 1.96, -4.7 + 1.96])


def test_the_difference_between_models_is_given_once_and_without_reference():
    frame = compare([*_binding(0.0, "K atom"), *_binding(0.9, "bcc K")], DOI)
    best = _rows(frame, "K binding energy, with Se minus without")
    assert list(best["computed"]) == pytest.approx([-5.6 + 5.4])
    assert list(best["label"]) == ["outer-1 - gallery-1"]
    assert list(best["reference"]) == [""]
    assert list(best["difference"]) == pytest.approx([-0.2 + 0.49])
    same = _rows(frame, "K binding energy at one site, with Se minus without")
    assert list(same["label"]) == ["gallery-1", "outer-1"]
    assert list(same["computed"]) == pytest.approx([0.1, -0.4])


def test_differences_stay_within_one_engine_and_profile():
    other = _binding(3.0, "K atom", engine="vasp", method="PBE")
    frame = compare([*_binding(0.0, "K atom"), *other[:2]], DOI)
    best = _rows(frame, "K binding energy, with Se minus without")
    assert list(best["engine"]) == ["xtb"]


def test_every_computed_hop_stands_beside_the_printed_barrier():
    hops = [
        _property("MoS2@NC", "barrier forward", "gallery", 0.2),
        _property("MoS2@NC", "barrier forward", "through-layer", 2.9, status="unconverged"),
    ]
    rows = _rows(compare(hops, DOI), "K diffusion barrier")
    assert list(rows["label"].fillna("")) == ["", "gallery", "through-layer"]
    assert list(rows["status"]) == ["missing", "ok", "unconverged"]
    assert list(rows["difference"])[1:] == pytest.approx([0.2 - 3.19, 2.9 - 3.19])


def test_routes_are_compared_as_energy_as_difference_and_as_sign():
    values = {"Mo + K + S": 9.0, "KMoS2": 2.0, "KMo(1-x)S2": 2.5, "MoS2": 1.5}
    routes = [
        _property(series, "reaction energy", label, value - shift, unit="eV/MoX2")
        for series, shift in (("without Se", 0.0), ("with Se", 0.1))
        for label, value in values.items()
    ]
    frame = compare(routes, DOI)
    energy = _rows(frame, "energy of the route to Mo + K + S")
    assert list(energy["computed"]) == pytest.approx([9.0, 8.9])
    assert list(energy["unit"]) == ["eV/MoX2"] * 2
    above = _rows(frame, "energy of the route to Mo + K + S above that to KMoS2")
    assert list(above["computed"]) == pytest.approx([7.0, 7.0])
    effect = _rows(frame, "effect of Se on the energies of the routes")
    assert list(effect["computed"]) == pytest.approx([-0.1, -0.1])
    assert effect["difference"].isna().all()
    assert list(effect["published"]) == ["lower with Se"] * 2


def test_values_without_a_result_keep_their_row():
    frame = compare([_property("MoS2@NC", "DOS at E_F", "host", None, status="missing")], DOI)
    assert set(frame["status"]) == {"missing"}
    assert len(frame) == len(papers()[DOI].values)


def test_no_column_passes_judgement():
    assert not {"pass", "fail", "ok", "agrees"} & set(COLUMNS)


def test_a_paper_that_is_not_on_file_gives_an_empty_table():
    frame = compare(_binding(0.0, "K atom"), "")
    assert list(frame.columns) == list(COLUMNS)
    assert frame.empty
