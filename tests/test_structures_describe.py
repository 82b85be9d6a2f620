import json

import pytest

from heterofire.structures.crystals import build_crystal
from heterofire.structures.describe import describe, format_description
from heterofire.structures.layers import graphene
from heterofire.structures.models import build_model


@pytest.mark.parametrize(
    "line",
    [
        "Mo7 S13 Se1 C23 N1, 45 atoms",
        "8.536 8.536 27.072 Angstrom, 90.00 90.00 120.00 degree",
        "area                  63.095 Angstrom^2",
        "strain of substrate   principal +0.00% +0.00%, area +0.00%, von Mises 0.00%",
        "strain of film        principal +2.09% +2.09%, area +4.23%, von Mises 1.40%",
        "Biot strain",
        "10.89 degree",
        "3.40 Angstrom between the facing planes",
        "vacuum                20.50 Angstrom",
        "1.423 Angstrom",
        "Se on the gallery face",
    ],
)
def test_description_of_a_model_says(line):
    assert line in format_description(describe(build_model("MoSSe@NC")))


def test_crystal_has_neither_vacuum_nor_strain():
    description = describe(build_crystal("K2S"))
    assert description.vacuum is None
    assert description.strains == {}
    assert "vacuum" not in format_description(description)


def test_description_is_plain_data():
    data = json.loads(json.dumps(describe(build_model("MoS2@NC")).as_dict()))
    assert data["n_atoms"] == 45
    assert data["strains"]["film"]["area"] == pytest.approx(0.0423, abs=1e-4)


@pytest.mark.parametrize(
    ("structure", "warning"),
    [(graphene(c=10.0), "vacuum of 10.0"), (graphene(a=1.0), "0.577 Angstrom apart")],
    ids=["vacuum", "distance"],
)
def test_description_warns(structure, warning):
    assert any(warning in text for text in describe(structure).warnings)


def test_a_sane_model_has_no_warnings():
    assert describe(build_model("MoSSe@NC", size="paper")).warnings == ()
