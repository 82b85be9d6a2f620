import numpy as np
import pytest
from pymatgen.core import Molecule
from pymatgen.symmetry.analyzer import PointGroupAnalyzer

from heterofire.structures.boxes import atom_in_box, molecule_in_box, s8_coordinates
from heterofire.structures.errors import InputError


def test_crown_has_the_point_group_and_bonds_of_s8():
    ring = Molecule(["S"] * 8, s8_coordinates())
    assert PointGroupAnalyzer(ring).sch_symbol == "D4d"
    assert [ring.get_distance(i, (i + 1) % 8) for i in range(8)] == pytest.approx([2.05] * 8)
    angles = [ring.get_angle(i, (i + 1) % 8, (i + 2) % 8) for i in range(8)]
    assert angles == pytest.approx([108.0] * 8)


def test_images_of_the_molecule_are_a_padding_apart():
    box = molecule_in_box("S8", padding=10.0)
    assert np.array(box.lattice.abc) - np.ptp(box.cart_coords, axis=0) == pytest.approx([10.0] * 3)
    assert box.cart_coords.min() > 4.9


def test_atom_box_is_slightly_noncubic_unless_asked():
    assert len({round(x, 6) for x in atom_in_box("K").lattice.abc}) == 3
    assert atom_in_box("K", 14.0, noncubic=False).lattice.abc == (14.0, 14.0, 14.0)


@pytest.mark.parametrize(
    "call",
    [
        lambda: atom_in_box("Kx"),
        lambda: atom_in_box("K", 3.0),
        lambda: molecule_in_box("S9"),
        lambda: molecule_in_box("S8", padding=1.0),
    ],
    ids=["element", "edge", "molecule", "padding"],
)
def test_senseless_box_is_refused(call):
    with pytest.raises(InputError):
        call()
