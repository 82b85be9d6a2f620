import numpy as np
import pytest

from heterofire.structures.checks import gap_between, vacuum_of
from heterofire.structures.errors import InputError
from heterofire.structures.hops import KINDS, build_hop
from heterofire.structures.models import build_model
from heterofire.structures.sites import find_sites

MODELS = {size: build_model("MoSSe@NC", size=size) for size in ("quick", "paper")}


@pytest.mark.parametrize("size", MODELS)
@pytest.mark.parametrize("kind", KINDS)
def test_ends_have_the_same_atoms_order_and_cell(kind, size):
    hop = build_hop(MODELS[size], kind)
    assert [s.specie.symbol for s in hop.initial] == [s.specie.symbol for s in hop.final]
    assert np.array_equal(hop.initial.lattice.matrix, hop.final.lattice.matrix)
    assert hop.initial[-1].specie.symbol == "K"


@pytest.mark.parametrize("size", MODELS)
@pytest.mark.parametrize("kind", KINDS)
def test_only_the_ion_moves_and_by_the_stated_distance(kind, size):
    hop = build_hop(MODELS[size], kind)
    assert np.abs(hop.initial.cart_coords[:-1] - hop.final.cart_coords[:-1]).max() < 1e-9
    assert hop.initial[-1].distance(hop.final[-1]) == pytest.approx(hop.distance)
    assert min(vacuum_of(hop.initial), vacuum_of(hop.final)) >= 15.0


@pytest.mark.parametrize(("size", "a"), [("quick", 3.226), ("paper", 3.132)], ids=str)
@pytest.mark.parametrize("kind", ["gallery", "surface"])
def test_hop_along_the_layer_is_one_lattice_constant_of_the_strained_film(kind, size, a):
    hop = build_hop(MODELS[size], kind)
    first, last = ([*s.frac_coords[:2], 0.0] for s in (hop.initial_site, hop.final_site))
    lateral = hop.initial.lattice.get_all_distances([first], [last])[0, 0]
    assert lateral == pytest.approx(a, abs=2e-3)
    assert hop.initial_site.above == hop.final_site.above


def test_through_layer_hop_goes_straight_up_through_a_hollow():
    model = MODELS["quick"]
    hop = build_hop(model, "through-layer")
    assert hop.initial_site.above == hop.final_site.above == "hollow"
    assert hop.initial[-1].coords[:2] == pytest.approx(hop.final[-1].coords[:2], abs=1e-6)
    film = [hop.initial[i].z for i in model.top]
    assert hop.initial[-1].z < min(film) < max(film) < hop.final[-1].z
    for end in (hop.initial, hop.final):
        assert gap_between(end, model.bottom, model.top) == pytest.approx(5.8)


def test_two_models_can_be_compared_on_the_same_path():
    sulfide = build_model("MoS2@NC")
    start = build_hop(sulfide, "gallery").initial_site
    hop = build_hop(MODELS["quick"], "gallery", start=start)
    reference = build_hop(sulfide, "gallery")
    assert hop.initial[-1].frac_coords[:2] == pytest.approx(reference.initial[-1].frac_coords[:2])


def test_any_ranked_site_can_be_the_start():
    start = find_sites(MODELS["quick"], "outer")[8]
    hop = build_hop(MODELS["quick"], "surface", start=start)
    assert hop.initial_site == start
    assert hop.final_site.above == start.above


def test_names_are_fit_for_folders_and_say_what_hops_where():
    hop = build_hop(MODELS["quick"], "surface", ion="Na")
    assert hop.name == "MoSSe@NC-surface-Na"
    assert "Na in MoSSe@NC from outer Mo-top to outer Mo-top" in hop.description


def test_unknown_kind_lists_the_kinds():
    with pytest.raises(InputError, match="gallery, surface, through-layer"):
        build_hop(MODELS["quick"], "sideways")
