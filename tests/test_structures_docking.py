"""A molecule put on a molecule, on a cluster and on a slab; far apart; with counter-ions."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from heterofire.structures.catalogue import build_named
from heterofire.structures.complexes import add_ions, separate
from heterofire.structures.contacts import CLASH, closest_ratio
from heterofire.structures.docking import dock
from heterofire.structures.errors import InputError, StructureError
from heterofire.structures.molecules import build_species
from heterofire.structures.slab_docking import dock_on_slab
from heterofire.structures.species import Species


def distances(species, one, other):
    """Return all distances between two parts of a complex, (n, m)."""
    a, b = (species.positions[list(species.fragments[name])] for name in (one, other))
    return np.linalg.norm(a[:, None] - b[None], axis=2)


def turned(species, seed):
    """Return a species turned, moved and with its atoms in another order."""
    random = np.random.default_rng(seed)
    order = random.permutation(len(species.symbols))
    places = Rotation.random(random_state=seed).apply(species.positions)[order]
    return Species(
        name=species.name, symbols=tuple(species.symbols[i] for i in order),
        positions=places + 5 * random.normal(size=3), charge=species.charge,
        multiplicity=species.multiplicity,
    )  # fmt: skip


@pytest.fixture(scope="module")
def cluster():
    return build_species("NH2-MIL-101(Fe)")


@pytest.fixture(scope="module")
def composite(cluster):
    return dock(cluster, build_species("CoPc"), anchor="ring of the linker")[0]


@pytest.fixture(scope="module")
def lithium():
    return build_named("Li(001)").structure


# ---- on molecules and clusters -------------------------------------------------------------


@pytest.mark.parametrize(
    ("guest", "host", "anchor", "head", "least", "most"),
    [
        ("TFSI-", "NH2-MIL-101(Fe)", "open Fe", "O", 1.9, 2.4),
        ("LiTFSI", "NH2-MIL-101(Fe)", "open Fe", "O", 1.9, 2.4),
        ("TFSI-", "NH2-MIL-101(Fe)", "amine N", "O", 1.8, 2.4),
        ("LiTFSI", "NH2-MIL-101(Fe)", "amine N", "Li", 1.85, 2.3),
        ("TFSI-", "CoPc", "Co face", "O", 2.0, 2.5),
        ("C6H6", "C6H6", "C6 ring", "plane", 3.2, 3.6),
        ("C6H6", "CoPc", "Co face", "plane", 3.2, 3.6),
        ("C6H6", "NH2-MIL-101(Fe)", "ring of the linker", "plane", 3.2, 3.6),
    ],
    ids=str,
)  # fmt: skip
def test_heads_come_to_the_length_of_their_contact(guest, host, anchor, head, least, most):
    best = dock(build_species(host), build_species(guest), anchor=anchor, heads=(head,))[0]
    assert set(best.head.split("+")) == {head}
    assert least < best.distance < most
    assert best.clearance >= CLASH


def test_copc_lies_on_the_linker(composite):
    whole = composite.species
    assert whole.fragments["CoPc"] == tuple(range(48, 105))
    assert 3.2 < composite.distance < 3.6
    assert distances(whole, "NH2-MIL-101(Fe)", "CoPc").min() > 2.0


def test_charge_spins_moments_and_parts_add_up(cluster, composite):
    third = dock(composite.species, build_species("TFSI-"), anchor="open Fe", heads=("O",))[0]
    whole = third.species
    assert len(whole.symbols) == 120
    assert list(whole.fragments) == ["NH2-MIL-101(Fe)", "CoPc", "TFSI-"]
    assert (whole.charge, whole.multiplicity) == (-1, 7)
    assert sum(whole.moments) == pytest.approx(sum(cluster.moments) + 1)
    assert 1.9 < third.distance < 2.4


def test_nitrogen_that_its_own_arms_hold_off_is_said_to_be(cluster):
    best = dock(cluster, build_species("TFSI-"), anchor="open Fe", heads=("N",))[0]
    assert best.head == "N"
    assert best.distance > 2.4
    assert "N held off by other atoms" in best.words


def test_two_phthalocyanines_stack_slipped():
    molecule = build_species("CoPc")
    best = dock(molecule, molecule, anchor="macrocycle", n=2)
    assert all(3.2 < one.distance < 3.6 for one in best)
    cobalt = [i for i, s in enumerate(best[0].species.symbols) if s == "Co"]
    places = best[0].species.positions[cobalt]
    assert np.linalg.norm(places[0] - places[1]) > best[0].distance + 0.1
    assert list(best[0].species.fragments) == ["CoPc", "CoPc 2"]


def test_the_best_come_first_and_differ():
    found = dock(build_species("C6H6"), build_species("H2O"), anchor="C6 ring", n=4)
    scores = [one.score for one in found]
    assert len(found) > 1
    assert scores == sorted(scores, reverse=True)
    rows = [np.sort(distances(one.species, "C6H6", "H2O").ravel()) for one in found]
    assert all(abs(a - b).max() > 0.2 for a, b in itertools.pairwise(rows))


def test_the_same_question_has_the_same_answer():
    host, guest = build_species("C6H6"), build_species("LiTFSI")
    first, second = (dock(host, guest, anchor="pi", heads=("Li",))[0] for _ in range(2))
    np.testing.assert_array_equal(first.species.positions, second.species.positions)


@settings(max_examples=8, deadline=None)
@given(
    st.integers(0, 10**6),
    st.sampled_from(
        [("H2O", "C6H6", "C6 ring", "any"), ("H2O", "H3CNH2", "amine N", "O"),
         ("C6H6", "C6H6", "C6 ring", "plane"), ("SO2", "LiF", "open Li", "O")]
    ),
)  # fmt: skip
def test_turns_moves_and_the_order_of_atoms_change_nothing(seed, case):
    guest, host, anchor, head = case
    plain, other = (
        dock(h, g, anchor=anchor, heads=(head,))[0]
        for h, g in (
            (build_species(host), build_species(guest)),
            (turned(build_species(host), seed), turned(build_species(guest), seed + 1)),
        )
    )
    assert other.score == pytest.approx(plain.score, abs=0.02)
    assert other.distance == pytest.approx(plain.distance, abs=0.05)
    assert other.clearance >= CLASH


def test_a_given_distance_is_kept():
    water, ring = build_species("H2O"), build_species("C6H6")
    found = dock(ring, ring, anchor="C6 ring", heads=("plane",), distance=3.8)[0]
    assert found.distance == pytest.approx(3.8)
    bound = dock(build_species("LiF"), water, anchor="open Li", heads=("O",), distance=2.3)[0]
    assert bound.distance == pytest.approx(2.3)


# ---- bad input -----------------------------------------------------------------------------


def test_unknown_anchors_and_heads_are_refused_with_those_there_are():
    ring, water = build_species("C6H6"), build_species("H2O")
    with pytest.raises(InputError, match=r"no anchor 'open Fe'.*C6 ring"):
        dock(ring, water, anchor="open Fe")
    with pytest.raises(InputError, match=r"H2O has no head 'N': give elements of it \(H, O\)"):
        dock(ring, water, anchor="C6 ring", heads=("N",))
    with pytest.raises(InputError, match="0 placements"):
        dock(ring, water, anchor="C6 ring", n=0)


def test_a_place_that_cannot_be_reached_is_refused_with_numbers():
    ring = build_species("C6H6")
    with pytest.raises(StructureError, match=r"C6H6 finds no place at 'C6 ring' of C6H6: of \d+"):
        dock(ring, ring, anchor="C6 ring", heads=("plane",), distance=1.5)


# ---- on slabs ------------------------------------------------------------------------------


def test_tfsi_on_lithium_binds_by_oxygen_and_stays_above(lithium):
    best = dock_on_slab(lithium, build_species("TFSI-"), n=2)
    assert len(best) == 2
    for one in best:
        assert set(one.head.split("+")) <= {"O", "N"}
        assert 1.8 < one.distance < 2.2
        assert one.height > 0.5
        assert closest_ratio(one.structure, one.atoms)[0] >= CLASH
        assert one.species.charge == -1


def test_copc_lies_flat_on_lithium_apart_from_its_images(lithium):
    best = dock_on_slab(lithium, build_species("CoPc"), heads=("plane",))[0]
    z = best.structure.cart_coords[list(best.atoms), 2]
    assert np.ptp(z) < 0.5
    assert 2.0 < best.distance < 3.5
    held = best.structure.site_properties["selective_dynamics"]
    assert sum(not any(flags) for flags in held) == 25
    assert all(all(held[i]) for i in best.atoms)


def test_a_molecule_larger_than_the_cell_is_refused_with_numbers():
    sheet = build_named("C(002)").structure
    with pytest.raises(InputError, match=r"CoPc comes within .* in a cell of 12\.32 x 12\.32"):
        dock_on_slab(sheet, build_species("CoPc"), heads=("plane",))


# ---- apart, and with ions ------------------------------------------------------------------


def test_separate_parts_keep_their_shape_and_distance():
    ring, water = build_species("C6H6"), build_species("H2O")
    pair = separate(ring, water, 20.0)
    assert distances(pair, "C6H6", "H2O").min() == pytest.approx(20.0, abs=0.2)
    steps = np.diff(pair.positions[list(pair.fragments["H2O"])], axis=0)
    np.testing.assert_allclose(steps, np.diff(water.positions, axis=0), atol=1e-9)


@pytest.mark.parametrize(("name", "n"), [("TFSI-", 1), ("CF3SO2N(2-)", 2), ("PS4(3-)", 3)], ids=str)
def test_lithium_neutralises_an_anion_at_its_lone_pairs(name, n):
    neutral = add_ions(build_species(name), None, n)
    assert (neutral.charge, neutral.symbols.count("Li")) == (0, n)
    assert len(neutral.fragments) == n + 1
    for i, symbol in enumerate(neutral.symbols):
        if symbol == "Li":
            others = np.linalg.norm(neutral.positions - neutral.positions[i], axis=1)
            near = sorted(
                (d, s) for d, s in zip(others, neutral.symbols, strict=True) if 0 < d < 3.0
            )
            assert near[0][1] in ("O", "N", "F", "S")
            assert 1.75 < near[0][0] < 2.5


def test_ions_stay_at_the_part_they_are_asked_for(composite):
    third = dock(composite.species, build_species("TFSI-"), anchor="open Fe", heads=("O",))[0]
    neutral = add_ions(third.species, "TFSI-", 1)
    part = neutral.positions[list(neutral.fragments["TFSI-"])]
    assert np.linalg.norm(part - neutral.positions[-1], axis=1).min() < 2.2
    assert neutral.charge == 0
    with pytest.raises(InputError, match="no part 'K'; there are NH2-MIL"):
        add_ions(third.species, "K", 1)


def test_no_room_or_no_radius_for_ions_is_refused():
    with pytest.raises(StructureError, match="no room for 9 Li at F-"):
        add_ions(build_species("F-"), None, 9)
    with pytest.raises(InputError, match="no radius for ion 'Fe'"):
        add_ions(build_species("F-"), None, 1, ion="Fe")
