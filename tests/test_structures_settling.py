"""A guest that settles on a host: slopes of what it costs, and where it ends."""

import numpy as np
import pytest
from scipy.optimize import approx_fprime
from scipy.spatial.transform import Rotation

from heterofire.structures.docking import dock
from heterofire.structures.molecules import build_species
from heterofire.structures.settling import cost_of_touching, rotation, turn_rates
from heterofire.structures.touching import pair_contacts


def test_slope_of_the_cost_is_its_derivative_by_every_position():
    water, benzene = build_species("H2O"), build_species("C6H6")
    contacts = pair_contacts(benzene, water)
    guest = water.positions + np.array([0.3, 0.2, 2.6])  # two atoms nearer than they may be

    def cost(flat):
        return cost_of_touching(contacts, benzene.positions, flat.reshape(-1, 3))[0]

    slopes = cost_of_touching(contacts, benzene.positions, guest)[1]
    expected = approx_fprime(guest.ravel(), cost, 1e-6).reshape(-1, 3)
    assert np.abs(expected).max() > 0.01
    assert slopes == pytest.approx(expected, rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("turn", [[0.0, 0.0, 0.0], [0.2, -0.1, 0.3], [0.0, 2.0, 0.5]])
def test_turn_rates_say_how_a_turned_arm_moves(turn):
    arm, step = np.array([1.0, 2.0, -0.5]), 1e-6
    rates = turn_rates(np.array(turn))
    for axis in np.eye(3):
        moved = (rotation(turn + step * axis) - rotation(np.array(turn))) @ arm / step
        assert np.cross(rates @ axis, rotation(np.array(turn)) @ arm) == pytest.approx(
            moved, abs=1e-5
        )


def test_water_put_askew_over_benzene_ends_where_moving_it_gains_nothing():
    water, benzene = build_species("H2O"), build_species("C6H6")
    best = dock(benzene, water, anchor="C6 ring", n=1)[0]
    placed = best.species.positions[12:]
    contacts = pair_contacts(benzene, water)

    def score(positions):
        return -cost_of_touching(contacts, benzene.positions, positions)[0]

    middle = placed.mean(axis=0)
    for axis in np.eye(3):
        for sign in (1, -1):
            turned = (placed - middle) @ Rotation.from_rotvec(
                0.05 * sign * axis
            ).as_matrix().T + middle
            assert score(turned) < score(placed) + 2e-3
            assert score(placed + 0.05 * sign * axis) < score(placed) + 2e-3
