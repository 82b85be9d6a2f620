import numpy as np
import pytest

from heterofire.structures.catalogue import build_named, kinds_of, list_entries
from heterofire.structures.checks import facing_planes, vacuum_of
from heterofire.structures.errors import InputError
from heterofire.structures.models import (
    ALIASES,
    build_model,
    isolate_layer,
    model_names,
)

COUNTS = {
    ("MoS2@C", "quick"): "Mo7 S14 C24",
    ("MoS2@NC", "quick"): "Mo7 S14 C23 N1",
    ("MoSSe@NC", "quick"): "Mo7 S13 Se1 C23 N1",
    ("MoSSe(outer)@NC", "quick"): "Mo7 S13 Se1 C23 N1",
    ("MoS2@C", "paper"): "Mo13 S26 C42",
    ("MoS2@NC", "paper"): "Mo13 S26 C41 N1",
    ("MoSSe@NC", "paper"): "Mo13 S25 Se1 C41 N1",
    ("MoSSe(outer)@NC", "paper"): "Mo13 S25 Se1 C41 N1",
    ("MoSSe@NC", "converged"): "Mo13 S25 Se1 C41 N1",
}


def blocks(structure):
    """Return the composition block by block, as a POSCAR would have it."""
    found = []
    for site in structure:
        if not found or found[-1][0] != site.specie.symbol:
            found.append([site.specie.symbol, 0])
        found[-1][1] += 1
    return " ".join(f"{symbol}{n}" for symbol, n in found)


@pytest.mark.parametrize(("name", "size"), COUNTS, ids=lambda value: value)
def test_model_has_the_atoms_it_is_meant_to_have(name, size):
    model = build_model(name, size=size)
    assert blocks(model.structure) == COUNTS[name, size]
    assert sorted(model.bottom + model.top) == list(range(len(model.structure)))


@pytest.mark.parametrize("name", ["MoSSe@NC", "MoSSe(outer)@NC"])
@pytest.mark.parametrize("size", ["quick", "paper"])
def test_both_models_share_one_cell_and_all_other_atoms(size, name):
    sulfide, selenide = build_model("MoS2@NC", size=size), build_model(name, size=size)
    assert np.array_equal(sulfide.structure.lattice.matrix, selenide.structure.lattice.matrix)
    for element in ("Mo", "C", "N"):
        a, b = (
            np.array([site.coords for site in m.structure if site.specie.symbol == element])
            for m in (sulfide, selenide)
        )
        assert a == pytest.approx(b, abs=1e-12)


@pytest.mark.parametrize(
    ("size", "a", "strain", "twist"),
    [("quick", 8.5355, 0.0209, 10.893), ("paper", 11.2915, -0.0090, 3.004)],
    ids=["quick", "paper"],
)
def test_cell_strain_and_twist_are_those_of_the_known_matches(size, a, strain, twist):
    model = build_model("MoSSe@NC", size=size)
    assert model.structure.lattice.a == pytest.approx(a, abs=1e-4)
    assert model.structure.lattice.gamma == pytest.approx(120)
    assert model.top_strain.principal == pytest.approx((strain, strain), abs=1e-4)
    assert model.bottom_strain.principal == pytest.approx((0, 0), abs=1e-12)
    assert model.twist_deg == pytest.approx(twist, abs=1e-3)


@pytest.mark.parametrize(("size", "bond"), [("quick", 2.446), ("paper", 2.405)], ids=str)
def test_metal_sulfur_bonds_follow_from_the_strain(size, bond):
    structure = build_model("MoS2@NC", size=size).structure
    lengths = [
        near.nn_distance
        for site in structure
        if site.specie.symbol == "Mo"
        for near in structure.get_neighbors(site, 2.8)
    ]
    assert lengths == pytest.approx([bond] * len(lengths), abs=2e-3)


def test_carbon_keeps_the_bonds_of_graphite():
    structure = build_model("MoSSe@NC").structure
    carbon = [site for site in structure if site.specie.symbol in "CN"]
    lengths = [near.nn_distance for s in carbon for near in structure.get_neighbors(s, 1.6)]
    assert lengths == pytest.approx([2.464 / 3**0.5] * 72, abs=1e-6)


def test_selenium_bond_is_near_that_of_the_selenide():
    structure = build_model("MoSSe@NC", size="paper").structure
    selenium = next(site for site in structure if site.specie.symbol == "Se")
    lengths = [near.nn_distance for near in structure.get_neighbors(selenium, 2.8)]
    assert lengths == pytest.approx([2.46] * 3, abs=0.03)


@pytest.mark.parametrize("face", ["gallery", "outer"])
def test_selenium_faces_where_it_is_told(face):
    structure = build_model("MoSSe@NC", face=face).structure
    metal = np.mean([site.z for site in structure if site.specie.symbol == "Mo"])
    selenium = next(site.z for site in structure if site.specie.symbol == "Se")
    assert (selenium < metal) == (face == "gallery")


def test_the_name_says_which_face_the_selenium_is_on():
    assert build_model("MoSSe@NC", face="outer").name == "MoSSe(outer)@NC"
    assert build_model("MoSSe(outer)@NC", face="gallery").name == "MoSSe@NC"
    assert build_model("MoS2@NC", face="outer").name == "MoS2@NC"
    same = build_model("MoSSe(outer)@NC").structure, build_model("MoSSe@NC", face="outer").structure
    assert same[0] == same[1]


@pytest.mark.parametrize("size", ["quick", "paper"])
def test_selenium_on_the_outer_face_leaves_a_gallery_of_sulfur_and_carbon(size):
    gallery, outer = (build_model(name, size=size) for name in ("MoSSe@NC", "MoSSe(outer)@NC"))

    def planes(model):
        z = {"film": [], "gallery": []}
        _, above = facing_planes(model.structure, model.bottom, model.top)
        metal = np.mean([s.z for s in model.structure if s.specie.symbol == "Mo"])
        for i in model.top:
            site = model.structure[i]
            if site.specie.symbol != "Mo":
                z["gallery" if site.z < metal else "film"].append((site.z, site.specie.symbol))
        assert above == pytest.approx(min(z["gallery"])[0], abs=0.2)
        return [symbol for _, symbol in sorted(z["gallery"])], max(z["film"])[1]

    n = len(outer.top) // 3
    assert planes(outer) == (["S"] * n, "Se")
    assert planes(gallery) == (["Se"] + ["S"] * (n - 1), "S")


def test_selenium_of_both_faces_lies_over_the_same_place_near_nitrogen():
    found = []
    for name in ("MoSSe@NC", "MoSSe(outer)@NC"):
        structure = build_model(name).structure
        found.append(next(s.frac_coords for s in structure if s.specie.symbol == "Se"))
    assert found[0][:2] == pytest.approx(found[1][:2], abs=1e-9)


@pytest.mark.parametrize(("alias", "name"), ALIASES.items())
def test_other_names_build_the_same_model(alias, name):
    assert build_named(alias).name == name
    assert kinds_of(alias) == ("model",)


def test_gap_is_measured_between_planes_even_where_selenium_stands_out():
    for name in model_names():
        assert build_model(name).gap == pytest.approx(3.4, abs=1e-6)


def test_every_choice_of_dopants_is_another_structure():
    seen = {
        tuple(
            np.round(build_model("MoSSe@NC", nitrogen=n, selenium=s).structure.cart_coords, 3)
            .ravel()
            .tolist()
        )
        for n in range(2)
        for s in range(7)
    }
    assert len(seen) == 14


def test_selenium_choices_are_ordered_by_distance_from_nitrogen():
    def distance(choice):
        structure = build_model("MoSSe@NC", selenium=choice).structure
        nitrogen, selenium = (
            next(i for i, site in enumerate(structure) if site.specie.symbol == symbol)
            for symbol in ("N", "Se")
        )
        return round(float(structure.get_distance(nitrogen, selenium)), 6)

    distances = [distance(choice) for choice in range(7)]
    assert distances == sorted(distances)


@pytest.mark.parametrize("layer", ["bottom", "top"])
def test_isolated_layer_stays_in_place_and_cell(layer):
    model = build_model("MoS2@NC")
    alone = isolate_layer(model, layer)
    wanted = model.structure.cart_coords[list(getattr(model, layer))]
    assert alone.lattice == model.structure.lattice
    assert alone.cart_coords == pytest.approx(wanted)


def test_vacuum_can_be_chosen():
    assert vacuum_of(build_model("MoS2@NC", vacuum=25.0).structure) == pytest.approx(25.0)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("MoSe@NC", {}, r"did you mean MoSSe@NC\?.*Known: MoS2@C, MoS2@NC"),
        ("MoS2@NC", {"size": "huge"}, "Known: quick, paper, converged"),
        ("MoS2@NC", {"nitrogen": 8}, "there are 8 choices"),
        ("MoSSe@NC", {"selenium": -1}, "there are 7 choices"),
        ("MoSSe@NC", {"face": "left"}, "face is gallery"),
        ("MoS2@NC", {"vacuum": 0.0}, "must be positive"),
    ],
    ids=["name", "size", "nitrogen", "selenium", "face", "vacuum"],
)
def test_wrong_request_says_what_there_is(name, options, message):
    with pytest.raises(InputError, match=message):
        build_model(name, **options)


def test_list_holds_models_and_crystals_and_marks_the_hypothetical():
    entries = {entry.name: entry for entry in list_entries()}
    assert entries["MoSSe@NC"].kind == "model"
    assert "outer face" in entries["MoSSe(outer)@NC"].label
    assert not set(ALIASES) & set(entries)
    assert entries["K2S"].kind == "crystal"
    assert "hypothetical" in entries["Li2SO3_model"].label
