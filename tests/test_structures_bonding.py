"""Which atoms are bonded, and what a relaxation changed."""

import numpy as np
import pytest
from ase.build import molecule
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from heterofire.structures.bonding import bonds, compare_bonds, contacts, parts
from heterofire.structures.errors import InputError
from heterofire.structures.internal_coordinates import atom_names
from heterofire.structures.molecules import build_species

N_BONDS = {"CH4": 4, "C6H6": 12, "CH3CH2OH": 8, "SO2": 2, "H2": 1, "C2F4": 5, "CH3SH": 5}


def named(species, pairs):
    names = atom_names(species.symbols)
    return {f"{names[i]}-{names[j]}" for i, j in pairs}


@pytest.mark.parametrize("name", N_BONDS)
def test_bonds_are_those_of_the_textbook(name):
    atoms = molecule(name)
    found = bonds(atoms.get_chemical_symbols(), atoms.positions)
    assert len(found) == N_BONDS[name]


def test_two_sulfurs_across_a_nitrogen_are_not_bonded():
    species = build_species("TFSI-")
    assert "S1-S2" not in named(species, bonds(species.symbols, species.positions))


def test_contacts_of_metals_are_apart_from_covalent_bonds():
    salt = build_species("LiTFSI")
    assert named(salt, contacts(salt.symbols, salt.positions)) == {"O2-Li1", "O3-Li1"}
    every = bonds(salt.symbols, salt.positions)
    covalent = bonds(salt.symbols, salt.positions, covalent_only=True)
    assert every - covalent == contacts(salt.symbols, salt.positions)
    assert len(parts(covalent, 16)) == 2
    assert len(parts(every, 16)) == 1


def test_cobalt_touches_four_nitrogens_and_no_carbon():
    dye = build_species("CoPc")
    touching = named(dye, contacts(dye.symbols, dye.positions))
    assert touching == {"Co1-N1", "Co1-N4", "Co1-N6", "Co1-N8"}
    assert len(bonds(dye.symbols, dye.positions, covalent_only=True)) == 64


def test_lithium_on_two_oxygens_does_not_touch_the_sulfur_behind():
    salt = build_species("Li(CF3SO2)")
    assert named(salt, contacts(salt.symbols, salt.positions)) == {"O1-Li1", "O2-Li1"}


def test_metals_are_not_bonded_to_each_other():
    assert not bonds(["Li", "Li", "Fe"], [[0, 0, 0], [2.5, 0, 0], [0, 2.5, 0]])


def test_a_broken_bond_is_told_in_words_and_leaves_two_pieces():
    ion = build_species("TFSI-")
    half = [i for i, name in enumerate(atom_names(ion.symbols)) if name in
            ("S2", "C2", "O3", "O4", "F4", "F5", "F6")]  # fmt: skip
    away = ion.positions.copy()
    step = away[2] - away[0]
    away[half] += 1.5 * step / np.linalg.norm(step)
    change = compare_bonds(ion.symbols, ion.positions, away)
    assert not change.is_intact
    assert change.broken == {(0, 2)}
    assert change.words == ("N1-S2 1.58 -> 3.08 A broken",)
    assert parts(bonds(ion.symbols, away), 15)[1] == tuple(half)


def test_a_lithium_that_leaves_breaks_a_contact_and_no_bond():
    salt = build_species("LiTFSI")
    away = salt.positions.copy()
    away[-1] += 5 * (away[-1] - away[0]) / np.linalg.norm(away[-1] - away[0])
    change = compare_bonds(salt.symbols, salt.positions, away)
    assert change.is_intact
    assert not change.is_unchanged
    assert len(change.contacts_broken) == 2
    assert change.words[0].startswith("O2-Li1 1.95 -> ")
    assert change.words[0].endswith("A contact broken")


def test_a_new_bond_is_told_as_well():
    symbols, near, far = ["F", "F"], [[0, 0, 0], [0, 0, 1.4]], [[0, 0, 0], [0, 0, 3.0]]
    assert compare_bonds(symbols, far, near).words == ("F1-F2 3.00 -> 1.40 A formed",)


def test_a_distance_that_hardly_changes_at_the_limit_is_no_change():
    limit = 1.25 * 2 * 0.57  # two covalent radii of F
    change = compare_bonds(
        ["F", "F"], [[0, 0, 0], [0, 0, limit - 0.05]], [[0, 0, 0], [0, 0, limit + 0.05]]
    )
    assert change.is_unchanged
    assert not change.words


def test_bonds_cross_the_border_of_a_cell_where_one_is_given():
    places = [[0.2, 5, 5], [9.8, 5, 5]]
    cell = np.diag([10.2, 10.0, 10.0])
    assert not bonds(["H", "H"], places)
    assert bonds(["H", "H"], places, cell=cell) == {(0, 1)}
    wrapped = compare_bonds(["H", "H"], [[0.2, 5, 5], [0.8, 5, 5]], places, cell=cell)
    assert wrapped.is_unchanged


@given(st.integers(0, 2**31))
def test_bonds_hang_on_neither_orientation_nor_order(seed):
    salt = build_species("LiTFSI")
    order = np.random.default_rng(seed).permutation(16)
    turned = Rotation.random(random_state=seed).apply(salt.positions)[order] + 3.0
    found = bonds([salt.symbols[i] for i in order], turned)
    back = {tuple(sorted((int(order[i]), int(order[j])))) for i, j in found}
    assert back == bonds(salt.symbols, salt.positions)


def test_positions_of_another_number_of_atoms_are_refused():
    with pytest.raises(InputError, match=r"\(2, 3\) and \(3, 3\) positions for 2"):
        compare_bonds(["H", "H"], np.zeros((2, 3)), np.zeros((3, 3)))
    with pytest.raises(InputError, match="positions for 1 elements"):
        bonds(["H"], np.zeros((2, 3)))
    with pytest.raises(InputError, match="names atom 5, but there are 3"):
        parts({(0, 5)}, 3)
