"""Molecules by explicit coordinates, on surfaces and in boxes, with ions that make them neutral."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.core import Lattice, Structure

from heterofire.structures.adsorbates import add_counter_ions, place_on_surface
from heterofire.structures.checks import shortest_distance
from heterofire.structures.contacts import CLASH, closest_ratio
from heterofire.structures.crystals import build_crystal
from heterofire.structures.edits import supercell
from heterofire.structures.errors import InputError, StructureError
from heterofire.structures.layers import graphene
from heterofire.structures.molecules import build_species, species_names
from heterofire.structures.slabs import build_slab
from heterofire.structures.species import Species, check_parity, species_in_box


@pytest.fixture(scope="module")
def carbon() -> Structure:
    return supercell(graphene(c=30.0), (5, 5, 1))


@pytest.fixture(scope="module")
def nitride() -> Structure:
    return build_slab(build_crystal("Ni2Mo3N"), (2, 2, 1), n_layers=2, n_frozen_layers=1).structure


def distances(species, one, other):
    symbols = np.array(species.symbols)
    a, b = species.positions[symbols == one], species.positions[symbols == other]
    found = np.linalg.norm(a[:, None] - b[None], axis=2).ravel()
    return np.sort(found[found > 1e-9])


# ---- species -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", species_names())
def test_electrons_allow_the_multiplicity(name):
    species = build_species(name)
    assert (species.n_electrons - (species.multiplicity - 1)) % 2 == 0


@pytest.mark.parametrize(
    ("name", "charge", "multiplicity"),
    [("OH", 0, 2), ("SH-", -1, 1), ("PS4(3-)", -3, 1), ("PS3O(3-)", -3, 1), ("SO3(2-)", -2, 1),
     ("PS4-OH(4-)", -4, 1), ("PS4-OH(3-)", -3, 2), ("PS3O-SH(3-)", -3, 2), ("O2", 0, 3),
     ("H2O", 0, 1)],
    ids=str,
)  # fmt: skip
def test_charge_and_multiplicity_are_those_of_the_ion(name, charge, multiplicity):
    species = build_species(name)
    assert (species.charge, species.multiplicity) == (charge, multiplicity)


def test_thiophosphate_is_a_tetrahedron():
    species = build_species("PS4(3-)")
    assert distances(species, "P", "S") == pytest.approx([2.05] * 4)
    assert np.ptp(distances(species, "S", "S")) < 1e-9


def test_oxothiophosphate_has_one_short_bond():
    species = build_species("PS3O(3-)")
    assert distances(species, "P", "O") == pytest.approx([1.53])
    assert distances(species, "P", "S") == pytest.approx([2.05] * 3)


@pytest.mark.parametrize(
    ("name", "bearer", "bond"), [("PS4-OH(4-)", "O", 0.97), ("PS3O-SH(4-)", "S", 1.34)], ids=str
)
def test_adducts_are_bipyramids_with_hydrogen_on_the_axis(name, bearer, bond):
    species = build_species(name)
    assert len(species.symbols) == 7
    assert distances(species, bearer, "H")[0] == pytest.approx(bond)
    assert distances(species, "S", "S")[0] > 3.0
    assert distances(species, "P", "O") == pytest.approx([1.75])


def test_sulfite_is_a_pyramid_and_lithium_bridges_two_oxygens():
    species = build_species("Li2SO3")
    assert distances(species, "S", "O") == pytest.approx([1.51] * 3)
    lithium = distances(species, "Li", "O")
    assert lithium[:4] == pytest.approx([1.95] * 4)
    assert lithium[4] > 2.5
    assert distances(species, "Li", "Li")[0] > 2.5


def test_a_wrong_multiplicity_is_refused_with_those_allowed():
    with pytest.raises(InputError, match=r"OH with charge \+0 has 9 electrons.*2, 4, 6, not 3"):
        check_parity("OH", ("O", "H"), 0, 3)
    with pytest.raises(InputError, match="9 electrons"):
        Species(name="OH", symbols=("O", "H"), positions=np.eye(3)[:2], charge=0, multiplicity=1)


def test_an_unknown_molecule_is_refused_with_a_suggestion():
    with pytest.raises(InputError, match=r"did you mean PS4\(3-\)"):
        build_species("PS4")


def test_charged_boxes_are_cubic():
    box = species_in_box(build_species("PS4-OH(4-)"))
    assert np.ptp(box.lattice.abc) < 1e-9
    neutral = species_in_box(build_species("H2O"))
    assert np.ptp(neutral.lattice.abc) > 0.1


def test_a_box_that_is_too_small_is_refused():
    with pytest.raises(InputError, match="padding of 3 Angstrom"):
        species_in_box(build_species("OH"), padding=3.0)


# ---- on surfaces ---------------------------------------------------------------------------


def test_hydroxyl_binds_to_one_carbon_by_its_oxygen(carbon):
    best = place_on_surface(carbon, build_species("OH"))[0]
    oxygen, hydrogen = best.structure[best.atoms[0]], best.structure[best.atoms[1]]
    steps = sorted(oxygen.distance(site) for site in carbon)
    assert steps[0] == pytest.approx(1.42, abs=0.05)
    assert steps[1] > 1.8
    assert hydrogen.z > oxygen.z


def test_an_ion_on_carbon_keeps_its_distance(carbon):
    best = place_on_surface(carbon, build_species("PS4(3-)"))[0]
    assert 2.8 < best.height < 3.8
    assert (best.species.charge, best.species.multiplicity) == (-3, 1)


def test_on_metals_a_thiophosphate_makes_bonds(nitride):
    best = place_on_surface(nitride, build_species("PS4(3-)"))[0]
    sulfur = [i for i in best.atoms if best.structure[i].specie.symbol == "S"]
    metals = [i for i, s in enumerate(nitride) if s.specie.symbol in ("Mo", "Ni")]
    steps = best.structure.distance_matrix[np.ix_(sulfur, metals)]
    assert 2.0 < steps.min() < 2.7


def test_the_surface_stays_as_it_is_and_what_is_held_stays_held(nitride):
    best = place_on_surface(nitride, build_species("OH"))[0]
    n = len(nitride)
    np.testing.assert_allclose(best.structure.frac_coords[:n], nitride.frac_coords)
    flags = np.array(best.structure.site_properties["selective_dynamics"])
    assert (flags[:n] == nitride.site_properties["selective_dynamics"]).all()
    assert flags[n:].all()


@settings(max_examples=15, deadline=None)
@given(st.sampled_from(["OH", "SH", "PS4(3-)", "SO3(2-)", "H2O"]), st.integers(1, 4))
def test_no_placement_overlaps_and_the_best_comes_first(name, n):
    sheet = supercell(graphene(c=30.0), (4, 4, 1))
    found = place_on_surface(sheet, build_species(name), max_placements=n, spacing=1.5)
    assert 1 <= len(found) <= n
    scores = [p.score for p in found]
    assert scores == pytest.approx(sorted(scores, reverse=True))
    assert len({p.site for p in found}) == len(found)
    for placement in found:
        assert closest_ratio(placement.structure, placement.atoms)[0] >= CLASH


def test_a_second_molecule_comes_beside_the_first(nitride):
    first = place_on_surface(nitride, build_species("PS3O(3-)"))[0]
    second = place_on_surface(first.structure, build_species("SH"), near=first.site, within=6.0)[0]
    ratio, _, _ = closest_ratio(second.structure, second.atoms)
    assert ratio >= CLASH
    assert len(second.structure) == len(nitride) + 7


def test_counter_ions_make_the_cell_neutral_and_stay_apart(nitride):
    placed = place_on_surface(nitride, build_species("PS4(3-)"))[0]
    neutral = add_counter_ions(placed.structure, placed.atoms, -placed.species.charge)
    lithium = [i for i, site in enumerate(neutral) if site.specie.symbol == "Li"]
    assert len(lithium) == 3
    for i, j in itertools.combinations(lithium, 2):
        assert neutral.get_distance(i, j) > 2.79
    ratio, _, _ = closest_ratio(neutral, lithium)
    assert ratio >= CLASH
    sulfur = [i for i in placed.atoms if neutral[i].specie.symbol == "S"]
    for i in lithium:
        assert min(neutral.get_distance(i, j) for j in sulfur) < 2.7


def test_lithium_thiophosphate_in_a_box_has_its_lithium_at_edges_or_faces():
    box = add_counter_ions(species_in_box(build_species("PS4(3-)")), range(5), 3)
    assert shortest_distance(box).distance == pytest.approx(2.05)
    for i in (5, 6, 7):
        near = [box.get_distance(i, j) for j in range(1, 5)]
        assert sum(d < 2.8 for d in near) >= 2


# ---- bad input -----------------------------------------------------------------------------


def test_a_molecule_larger_than_the_cell_is_refused_with_numbers():
    with pytest.raises(InputError, match=r"PS4\(3-\) comes within .* 2\.46 x 2\.46 Angstrom"):
        place_on_surface(graphene(c=30.0), build_species("PS4(3-)"))


def test_a_place_where_everything_overlaps_is_refused():
    # A narrow shaft: walls of Mo leave no room for water beside its rim.
    cell = Structure(Lattice.orthorhombic(7, 7, 20), ["Mo"], [[0, 0, 0.1]])
    full = place_on_surface(cell, build_species("H2O"))[0].structure
    with pytest.raises(StructureError, match="no room for 40 Li"):
        add_counter_ions(full, range(1, 4), 40)


def test_an_ion_without_a_radius_is_refused():
    with pytest.raises(InputError, match="no radius for ion 'Fe'"):
        add_counter_ions(species_in_box(build_species("PS4(3-)")), range(5), 1, ion="Fe")
