"""Slabs of any plane: every cut once, whole formula units, and the bonds of the crystal."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Composition, Lattice, Structure
from pymatgen.core.surface import SlabGenerator

from heterofire.structures.checks import shortest_distance
from heterofire.structures.crystals import build_crystal, crystal_names
from heterofire.structures.errors import InputError, StructureError
from heterofire.structures.polarity import polarity_of
from heterofire.structures.slabs import build_slab, hold_lowest, terminations
from heterofire.structures.symmetry import primitive_lattice

planes = st.tuples(*[st.integers(-3, 3)] * 3).filter(any)
names = st.sampled_from(["Ni2Mo3N", "LiF", "MoS2_2H", "MoN_delta3", "Li2SO3_model", "Se_gray"])


def test_the_221_plane_of_the_nitride_is_as_measured():
    slab = build_slab(build_crystal("Ni2Mo3N"), (2, 2, 1), n_layers=4)
    lengths = sorted(slab.structure.lattice.abc[:2])
    assert lengths == pytest.approx([9.382, 14.834], abs=1e-3)
    assert slab.structure.lattice.gamma == pytest.approx(71.57, abs=0.01)
    assert slab.area == pytest.approx(132.0, abs=0.05)
    assert slab.layer == pytest.approx(6.634 / 3)
    assert slab.structure.composition == Composition("Mo48Ni32N16")


def test_the_221_plane_of_the_nitride_has_four_terminations_none_symmetric():
    found = terminations(build_crystal("Ni2Mo3N"), (2, 2, 1))
    assert len(found) == 4
    assert not any(t.is_symmetric for t in found)
    assert len({t.name for t in found}) == 4


@pytest.mark.parametrize(
    ("name", "miller"),
    [("LiF", (1, 1, 1)), ("LiF", (1, 1, 0)), ("MoS2_2H", (0, 0, 1)), ("Mo_bcc", (1, 1, 1)),
     ("Li6PS5Cl", (1, 1, 0)), ("Mo_bcc", (2, 1, 0)), ("Ni2Mo3N", (1, 1, 0))],
    ids=str,
)  # fmt: skip
def test_there_are_as_many_terminations_as_pymatgen_finds(name, miller):
    crystal = build_crystal(name)
    generator = SlabGenerator(crystal, miller, 10, 15, primitive=True, lll_reduce=True)
    theirs = generator.get_slabs(ftol=0.1)
    matcher = StructureMatcher(scale=False, primitive_cell=False, attempt_supercell=False)
    # A slab and the same one upside down are one cut; pymatgen may list both.
    groups = matcher.group_structures([Structure.from_sites(list(s)) for s in theirs])
    assert len(terminations(crystal, miller)) == len(groups)


@settings(max_examples=30, deadline=None)
@given(names, planes, st.integers(1, 3))
def test_whole_layers_hold_whole_formula_units_and_keep_every_bond(name, miller, n_layers):
    crystal = build_crystal(name)
    slab = build_slab(crystal, miller, n_layers=n_layers)
    unit = crystal.composition.reduced_composition
    assert slab.structure.composition.reduced_composition == unit
    assert slab.excess == ""
    assert shortest_distance(slab.structure).distance > shortest_distance(crystal).distance - 1e-6
    density = slab.structure.num_sites / (slab.area * slab.layer * n_layers)
    assert density == pytest.approx(len(crystal) / crystal.volume, rel=1e-6)


@settings(max_examples=30, deadline=None)
@given(names, planes, st.permutations(range(3)), st.integers(0, 2**32 - 1))
def test_cell_vectors_and_atom_order_do_not_change_the_cuts(name, miller, order, seed):
    crystal = build_crystal(name)
    rng = np.random.default_rng(seed)
    shuffled = rng.permutation(len(crystal))
    matrix = np.eye(3, dtype=int)[list(order)]
    matrix[0] += rng.integers(-1, 2) * matrix[1]
    other = Structure(
        matrix @ crystal.lattice.matrix,
        [crystal[int(i)].specie for i in shuffled],
        crystal.cart_coords[shuffled],
        coords_are_cartesian=True,
    )
    changed = tuple(int(i) for i in matrix @ miller)
    before, after = terminations(crystal, miller), terminations(other, changed)
    assert [round(t.gap, 4) for t in before] == [round(t.gap, 4) for t in after]
    faces = [sorted(sorted((t.upper, t.lower)) for t in found) for found in (before, after)]
    assert faces[0] == faces[1]


def test_a_primitive_cell_gives_the_same_slab_as_the_conventional_one():
    wide = build_slab(build_crystal("LiF"), (1, 0, 0), n_layers=3)
    assert wide.structure.composition == Composition("Li3F3")
    assert wide.layer == pytest.approx(4.0263 / 2)


def test_reflections_of_higher_order_name_the_same_plane():
    assert build_slab(build_crystal("graphite_2H"), (0, 0, 2), n_layers=1).miller == (0, 0, 1)


def test_one_layer_of_a_layered_crystal_is_one_sheet():
    slab = build_slab(build_crystal("MoS2_2H"), (0, 0, 1), n_layers=1)
    assert slab.structure.composition == Composition("MoS2")
    assert slab.is_symmetric
    assert not slab.warnings


def test_upside_down_shows_the_other_face():
    crystal = build_crystal("LiF")
    tops = []
    for upside_down in (False, True):
        slab = build_slab(crystal, (1, 1, 1), n_layers=3, upside_down=upside_down)
        tops.append(max(slab.structure, key=lambda site: site.z).specie.symbol)
        assert shortest_distance(slab.structure).distance == pytest.approx(2.013, abs=1e-3)
    assert sorted(tops) == ["F", "Li"]


def test_a_symmetric_slab_has_its_excess_named_and_no_dipole():
    slab = build_slab(build_crystal("LiF"), (1, 1, 1), n_layers=3, symmetric=True)
    assert slab.is_symmetric
    assert slab.excess in ("Li1", "F1")
    assert any("not stoichiometric" in w for w in slab.warnings)
    heights = {
        symbol: sorted(s.z for s in slab.structure if s.specie.symbol == symbol)
        for symbol in ("Li", "F")
    }
    middle = (slab.structure.cart_coords[:, 2].max() + slab.structure.cart_coords[:, 2].min()) / 2
    for z in heights.values():
        assert np.mean(z) == pytest.approx(middle, abs=1e-6)


def test_along_a_polar_axis_both_cuts_are_kept():
    # P6_3mc: metal below nitrogen is not nitrogen below metal.
    found = terminations(build_crystal("MoN_delta3"), (0, 0, 1))
    assert [(t.upper, t.lower) for t in found] == [("Mo4", "N4"), ("N4", "Mo4")]


def test_a_slab_that_nothing_turns_over_cannot_be_symmetric():
    # P6_3mc has a polar axis.
    with pytest.raises(StructureError, match="upside down"):
        build_slab(build_crystal("MoN_delta3"), (0, 0, 1), n_layers=2, symmetric=True)


def test_an_asymmetric_slab_asks_for_a_dipole_correction():
    slab = build_slab(build_crystal("Ni2Mo3N"), (2, 2, 1), thickness=8)
    assert slab.n_layers == pytest.approx(4)
    assert any("dipole" in warning for warning in slab.warnings)


def test_the_lowest_layers_are_held():
    slab = build_slab(build_crystal("Ni2Mo3N"), (2, 2, 1), n_layers=4, n_frozen_layers=2)
    assert len(slab.frozen) == 48
    z = slab.structure.cart_coords[:, 2]
    free = [i for i in range(96) if i not in slab.frozen]
    assert z[list(slab.frozen)].max() < z[free].min()
    flags = np.array(slab.structure.site_properties["selective_dynamics"])
    assert not flags[list(slab.frozen)].any()
    assert flags[free].all()


@pytest.mark.parametrize(
    ("miller", "dipole"), [((1, 0, 0), 0.0), ((1, 1, 1), 2.3246 / 7.02)], ids=str
)
def test_rock_salt_is_polar_along_111_only(miller, dipole):
    slab = build_slab(build_crystal("LiF"), miller, n_layers=2)
    found = polarity_of(slab.structure)
    assert found.charges == {"Li": 1.0, "F": -1.0}
    assert abs(found.dipole) == pytest.approx(dipole, rel=0.01)
    assert found.is_polar == (dipole > 0)


def test_without_formal_charges_polarity_is_unknown():
    assert (
        polarity_of(build_slab(build_crystal("Ni2Mo3N"), (2, 2, 1), n_layers=1).structure).is_polar
        is None
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"miller": (0, 0, 0), "n_layers": 1}, r"\(0, 0, 0\)"),
        ({"miller": (1, 0.5, 0), "n_layers": 1}, "whole numbers"),
        ({"miller": (1, 0, 0)}, "either thickness"),
        ({"miller": (1, 0, 0), "n_layers": 0}, "one layer is the least"),
        ({"miller": (1, 0, 0), "n_layers": 1, "termination": 7}, "there are 1"),
        ({"miller": (1, 0, 0), "n_layers": 1, "vacuum": -1.0}, "vacuum"),
        ({"miller": (1, 0, 0), "n_layers": 1, "n_frozen_layers": 5}, "every atom"),
    ],
    ids=["000", "fraction", "no thickness", "no layer", "termination", "vacuum", "frozen"],
)
def test_senseless_slabs_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        build_slab(build_crystal("LiF"), **options)


def test_partial_occupancy_is_refused_with_what_to_do():
    mixed = Structure(Lattice.cubic(4), [{"Li": 0.5, "K": 0.5}], [[0, 0, 0]])
    with pytest.raises(InputError, match="OrderDisorderedStructureTransformation"):
        terminations(mixed, (1, 0, 0))


def test_a_slab_is_no_crystal_to_cut():
    slab = build_slab(build_crystal("LiF"), (1, 0, 0), n_layers=2).structure
    with pytest.raises(InputError, match="vacuum"):
        terminations(slab, (1, 0, 0))


def test_holding_nothing_changes_nothing():
    slab = build_slab(build_crystal("LiF"), (1, 0, 0), n_layers=2).structure
    assert hold_lowest(slab, 0.0)[1] == ()


def test_the_primitive_cell_keeps_the_crystal_where_it_is():
    for name in crystal_names():
        crystal = build_crystal(name)
        lattice, symbols, fractions = primitive_lattice(crystal)
        for symbol, place in zip(symbols, fractions @ lattice, strict=True):
            steps = crystal.lattice.get_all_distances(
                [crystal.lattice.get_fractional_coords(place)], crystal.frac_coords
            )[0]
            assert steps.min() < 1e-3
            assert crystal[int(steps.argmin())].specie.symbol == symbol
