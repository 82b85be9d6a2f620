"""The named surfaces and heterostructures of the sulfide cathode."""

import itertools

import numpy as np
import pytest
from pymatgen.core import Composition, Lattice, Structure

from heterofire.structures.catalogue import build_named, list_entries, model_names
from heterofire.structures.checks import shortest_distance
from heterofire.structures.describe import describe, format_description
from heterofire.structures.errors import InputError
from heterofire.structures.models import isolate_layer, unstrain_layer
from heterofire.structures.sites import find_sites
from heterofire.structures.strain import strain_between

SIZES = ("quick", "paper", "converged")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    "name", ["Mo3Ni3N(221)", "C(002)", "Li2SO3(001)", "MoS2-MoN", "MoS2-Mo3Ni3N"]
)
def test_every_model_is_sane_and_has_room_above(name, size):
    model = build_named(name, size)
    assert shortest_distance(model.structure).distance > 1.4
    assert model.vacuum > 15
    symbols = [site.specie.symbol for site in model.structure]
    assert sum(a != b for a, b in itertools.pairwise(symbols)) == len(set(symbols)) - 1
    assert sorted((*model.bottom, *model.top)) == list(range(len(symbols)))


@pytest.mark.parametrize(
    ("name", "size", "atoms"),
    [("MoS2-MoN", "paper", 103), ("MoS2-Mo3Ni3N", "paper", 93), ("MoS2-Mo3Ni3N", "converged", 141),
     ("Mo3Ni3N(221)", "paper", 96), ("C(002)", "quick", 50)],
    ids=str,
)  # fmt: skip
def test_models_have_the_atoms_of_the_cells_chosen(name, size, atoms):
    assert len(build_named(name, size).structure) == atoms


def test_the_film_on_mon_is_strained_by_0_71_percent():
    model = build_named("MoS2-MoN", "paper")
    assert model.top_strain.principal == pytest.approx((0.0071, 0.0071), abs=1e-4)
    assert model.bottom_strain.principal == pytest.approx((0, 0), abs=1e-9)
    assert model.structure.composition == Composition("Mo45N32S26")


def test_the_film_on_the_221_plane_fits_by_area_only():
    model = build_named("MoS2-Mo3Ni3N", "paper")
    assert model.top_strain.area == pytest.approx(0.018, abs=1e-3)
    assert any("+2.4 %" in note for note in model.notes)


def test_layers_of_a_heterostructure_are_told_apart():
    model = build_named("MoS2-MoN")
    assert isolate_layer(model, "bottom").composition.reduced_formula == "MoN"
    assert isolate_layer(model, "top").composition.reduced_formula == "MoS2"
    z = model.structure.cart_coords[:, 2]
    assert z[list(model.bottom)].max() < z[list(model.top)].min()


def test_the_unstrained_film_has_its_own_lattice():
    model = build_named("MoS2-MoN", "paper")
    film = unstrain_layer(model, "top")
    assert film.lattice.a == pytest.approx(13**0.5 * 3.16, rel=1e-6)
    common = model.structure.lattice.matrix[:2, :2]
    strain = strain_between(film.lattice.matrix[:2, :2], common)
    assert strain.principal == pytest.approx(model.top_strain.principal, abs=1e-9)


def test_the_paper_s_name_stands_beside_the_phase():
    model = build_named("Mo3Ni3N(221)")
    assert model.structure.composition.reduced_composition == Composition("Mo3Ni2N")
    assert "Mo3Ni2N (P4_132)" in model.label
    assert any("Ni3Mo3N_eta6" in note for note in model.notes)


def test_half_of_the_nitride_is_held():
    model = build_named("Mo3Ni3N(221)", "paper")
    flags = np.array(model.structure.site_properties["selective_dynamics"])
    assert (~flags.any(axis=1)).sum() == 48


def test_the_hypothetical_sulfite_is_marked_everywhere():
    model = build_named("Li2SO3(001)")
    assert model.name.endswith("hypothetical")
    assert "hypothetical" in model.label
    assert "HYPOTHETICAL" in format_description(describe(model))
    labels = {entry.name: entry.label for entry in list_entries()}
    assert "hypothetical" in labels["Li2SO3(001)"]
    assert "hypothetical" in labels["Li2SO3_model"]


def test_a_measured_sulfite_wins_and_is_not_marked():
    measured = Structure.from_spacegroup(
        "P-3", Lattice.hexagonal(4.9, 6.2), ["Li", "Li", "Li", "S", "O"],
        [[0, 0, 0], [0, 0, 0.5], [1 / 3, 2 / 3, 0.74], [1 / 3, 2 / 3, 0.18], [0.64, 0.92, 0.28]],
    )  # fmt: skip
    model = build_named("Li2SO3(001)", "quick", {"Li2SO3_model": measured})
    assert model.name == "Li2SO3(001)"
    assert "hypothetical" not in model.label.lower()
    assert model.structure.lattice.a == pytest.approx(2 * 4.9)


def test_an_ion_finds_sites_on_a_slab_that_has_no_gallery():
    model = build_named("Li2SO3(001)")
    assert find_sites(model, "outer", ion="Li", max_sites=2)
    with pytest.raises(InputError, match="no gallery"):
        find_sites(model, "gallery", ion="Li")


def test_unknown_models_are_refused_with_a_suggestion():
    with pytest.raises(InputError, match="did you mean"):
        build_named("MoS2-Mo3N")
    assert len(set(model_names())) == len(model_names())
