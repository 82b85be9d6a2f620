from dataclasses import replace
from pathlib import Path

import pytest
from fireworks import Firework

from heterofire.workflows.flows import chain_costs, study_flow
from heterofire.workflows.planning import plan_study
from heterofire.workflows.plans import relative_cost
from heterofire.workflows.study_reading import parse_study

STUDY = """\
study: small
title: A small study
hosts: [MoS2@NC]
sites: [{region: outer, count: 1}]
hops: [{kind: surface, images: 1}]
charges: {differences: true}
phases: {K atom: {atom: K}}
ion_references: [{name: K atom, phase: K atom}]
"""


@pytest.fixture(scope="module")
def plan():
    return plan_study(parse_study(STUDY, "small.yaml"), "quick", engine="xtb", method="GFN1-xTB")


def test_names_of_firetasks_are_stored_for_good(plan):
    flow = study_flow(plan, runs=Path("/runs"), database=None)
    names = {task["_fw_name"] for fw in flow.fws for task in fw.to_dict()["spec"]["_tasks"]}
    assert names == {
        "{{heterofire.workflows.tasks.WriteInputs}}",
        "{{heterofire.workflows.tasks.RunVasp}}",
        "{{heterofire.workflows.tasks.ParseRun}}",
        "{{heterofire.workflows.tasks.SubtractDensities}}",
        "{{heterofire.workflows.tasks.DeriveProperties}}",
    }


def test_a_firework_survives_the_way_through_the_launchpad(plan):
    flow = study_flow(plan, runs=Path("/runs"), database=None)
    for firework in flow.fws:
        assert Firework.from_dict(firework.to_dict()).to_dict() == firework.to_dict()


def test_a_band_waits_for_both_end_points_and_deriving_for_all(plan):
    flow = study_flow(plan, runs=Path("/runs"), database=None)
    names = {fw.fw_id: fw.name for fw in flow.fws}
    parents = {
        names[child]: {names[p] for p in above} for child, above in flow.links.parent_links.items()
    }
    band = next(name for name in parents if name.endswith("/neb"))
    # The hop starts at the best site, which the binding energy needs as well: computed once.
    assert {name.split("/", 1)[1] for name in parents[band]} == {
        "K-outer-1/relax",
        "K-hop-surface/final",
    }
    assert len(parents["small/quick/derive"]) == len(plan.steps)


def test_a_difference_waits_for_the_whole_and_both_layers(plan):
    flow = study_flow(plan, runs=Path("/runs"), database=None)
    names = {fw.fw_id: fw.name for fw in flow.fws}
    child = next(fw for fw in flow.fws if fw.name.endswith("/charge-difference"))
    assert {names[parent].split("/", 1)[1] for parent in flow.links.parent_links[child.fw_id]} == {
        "charge",
        "N-graphene-alone/charge",
        "MoS2-alone/charge",
    }


def test_what_is_stored_is_not_queued_again(plan):
    done = frozenset(step.key for step in plan.steps if step.label.task == "relax")
    flow = study_flow(plan, runs=Path("/runs"), database=None, done=done)
    assert {fw.name for fw in flow.fws} == {
        step.label.name for step in plan.steps if step.key not in done
    } | {"small/quick/derive"}


def test_vibrations_of_other_atoms_are_another_calculation(plan):
    relax = next(c for c in plan.calculations if c.label.task == "relax")
    keys = set()
    for n_free in (1, 2):
        structure = relax.structure.copy()
        held = [[False] * 3] * (len(structure) - n_free) + [[True] * 3] * n_free
        structure.add_site_property("selective_dynamics", held)
        incar = {**relax.incar, "IBRION": 5}
        parents = {"structure": relax.key}
        keys.add(replace(relax, structure=structure, incar=incar, parents=parents).key)
    assert len(keys) == 2


def test_vibrations_cost_two_steps_for_each_free_coordinate(plan):
    relax = next(c for c in plan.calculations if c.label.task == "relax")
    structure = relax.structure.copy()
    held = [[False] * 3] * (len(structure) - 2) + [[True] * 3] * 2
    structure.add_site_property("selective_dynamics", held)
    static, vibrations = (
        relative_cost(replace(relax, structure=structure, label=replace(relax.label, task=task)))
        for task in ("static", "vibrations")
    )
    assert vibrations == pytest.approx((1 + 2 * 6) * static)


def test_the_longest_chain_goes_first(plan):
    costs = chain_costs(plan.steps)
    band = next(c for c in plan.calculations if c.n_images)
    for parent in band.parents.values():
        own = next(relative_cost(c) for c in plan.calculations if c.key == parent)
        assert costs[parent] == pytest.approx(own + costs[band.key])
