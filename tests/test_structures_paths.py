from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.core import Lattice, Structure

from heterofire.structures.checks import shortest_distance
from heterofire.structures.crystals import build_crystal
from heterofire.structures.edits import remove_one, supercell
from heterofire.structures.errors import InputError, StructureError
from heterofire.structures.hops import KINDS, build_hop
from heterofire.structures.models import build_model
from heterofire.structures.paths import check_endpoints, displacements, hopping_atoms, interpolate

MODEL = build_model("MoSSe@NC")
HOPS = {kind: build_hop(MODEL, kind) for kind in KINDS}


def moved(structure, atom, by):
    other = structure.copy()
    other.translate_sites([atom], by, frac_coords=False, to_unit_cell=False)
    return other


@pytest.mark.parametrize("method", ["idpp", "linear"])
@pytest.mark.parametrize("kind", KINDS)
def test_path_keeps_its_ends_atoms_and_distances(kind, method):
    hop = HOPS[kind]
    path = interpolate(hop.initial, hop.final, 5, method=method)
    assert len(path) == 7
    assert path[0].cart_coords == pytest.approx(hop.initial.cart_coords)
    assert displacements(path[-1], hop.final) == pytest.approx(np.zeros((46, 3)), abs=1e-9)
    for image in path:
        assert [s.specie for s in image] == [s.specie for s in hop.initial]
        assert shortest_distance(image).distance > 1.2


@pytest.mark.parametrize("kind", KINDS)
def test_images_are_evenly_spaced_without_jumps(kind):
    hop = HOPS[kind]
    path = interpolate(hop.initial, hop.final, 5)
    ions = np.array([image[-1].coords for image in path])
    steps = np.linalg.norm(np.diff(ions, axis=0), axis=1)
    assert steps.max() < 1.5 * steps.min()
    assert steps.sum() < 1.3 * hop.distance


def test_idpp_keeps_the_ion_farther_from_the_host_than_a_straight_line():
    hop = HOPS["surface"]

    def nearest(method):
        image = interpolate(hop.initial, hop.final, 3, method=method)[2]
        return min(image.get_distance(45, i) for i in range(45))

    assert nearest("idpp") > nearest("linear") + 0.1


def test_path_back_is_the_path_reversed():
    hop = HOPS["surface"]
    there = interpolate(hop.initial, hop.final, 3)
    back = interpolate(hop.final, hop.initial, 3)
    for image, mirrored in zip(there, reversed(back), strict=True):
        assert np.abs(displacements(image, mirrored)).max() < 0.02


def test_path_crosses_the_cell_face_the_short_way():
    host = [[5.0, 5.0, 0.0], [5.0, 5.0, 9.0]]
    ends = [
        Structure(Lattice.cubic(10), ["S", "S", "K"], [*host, [x, 5, 4]], coords_are_cartesian=True)
        for x in (9.0, 1.0)
    ]
    path = interpolate(*ends, 3, method="linear")
    assert [round(image[-1].coords[0], 6) for image in path] == [9.0, 9.5, 10.0, 10.5, 11.0]


@given(st.tuples(*[st.floats(-1, 1)] * 3), st.integers(-2, 2), st.integers(-2, 2))
@settings(max_examples=10, deadline=None)
def test_path_does_not_depend_on_origin_or_on_the_image_an_end_is_written_in(shift, i, j):
    hop = HOPS["gallery"]
    initial, final = hop.initial.copy(), hop.final.copy()
    everywhere = list(range(len(initial)))
    for end in (initial, final):
        end.translate_sites(everywhere, shift, to_unit_cell=False)
    final.translate_sites([45], [i, j, 0], to_unit_cell=False)
    reference = interpolate(hop.initial, hop.final, 1)[1]
    found = interpolate(initial, final, 1)[1]
    found.translate_sites(everywhere, [-s for s in shift], to_unit_cell=False)
    assert np.abs(displacements(reference, found)).max() < 5e-3


def test_selective_dynamics_are_kept_in_every_image():
    hop = HOPS["surface"]
    flags = [[i % 2 == 0] * 3 for i in range(46)]
    initial = hop.initial.copy(site_properties={"selective_dynamics": flags})
    for image in interpolate(initial, hop.final, 2):
        assert [list(f) for f in image.site_properties["selective_dynamics"]] == flags


def test_vacancy_hop_needs_no_ion_to_be_named():
    metal = supercell(build_crystal("Mo_bcc"), (3, 3, 3))
    initial = remove_one(metal, "Mo")
    jumper = int(np.argmin([site.distance(metal[0]) for site in initial]))
    final = initial.copy()
    final.replace(jumper, "Mo", metal[0].frac_coords)
    path = interpolate(initial, final, 1)
    assert shortest_distance(path[1]).distance > 2.0
    assert np.linalg.norm(displacements(*path[::2]), axis=1).argmax() == jumper


def test_relaxed_gallery_that_closes_is_accepted():
    # The ion leaves the gallery, the film falls back by 2.4 Angstrom as a whole.
    hop = HOPS["through-layer"]
    final = hop.final.copy()
    final.translate_sites([*MODEL.top, 45], [0, 0, -2.4], frac_coords=False, to_unit_cell=False)
    check_endpoints(hop.initial, final)
    assert len(interpolate(hop.initial, final, 5)) == 7


def test_renumbered_atoms_are_named():
    hop = HOPS["surface"]
    final = hop.final.copy()
    a, b = final[7].frac_coords.copy(), final[9].frac_coords.copy()
    final.replace(7, "S", b)
    final.replace(9, "S", a)
    with pytest.raises(StructureError, match=r"2 atoms .* S8 -> S10, S10 -> S8"):
        check_endpoints(hop.initial, final)


def test_host_atom_that_leaves_its_place_is_named():
    hop = HOPS["surface"]
    with pytest.raises(StructureError, match=r"too far: Se21 by 1\.62 "):
        check_endpoints(hop.initial, moved(hop.final, 20, [0, 0, 1.7]))
    check_endpoints(hop.initial, moved(hop.final, 20, [0, 0, 0.5]))
    check_endpoints(hop.initial, moved(hop.final, 20, [0, 0, 1.7]), hopping=[20, 45])


def test_other_order_of_elements_is_refused():
    hop = HOPS["surface"]
    other = type(hop.final).from_sites([hop.final[i] for i in [45, *range(45)]])
    with pytest.raises(StructureError, match="atom 1 is Mo in the first end point and K"):
        check_endpoints(hop.initial, other)


def test_other_number_of_atoms_is_refused():
    with pytest.raises(StructureError, match="46 and 45 atoms"):
        check_endpoints(HOPS["surface"].initial, MODEL.structure)


def test_other_cell_is_refused():
    hop = HOPS["surface"]
    stretched = hop.final.copy()
    stretched.apply_strain([0.01, 0, 0])
    with pytest.raises(StructureError, match="ISIF = 2"):
        check_endpoints(hop.initial, stretched)


def test_straight_path_through_an_atom_is_refused_with_a_way_out():
    ends = [
        Structure(Lattice.cubic(12), ["S", "K"], [[6, 6, 6], [x, 6, 6]], coords_are_cartesian=True)
        for x in (3.0, 9.0)
    ]
    with pytest.raises(StructureError, match=r"image 02 of the linear path.*K2.*method='idpp'"):
        interpolate(*ends, 3, method="linear")


@pytest.mark.parametrize("bad", [{"n_images": 0}, {"n_images": 3, "method": "spline"}], ids=str)
def test_senseless_path_is_refused(bad):
    with pytest.raises(InputError):
        interpolate(HOPS["surface"].initial, HOPS["surface"].final, **bad)


@pytest.mark.parametrize("n_images", [3, 7])
@pytest.mark.parametrize("name", ["MoS2@NC", "MoSSe@NC"])
def test_what_gives_way_stays_on_its_side_from_image_to_image(name, n_images):
    hop = build_hop(build_model(name), "through-layer")
    images = interpolate(hop.initial, hop.final, n_images)
    (ion,) = hopping_atoms(hop.initial, hop.final)
    for before, after in pairwise(images):
        moved = np.linalg.norm(after.cart_coords - before.cart_coords, axis=1)
        assert np.delete(moved, ion).max() < 1.0
    nearest = [np.delete(image.distance_matrix[ion], ion).min() for image in images]
    assert min(nearest) > 2.5  # on the straight way 1.9


def test_the_ring_opens_for_an_ion_that_passes_through_it():
    hop = build_hop(build_model("MoS2@NC"), "through-layer")
    straight = interpolate(hop.initial, hop.final, 3, method="linear")
    path = interpolate(hop.initial, hop.final, 3)
    nearest = [
        min(image[-1].distance(site) for site in image[:-1]) for image in (straight[2], path[2])
    ]
    assert nearest[0] < 2.0
    assert nearest[1] > 2.5


def test_atoms_that_are_held_do_not_give_way():
    hop = build_hop(build_model("MoS2@NC"), "through-layer")
    initial = hop.initial.copy()
    held = [[site.specie.symbol == "K"] * 3 for site in initial]
    initial.add_site_property("selective_dynamics", held)
    for image in interpolate(initial, hop.final, 3)[1:-1]:
        for before, after in zip(initial[:-1], image[:-1], strict=True):
            assert np.allclose(before.coords, after.coords)
