import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymatgen.analysis.elasticity.strain import Strain as PymatgenStrain

from heterofire.structures.errors import StructureError
from heterofire.structures.strain import (
    fold_angle,
    rotation_between,
    strain_between,
)

HEXAGONAL = np.array([[3.16, 0.0], [-1.58, 1.58 * 3**0.5]])
angles = st.floats(-180, 180)
stretches = st.floats(0.8, 1.25)


def rotation(degrees):
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.array([[c, s], [-s, c]])


def test_identical_lattices_have_no_strain():
    strain = strain_between(HEXAGONAL, HEXAGONAL)
    assert (*strain.principal, strain.area, strain.von_mises) == pytest.approx([0] * 4, abs=1e-14)


@given(stretches, stretches, angles, angles)
def test_strain_does_not_depend_on_how_the_cells_are_turned(sx, sy, first, second):
    common = HEXAGONAL @ np.diag([sx, sy])
    strain = strain_between(HEXAGONAL @ rotation(first), common @ rotation(second))
    assert strain.principal == pytest.approx(sorted([sx - 1, sy - 1]), abs=1e-9)
    assert strain.area == pytest.approx(sx * sy - 1, abs=1e-9)


@given(stretches, stretches)
def test_strain_does_not_depend_on_the_choice_of_supercell_vectors(sx, sy):
    same_lattice = np.array([[1, 1], [0, 1]])
    common = HEXAGONAL @ np.diag([sx, sy])
    one = strain_between(HEXAGONAL, common)
    other = strain_between(same_lattice @ HEXAGONAL, same_lattice @ common)
    assert one.principal == pytest.approx(other.principal, abs=1e-9)


@given(st.floats(-0.1, 0.1), st.floats(-0.1, 0.1))
def test_von_mises_strain_is_that_of_pymatgen(exx, eyy):
    strain = strain_between(np.eye(2), np.diag([1 + exx, 1 + eyy]))
    reference = PymatgenStrain(np.diag([exx, eyy, 0.0])).von_mises_strain
    assert strain.von_mises == pytest.approx(reference, abs=1e-9)


@given(angles, stretches, stretches)
def test_rotation_is_found_under_strain(angle, sx, sy):
    stretched_along_axes = np.diag([sx, sy])
    found = rotation_between(np.eye(2), stretched_along_axes @ rotation(angle))
    assert math.cos(math.radians(found - angle)) == pytest.approx(1, abs=1e-9)


@given(st.floats(-720, 720), st.integers(-5, 5))
def test_folded_twist_does_not_depend_on_symmetric_turns_or_direction(angle, n):
    folded = fold_angle(angle, 60)
    assert 0 <= folded <= 30
    assert fold_angle(angle + 60 * n, 60) == pytest.approx(folded, abs=1e-9)
    assert fold_angle(-angle, 60) == pytest.approx(folded, abs=1e-9)


@pytest.mark.parametrize(
    "own", [[[1, 0], [2, 0]], [[0, 1], [1, 0]], np.eye(3)], ids=["flat", "left-handed", "3x3"]
)
def test_cells_that_cannot_be_compared_are_refused(own):
    with pytest.raises(StructureError):
        strain_between(own, np.eye(2))
