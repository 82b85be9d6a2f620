"""Where a molecule or cluster can hold another one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from heterofire.structures.anchors import find_anchors, pick_anchor, pick_anchors
from heterofire.structures.errors import InputError
from heterofire.structures.molecules import build_species
from heterofire.structures.species import Species


def pyramid(metal="Fe", bond=2.0):
    """Return a metal with four ligands in a plane and one below it."""
    ligands = bond * np.array([[1, 0, 0], [0, 1, 0], [-1, 0, 0], [0, -1, 0], [0, 0, -1.0]])
    return Species(
        name="pyramid", symbols=(metal, *"OOOOO"), positions=np.vstack([np.zeros(3), ligands]),
        charge=0, multiplicity=1,
    )  # fmt: skip


def square(metal="Co"):
    """Return a metal amid four nitrogens, each of them with a hydrogen behind it."""
    arms = np.array([[1, 0, 0], [0, 1, 0], [-1, 0, 0], [0, -1, 0.0]])
    return Species(
        name="square", symbols=(metal, *"NNNNHHHH"),
        positions=np.vstack([np.zeros(3), 1.92 * arms, 2.93 * arms]), charge=0, multiplicity=2,
    )  # fmt: skip


def test_a_metal_with_five_ligands_is_open_opposite_to_them():
    anchor = pick_anchor(pyramid(), "open Fe")
    assert (anchor.kind, anchor.atoms, anchor.two_sided) == ("open metal", (0,), False)
    np.testing.assert_allclose(anchor.direction, [0, 0, 1], atol=1e-9)


def test_a_metal_with_six_ligands_is_not_open():
    whole = pyramid()
    full = Species(
        name="full", symbols=(*whole.symbols, "O"),
        positions=np.vstack([whole.positions, [0, 0, 2.0]]), charge=0, multiplicity=1,
    )  # fmt: skip
    assert not [a for a in find_anchors(full) if a.kind in ("open metal", "metal centre")]


def test_a_metal_in_a_plane_is_free_on_both_faces():
    anchor = pick_anchor(square(), "Co face")
    assert anchor.two_sided
    assert abs(anchor.direction[2]) == pytest.approx(1.0)


def test_rings_have_their_normal_and_middle():
    anchor = pick_anchor(build_species("C6H6"), "C6 ring")
    assert abs(anchor.direction[2]) == pytest.approx(1.0)
    np.testing.assert_allclose(anchor.point, 0, atol=1e-6)


def test_a_tetrahedron_and_a_chain_have_no_rings():
    for name in ("CH4", "trans-butane", "PS4(3-)"):
        assert not [a for a in find_anchors(build_species(name)) if a.kind == "pi"]


def test_an_amine_looks_along_its_hydrogens():
    methylamine = build_species("H3CNH2")
    anchor = pick_anchor(methylamine, "amine N")
    nitrogen = methylamine.symbols.index("N")
    carbon = methylamine.positions[methylamine.symbols.index("C")]
    assert anchor.atoms[0] == nitrogen
    assert anchor.direction @ (carbon - methylamine.positions[nitrogen]) < 0


def test_single_atoms_are_numbered_by_element():
    water = build_species("H2O")
    assert pick_anchor(water, "H2").atoms == (2,)
    assert pick_anchor(water, "O1").direction @ (water.positions[1] - water.positions[0]) < 0


def test_an_unknown_anchor_is_refused_with_those_there_are():
    with pytest.raises(InputError, match=r"no anchor 'open Co'.*There are open Fe, single atoms"):
        pick_anchors(pyramid(), "open Co")


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(["C6H6", "H3CNH2", "H2O", "C5H5N", "C4H4NH"]))
def test_anchors_turn_with_the_molecule_and_do_not_depend_on_the_order_of_atoms(seed, name):
    random = np.random.default_rng(seed)
    plain = build_species(name)
    order = random.permutation(len(plain.symbols))
    turn = Rotation.random(random_state=seed % 2**31)
    move = random.normal(size=3) * 10
    turned = Species(
        name=name, symbols=tuple(plain.symbols[i] for i in order),
        positions=turn.apply(plain.positions)[order] + move, charge=0, multiplicity=1,
    )  # fmt: skip
    first, second = (
        {(a.kind, tuple(sorted(a.atoms))): a for a in find_anchors(s)} for s in (plain, turned)
    )
    back = {tuple(sorted(int(order[i]) for i in atoms)): a for (_, atoms), a in second.items()
            if len(atoms) > 1}  # fmt: skip
    for (kind, atoms), anchor in first.items():
        if len(atoms) == 1:
            continue
        other = back[atoms]
        assert other.kind == kind
        np.testing.assert_allclose(other.point, turn.apply(anchor.point) + move, atol=1e-6)
        along = other.direction @ turn.apply(anchor.direction)
        assert (abs(along) if anchor.two_sided else along) == pytest.approx(1, abs=1e-6)
