"""Hops that symmetry tells apart, and the lowest way through them."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heterofire.structures.catalogue import build_named
from heterofire.structures.errors import StructureError
from heterofire.structures.hop_networks import find_hop_network, links
from heterofire.structures.models import build_model
from heterofire.structures.percolation import Link, percolate

MODELS = {
    "MoS2@C": build_model("MoS2@C"),
    "MoSSe@NC": build_model("MoSSe@NC"),
    "C(002)": build_named("C(002)", "quick"),
    "Li2SO3(001)": build_named("Li2SO3(001)", "quick"),
}


@pytest.fixture(scope="module")
def networks():
    return {name: find_hop_network(model, "outer", ion="Li") for name, model in MODELS.items()}


def test_on_a_sulfide_layer_there_is_one_hop_three_from_every_site(networks):
    network = networks["MoS2@C"]
    assert [hop.name for hop in network.hops] == ["Mo-top to hollow"]
    metal_atoms = 7
    assert len(network.hops[0].edges) == 3 * metal_atoms
    ends = [i for hop in network.hops for edge in hop.edges for i in edge[:2]]
    assert {ends.count(i) for i in range(len(network.sites))} == {3}


def test_on_graphite_the_ion_goes_from_ring_to_ring(networks):
    network = networks["C(002)"]
    assert len(network.sites) == 25
    assert [len(hop.edges) for hop in network.hops] == [75]
    assert network.hops[0].distance == pytest.approx(2.46, abs=0.03)


def test_a_substituted_atom_tells_more_hops_apart(networks):
    assert len(networks["MoSSe@NC"].hops) > len(networks["MoS2@C"].hops)
    assert sum(len(hop.edges) for hop in networks["MoSSe@NC"].hops) == 21


def test_the_sites_are_the_best_places_and_far_from_each_other(networks):
    for name, network in networks.items():
        scores = [site.score for site in network.sites]
        assert scores == sorted(scores, key=lambda score: -round(score, 2))
        lattice = MODELS[name].structure.lattice
        for one, two in itertools.combinations(network.sites, 2):
            places = [[*site.frac_coords[:2], 0.0] for site in (one, two)]
            assert lattice.get_all_distances(*[[p] for p in places])[0, 0] > 1.0


def test_equivalent_hops_are_equally_long_and_equally_narrow(networks):
    for name, network in networks.items():
        lattice = MODELS[name].structure.lattice.matrix[:2, :2]
        places = np.array([site.frac_coords[:2] for site in network.sites])
        for hop in network.hops:
            lengths = [
                np.linalg.norm((places[j] + (u, v) - places[i]) @ lattice)
                for i, j, u, v in hop.edges
            ]
            assert lengths == pytest.approx([hop.distance] * len(lengths), abs=0.15)
            kinds = {frozenset(network.kinds[i] for i in edge[:2]) for edge in hop.edges}
            assert len(kinds) == 1


@pytest.mark.parametrize("name", MODELS)
def test_the_hops_of_the_lowest_path_lead_from_cell_to_cell(networks, name):
    network = networks[name]
    for directions in (1, 2):
        chosen = network.lowest(directions)
        assert len(percolate(len(network.sites), links(chosen, [0.0] * len(chosen)))) >= directions
        worst = min(hop.bottleneck for hop in chosen)
        left_out = [hop for hop in network.hops if hop not in chosen]
        assert all(hop.bottleneck <= worst for hop in left_out)


def test_a_path_that_does_not_exist_is_refused(networks):
    network = networks["MoS2@C"]
    alone = type(network)(sites=network.sites, kinds=network.kinds, hops=())
    with pytest.raises(StructureError, match="do not lead from cell to cell in 2"):
        alone.lowest(2)


def grid(size, heights):
    """Links of a square lattice of places, to the right and upwards."""
    found = []
    for n, (i, j) in enumerate(itertools.product(range(size), repeat=2)):
        for way, (di, dj) in enumerate([(1, 0), (0, 1)]):
            a, b = i + di, j + dj
            found.append(
                Link(
                    first=i * size + j,
                    second=a % size * size + b % size,
                    shift=(a // size, b // size),
                    height=heights[2 * n + way],
                )
            )
    return found


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 5), min_size=18, max_size=18))
def test_the_height_is_that_of_the_best_of_all_paths(heights):
    """Against a search in a patch of many cells: what is open below the height, and just at it."""
    size = 3
    found = grid(size, heights)
    percolations = percolate(size**2, found)
    assert [p.directions for p in percolations] == [1, 2]
    assert percolations[0].height <= percolations[1].height

    def reached(limit):
        """Return the cells in which the start's own images can be reached."""
        cells, best = range(-4, 5), set()
        for start in range(size**2):
            seen, todo = {(start, 0, 0)}, [(start, 0, 0)]
            while todo:
                place, u, v = todo.pop()
                for link in found:
                    if link.height > limit:
                        continue
                    for a, b, sign in ((link.first, link.second, 1), (link.second, link.first, -1)):
                        end = (b, u + sign * link.shift[0], v + sign * link.shift[1])
                        if a == place and end not in seen and end[1] in cells and end[2] in cells:
                            seen.add(end)
                            todo.append(end)
            images = [(u, v) for place, u, v in seen if place == start and (u, v) != (0, 0)]
            best.add(int(np.linalg.matrix_rank(np.array(images))) if images else 0)
        return max(best)

    for percolation in percolations:
        assert reached(percolation.height) >= percolation.directions
        below = [h for h in heights if h < percolation.height]
        assert reached(max(below, default=-1.0)) < percolation.directions


@settings(deadline=None)
@given(st.permutations(range(18)), st.lists(st.floats(0, 5), min_size=18, max_size=18))
def test_the_order_of_the_links_does_not_matter(order, heights):
    found = grid(3, heights)
    shuffled = [found[i] for i in order]
    first, second = (percolate(9, some) for some in (found, shuffled))
    assert [p.height for p in first] == [p.height for p in second]
