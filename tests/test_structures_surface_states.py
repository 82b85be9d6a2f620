"""States of a reaction on a surface: the same atoms, neutral, and bound where they should be."""

import numpy as np
import pytest
from pymatgen.core import Composition

from heterofire.structures.catalogue import build_named
from heterofire.structures.contacts import CLASH, closest_ratio
from heterofire.structures.errors import InputError
from heterofire.structures.surface_states import build_state

ISOMERS = [("PS4(3-)", "OH"), ("PS4-OH(3-)",), ("PS3O-SH(3-)",), ("PS3O(3-)", "SH")]


@pytest.fixture(scope="module")
def carbon():
    return build_named("C(002)").structure


@pytest.mark.parametrize("species", ISOMERS, ids=["PS4 + OH", "PS4-OH", "PS3O-SH", "PS3O + SH"])
def test_the_first_four_states_are_isomers(carbon, species):
    state = build_state(carbon, species, n_ions=3)
    assert state.structure.composition == Composition("C50Li3PS4OH")
    assert state.multiplicity == 2
    assert closest_ratio(state.structure, state.adsorbates)[0] >= CLASH


def test_one_block_per_element_and_the_added_atoms_are_known(carbon):
    state = build_state(carbon, ["PS4(3-)", "OH"], n_ions=3)
    symbols = [site.specie.symbol for site in state.structure]
    blocks = [s for i, s in enumerate(symbols) if i == 0 or symbols[i - 1] != s]
    assert len(blocks) == len(set(blocks))
    added = sorted(symbols[i] for i in state.adsorbates)
    assert added == ["H", "Li", "Li", "Li", "O", "P", "S", "S", "S", "S"]


def test_building_twice_gives_the_same_state(carbon):
    one, two = (build_state(carbon, ["PS3O(3-)", "SH"], n_ions=3) for _ in range(2))
    np.testing.assert_array_equal(one.structure.frac_coords, two.structure.frac_coords)


def test_a_state_with_a_charge_is_refused_with_the_ions_it_needs(carbon):
    with pytest.raises(InputError, match=r"PS4\(3-\) -3 and 1 Li\+ have a charge of -2 .* give 3"):
        build_state(carbon, ["PS4(3-)"], n_ions=1)


def test_ions_without_a_molecule_are_refused(carbon):
    with pytest.raises(InputError, match="charge"):
        build_state(carbon, [], n_ions=1)


def test_an_empty_surface_is_a_state_of_its_own(carbon):
    state = build_state(carbon, [])
    assert state.adsorbates == ()
    assert len(state.structure) == len(carbon)
