"""Interfaces of any two crystals: strain, gap, register, and what must not matter."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.core import Lattice, Structure

from heterofire.structures.checks import shortest_distance
from heterofire.structures.contacts import closest_ratio, contact_distance, nest
from heterofire.structures.crystals import build_crystal
from heterofire.structures.errors import InputError, StructureError
from heterofire.structures.interfaces import (
    Face,
    build_interface,
    layers_of,
    make_face,
    match_faces,
)
from heterofire.structures.layers import graphene, mx2_monolayer
from heterofire.structures.registry import find_registers, shift_cell
from heterofire.structures.stacking import shift_top, stack_layers
from heterofire.structures.strain import strain_between

UNIT = [[1, 0], [0, 1]]


@pytest.fixture(scope="module")
def mon() -> Face:
    return make_face("MoN", build_crystal("MoN_delta3"), n_layers=2)


@pytest.fixture(scope="module")
def mos2() -> Face:
    return make_face("MoS2", mx2_monolayer("Mo", "S", a=3.16))


def bonds(structure, atoms) -> np.ndarray:
    """Return the sorted distances below 3 Angstrom among some atoms."""
    part = Structure.from_sites([structure[i] for i in atoms])
    return np.sort(part.get_neighbor_list(3.0)[3])


def disguised(face: Face, seed: int) -> Face:
    """Return the same layer with other cell vectors, turned, moved and with its atoms shuffled."""
    rng = np.random.default_rng(seed)
    change = np.eye(3)
    change[0, 1] = rng.integers(-1, 2)
    change[1, 0] = rng.integers(0, 2) if change[0, 1] == 0 else 0
    angle = rng.uniform(0, 2 * math.pi)
    turn = np.array(
        [[math.cos(angle), math.sin(angle), 0], [-math.sin(angle), math.cos(angle), 0], [0, 0, 1]]
    )
    order = rng.permutation(len(face.structure))
    move = np.array([*rng.uniform(-2, 2, 2), rng.uniform(0, 3)])
    places = (face.structure.cart_coords + move) @ turn
    other = Structure(
        change @ face.structure.lattice.matrix @ turn,
        [face.structure[int(i)].specie for i in order],
        places[order],
        coords_are_cartesian=True,
    )
    return make_face(face.name, other)


# ---- the interfaces of the paper -----------------------------------------------------------


def test_mos2_on_mon_is_the_cell_of_103_atoms(mon, mos2):
    match = match_faces(mon, mos2, max_atoms=110)[0]
    assert (match.n_bottom, match.n_top, match.n_atoms) == (4, 13, 103)
    assert match.strain.principal == pytest.approx((0.0071, 0.0071), abs=1e-4)
    assert match.strain.von_mises == pytest.approx(0.0047, abs=1e-4)


@pytest.mark.parametrize(("n_layers", "atoms"), [(2, 93), (4, 141)], ids=str)
def test_mos2_on_the_221_plane_fits_by_area_to_1_8_percent(mos2, n_layers, atoms):
    bottom = make_face("Mo3Ni2N", build_crystal("Ni2Mo3N"), miller=(2, 2, 1), n_layers=n_layers)
    match = match_faces(bottom, mos2, max_atoms=atoms)[0]
    assert (match.n_bottom, match.n_top, match.n_atoms) == (1, 15, atoms)
    assert match.strain.area == pytest.approx(0.018, abs=1e-3)
    assert match.lengths == pytest.approx((-0.0105, 0.0243), abs=1e-3)
    assert match.strain.principal == pytest.approx((-0.0104, 0.0285), abs=1e-3)


# ---- what must not matter ------------------------------------------------------------------


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
def test_vectors_turns_and_atom_order_do_not_change_the_interface(one, other):
    bottom, top = make_face("C", graphene()), make_face("MoS2", mx2_monolayer("Mo", "S", a=3.16))
    stacks = []
    for faces in ((bottom, top), (disguised(bottom, one), disguised(top, other))):
        match = match_faces(*faces, max_atoms=50)[0]
        stacks.append(build_interface(*faces, match, gap=3.4))
    first, second = stacks
    assert first.structure.composition == second.structure.composition
    assert first.structure.volume == pytest.approx(second.structure.volume)
    assert first.top_strain.principal == pytest.approx(second.top_strain.principal, abs=1e-9)
    assert first.twist_deg == pytest.approx(second.twist_deg, abs=1e-6)
    for layer in ("bottom", "top"):
        np.testing.assert_allclose(
            bonds(first.structure, getattr(first, layer)),
            bonds(second.structure, getattr(second, layer)),
            atol=1e-6,
        )


@settings(max_examples=15, deadline=None)
@given(st.floats(0.0, 1.0))
def test_swapping_the_layers_and_their_shares_gives_the_same_cell(share):
    one, other = graphene(), mx2_monolayer("Mo", "S", a=3.16)
    matrices = [[4, 2], [-2, 2]], [[3, 1], [-1, 2]]
    straight = stack_layers(
        one, other, bottom_matrix=matrices[0], top_matrix=matrices[1], share=share
    )
    swapped = stack_layers(
        other, one, bottom_matrix=matrices[1], top_matrix=matrices[0], share=1 - share
    )
    a, b = (s.structure.lattice.matrix[:2, :2] for s in (straight, swapped))
    assert strain_between(a, b).principal == pytest.approx((0, 0), abs=1e-9)
    assert straight.top_strain.principal == pytest.approx(swapped.bottom_strain.principal, abs=1e-9)


@settings(max_examples=15, deadline=None)
@given(st.floats(0.0, 1.0), st.integers(0, 3))
def test_bonds_stay_within_the_stated_strain(share, pick):
    faces = make_face("C", graphene()), make_face("MoS2", mx2_monolayer("Mo", "S", a=3.16))
    match = match_faces(*faces, max_atoms=160, max_strain=0.04)[pick]
    stack = build_interface(*faces, match, share=share, gap=3.4)
    for face, atoms, strain in (
        (faces[0], stack.bottom, stack.bottom_strain),
        (faces[1], stack.top, stack.top_strain),
    ):
        own = shortest_distance(face.structure).distance
        nearest = bonds(stack.structure, atoms)
        nearest = nearest[nearest < 1.3 * own]
        # A bond out of the plane changes less, one within it by a principal strain at most.
        low, high = 1 + min(strain.principal[0], 0), 1 + max(strain.principal[1], 0)
        assert nearest.min() >= own * low - 1e-6
        assert nearest.max() <= own * high + 1e-6


def test_the_shares_that_a_match_states_are_those_of_the_built_cell(mon, mos2):
    match = match_faces(mon, mos2, max_atoms=110)[0]
    below, above = match.shared(0.3)
    stack = build_interface(mon, mos2, match, share=0.3)
    assert stack.bottom_strain.principal == pytest.approx(below.principal, abs=1e-9)
    assert stack.top_strain.principal == pytest.approx(above.principal, abs=1e-9)


# ---- gap and register ----------------------------------------------------------------------


def test_metal_contacts_are_bonds_and_others_van_der_waals():
    assert contact_distance("S", "Mo") == pytest.approx(2.59, abs=0.01)
    assert contact_distance("C", "C") == pytest.approx(3.54, abs=0.01)


@pytest.mark.parametrize(
    ("layer", "gap"), [(graphene(), 3.356), (mx2_monolayer(), 2.98)], ids=["graphite", "MoS2"]
)
def test_the_gap_by_radii_is_near_the_measured_one(layer, gap):
    # Of the best of all registers; MoS2's sulfur planes nest deeper than spheres of 1.89 A.
    stack = stack_layers(layer, layer, bottom_matrix=UNIT, top_matrix=UNIT)
    assert find_registers(stack)[0].gap == pytest.approx(gap, rel=0.12)


def test_all_registers_of_a_bilayer_are_counted():
    stack = stack_layers(graphene(), graphene(), bottom_matrix=UNIT, top_matrix=UNIT)
    found = find_registers(stack, spacing=0.25)
    assert sum(r.multiplicity for r in found) == 144
    assert len(found) < 144 / 4
    best, worst = found[0], found[-1]
    assert worst.shift == (0.0, 0.0)  # AA
    assert best.multiplicity == 2  # AB and BA
    assert best.score > worst.score


def test_equal_registers_have_equal_scores():
    """The symmetry that joins registers is that of the contacts."""
    one, other = graphene(), mx2_monolayer("Mo", "S", a=2.5)
    stack = stack_layers(one, other, bottom_matrix=UNIT, top_matrix=UNIT)
    plane = stack.structure.lattice.matrix[:2, :2]
    lower, upper = layers_of(stack)
    classes = {round(r.score, 6) for r in find_registers(stack, spacing=0.25)}
    grid = [(i / 12, j / 12) for i in range(12) for j in range(12)]
    assert {round(n.score, 6) for n in nest(plane, lower, upper, grid)} <= classes


def test_a_lattice_vector_of_either_layer_changes_nothing(mon, mos2):
    match = match_faces(mon, mos2, max_atoms=110)[0]
    stack = build_interface(mon, mos2, match)
    cell = shift_cell(stack)
    areas = mon.structure.volume / mon.structure.lattice.c, stack.structure.volume
    assert abs(np.linalg.det(cell)) == pytest.approx(1 / (4 * 13))
    assert areas[0] > 0
    plane = stack.structure.lattice.matrix[:2, :2]
    lower, upper = layers_of(stack)
    shifts = [(0, 0), cell[0] + 2 * cell[1], cell[0] / 2]
    here, alike, half = (n.score for n in nest(plane, lower, upper, shifts))
    assert alike == pytest.approx(here)
    assert half != pytest.approx(here, rel=1e-6)


def test_an_energy_ranks_registers_when_it_is_given():
    stack = stack_layers(graphene(), graphene(), bottom_matrix=UNIT, top_matrix=UNIT)
    found = find_registers(stack, energy=lambda s: -s.lattice.c, max_registers=4)
    assert len(found) == 4
    assert [r.energy for r in found] == sorted(r.energy for r in found)


def test_shifting_keeps_the_vacuum_and_sets_the_gap(mon, mos2):
    stack = build_interface(mon, mos2, match_faces(mon, mos2, max_atoms=110)[0], gap=2.5)
    moved = shift_top(stack, (0.1, 0.2), gap=3.0)
    z = moved.structure.cart_coords[:, 2]
    assert z[list(moved.top)].min() - z[list(moved.bottom)].max() == pytest.approx(3.0)
    assert moved.structure.lattice.c - np.ptp(z) == pytest.approx(20.0)
    assert moved.gap == 3.0


def test_the_lowest_atoms_of_an_interface_can_be_held(mon, mos2):
    match = match_faces(mon, mos2, max_atoms=110)[0]
    stack = build_interface(mon, mos2, match, frozen_height=1.5)
    flags = np.array(stack.structure.site_properties["selective_dynamics"])
    assert (~flags.any(axis=1)).sum() == 16


def test_the_tightest_contact_is_named(mon, mos2):
    stack = build_interface(mon, mos2, match_faces(mon, mos2, max_atoms=110)[0], gap=1.0)
    ratio, atom, other = closest_ratio(stack.structure, stack.top)
    assert ratio < 0.8
    assert atom in stack.top
    assert other in stack.bottom


# ---- bad input -----------------------------------------------------------------------------


def test_a_molecule_is_no_face():
    box = Structure(Lattice.cubic(15), ["O", "H"], [[0.5, 0.5, 0.5], [0.5, 0.5, 0.56]])
    with pytest.raises(InputError, match=r"vacuum along a: .* molecule"):
        make_face("OH", box)


def test_a_layer_that_repeats_a_smaller_cell_is_refused():
    wide = graphene()
    wide.make_supercell([2, 2, 1])
    with pytest.raises(InputError, match="holds 4 primitive cells"):
        make_face("graphene", wide)


def test_a_crystal_with_partial_occupancy_is_refused():
    mixed = Structure(Lattice.cubic(4), [{"Li": 0.5, "K": 0.5}], [[0, 0, 0]])
    with pytest.raises(InputError, match="partially occupied"):
        make_face("mixed", mixed)


def test_layers_that_overlap_are_refused(mon, mos2):
    match = match_faces(mon, mos2, max_atoms=110)[0]
    with pytest.raises((StructureError, InputError), match=r"apart|gap"):
        build_interface(mon, mos2, match, gap=0.01)
