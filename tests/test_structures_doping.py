from itertools import pairwise
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heterofire.structures.crystals import build_crystal
from heterofire.structures.doping import (
    graphitic_nitrogen,
    pyridinic_nitrogen,
    substituted_chalcogens,
    substitutions,
)
from heterofire.structures.edits import supercell
from heterofire.structures.errors import InputError
from heterofire.structures.layers import graphene, mx2_monolayer
from heterofire.structures.models import build_model


@pytest.fixture
def sheet():
    return supercell(graphene(), (3, 3, 1))


@pytest.fixture
def layer():
    return supercell(mx2_monolayer(), (2, 2, 1))


@pytest.mark.parametrize("n", [1, 2, 3])
def test_graphitic_multiplicities_add_up_to_all_choices(sheet, n):
    assert sum(d.multiplicity for d in graphitic_nitrogen(sheet, n=n)) == comb(18, n)


def test_two_nitrogens_in_the_2x2_sheet_are_three_by_burnside():
    # 8 carbons on a 2x2 torus: first, second and third neighbours, 12 + 12 + 4 = C(8, 2) pairs.
    found = graphitic_nitrogen(supercell(graphene(), (2, 2, 1)), n=2)
    assert sorted(d.multiplicity for d in found) == [4, 12, 12]


@pytest.mark.parametrize("n", [1, 2, 3])
def test_pyridinic_nitrogens_sit_around_the_vacancy(sheet, n):
    found = pyridinic_nitrogen(sheet, n=n)
    assert sum(d.multiplicity for d in found) == 18 * comb(3, n)
    for doped in found:
        vacancy = sheet[doped.removed[0]]
        near = doped.structure.get_sites_in_sphere(vacancy.coords, 1.6)
        assert sum(site.specie.symbol == "N" for site in near) == n
        assert len(doped.structure) == 17


def test_vacancies_in_a_bare_sheet_are_all_the_same(sheet):
    assert [d.multiplicity for d in pyridinic_nitrogen(sheet, n=3)] == [18]


@pytest.mark.parametrize("face", ["gallery", "outer"])
def test_selenium_goes_to_the_face_asked_for(layer, face):
    (doped,) = substituted_chalcogens(layer, face=face)
    metal = next(site.z for site in layer if site.specie.symbol == "Mo")
    selenium = next(site for site in doped.structure if site.specie.symbol == "Se")
    assert (selenium.z < metal) == (face == "gallery")
    assert doped.multiplicity == 4


def test_selenium_stands_out_as_in_its_own_crystal(layer):
    (doped,) = substituted_chalcogens(layer)
    selenium = next(i for i, site in enumerate(doped.structure) if site.specie.symbol == "Se")
    metal = next(site.z for site in layer if site.specie.symbol == "Mo")
    thickness = 0.129 * build_crystal("MoSe2_2H").lattice.c
    assert metal - doped.structure[selenium].z == pytest.approx(thickness, abs=1e-6)


def test_janus_face_is_one_choice(layer):
    (janus,) = substituted_chalcogens(layer, fraction=1.0, face="outer")
    heights = {
        symbol: {round(site.z, 3) for site in janus.structure if site.specie.symbol == symbol}
        for symbol in ("S", "Se")
    }
    assert max(heights["S"]) < min(heights["Se"])
    assert janus.structure.composition.formula == "Mo4 Se4 S4"


def test_fraction_gives_the_number_of_atoms(layer):
    found = substituted_chalcogens(layer, fraction=0.5, face="both")
    assert {d.structure.composition["Se"] for d in found} == {4}
    assert sum(d.multiplicity for d in found) == comb(8, 4)


@given(st.permutations(range(12)), st.tuples(*[st.floats(-1, 1)] * 3))
@settings(max_examples=20, deadline=None)
def test_multiplicities_do_not_depend_on_atom_order_or_origin(order, shift):
    crystal = supercell(build_crystal("MoS2_2H"), (2, 1, 1))
    shuffled = type(crystal).from_sites([crystal[i] for i in order])
    shuffled.translate_sites(range(len(shuffled)), shift)
    sulfur = [i for i, site in enumerate(shuffled) if site.specie.symbol == "S"]
    found = substitutions(shuffled, sulfur, "Se", n=2)
    reference = substitutions(crystal, range(4, 12), "Se", n=2)
    assert sorted(d.multiplicity for d in found) == sorted(d.multiplicity for d in reference)
    assert sum(d.multiplicity for d in found) == comb(8, 2)


def test_equivalent_choices_have_equal_distances(sheet):
    # Two choices that symmetry calls equal must have the same set of N-N distances.
    found = graphitic_nitrogen(sheet, n=2)
    distances = [round(float(sheet.get_distance(d.replaced[0], d.replaced[1])), 3) for d in found]
    first = [d for d in distances if np.isclose(d, 1.423, atol=1e-3)]
    assert len(first) == 1
    assert len(found) == 5


def test_doped_structure_keeps_one_block_per_element():
    doped = graphitic_nitrogen(build_model("MoS2@C").structure)[3].structure
    symbols = [site.specie.symbol for site in doped]
    assert len([1 for a, b in pairwise(symbols) if a != b]) == 3


def test_the_stack_splits_carbons_by_its_threefold_axis():
    found = graphitic_nitrogen(build_model("MoS2@C").structure)
    assert [d.multiplicity for d in found] == [3] * 8


@pytest.mark.parametrize(
    "call",
    [
        lambda s: graphitic_nitrogen(s, n=0),
        lambda s: graphitic_nitrogen(s, n=19),
        lambda s: graphitic_nitrogen(supercell(s, (2, 2, 1)), n=20),
        lambda s: pyridinic_nitrogen(s, n=4),
        lambda _: pyridinic_nitrogen(mx2_monolayer()),
        substituted_chalcogens,
        lambda _: substituted_chalcogens(mx2_monolayer(), face="left"),
        lambda _: substituted_chalcogens(supercell(mx2_monolayer(), (2, 2, 1)), fraction=0.3),
    ],
    ids=["none", "too-many", "too-long", "4N", "no-carbon", "no-metal", "face", "fraction"],
)
def test_impossible_doping_is_refused(sheet, call):
    with pytest.raises(InputError):
        call(sheet)
