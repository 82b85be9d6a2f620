"""Atoms from bond lengths, angles and dihedral angles, and back."""

import numpy as np
import pytest
from ase import Atoms
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from heterofire.structures.errors import InputError
from heterofire.structures.internal_coordinates import Coordinate, atom_names, measure, measured
from heterofire.structures.zmatrices import Row, ZMatrix, parse_zmatrix, place_atoms

PEROXIDE = """
O1
O2 O1 1.46
H1 O1 0.97 O2 100    # the first H
H2 O2 0.97 O1 100 H1 -112
"""


def degrees(least, most):
    return st.floats(least, most, allow_nan=False)


@st.composite
def chains(draw):
    """Z-matrices of five carbon atoms, no three references in a line."""
    rows = []
    for i in range(5):
        above = draw(st.permutations(range(max(0, i - 3), i)))[: min(i, 3)]
        values = [draw(st.floats(0.9, 2.5)), draw(degrees(40, 140)), draw(degrees(-179.9, 179.9))]
        names = tuple(f"C{j + 1}" for j in above)
        rows.append(Row(name=f"C{i + 1}", references=names, values=tuple(values[: len(above)])))
    return ZMatrix(rows=tuple(rows))


def placed_or_none(matrix):
    """The last atom's references may be in a line or at one place: then it is refused."""
    try:
        return place_atoms(matrix)[1]
    except InputError:
        return None


def worst(matrix, positions):
    return max(abs(c.deviation(measured(matrix.symbols, positions, c))) for c in matrix.coordinates)


@given(chains(), st.integers(0, 2**31))
def test_what_a_zmatrix_states_is_measured_back_however_the_molecule_is_turned(matrix, seed):
    positions = placed_or_none(matrix)
    if positions is None:
        return
    turned = Rotation.random(random_state=seed).apply(positions) + np.array([3.0, -8.0, 0.5])
    # Angles lose digits where three references are nearly in a line.
    assert worst(matrix, positions) < 1e-6
    assert worst(matrix, turned) < 1e-6


@given(chains())
def test_a_mirror_image_has_the_opposite_dihedral_angles_only(matrix):
    positions = placed_or_none(matrix)
    if positions is None:
        return
    for c in matrix.coordinates:
        sign = -1 if c.kind == "dihedral" else 1
        mirrored = measured(matrix.symbols, positions * [1, 1, -1], c)
        assert abs(c.deviation(sign * mirrored)) < 1e-6


def test_values_are_those_that_ase_measures():
    symbols, positions = place_atoms(parse_zmatrix(PEROXIDE))
    atoms = Atoms(symbols, positions)
    assert atoms.get_distance(0, 1) == pytest.approx(1.46)
    assert atoms.get_angle(3, 1, 0) == pytest.approx(100)
    assert atoms.get_dihedral(3, 1, 0, 2) == pytest.approx(360 - 112)
    assert measure(positions, (3, 1, 0, 2)) == pytest.approx(-112)


def test_helping_points_are_left_out_of_atoms_and_of_what_is_stated():
    matrix = parse_zmatrix("C1\nX1 C1 1\nF1 C1 1.3 X1 110\nF2 C1 1.3 X1 110 F1 120")
    symbols, positions = place_atoms(matrix)
    assert symbols == ("C", "F", "F")
    assert len(positions) == 3
    assert [c.name for c in matrix.coordinates] == ["F1-C1", "F2-C1"]


def test_one_atom_is_a_zmatrix():
    symbols, positions = place_atoms(parse_zmatrix("F1"))
    assert symbols == ("F",)
    np.testing.assert_array_equal(positions, np.zeros((1, 3)))


def test_an_atom_placed_by_three_in_a_line_is_refused_by_name():
    line = "O1\nC1 O1 1.16\nO2 C1 1.16 O1 180\nH1 O2 1.0 C1 110 O1 0"
    with pytest.raises(InputError, match=r"H1: O2, C1, O1 lie in a line.*helping point"):
        place_atoms(parse_zmatrix(line))


def test_an_atom_placed_by_two_at_one_place_is_refused_by_name():
    text = "C1\nC2 C1 1\nC3 C1 1 C2 40\nC4 C1 1 C2 40 C3 0\nC5 C2 1 C3 40 C4 0"
    with pytest.raises(InputError, match=r"C5: C3 and C4.* are at one place"):
        place_atoms(parse_zmatrix(text))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"),
        ("N1\nS1 N2 1.5", r"line 2 \(S1 N2 1.5\): N2 is not above S1; there are N1"),
        ("N1\nS1 N1", "wants 1 atoms above it, each followed by a number; found N1"),
        ("N1\nS1 N1 1.5\nS2 N1 1.5", "S2 is atom 3 and wants 2"),
        ("N1\nN1 N1 1.5", "N1 is there already"),
        ("N1\nS1 N1 long", "could not convert.*distance in Angstrom"),
        ("N1\nS1 N1 -1", "must be positive"),
        ("N1\nS1 N1 nan", "not all finite"),
        ("N1\nS1 N1 1.5\nS2 N1 1.5 S1 190", "at most 180"),
        ("N1\nS1 N1 1.5\nS2 N1 1.5 N1 110", "not all different"),
        ("N", "no element with a number"),
        ("Qq1", "no element with a number"),
    ],
    ids=str,
)
def test_a_bad_zmatrix_is_refused_with_line_and_reason(text, message):
    with pytest.raises(InputError, match=message):
        parse_zmatrix(text)


def test_a_coordinate_of_an_atom_that_is_not_there_is_refused():
    with pytest.raises(InputError, match="no atom H3 among O1, H1, H2"):
        measured("OHH", np.eye(3), Coordinate(atoms=("O1", "H3"), value=1.0))
    with pytest.raises(InputError, match="5 atoms have no distance"):
        measure(np.zeros((5, 3)), range(5))


def test_names_of_atoms_survive_sorting_by_element():
    mixed = ["N", "S", "C", "S", "C"]
    ordered = sorted(range(5), key=lambda i: mixed.index(mixed[i]))
    assert [atom_names(mixed)[i] for i in ordered] == list(atom_names([mixed[i] for i in ordered]))
