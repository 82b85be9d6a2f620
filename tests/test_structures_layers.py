import pytest
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

from heterofire.structures.errors import InputError
from heterofire.structures.layers import graphene, mx2_monolayer


@pytest.mark.parametrize(("phase", "group"), [("1H", "P-6m2"), ("1T", "P-3m1")])
def test_monolayer_has_the_layer_group_of_its_phase(phase, group):
    layer = mx2_monolayer(phase=phase)
    assert SpacegroupAnalyzer(layer).get_space_group_symbol() == group


@pytest.mark.parametrize("phase", ["1H", "1T"])
def test_metal_has_six_chalcogens_at_the_measured_bond_length(phase):
    layer = mx2_monolayer(phase=phase)
    near = layer.get_neighbors(layer[0], 2.6)
    assert [site.specie.symbol for site in near] == ["S"] * 6
    assert all(site.nn_distance == pytest.approx(2.418, abs=1e-3) for site in near)


def test_graphene_has_three_neighbours_at_the_bond_length_of_graphite():
    near = graphene().get_neighbors(graphene()[0], 1.6)
    assert [round(site.nn_distance, 3) for site in near] == [1.423] * 3


def test_selenide_takes_its_numbers_from_its_own_crystal():
    layer = mx2_monolayer("Mo", "Se")
    assert layer.lattice.a == pytest.approx(3.289)
    assert layer.get_distance(0, 1) == pytest.approx(2.527, abs=1e-3)


def test_metal_without_a_crystal_needs_numbers():
    with pytest.raises(InputError, match=r"WTe2.*MoS2, MoSe2"):
        mx2_monolayer("W", "Te")
    assert mx2_monolayer("W", "Te", a=3.5, half_thickness=1.8).lattice.a == 3.5


@pytest.mark.parametrize("bad", [{"phase": "3R"}, {"a": -1.0}], ids=["phase", "lattice"])
def test_senseless_monolayer_is_refused(bad):
    with pytest.raises(InputError):
        mx2_monolayer(**bad)
