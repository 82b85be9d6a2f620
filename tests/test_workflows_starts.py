"""An ion on a host that has relaxed goes along with the atoms it touches."""

from dataclasses import replace

import numpy as np
import pytest

from heterofire.structures.errors import RunError
from heterofire.workflows.planning import plan_study
from heterofire.workflows.starts import start_structure
from heterofire.workflows.study import parse_study

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
    with pytest.raises(RunError, match="does not begin with the atoms of its host"):
        start_structure(replace(end, structure=other), lifted, "host")


def test_without_the_host_the_hop_says_what_is_missing(planned, store):
    with pytest.raises(RunError, match="not in the result store"):
        start_structure(planned["Li-hop-surface-1/initial"], store, "host")
