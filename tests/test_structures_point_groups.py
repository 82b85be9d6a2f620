"""Point groups of molecules, charged and radical ones among them."""

import numpy as np
import pytest
from ase.build import molecule
from scipy.spatial.transform import Rotation

from heterofire.structures.errors import InputError
from heterofire.structures.molecules import build_species, species_names
from heterofire.structures.point_groups import point_group

KNOWN = {"CH4": "Td", "C6H6": "D6h", "CO2": "D*h", "HCl": "C*v", "NH3": "C3v", "H2O": "C2v",
         "C60": "Ih", "C2H6": "D3d", "BF3": "D3h", "CH3CH2OH": "Cs"}  # fmt: skip


@pytest.mark.parametrize("name", KNOWN)
def test_groups_are_those_of_the_textbook(name):
    atoms = molecule(name)
    assert point_group(atoms.get_chemical_symbols(), atoms.positions) == KNOWN[name]


@pytest.mark.parametrize("name", species_names())
def test_every_species_has_the_group_that_is_stated_turned_or_not(name):
    species = build_species(name)
    assert species.point_group
    turned = Rotation.random(random_state=4).apply(species.positions)
    assert point_group(species.symbols, species.positions) == species.point_group
    assert point_group(species.symbols, turned) == species.point_group


def test_a_top_that_is_nearly_a_ball_keeps_its_axis():
    species = build_species("Li(CF3)")  # moments of inertia within 1 %
    noise = np.random.default_rng(1).normal(scale=2e-3, size=species.positions.shape)
    assert point_group(species.symbols, species.positions + noise) == "C3v"


def test_a_long_chain_that_is_bent_at_its_end_is_no_line():
    places = [[0, 0, 1.3 * i] for i in range(16)] + [[0.9, 0, -0.5]]
    assert point_group(["C"] * 16 + ["H"], places) == "Cs"


def test_no_atoms_and_no_tolerance_are_refused():
    with pytest.raises(InputError, match="0 elements"):
        point_group([], [])
    with pytest.raises(InputError, match="must be positive"):
        point_group(["H"], [[0, 0, 0]], tolerance=0)
