"""Coincidence supercells: known ones, all of pymatgen's, and what must not matter."""

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pymatgen.analysis.elasticity.strain import Deformation
from pymatgen.analysis.interfaces.zsl import ZSLGenerator

from heterofire.structures.errors import InputError, NoMatchError, StructureError
from heterofire.structures.matching import Match, match_lattices, pareto
from heterofire.structures.sublattices import hermite, point_group, reduced, sublattices

HEXAGONAL = np.array([[1, 0], [-0.5, math.sqrt(3) / 2]])
GRAPHENE, MOS2 = 2.46 * HEXAGONAL, 3.16 * HEXAGONAL


def turned(cell, degrees):
    angle = math.radians(degrees)
    c, s = math.cos(angle), math.sin(angle)
    return cell @ np.array([[c, s], [-s, c]])


@pytest.fixture(scope="module")
def graphene_mos2() -> list[Match]:
    return match_lattices(GRAPHENE, MOS2, max_area=400, max_strain=0.03, atoms=(2, 3))


def sizes(matches) -> list[tuple[int, int, float]]:
    return sorted((m.n_bottom, m.n_top, round(abs(m.strain.largest), 8)) for m in matches)


# ---- sublattices ---------------------------------------------------------------------------


def test_there_are_as_many_supercells_as_the_divisor_sums_say():
    # Without symmetry beyond 180 degrees each of the sigma(n) forms counts.
    oblique = np.array([[2.0, 0.0], [0.7, 2.9]])
    found = np.rint(np.linalg.det(sublattices(oblique, 12))).astype(int)
    sigma = [sum(d for d in range(1, n + 1) if n % d == 0) for n in range(1, 13)]
    assert [int((found == n).sum()) for n in range(1, 13)] == sigma


def test_supercells_are_in_shortest_vectors_and_right_handed():
    bases = sublattices(MOS2, 30) @ MOS2
    dot = bases @ bases.transpose(0, 2, 1)
    assert (np.linalg.det(bases) > 0).all()
    assert (dot[:, 0, 0] <= dot[:, 1, 1] + 1e-9).all()
    assert (2 * np.abs(dot[:, 0, 1]) <= dot[:, 0, 0] + 1e-9).all()


@pytest.mark.parametrize(
    ("cell", "order"),
    [(HEXAGONAL, 6), (np.eye(2), 4), (np.diag([1.0, 1.7]), 2), ([[1, 0], [0.3, 1.1]], 2)],
    ids=["hexagonal", "square", "rectangular", "oblique"],
)
def test_the_rotations_of_a_lattice_leave_its_metric_alone(cell, order):
    cell = np.asarray(cell, dtype=float)
    proper, improper = point_group(cell)
    assert len(proper) == order
    for w in (*proper, *improper):
        np.testing.assert_allclose(w @ cell @ cell.T @ w.T, cell @ cell.T, atol=1e-9)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(-6, 6), min_size=8, max_size=8), st.integers(-3, 3), st.booleans())
def test_another_basis_of_the_same_rows_has_the_same_hermite_form(numbers, step, swap):
    rows = np.array(numbers).reshape(1, 2, 4)
    other = rows.copy()
    other[0, 0] += step * other[0, 1]
    if swap:
        other = other[:, ::-1]
    if np.linalg.matrix_rank(rows[0, :, :2]) == 2:  # the bottom supercell has an area
        np.testing.assert_array_equal(hermite(rows), hermite(other))


# ---- known interfaces ----------------------------------------------------------------------


def test_graphene_and_mos2_meet_on_the_cells_of_the_literature(graphene_mos2):
    found = {(m.n_bottom, m.n_top): m for m in graphene_mos2}
    # sqrt7 on 2 sqrt3, sqrt13 on sqrt21, sqrt19 on sqrt31
    for cells, atoms in (((12, 7), 45), ((21, 13), 81), ((31, 19), 119)):
        assert found[cells].n_atoms == atoms
    assert found[12, 7].twist_deg == pytest.approx(10.893, abs=1e-3)
    strain = 2.46 * math.sqrt(12) / (3.16 * math.sqrt(7)) - 1
    assert found[12, 7].strain.principal == pytest.approx((strain, strain))


def test_the_same_lattice_matches_itself_without_strain():
    first = match_lattices(MOS2, MOS2, max_area=30, max_strain=0.01)[0]
    assert (first.n_bottom, first.n_top) == (1, 1)
    assert first.strain.largest == pytest.approx(0.0, abs=1e-12)
    assert first.twist_deg == pytest.approx(0.0, abs=1e-9)


def images(match) -> set[tuple[int, ...]]:
    """Return the names of a match turned by every rotation of both lattices."""
    found = set()
    for one in point_group(GRAPHENE)[0]:
        for other in point_group(MOS2)[0]:
            joint = np.concatenate([match.bottom @ one, match.top @ other], axis=1)
            found.add(tuple(hermite(joint[None]).ravel().tolist()))
    return found


def test_nothing_is_there_twice(graphene_mos2):
    every = [images(match) for match in graphene_mos2]
    assert sum(map(len, every)) == len(set().union(*every))


def test_no_match_is_a_larger_cell_of_another(graphene_mos2):
    for match in graphene_mos2:
        joint = np.concatenate([match.bottom, match.top], axis=1)
        minors = [round(float(np.linalg.det(joint[:, [i, j]]))) for i in range(4) for j in range(i)]
        assert math.gcd(*minors) == 1


def test_no_match_of_pymatgen_is_missing(graphene_mos2):
    generator = ZSLGenerator(max_area=200, max_length_tol=0.03, max_angle_tol=0.01)
    film = [[*v, 0.0] for v in MOS2]
    substrate = [[*v, 0.0] for v in GRAPHENE]
    ours = {
        (
            m.n_bottom,
            m.n_top,
            round(abs(m.strain.principal[0]), 4),
            round(abs(m.strain.principal[1]), 4),
        )
        for m in graphene_mos2
    }
    n_checked = 0
    for theirs in generator(film, substrate):
        own = np.array(theirs.film_sl_vectors)[:, :2]
        common = np.array(theirs.substrate_sl_vectors)[:, :2]
        stretches = np.linalg.svd(np.linalg.solve(own, common), compute_uv=False) - 1
        if np.abs(stretches).max() > 0.03 or np.linalg.det(own) * np.linalg.det(common) < 0:
            continue
        top = np.rint(own @ np.linalg.inv(MOS2)).astype(int)
        bottom = np.rint(common @ np.linalg.inv(GRAPHENE)).astype(int)
        joint = np.concatenate([bottom, top], axis=1)
        size = math.gcd(
            *(round(float(np.linalg.det(joint[:, [i, j]]))) for i in range(4) for j in range(i))
        )
        n_bottom, n_top = (round(abs(np.linalg.det(m))) // size for m in (bottom, top))
        low, high = sorted(np.abs(stretches).round(4))
        keys = {(n_bottom, n_top, low, high), (n_bottom, n_top, high, low)}
        assert keys & ours, (n_bottom, n_top, stretches)
        n_checked += 1
    assert n_checked > 10


def test_von_mises_strain_of_green_and_lagrange_is_the_one_pymatgen_prints(graphene_mos2):
    spatial = [[[*v, 0.0] for v in cell] for cell in (MOS2, GRAPHENE)]
    theirs = max(ZSLGenerator(max_area=66)(*spatial), key=lambda m: m.match_area)  # 12 on 7 cells
    strain = Deformation(theirs.match_transformation).green_lagrange_strain
    ours = next(m for m in graphene_mos2 if (m.n_bottom, m.n_top) == (12, 7))
    assert ours.strain.von_mises_green_lagrange == pytest.approx(strain.von_mises_strain, rel=1e-9)
    assert ours.strain.von_mises_green_lagrange == pytest.approx(0.01297, abs=1e-5)


# ---- what must not matter ------------------------------------------------------------------

cells = st.tuples(
    st.floats(2.0, 4.0), st.floats(2.0, 4.0), st.floats(60.0, 120.0)
).map(lambda p: np.array(
    [[p[0], 0.0], [p[1] * math.cos(math.radians(p[2])), p[1] * math.sin(math.radians(p[2]))]]
))  # fmt: skip


def found(one, other, max_strain=0.05) -> list[Match]:
    try:
        return match_lattices(one, other, max_area=60, max_strain=max_strain)
    except NoMatchError:
        return []


@settings(max_examples=25, deadline=None)
@given(cells, cells, st.floats(0.0, 360.0), st.integers(-2, 2))
def test_turned_lattices_and_other_vectors_give_the_same_matches(one, other, angle, step):
    shear = np.array([[1, 0], [step, 1]])
    before = found(one, other)
    after = found(turned(one, angle), shear @ other)
    assert [s[:2] for s in sizes(before)] == [s[:2] for s in sizes(after)]
    for a, b in zip(sizes(before), sizes(after), strict=True):
        assert a[2] == pytest.approx(b[2], abs=2e-4)  # how alike two lattices count as one


@settings(max_examples=25, deadline=None)
@given(cells, cells)
@example(np.array([[2.8125, 0], [1, 3**0.5]]), np.array([[2.0, 0], [1, 3**0.5]]))  # long cells
def test_which_lattice_comes_first_only_says_which_one_is_strained(one, other):
    # The limits are on the bottom's area and the top's strain: inside both, the lists agree.
    def inner(matches, flip):
        kept = [
            m for m in matches if m.area < 50 and max(abs(s) for s in m.strain.principal) < 0.04
        ]
        return sorted((m.n_top, m.n_bottom) if flip else (m.n_bottom, m.n_top) for m in kept)

    straight, swapped = found(one, other), found(other, one)
    wide = sorted((m.n_top, m.n_bottom) for m in swapped)
    for pair in inner(straight, flip=False):
        assert pair in wide


@settings(max_examples=25, deadline=None)
@given(cells, cells)
def test_every_match_keeps_its_limits_and_its_numbers_agree(one, other):
    for match in found(one, other):
        own, common = match.top @ other, match.bottom @ one
        stretches = np.linalg.svd(np.linalg.solve(own, common), compute_uv=False)
        assert np.abs(stretches - 1).max() <= 0.05 + 1e-9
        assert match.area <= 60 * (1 + 1e-9)
        area = np.linalg.det(common) / np.linalg.det(own) - 1
        assert match.strain.area == pytest.approx(area, abs=1e-9)
        for i in (0, 1):  # no vector changes by more than the largest principal strain
            ratio = np.linalg.norm(common[i]) / np.linalg.norm(own[i]) - 1
            assert match.lengths[i] == pytest.approx(ratio, abs=1e-12)
            assert abs(ratio) <= abs(match.strain.largest) + 1e-9


def test_shared_strains_make_up_the_whole_mismatch(graphene_mos2):
    match = graphene_mos2[1]
    bottom, top = match.shared(0.5)
    for whole, low, high in zip(
        match.strain.principal, sorted(bottom.principal, reverse=True), top.principal, strict=True
    ):
        assert (1 + high) / (1 + low) == pytest.approx(1 + whole)
    assert match.shared(1.0)[0].largest == 0.0
    assert match.shared(0.0)[1].largest == 0.0


def test_the_front_gets_larger_and_less_strained(graphene_mos2):
    front = pareto(graphene_mos2)
    assert [m.n_atoms for m in front] == sorted(m.n_atoms for m in front)
    strains = [abs(m.strain.largest) for m in front]
    assert strains == sorted(strains, reverse=True)
    for match in graphene_mos2:
        assert any(
            f.n_atoms <= match.n_atoms and abs(f.strain.largest) <= abs(match.strain.largest) + 1e-9
            for f in front
        )


# ---- bad input -----------------------------------------------------------------------------


def test_limits_that_give_no_match_name_the_closest():
    with pytest.raises(
        NoMatchError, match=r"closest is 12 on 7 cells with 19 atoms.*1\.93% strain"
    ):
        match_lattices(GRAPHENE, MOS2, max_area=70, max_strain=0.001)


def test_the_closest_of_large_cells_is_found_without_listing_all_loose_ones():
    with pytest.raises(NoMatchError, match=r"within 0.001% strain.*closest is 61 on 37 cells"):
        match_lattices(GRAPHENE, MOS2, max_area=1000, max_strain=1e-5)


def test_a_twist_out_of_reach_is_no_match():
    with pytest.raises(NoMatchError, match="widen the twist range"):
        match_lattices(GRAPHENE, MOS2, max_area=70, max_strain=0.02, twist_range=(29, 30))


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ([[1, 0], [2, 0]], "span no area"),
        ([[0, 1], [1, 0]], "left-handed"),
        ([[1, 0, 0], [0, 1, 0]], "two vectors of two"),
        ([[1, 0], [math.nan, 1]], "finite"),
    ],
    ids=["flat", "left-handed", "three numbers", "nan"],
)
def test_a_cell_that_is_none_is_refused(cell, words):
    with pytest.raises(StructureError, match=words):
        match_lattices(cell, MOS2, max_area=50)


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({}, "give max_area"),
        ({"max_area": -1}, "must be positive"),
        ({"max_area": 2}, "holds no cell"),
        ({"max_area": 50, "max_strain": 0.0}, "between 0 and 0.3"),
    ],
    ids=["none", "negative", "too small", "no strain"],
)
def test_limits_without_sense_are_refused(limits, words):
    with pytest.raises(InputError, match=words):
        match_lattices(GRAPHENE, MOS2, **limits)


def test_shortest_vectors_of_a_skewed_cell_are_found():
    np.testing.assert_array_equal(
        np.abs(reduced(np.eye(2), np.array([[[1, 7], [0, 1]]]))[0]), [[0, 1], [1, 0]]
    )
