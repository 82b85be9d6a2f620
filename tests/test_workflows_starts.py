"""An ion on a host that has relaxed goes along with the atoms it touches."""

from dataclasses import replace

import numpy as np
import pytest

from heterofire.structures.errors import RunError
from heterofire.structures.transformations import TakeAway
from heterofire.workflows.planning import plan_study
from heterofire.workflows.starts import start_structure, starting_role
from heterofire.workflows.study_reading import parse_study

STUDY = """\
study: small
title: One host, its hops
ion: Li
hosts: [MoS2@C]
hops: [{kind: surface, network: line, images: 1, freeze: [Mo, C]}]
"""


@pytest.fixture(scope="module")
def planned():
    plan = plan_study(parse_study(STUDY, "small.yaml"), "quick", engine="xtb", method="GFN1-xTB")
    return {c.label.name.split("/", 1)[1]: c for c in plan.calculations}


@pytest.fixture
def lifted(planned, store, make_run):
    """A store with the host relaxed: its film half an Angstrom up, over the cell's edge too."""
    host = planned["relax"]
    structure = host.structure.copy()
    film = [i for i, site in enumerate(structure) if site.specie.symbol != "C"]
    structure.translate_sites(film, [0.3, 0.2, 0.5], frac_coords=False, to_unit_cell=True)
    store.add_run(host.key, host.label, make_run(structure))
    return store


def test_the_ion_moves_with_the_film_it_lies_on(planned, lifted):
    end = planned["Li-hop-surface-1/initial"]
    start = start_structure(end, lifted, "host")
    moved = start.lattice.get_cartesian_coords(start.frac_coords - end.structure.frac_coords)
    np.testing.assert_allclose(moved[-1], [0.3, 0.2, 0.5], atol=1e-6)
    carbon = [i for i, site in enumerate(start) if site.specie.symbol == "C"]
    np.testing.assert_allclose(moved[carbon], 0.0, atol=1e-9)
    assert start[-1].specie.symbol == "Li"


def test_frozen_directions_are_those_planned_for_the_hop(planned, lifted):
    start = start_structure(planned["Li-hop-surface-1/initial"], lifted, "host")
    flags = start.site_properties["selective_dynamics"]
    free = {site.specie.symbol for site, flag in zip(start, flags, strict=True) if all(flag)}
    assert free == {"S", "Li"}


def test_all_ends_of_the_hops_wait_for_their_host(planned):
    ends = [c for name, c in planned.items() if name.endswith(("/initial", "/final"))]
    assert ends
    assert {tuple(c.parents.items()) for c in ends} == {(("host", planned["relax"].key),)}
    assert len({c.key for c in ends}) == len(ends)


def test_a_host_of_other_atoms_is_refused(planned, lifted):
    end = planned["Li-hop-surface-1/initial"]
    other = end.structure.copy()
    other.replace(0, "W")
    with pytest.raises(RunError, match="does not hold the atoms of its host"):
        start_structure(replace(end, structure=other), lifted, "host")


def test_without_the_host_the_hop_says_what_is_missing(planned, store):
    with pytest.raises(RunError, match="not in the result store"):
        start_structure(planned["Li-hop-surface-1/initial"], store, "host")


@pytest.fixture
def candidates(planned, store, make_run):
    """A step that starts from one of three runs, of which the second is the lowest."""
    host = planned["relax"]
    parents = {}
    for number, (shift, energy) in enumerate(((0.1, -5.0), (0.2, -7.0), (0.3, -6.0)), start=1):
        structure = host.structure.copy()
        structure.translate_sites(range(len(structure)), [0, 0, shift], frac_coords=False)
        key = f"candidate{number}".ljust(24, "0")
        store.add_run(key, host.label, make_run(structure, e0=energy))
        parents[f"structure {number}"] = key
    return replace(host, parents=parents), store


@pytest.mark.parametrize(("rank", "shift"), [(None, 0.2), (0, 0.2), (1, 0.3), (2, 0.1)])
def test_of_several_parents_the_one_of_the_wanted_rank_is_taken(candidates, rank, shift):
    step, store = candidates
    step = replace(step, rank=rank)
    assert starting_role(step) == "structure"
    start = start_structure(step, store, "structure")
    rise = (start.cart_coords - step.structure.cart_coords)[:, 2]
    np.testing.assert_allclose(rise, shift, atol=1e-6)


def test_steps_that_take_different_ranks_are_different(candidates):
    step, _ = candidates
    keys = {replace(step, rank=rank).key for rank in (None, 0, 1)}
    assert len(keys) == 3


def test_a_transformation_is_applied_to_what_the_parent_came_to(candidates):
    step, store = candidates
    metal = next(i for i, site in enumerate(step.structure) if site.specie.symbol == "Mo")
    taken = TakeAway(atoms=(metal,), with_nearest="S", n_nearest=1)
    left = taken.apply(step.structure)
    step = replace(step, structure=left, transformation=taken.model_dump(mode="json"), rank=1)
    start = start_structure(step, store, "structure")
    assert start.composition == left.composition
    with pytest.raises(RunError, match="would start from"):
        start_structure(replace(step, transformation=None), store, "structure")
