from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from heterofire.structures.checks import facing_planes, gap_between, vacuum_of
from heterofire.structures.errors import InputError, StructureError
from heterofire.structures.models import build_model, with_vacuum
from heterofire.structures.sites import candidate_sites, find_sites, insert_ion, lift_film


@pytest.fixture(scope="module")
def plain():
    return build_model("MoS2@C")


@pytest.fixture(scope="module")
def selenide():
    return build_model("MoSSe@NC")


@pytest.mark.parametrize("region", ["gallery", "outer"])
def test_multiplicities_add_up_to_all_candidates(plain, region):
    unique, every = find_sites(plain, region), candidate_sites(plain, region)
    assert sum(site.multiplicity for site in unique) == len(every)
    assert len(unique) < len(every)


def test_outer_face_has_one_site_per_atom_of_its_three_sublattices(plain):
    registers = [site.above for site in candidate_sites(plain, "outer")]
    assert {r: registers.count(r) for r in set(registers)} == {"Mo-top": 7, "S-top": 7, "hollow": 7}


def test_threefold_stack_groups_sites_by_its_axis(plain):
    assert {site.multiplicity for site in find_sites(plain, "gallery")} == {1, 3}


def test_equivalent_sites_have_equal_scores(plain):
    scores = {}
    for site in candidate_sites(plain, "gallery"):
        scores.setdefault(site.name, []).append(site.score)
    assert all(np.ptp(values) < 1e-3 for values in scores.values())


@pytest.mark.parametrize("region", ["gallery", "outer"])
def test_sites_are_ranked_and_numbered_from_the_best(selenide, region):
    sites = find_sites(selenide, region)
    assert [site.name for site in sites] == [f"{region}-{k}" for k in range(1, len(sites) + 1)]
    assert all(a.score >= b.score - 1e-3 for a, b in pairwise(sites))


def test_three_neighbours_beat_one(selenide):
    # xTB puts K on top of S 0.6 eV above the other two places of the outer face.
    assert {site.above for site in find_sites(selenide, "outer")[-7:]} == {"S-top"}
    assert find_sites(selenide, "gallery")[-1].above in ("S-top", "Se-top")


def test_all_gallery_sites_lie_between_the_facing_planes(selenide):
    lifted = lift_film(selenide, 5.8)
    below, above = facing_planes(lifted, selenide.bottom, selenide.top)
    for site in candidate_sites(selenide, "gallery"):
        z = site.frac_coords[2] * lifted.lattice.c
        assert below + 1.5 < z < above - 1.5


def test_outer_sites_lie_above_the_film(selenide):
    highest = max(site.z for site in selenide.structure)
    for site in candidate_sites(selenide, "outer"):
        assert 2.0 < site.frac_coords[2] * selenide.structure.lattice.c - highest < 3.5


@pytest.mark.parametrize("region", ["gallery", "outer"])
def test_ion_keeps_its_distance_from_every_atom(selenide, region):
    for site in find_sites(selenide, region):
        filled = insert_ion(selenide, site)
        k = len(filled) - 1
        near = min(filled.get_distance(k, i) for i in range(k))
        # Radii: K 1.38 + S 1.84 = 3.22, K + C 3.08; below an S, a gallery of 5.8 is tight.
        assert (2.6 if site.above in ("S-top", "Se-top") else 2.85) < near < 3.4


@pytest.mark.parametrize("size", ["quick", "paper"])
@pytest.mark.parametrize("region", ["gallery", "outer"])
def test_host_and_filled_host_share_cell_order_and_enough_vacuum(region, size):
    model = build_model("MoSSe@NC", size=size)
    filled = insert_ion(model, find_sites(model, region, max_sites=1)[0])
    assert np.array_equal(filled.lattice.matrix, model.structure.lattice.matrix)
    assert [s.specie.symbol for s in filled] == [*(s.specie.symbol for s in model.structure), "K"]
    assert vacuum_of(filled) >= 15.0


def test_sites_near_an_element_touch_it_and_keep_the_order_of_rank():
    model = build_model("MoSSe(outer)@NC")
    near = find_sites(model, "outer", near="Se")
    ranked = [site.frac_coords for site in find_sites(model, "outer")]
    assert [site.name for site in near] == [f"outer-near-Se-{i}" for i in range(1, len(near) + 1)]
    assert [ranked.index(site.frac_coords) for site in near] == sorted(
        ranked.index(site.frac_coords) for site in near
    )
    assert 0 < len(near) < len(ranked)
    for site in near:
        filled = insert_ion(model, site)
        assert "Se" in {close.specie.symbol for close in filled.get_neighbors(filled[-1], 3.75)}


def test_no_site_is_near_an_element_of_the_other_face_or_of_none(selenide):
    assert find_sites(selenide, "outer", near="Se") == []
    assert find_sites(selenide, "gallery", near="Se", max_sites=1)[0].above == "Mo-top"
    assert find_sites(selenide, "outer", near="O") == []
    with pytest.raises(InputError, match="no site near 'Mo': there are S, Se"):
        find_sites(selenide, "outer", near="Mo")


def test_gallery_opens_as_a_whole(selenide):
    site = find_sites(selenide, "gallery", max_sites=1)[0]
    filled = insert_ion(selenide, site)
    assert gap_between(filled, selenide.bottom, selenide.top) == pytest.approx(5.8)
    moves = filled.cart_coords[:-1] - selenide.structure.cart_coords
    assert np.abs(moves[list(selenide.bottom)]).max() < 1e-9
    assert moves[list(selenide.top)] == pytest.approx(np.tile([0, 0, 2.4], (21, 1)))


def test_ion_on_the_outer_face_leaves_the_host_alone(selenide):
    filled = insert_ion(selenide, find_sites(selenide, "outer")[0])
    assert filled.cart_coords[:-1] == pytest.approx(selenide.structure.cart_coords)


def test_another_gap_moves_the_ion_with_it(selenide):
    site = find_sites(selenide, "gallery", max_sites=1)[0]
    wide = insert_ion(selenide, site, gallery_gap=6.4)
    below, above = facing_planes(wide, selenide.bottom, selenide.top)
    assert above - below == pytest.approx(6.4)
    assert below + 2 < wide[-1].z < above - 2


def test_smaller_ion_sits_lower():
    model = build_model("MoS2@NC")
    heights = [find_sites(model, "outer", ion=ion)[0].height for ion in ("Li", "Na", "K")]
    assert heights == sorted(heights)
    assert heights[0] < heights[2] - 0.5


def test_score_does_not_ask_for_dopants_by_name(plain):
    # The same place in the pure and the doped model differs only through radii and positions.
    doped = build_model("MoS2@NC")
    pure = {site.frac_coords[:2]: site.score for site in candidate_sites(plain, "outer")}
    for site in candidate_sites(doped, "outer"):
        assert pure[site.frac_coords[:2]] == pytest.approx(site.score, abs=1e-9)


def test_order_of_the_hosts_atoms_does_not_matter(plain):
    turned = list(reversed(range(len(plain.structure))))
    shuffled = replace(
        plain,
        structure=type(plain.structure).from_sites([plain.structure[i] for i in turned]),
        bottom=tuple(turned.index(i) for i in plain.bottom),
        top=tuple(turned.index(i) for i in plain.top),
    )
    for region in ("gallery", "outer"):
        a, b = find_sites(plain, region), find_sites(shuffled, region)
        assert sorted((s.above, s.over, round(s.score, 6), s.multiplicity) for s in a) == sorted(
            (s.above, s.over, round(s.score, 6), s.multiplicity) for s in b
        )


def test_ion_inherits_freedom_when_the_host_is_partly_fixed(selenide):
    fixed = selenide.structure.copy()
    fixed.add_site_property("selective_dynamics", [[False] * 3] * len(fixed))
    model = replace(selenide, structure=fixed)
    filled = insert_ion(model, find_sites(model, "outer")[0])
    assert list(filled.site_properties["selective_dynamics"][-1]) == [True] * 3


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda m: find_sites(m, "inside"), InputError),
        (lambda m: find_sites(m, "outer", ion="Xe"), InputError),
        (lambda m: find_sites(m, "gallery", gallery_gap=1.0), InputError),
    ],
    ids=["region", "ion", "gap"],
)
def test_senseless_site_request_is_refused(plain, call, error):
    with pytest.raises(error):
        call(plain)


def test_too_little_vacuum_for_the_ion_is_refused():
    model = build_model("MoS2@NC", vacuum=16.0)
    with pytest.raises(StructureError, match="larger vacuum"):
        insert_ion(model, find_sites(model, "gallery", max_sites=1)[0])


def test_a_vacuum_made_small_on_purpose_has_room_for_the_ion():
    model = with_vacuum(build_model("MoS2@NC"), 14.0)
    for region in ("gallery", "outer"):
        filled = insert_ion(model, find_sites(model, region, max_sites=1)[0])
        assert 10.5 <= vacuum_of(filled) < 14.0
    tight = with_vacuum(model, 8.0)
    with pytest.raises(StructureError, match=r"less than 6\.0; build the model"):
        insert_ion(tight, find_sites(tight, "gallery", max_sites=1)[0])


def test_another_vacuum_moves_no_atom_against_another():
    model = build_model("MoSSe@NC")
    other = with_vacuum(model, 14.0)
    assert other.vacuum == pytest.approx(14.0)
    np.testing.assert_allclose(
        other.structure.distance_matrix, model.structure.distance_matrix, atol=1e-9
    )
    np.testing.assert_allclose(other.structure.cart_coords, model.structure.cart_coords, atol=1e-9)
