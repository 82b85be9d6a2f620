import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymatgen.core import Lattice, Structure

from heterofire.structures.checks import (
    check_structure,
    facing_planes,
    shortest_distance,
    vacuum_of,
)
from heterofire.structures.errors import StructureError
from heterofire.structures.layers import mx2_monolayer
from heterofire.structures.models import build_model


def box(*coords, edge=10.0, elements=None):
    return Structure(
        Lattice.cubic(edge), elements or ["K"] * len(coords), coords, coords_are_cartesian=True
    )


def test_atoms_too_close_are_named_with_their_distance():
    with pytest.raises(StructureError, match=r"atoms K1 and S2 .* 0\.500 Angstrom"):
        check_structure(box([0, 0, 0], [0.5, 0, 0], elements=["K", "S"]))


def test_atoms_too_close_across_the_cell_face_are_found():
    with pytest.raises(StructureError, match=r"0\.400"):
        check_structure(box([0.2, 5, 5], [9.8, 5, 5]))


def test_atoms_at_the_same_place_are_found():
    with pytest.raises(StructureError, match=r"0\.000"):
        check_structure(box([1, 1, 1], [1, 1, 1]))


def test_an_atom_too_close_to_its_own_image_is_found():
    with pytest.raises(StructureError, match="K1 and K1"):
        check_structure(Structure(Lattice.orthorhombic(0.6, 9, 9), ["K"], [[0, 0, 0]]))


def test_the_limit_can_be_chosen():
    near = box([0, 0, 0], [1.0, 0, 0])
    check_structure(near)
    with pytest.raises(StructureError):
        check_structure(near, min_distance=1.1)


@given(st.lists(st.floats(-1, 1), min_size=3, max_size=3))
def test_shortest_distance_does_not_depend_on_the_origin(shift):
    layer = mx2_monolayer()
    reference = shortest_distance(layer).distance
    layer.translate_sites(range(3), shift)
    assert shortest_distance(layer).distance == pytest.approx(reference, abs=1e-9)


def test_one_atom_in_a_large_box_sees_its_image():
    assert shortest_distance(box([0, 0, 0], edge=25.0)).distance == pytest.approx(25.0)


def test_empty_structure_is_refused():
    with pytest.raises(StructureError, match="no atoms"):
        shortest_distance(Structure(Lattice.cubic(5), [], []))


@given(st.floats(0, 1))
def test_vacuum_does_not_depend_on_where_the_slab_is(shift):
    layer = mx2_monolayer(c=20.0)
    layer.translate_sites(range(3), [0, 0, shift])
    assert vacuum_of(layer) == pytest.approx(20 - 2 * 1.5861, abs=1e-3)


def test_vacuum_of_a_tilted_cell_is_along_the_normal():
    matrix = np.array([[3.0, 0, 0], [0, 3.0, 0], [4.0, 0, 20.0]])
    assert vacuum_of(Structure(matrix, ["K"], [[0, 0, 0.5]])) == pytest.approx(20.0)


def test_facing_planes_ignore_one_atom_that_stands_out():
    model = build_model("MoSSe@NC")
    below, above = facing_planes(model.structure, model.bottom, model.top)
    lowest = min(model.structure[i].z for i in model.top)
    assert above - below == pytest.approx(3.4)
    assert lowest < above - 0.05
