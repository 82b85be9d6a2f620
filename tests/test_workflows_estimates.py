"""Core-hours are learned from finished runs, with an uncertainty that holds."""

import math
import random
from dataclasses import replace

import pytest

from heterofire.results.timings import Timing
from heterofire.workflows.estimates import learn_costs, learn_from_store


def runs(n, *, slope=1.0, scatter=0.3, seed=1, lowest=0.1, highest=1000.0):
    """Return costs and core-hours of invented runs that scatter by a known amount."""
    draw = random.Random(seed)
    costs = [math.exp(draw.uniform(math.log(lowest), math.log(highest))) for _ in range(n)]
    return [(c, 0.5 * c**slope * math.exp(draw.gauss(0, scatter))) for c in costs]


def test_slope_and_scatter_are_found_again():
    model = learn_costs(runs(300, slope=0.8, scatter=0.4))
    assert model.slope == pytest.approx(0.8, abs=0.05)
    assert model.spread == pytest.approx(0.4, abs=0.05)
    assert model.estimate(10).core_hours == pytest.approx(0.5 * 10**0.8, rel=0.1)


def test_two_thirds_of_new_runs_lie_in_the_range():
    inside = 0
    for seed in range(40):
        model = learn_costs(runs(8, seed=seed))
        for cost, hours in runs(20, seed=seed + 1000):
            found = model.estimate(cost)
            inside += found.low <= hours <= found.high
    assert 0.6 < inside / 800 < 0.76


def test_a_sum_is_more_certain_than_its_largest_part_and_holds():
    inside = 0
    for seed in range(200):
        model = learn_costs(runs(10, seed=seed))
        new = runs(30, seed=seed + 1000)
        found = model.total([cost for cost, _ in new])
        assert found.factor < model.estimate(max(cost for cost, _ in new)).factor
        inside += found.low <= sum(hours for _, hours in new) <= found.high
    assert 0.5 < inside / 200 < 0.85


def test_few_runs_say_less():
    one, two = learn_costs([(10, 5)]), learn_costs([(10, 5), (20, 10.1)])
    many = learn_costs(runs(50, scatter=0.05))
    assert one.slope == two.slope == 1.0
    assert one.estimate(100).core_hours == pytest.approx(50)
    assert one.estimate(10).factor > 2 > many.estimate(10).factor


def test_runs_of_one_size_teach_no_slope():
    assert learn_costs(runs(20, lowest=10, highest=12, slope=5)).slope == 1.0


def test_far_from_what_was_seen_the_uncertainty_grows():
    model = learn_costs(runs(20, highest=10))
    assert model.estimate(1e5).factor > model.estimate(1).factor


def test_without_runs_there_is_no_estimate():
    assert learn_costs([]) is None
    assert learn_costs([(1.0, 0.0)]) is None


TIMING = Timing(
    key="a", task="static", n_atoms=45, n_images=0, n_kpoints=1, n_ionic_steps=1, elapsed_s=3600.0,
    n_cores=4,
)  # fmt: skip


def test_cores_count():
    model = learn_from_store([TIMING], "vasp", {})
    assert model.estimate(1.0).core_hours == pytest.approx(4.0)


def test_runs_of_vasp_whose_cores_are_unknown_teach_nothing():
    unknown = replace(TIMING, n_cores=None)
    assert learn_from_store([unknown], "vasp", {}) is None
    assert learn_from_store([unknown], "xtb", {}).estimate(1.0).core_hours == pytest.approx(1.0)


def test_bands_teach_only_where_the_plan_knows_their_k_points():
    band = replace(TIMING, task="neb", n_images=3, n_kpoints=None)
    assert learn_from_store([band], "vasp", {}) is None


def test_vibrations_cost_what_they_were_displaced():
    many = replace(TIMING, task="vibrations", n_ionic_steps=19)
    assert learn_from_store([many], "vasp", {}).estimate(19.0).core_hours == pytest.approx(4.0)
