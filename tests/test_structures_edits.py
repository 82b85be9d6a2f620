import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymatgen.core import Lattice, Structure

from heterofire.structures.crystals import build_crystal
from heterofire.structures.edits import (
    group_by_element,
    remove_one,
    replace_atoms,
    substitute_one,
    supercell,
)
from heterofire.structures.errors import InputError
from heterofire.structures.layers import mx2_monolayer
from heterofire.structures.symmetry import equivalent_groups


def symbols(structure):
    return [site.specie.symbol for site in structure]


@given(st.lists(st.sampled_from(["S", "Mo", "K"]), min_size=1, max_size=12))
def test_grouping_keeps_all_atoms_and_their_order_within_an_element(elements):
    coords = [[i / 20, 0, 0] for i in range(len(elements))]
    grouped = group_by_element(Structure(Lattice.cubic(20), elements, coords))
    assert sorted(symbols(grouped)) == sorted(elements)
    assert symbols(grouped) == sorted(elements, key=elements.index)
    for element in set(elements):
        x = [site.a for site in grouped if site.specie.symbol == element]
        assert x == sorted(x)


def test_supercell_keeps_density_blocks_and_neighbours():
    crystal = build_crystal("KMoS2_1T")
    large = supercell(crystal, (3, 3, 1))
    assert large.density == pytest.approx(crystal.density)
    assert symbols(large) == ["Mo"] * 9 + ["S"] * 18 + ["K"] * 9
    assert large.lattice.abc == pytest.approx((9.6, 9.6, 8.23))


def test_editing_does_not_change_the_argument():
    crystal = build_crystal("KMoS2_1T")
    before = crystal.copy()
    supercell(crystal, (2, 1, 1))
    substitute_one(crystal, "S", "Se")
    remove_one(crystal, "Mo")
    assert crystal == before
    assert symbols(crystal) == symbols(before)


def test_substituted_atom_forms_a_block_behind_its_element():
    large = supercell(build_crystal("KMoS2_1T"), (2, 2, 1))
    assert symbols(substitute_one(large, "S", "Se"))[4:] == ["S"] * 7 + ["Se"] + ["K"] * 4
    twice = replace_atoms(substitute_one(large, "S", "Se"), [15], "Na")
    assert symbols(twice) == ["Mo"] * 4 + ["S"] * 7 + ["Se"] + ["K"] * 3 + ["Na"]


def test_vacancy_takes_one_atom():
    large = supercell(build_crystal("KMoS2_1T"), (3, 3, 1))
    assert remove_one(large, "Mo").composition.formula == "K9 Mo8 S18"


def test_choices_are_the_symmetry_unique_positions():
    delta3 = build_crystal("MoN_delta3")
    sizes = {round(substitute_one(delta3, "Mo", "W", choice=k).volume) for k in (0, 1)}
    assert len(sizes) == 1
    with pytest.raises(InputError, match="2 symmetry-unique positions"):
        substitute_one(delta3, "Mo", "W", choice=2)


def test_wyckoff_positions_of_one_element_are_told_apart():
    groups = equivalent_groups(build_crystal("MoN_delta3"), range(16))
    assert sorted(len(group) for group in groups) == [2, 2, 6, 6]


def test_both_faces_of_the_1h_layer_are_equivalent():
    assert equivalent_groups(mx2_monolayer(), [1, 2]) == [[1, 2]]


def test_selective_dynamics_stay_with_their_atoms():
    layer = mx2_monolayer()
    layer.add_site_property("selective_dynamics", [[False] * 3, [True] * 3, [True, True, False]])
    changed = replace_atoms(layer, [1], "Se")
    assert symbols(changed) == ["Mo", "S", "Se"]
    flags = [list(f) for f in changed.site_properties["selective_dynamics"]]
    assert flags == [[False] * 3, [True, True, False], [True] * 3]


@pytest.mark.parametrize(
    "call",
    [
        lambda c: supercell(c, (0, 1, 1)),
        lambda c: substitute_one(c, "Fe", "Se"),
        lambda c: remove_one(c, "S", choice=-1),
    ],
    ids=["repeats", "element", "choice"],
)
def test_impossible_edit_is_refused(call):
    with pytest.raises(InputError):
        call(build_crystal("MoS2_2H"))
