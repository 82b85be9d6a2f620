import numpy as np
import pytest

from heterofire.structures.checks import gap_between, shortest_distance, vacuum_of
from heterofire.structures.errors import InputError, StructureError
from heterofire.structures.layers import graphene, mx2_monolayer
from heterofire.structures.stacking import stack_layers

MATRICES = {"bottom_matrix": [[4, 2], [-2, 2]], "top_matrix": [[3, 1], [-1, 2]]}


def stack(**options):
    return stack_layers(graphene(), mx2_monolayer(a=3.16), **(MATRICES | options))


def test_stack_keeps_the_atoms_of_each_layer():
    built = stack()
    symbols = [site.specie.symbol for site in built.structure]
    assert [symbols[i] for i in built.bottom] == ["C"] * 24
    assert sorted(symbols[i] for i in built.top) == ["Mo"] * 7 + ["S"] * 14


def test_strained_film_has_the_bond_lengths_its_strain_gives():
    built = stack()
    bonds = [
        near.nn_distance
        for i in built.top
        if built.structure[i].specie.symbol == "Mo"
        for near in built.structure.get_neighbors(built.structure[i], 2.7)
    ]
    # Thickness kept (1.586 A), in-plane part 3.16/sqrt3 A stretched by 2.093 %.
    expected = np.hypot(1.5863, 3.16 / 3**0.5 * 1.020928)
    assert len(bonds) == 42
    assert bonds == pytest.approx([expected] * 42, abs=1e-3)


def test_substrate_keeps_its_bonds():
    assert shortest_distance(stack().structure).distance == pytest.approx(2.464 / 3**0.5, abs=1e-6)


def test_gap_and_vacuum_are_those_asked_for():
    built = stack(gap=3.1, vacuum=17.0)
    assert gap_between(built.structure, built.bottom, built.top) == pytest.approx(3.1)
    assert vacuum_of(built.structure) == pytest.approx(17.0)


def test_layer_on_itself_has_neither_strain_nor_twist():
    built = stack_layers(
        graphene(), graphene(), bottom_matrix=[[2, 1], [-1, 1]], top_matrix=[[2, 1], [-1, 1]]
    )
    assert built.top_strain.principal == pytest.approx((0, 0), abs=1e-12)
    assert built.twist_deg == pytest.approx(0, abs=1e-9)


def test_twisted_bilayer_has_the_known_angle():
    # (2,1)|(1,2) commensurate bilayer graphene: 21.79 degree, 28 atoms per cell of 7.
    built = stack_layers(
        graphene(), graphene(), bottom_matrix=[[3, 1], [-1, 2]], top_matrix=[[3, 2], [-2, 1]]
    )
    assert len(built.structure) == 28
    assert built.twist_deg == pytest.approx(21.787, abs=1e-3)
    assert built.top_strain.principal == pytest.approx((0, 0), abs=1e-12)


@pytest.mark.parametrize(("share", "bottom", "top"), [(1.0, 0, 0.0209), (0.0, -0.0205, 0)], ids=str)
def test_the_chosen_layer_takes_the_strain(share, bottom, top):
    built = stack(share=share)
    assert built.bottom_strain.largest == pytest.approx(bottom, abs=1e-4)
    assert built.top_strain.largest == pytest.approx(top, abs=1e-4)


def test_shared_strain_has_opposite_signs():
    built = stack(share=0.5)
    assert built.bottom_strain.largest < 0 < built.top_strain.largest


def test_shift_moves_only_the_top_layer():
    still, moved = stack(), stack(shift=(0.1, 0.2))
    difference = moved.structure.frac_coords - still.structure.frac_coords
    difference -= np.round(difference)
    assert np.abs(difference[list(still.bottom)]).max() < 1e-9
    assert difference[list(still.top)] == pytest.approx(np.tile([0.1, 0.2, 0], (21, 1)))


def test_turned_input_layer_changes_nothing_but_the_twist():
    turned = graphene()
    turned.apply_operation(rotation_about_z(17.0))
    built = stack_layers(turned, mx2_monolayer(a=3.16), **MATRICES)
    assert built.top_strain.principal == pytest.approx(stack().top_strain.principal, abs=1e-9)
    assert built.structure.lattice.abc == pytest.approx(stack().structure.lattice.abc)


def rotation_about_z(angle):
    from pymatgen.core import SymmOp

    return SymmOp.from_axis_angle_and_translation([0, 0, 1], angle)


@pytest.mark.parametrize(
    "bad",
    [
        {"gap": 0.0},
        {"vacuum": -1.0},
        {"top_matrix": [[1.5, 0], [0, 1]]},
        {"top_matrix": [[0, 1], [1, 0]]},
        {"share": 1.5},
    ],
    ids=["gap", "vacuum", "fraction", "left-handed", "share"],
)
def test_senseless_stack_is_refused(bad):
    with pytest.raises(InputError):
        stack(**bad)


def test_tilted_layer_is_refused():
    from heterofire.structures.crystals import build_crystal

    with pytest.raises(StructureError, match="c along z"):
        stack_layers(build_crystal("K2S", primitive=True), graphene(), **MATRICES)
