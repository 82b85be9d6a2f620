"""NH2-MIL-101(Fe) clusters: lengths and angles as stated, atoms, charge, spin, names."""

import numpy as np
import pytest
from ase import Atoms

from heterofire.structures.contacts import bonding_distance
from heterofire.structures.errors import InputError
from heterofire.structures.mof_clusters import (
    build_cluster,
    build_cluster_named,
    cluster_names,
    formal_charge,
)
from heterofire.structures.molecules import build_species, species_names
from heterofire.structures.species import box_species

# Of the default cluster: pairs and triples by their index, Angstrom and degrees.
LENGTHS = {
    "Fe-mu3O": (0, 1, 1.91),
    "Fe-Fe": (1, 2, 3.308),
    "Fe-O carboxylate": (1, 4, 2.02),
    "C-O": (4, 6, 1.26),
    "O..O of a carboxylate": (4, 5, 2.23),
    "carboxyl to aryl": (6, 7, 1.49),
    "aryl": (7, 8, 1.395),
    "C-N": (8, 13, 1.37),
    "N-H": (13, 14, 1.01),
    "C-H": (9, 16, 1.09),
    "aryl to acid": (10, 19, 1.49),
    "C=O": (19, 20, 1.21),
    "C-OH": (19, 21, 1.35),
    "O-H": (21, 22, 0.97),
    "C-H of formate": (25, 26, 1.10),
    "Fe-OH2": (2, 43, 2.08),
    "Fe-OH": (3, 46, 1.85),
}
ANGLES = {
    "O-C-O": (4, 6, 5, 124.5),
    "C-C-N": (7, 8, 13, 120.0),
    "H-N-H": (14, 13, 15, 120.0),
    "C-O-H": (19, 21, 22, 120.0),
    "H-O-H": (44, 43, 45, 106.3),
    "Fe-O-H": (3, 46, 47, 110.5),
    "mu3O-Fe-O carboxylate": (0, 1, 4, 93.8),
    "O-Fe-O above and below": (4, 1, 31, 98.8),
}


def atoms_of(species):
    return Atoms(species.symbols, species.positions)


@pytest.fixture(scope="module")
def default():
    return build_cluster()


@pytest.mark.parametrize(("i", "j", "length"), LENGTHS.values(), ids=LENGTHS)
def test_a_length_is_as_stated(default, i, j, length):
    assert atoms_of(default).get_distance(i, j) == pytest.approx(length, abs=0.002)


@pytest.mark.parametrize(("i", "j", "k", "degrees"), ANGLES.values(), ids=ANGLES)
def test_an_angle_is_as_stated(default, i, j, k, degrees):
    assert atoms_of(default).get_angle(i, j, k) == pytest.approx(degrees, abs=0.3)


def test_the_carboxylates_are_tilted_by_50_to_52_degrees(default):
    axis = default.positions[7] - default.positions[6]
    tilt = np.degrees(np.arctan2(axis[2], np.hypot(*axis[:2])))
    assert 50 <= tilt <= 52.001


def test_the_linker_is_planar_with_its_amine_beside_the_carboxylate(default):
    flat = default.positions[4:23] - default.positions[6]
    assert np.linalg.svd(flat)[1][2] < 1e-9
    neighbours = np.linalg.norm(default.positions - default.positions[8], axis=1)
    assert default.symbols[13] == "N"
    assert set(np.flatnonzero(neighbours < 1.45)) == {7, 8, 9, 13}  # ortho to the carboxyl's C7


@pytest.mark.parametrize(
    ("linkers", "cap", "n_atoms"),
    [
        (0, "open", 33), (0, "water", 36), (1, "open", 48), (1, "water", 51),
        (2, "open", 63), (2, "water", 66), (6, "open", 123), (6, "water", 126),
    ],
)  # fmt: skip
@pytest.mark.parametrize(("spin", "multiplicity"), [("af", 6), ("fm", 16)])
def test_a_variant_has_its_atoms_and_is_neutral(linkers, cap, n_atoms, spin, multiplicity):
    cluster = build_cluster(linkers, cap=cap, spin=spin)
    assert (len(cluster.symbols), cluster.charge) == (n_atoms, 0)
    assert cluster.multiplicity == multiplicity  # Species refuses a wrong parity
    assert sum(cluster.moments) + 1 == multiplicity
    assert cluster.symbols.count("N") == linkers
    coordination = [n_near_oxygens(cluster, i) for i in (1, 2, 3)]
    assert coordination == [5 if cap == "open" else 6, 6, 6]


def n_near_oxygens(cluster, iron):
    """Count O at a distance that Fe-O in such clusters has."""
    distances = np.linalg.norm(cluster.positions - cluster.positions[iron], axis=1)
    near = [d for d, s in zip(distances, cluster.symbols, strict=True) if s == "O" and d < 2.6]
    assert all(1.849 < d < 2.15 for d in near)
    return len(near)


@pytest.mark.parametrize("name", cluster_names())
def test_no_variant_has_atoms_too_close(name):
    cluster = build_cluster_named(name)
    n = len(cluster.symbols)
    distances = np.linalg.norm(cluster.positions[:, None] - cluster.positions[None], axis=2)
    for i in range(n):
        for j in range(i):
            pair = cluster.symbols[i], cluster.symbols[j]
            ratio = distances[i, j] / bonding_distance(*pair)
            # A bond, or well apart: Fe-Fe across the bridges is the nearest of these.
            assert 0.85 < ratio < 1.08 or ratio > 1.2, (pair, i, j, distances[i, j])


def test_linkers_of_a_supertetrahedron_leave_the_open_iron_at_about_60_degrees():
    cluster = build_cluster(2)
    first, second = (cluster.positions[i + 13] - cluster.positions[i] for i in (6, 25))
    cosine = first @ second / np.linalg.norm(first) / np.linalg.norm(second)
    assert 60 < np.degrees(np.arccos(cosine)) < 65


@pytest.mark.parametrize("minority", [0, 1, 2])
def test_any_iron_can_be_the_minority_one(minority):
    moments = build_cluster(minority=minority).moments[1:4]
    assert [i for i, m in enumerate(moments) if m < 0] == [minority]


def test_without_hydroxide_the_cluster_is_a_cation_of_the_same_spin():
    cation = build_cluster(hydroxide=False)
    assert (cation.charge, cation.multiplicity, len(cation.symbols)) == (1, 6, 49)
    assert formal_charge(n_hydroxide=0) == 1


def test_moments_follow_the_iron_into_the_box(default):
    boxed = box_species(default)
    iron = [i for i, site in enumerate(boxed.structure) if site.specie.symbol == "Fe"]
    assert [boxed.moments[i] for i in iron] == [5, 5, -5]


def test_clusters_are_species():
    assert set(cluster_names()) < set(species_names())
    assert len(set(cluster_names())) == 16
    assert len(build_species("NH2-MIL-101(Fe) 6 linkers capped fm").symbols) == 126


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"linkers": 3}, "linkers 3 .* 0, 1, 2, 6"),
        ({"cap": "acetone"}, "cap 'acetone' .* open, water"),
        ({"spin": "nm"}, "spin 'nm' .* af, fm"),
        ({"minority": 3}, "minority 3 .* 0, 1, 2"),
    ],
)
def test_what_there_is_not_is_refused(options, words):
    with pytest.raises(InputError, match=words):
        build_cluster(**options)


def test_an_unknown_name_is_refused_with_the_nearest_ones():
    with pytest.raises(InputError, match=r"did you mean NH2-MIL-101\(Fe\)"):
        build_species("NH2-MIL101(Fe)")
    with pytest.raises(InputError, match="no cluster named"):
        build_cluster_named("MOF-5")
