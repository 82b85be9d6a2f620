"""Geometries changed after a relaxation: a bond pulled, a pair taken away, a path of a scan."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymatgen.core import Lattice, Structure

from heterofire.structures.complexes import join
from heterofire.structures.errors import InputError, StructureError
from heterofire.structures.molecules import build_species
from heterofire.structures.species import species_in_box
from heterofire.structures.transformations import PlaceAnew, Stretch, TakeAway
from heterofire.structures.waypoints import path_through


@pytest.fixture
def methanol() -> Structure:
    return species_in_box(build_species("CH3OH"))  # C O H H H H: the second H is on the O


def at_hydroxyl(structure: Structure) -> tuple[int, int, tuple[int, ...]]:
    """Return C, O and the atoms that go with O."""
    symbols = [site.specie.symbol for site in structure]
    carbon, oxygen = symbols.index("C"), symbols.index("O")
    near = [
        i for i, s in enumerate(symbols) if s == "H" and structure.get_distance(i, oxygen) < 1.2
    ]
    return carbon, oxygen, (oxygen, *near)


@given(length=st.floats(min_value=1.0, max_value=5.0))
def test_a_stretched_bond_has_its_length_and_its_parts_stay_rigid(length):
    methanol = species_in_box(build_species("CH3OH"))
    first, second, moving = at_hydroxyl(methanol)
    pulled = Stretch(first=first, second=second, moving=moving, length=length).apply(methanol)
    assert pulled.get_distance(first, second) == pytest.approx(length)
    before, after = methanol.distance_matrix, pulled.distance_matrix
    resting = [i for i in range(len(methanol)) if i not in moving]
    for part in (moving, resting):
        assert after[np.ix_(part, part)] == pytest.approx(before[np.ix_(part, part)])


def test_a_bond_across_the_face_of_the_cell_is_stretched_the_short_way():
    pair = Structure(Lattice.cubic(10), ["N", "S"], [[0.98, 0, 0], [0.14, 0, 0]])
    pulled = Stretch(first=0, second=1, moving=(1,), length=3.0).apply(pair)
    assert pulled.get_distance(0, 1) == pytest.approx(3.0)
    assert pulled[1].frac_coords[0] % 1 == pytest.approx(0.28)


def test_a_part_leans_away_from_what_is_in_its_way():
    wall = [[0.5, 0.0, 0.0]]
    places = [[0.2, 0, 0], [0.35, 0, 0], *wall]
    crowded = Structure(Lattice.cubic(10), ["C", "F", "Co"], places)
    pulled = Stretch(first=0, second=1, moving=(1,), length=2.8).apply(crowded)
    assert pulled.get_distance(0, 1) == pytest.approx(2.8)
    assert pulled.get_distance(1, 2) > 1.5


def test_an_atom_leans_to_its_partner():
    places = [[0, 0, 0], [1.35, 0, 0], [1.0, 2.6, 0], [-0.5, -1.2, 0]]
    salt = Structure(Lattice.cubic(20), ["C", "F", "Li", "F"], places, coords_are_cartesian=True)
    pull = {"first": 0, "second": 1, "moving": (1,), "length": 2.2}
    straight, leaning = (Stretch(**pull, towards=t).apply(salt) for t in ("", "Li"))
    assert leaning.get_distance(0, 1) == pytest.approx(2.2)
    assert abs(leaning.get_distance(1, 2) - 1.85) < 0.2 < abs(straight.get_distance(1, 2) - 1.85)
    with pytest.raises(StructureError, match="there is none"):
        Stretch(**pull, towards="K").apply(salt)


def test_a_stretch_that_moves_both_ends_is_refused(methanol):
    first, second, moving = at_hydroxyl(methanol)
    with pytest.raises(InputError, match="the first must not"):
        Stretch(first=first, second=second, moving=(first, *moving), length=2.0).apply(methanol)


def test_fluorine_leaves_with_the_nearest_lithium():
    places = [[0, 0, 0], [5.0, 0, 0], [1.6, 0, 0], [8.0, 0, 0]]
    salt = Structure(Lattice.cubic(20), ["S", "F", "Li", "Li"], places, coords_are_cartesian=True)
    left = TakeAway(atoms=(1,), with_nearest="Li", n_nearest=1).apply(salt)
    assert left.composition.formula == "Li1 S1"
    assert left[1].coords[0] == pytest.approx(1.6)  # the one at 8.0 was nearer to F
    with pytest.raises(StructureError, match=r"1 K are to go with atom 2 .*, 0 are left"):
        TakeAway(atoms=(1,), with_nearest="K", n_nearest=1).apply(salt)


@pytest.mark.parametrize("shift", [(0, 0, 0), (0.5, 0.5, 0.5)], ids=["inside", "across faces"])
def test_an_ion_in_a_poor_place_is_put_between_two_oxygen_atoms(shift):
    anion, ion = build_species("TFSI-"), build_species("Li+")
    fluorine, carbon = (anion.positions[anion.symbols.index(s)] for s in "FC")
    beyond = fluorine + 2.0 * (fluorine - carbon) / np.linalg.norm(fluorine - carbon)
    box = species_in_box(join(anion, ion, ion.positions + beyond))
    box.translate_sites(range(len(box)), shift)
    lithium = next(i for i, site in enumerate(box) if site.specie.symbol == "Li")
    molecule = tuple(i for i in range(len(box)) if i != lithium)
    moved = PlaceAnew(ion="Li", around=molecule).apply(box)
    near = sorted((moved.get_distance(lithium, i), moved[i].specie.symbol) for i in molecule)
    assert [symbol for _, symbol in near[:2]] == ["O", "O"]
    assert [length for length, _ in near[:2]] == pytest.approx([1.94] * 2, abs=0.1)
    stayed = np.ix_(molecule, molecule)
    assert moved.distance_matrix[stayed] == pytest.approx(box.distance_matrix[stayed])


def nodes(*positions: float) -> list[Structure]:
    box = Lattice.cubic(10)
    return [Structure(box, ["Co", "F"], [[0, 0, 0], [x / 10, 0, 0]]) for x in positions]


def test_a_path_goes_through_the_highest_node_and_spreads_the_rest():
    path = path_through(nodes(2, 3, 5, 8), 3, highest=1)
    assert [round(float(image[1].x), 3) for image in path] == [2, 3.5, 5, 6.5, 8]


@given(n=st.integers(1, 7), highest=st.sampled_from([None, 0, 1]))
def test_a_path_has_its_images_in_order_between_its_ends(n, highest):
    path = path_through(nodes(2, 2.5, 6, 7), n, highest)
    x = [float(image[1].x) for image in path]
    assert len(path) == n + 2
    assert (x[0], x[-1]) == pytest.approx((2, 7))
    assert (np.diff(x) > 0).all()
    assert highest is None or (2.5, 6)[highest] in [round(value, 9) for value in x]


def test_a_path_passes_over_a_node_that_is_there_twice():
    path = path_through(nodes(2, 3, 3, 5), 2)
    assert [float(image[1].x) for image in path] == pytest.approx([2, 3, 4, 5])
    at_the_end = path_through(nodes(2, 3, 5, 5), 1, highest=1)  # the scan ended in the minimum
    assert [float(image[1].x) for image in at_the_end] == pytest.approx([2, 3.5, 5])


def test_a_path_that_leads_nowhere_is_refused():
    with pytest.raises(StructureError, match="ends of the path are the same"):
        path_through(nodes(2, 2, 2), 2)
    with pytest.raises(InputError, match="one structure between"):
        path_through(nodes(2, 3), 2)
