"""The engine's optimiser: model Hessian, updates, trust radius."""

import numpy as np
import pytest
from ase.build import graphene
from hypothesis import given, settings
from hypothesis import strategies as st

from heterofire.launchers.engines.elastic import learned
from heterofire.launchers.engines.hessians import SOFTEST, model_hessian
from heterofire.launchers.engines.poscars import Poscar
from heterofire.launchers.engines.search_memory import forget, recall, remember
from heterofire.launchers.engines.searching import (
    LONGEST,
    QuasiNewton,
    bfgs_update,
    quasi_newton_step,
)


@pytest.fixture
def sheet():
    atoms = graphene(size=(3, 3, 1), vacuum=6.0)
    return Poscar(
        comment="",
        lattice=np.array(atoms.cell),
        symbols=tuple(atoms.symbols),
        fractional=atoms.get_scaled_positions(),
        movable=None,
    )


def test_the_model_is_symmetric_and_positive_definite(sheet):
    hessian = model_hessian(sheet, sheet.positions)
    np.testing.assert_allclose(hessian, hessian.T)
    assert np.linalg.eigvalsh(hessian).min() >= SOFTEST - 1e-9


def test_moving_everything_together_costs_only_the_floor(sheet):
    hessian = model_hessian(sheet, sheet.positions)
    shift = np.tile([0.0, 0.0, 1.0], 18)
    np.testing.assert_allclose(hessian @ shift, SOFTEST * shift, atol=1e-9)


def test_bonds_are_stiffer_along_than_across(sheet):
    block = model_hessian(sheet, sheet.positions)[:3, :3]
    assert block[0, 0] > 4 * block[2, 2]
    assert 30 < block[0, 0] < 150  # eV/Angstrom^2; three bonds of 45 in the plane, about half each


def test_the_search_finds_the_minimum_of_a_stiff_and_soft_bowl():
    curvatures = np.array([60.0, 8.0, 0.4])
    target, x = np.array([0.3, -0.8, 1.5]), np.zeros(3)
    search = QuasiNewton(np.diag([40.0, 20.0, 1.0]))
    for _ in range(20):
        force = curvatures * (target - x)
        energy = float(curvatures @ (target - x) ** 2 / 2)
        x = x + search.next_move(x, force, energy)
    np.testing.assert_allclose(x, target, atol=1e-3)


def test_a_step_that_went_uphill_is_taken_back():
    search = QuasiNewton(np.diag([1.0, 1.0]))
    first = search.next_move(np.zeros(2), np.array([0.3, 0.0]), energy=0.0)
    second = search.next_move(first, np.array([-5.0, 0.0]), energy=1.0)
    back = first + second  # measured from where the energy was lower
    assert 0 < back[0] < 0.5 * first[0]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-50, 50), min_size=4, max_size=4), st.floats(0.01, 1.0))
def test_no_component_of_a_step_is_longer_than_allowed(force, longest):
    hessian = np.diag([50.0, 5.0, 0.5, -3.0])
    step = quasi_newton_step(hessian, np.array(force), longest)
    assert np.abs(step).max() <= longest * (1 + 1e-9)
    assert step @ np.array(force) >= -1e-12


def test_a_first_step_is_limited_by_the_trust_radius():
    search = QuasiNewton(np.eye(2))
    assert np.abs(search.next_move(np.zeros(2), np.array([30.0, 1.0]), 0.0)).max() <= LONGEST + 1e-9


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-3, 3), min_size=6, max_size=6))
def test_updates_stay_positive_definite_whatever_the_forces_say(numbers):
    s, y = np.array(numbers[:3]), np.array(numbers[3:])
    updated = bfgs_update(np.diag([10.0, 3.0, 1.0]), s, y)
    assert np.linalg.eigvalsh(updated).min() > 0


def test_an_update_reproduces_the_change_of_force_it_saw():
    s, y = np.array([0.1, 0.2, -0.1]), np.array([1.0, 1.5, -0.2])
    np.testing.assert_allclose(bfgs_update(np.eye(3), s, y) @ s, y, atol=1e-12)


def test_bands_do_not_learn_from_negative_curvature_along_their_path():
    hessian, along = np.diag([10.0, 3.0, 1.0]), np.array([1.0, 0.0, 0.0])
    s = np.array([0.1, 0.0, 0.0])
    downward = np.array([-0.5, 0.2, 0.1])
    np.testing.assert_array_equal(learned(hessian, s, downward, along), hessian)
    assert not np.array_equal(learned(hessian, s, np.array([2.0, 0.2, 0.1]), along), hessian)


def test_bands_learn_that_it_is_soft_where_they_slide_off_a_ridge():
    hessian, along = np.diag([10.0, 3.0, 1.0]), np.array([0.0, 1.0, 0.0])
    s = np.array([0.1, 0.0, 0.0])
    softer = learned(hessian, s, np.array([-0.5, 0.0, 0.0]), along)
    assert 0 < softer[0, 0] < 0.5 * hessian[0, 0]
    np.testing.assert_allclose(softer[1:], hessian[1:])


def test_layers_that_touch_have_the_stiffness_of_graphite():
    sheet, other = graphene(size=(3, 3, 1), vacuum=6.0), graphene(size=(3, 3, 1), vacuum=6.0)
    other.translate([1.23, 0.71, 3.35])
    both = sheet + other
    both.cell[2, 2] = 30.0
    poscar = Poscar(
        comment="",
        lattice=np.array(both.cell),
        symbols=tuple(both.symbols),
        fractional=both.get_scaled_positions(),
        movable=None,
    )
    hessian = model_hessian(poscar, poscar.positions) - SOFTEST * np.eye(3 * len(both))
    apart = np.zeros((36, 3))
    apart[18:, 2] = 1.0
    area = np.linalg.norm(np.cross(both.cell[0], both.cell[1]))
    stiffness = apart.ravel() @ hessian @ apart.ravel() / area
    assert 0.03 < stiffness < 0.15  # eV/Angstrom^4; c33 of graphite over its spacing is 0.068
    along = np.roll(apart, 1, axis=1).ravel()
    assert along @ hessian @ along < 0.3 * stiffness * area  # layers slide more easily


# ---- what is remembered between the parts of a relaxation -------------------------------------


def bowl(search, curvatures, x, n_steps):
    """Make some steps in a bowl around the origin; return where they end."""
    for _ in range(n_steps):
        x = x + search.next_move(x, -curvatures * x, float(curvatures @ x**2 / 2))
    return x


def test_a_search_goes_on_with_what_it_learnt(tmp_path):
    curvatures, model = np.array([60.0, 8.0, 0.4]), np.diag([20.0, 20.0, 5.0])
    first = QuasiNewton(model)
    x = bowl(first, curvatures, np.array([0.2, -0.3, 0.5]), 6)
    remember(tmp_path, first.hessian, first.radius)
    hessian, radius = recall(tmp_path, model, LONGEST)
    second = QuasiNewton(hessian, radius=radius)
    np.testing.assert_array_equal(second.hessian, first.hessian)
    assert second.radius == first.radius < LONGEST
    again, anew = (bowl(search, curvatures, x, 3) for search in (second, QuasiNewton(model)))
    assert curvatures @ again**2 < 0.1 * (curvatures @ anew**2)
    forget(tmp_path)
    assert recall(tmp_path, model, LONGEST) == (model, LONGEST)


@pytest.mark.parametrize("what", ["torn", "empty", "other atoms", "not finite", "no archive"])
def test_a_memory_that_does_not_fit_is_told_and_not_taken(tmp_path, capsys, what):
    model = np.diag([20.0, 20.0, 5.0])
    contents = {"other atoms": np.eye(6), "not finite": np.full((3, 3), np.nan)}
    remember(tmp_path, contents.get(what, model), LONGEST / 2)
    path = tmp_path / "HESSIAN.npz"
    whole = path.read_bytes()
    if what in ("torn", "empty", "no archive"):
        path.write_bytes({"torn": whole[:200], "empty": b"", "no archive": b"text"}[what])
    hessian, radius = recall(tmp_path, model, LONGEST)
    np.testing.assert_array_equal(hessian, model)
    assert radius == LONGEST
    assert "HESSIAN.npz" in capsys.readouterr().err
