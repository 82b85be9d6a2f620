"""Charges of ligands and missing hydrogen, on the molecules of ASE's G2 set."""

import numpy as np
import pytest
from ase.build import molecule
from ase.collections import g2
from pymatgen.core import Lattice, Structure

from heterofire.structures.crystal_bonds import HERE, find_bonds
from heterofire.structures.errors import StructureError
from heterofire.structures.formal_charges import charged_groups
from heterofire.structures.hydrogens import check_hydrogens

ELEMENTS = set("CHNOFPS") | {"Si", "Cl"}
# No Lewis structure with whole bonds, or a bond beyond the rules' reach.
ODD = {"CS", "SiO", "F2", "CH2_s1A1d", "SiH2_s1A1d"}


def closed_shells():
    for name in g2.names:
        atoms = molecule(name)
        is_radical = np.abs(atoms.get_initial_magnetic_moments()).sum() > 0
        if set(atoms.get_chemical_symbols()) <= ELEMENTS and not is_radical and name not in ODD:
            yield name


def bonds_of(symbols, positions):
    return find_bonds(
        Structure(Lattice.cubic(16), symbols, positions + 8, coords_are_cartesian=True)
    )


def ligand_of(bonds):
    return [(i, HERE) for i, metal in enumerate(bonds.is_metal) if not metal]


def charge(bonds):
    return sum(group.charge for group in charged_groups(bonds, ligand_of(bonds)))


@pytest.mark.parametrize("name", closed_shells())
def test_a_neutral_molecule_lacks_no_hydrogen_and_has_no_charge(name):
    atoms = molecule(name)
    bonds = bonds_of(atoms.get_chemical_symbols(), atoms.positions)
    check_hydrogens(bonds, ligand_of(bonds))
    assert charge(bonds) == 0


def zinc_instead_of_hydrogen(name, bearer):
    """Return a molecule with Zn 2.0 Angstrom from the last atom of an element that bears H."""
    atoms = molecule(name)
    symbols = atoms.get_chemical_symbols()
    pairs = [
        (i, j)
        for i, one in enumerate(symbols)
        for j, other in enumerate(symbols)
        if (one, other) == (bearer, "H") and atoms.get_distance(i, j) < 1.5
    ]
    i, j = pairs[-1]
    along = atoms.positions[j] - atoms.positions[i]
    atoms.positions[j] = atoms.positions[i] + 2.0 * along / np.linalg.norm(along)
    symbols[j] = "Zn"
    return bonds_of(symbols, atoms.positions)


@pytest.mark.parametrize(
    ("name", "bearer", "group"),
    [
        ("HCOOH", "O", "carboxylate"),
        ("CH3COOH", "O", "carboxylate"),
        ("CH3OH", "O", "phenolate or alkoxide"),
        ("H2O", "O", "hydroxide"),
        ("C4H4NH", "N", "azolate"),
        ("CH3SH", "S", "thiolate"),
        ("CH3CONH2", "N", None),  # a C-N of 1.36 with one H left: H is missing
        ("HCl", "Cl", "halide"),
        ("HCN", "C", "cyanide"),
    ],
)
def test_a_proton_less_is_a_charge_of_minus_one(name, bearer, group):
    bonds = zinc_instead_of_hydrogen(name, bearer)
    groups = charged_groups(bonds, ligand_of(bonds))
    if group is not None:
        assert [(g.name, g.charge) for g in groups] == [(group, -1)]
        check_hydrogens(bonds, ligand_of(bonds))


def with_zinc_at(name, symbol):
    """Return a molecule whose first atom of an element has Zn 1.95 Angstrom off, away from it."""
    atoms = molecule(name)
    symbols = atoms.get_chemical_symbols()
    i = symbols.index(symbol)
    away = atoms.positions[i] - atoms.get_center_of_mass()
    zinc = atoms.positions[i] + 1.95 * away / np.linalg.norm(away)
    return bonds_of([*symbols, "Zn"], np.vstack([atoms.positions, zinc]))


@pytest.mark.parametrize(
    ("name", "symbol"), [("C5H5N", "N"), ("NH3", "N"), ("CH3CN", "N"), ("H2CO", "O"), ("CO", "C")]
)
def test_a_neutral_donor_stays_neutral_on_a_metal(name, symbol):
    bonds = with_zinc_at(name, symbol)
    assert bonds.metals_at((bonds.symbols.index(symbol), HERE))
    assert charge(bonds) == 0


def test_a_porphyrin_like_core_has_lost_two_protons():
    # Four pyrrole rings around one metal, upright so that their H keep apart.
    pyrrole = molecule("C4H4NH")
    symbols = pyrrole.get_chemical_symbols()
    nitrogen = symbols.index("N")
    hydrogen = min(
        (i for i, s in enumerate(symbols) if s == "H"),
        key=lambda i: pyrrole.get_distance(nitrogen, i),
    )
    inward = pyrrole.positions[hydrogen] - pyrrole.positions[nitrogen]
    metal = pyrrole.positions[nitrogen] + 2.0 * inward / np.linalg.norm(inward)
    del pyrrole[hydrogen]
    pyrrole.positions -= metal
    normal = np.cross(pyrrole.positions[0], pyrrole.positions[1])
    axis = np.cross(normal, inward)
    all_symbols, places = ["Co"], [np.zeros((1, 3))]
    for k in range(4):
        ring = pyrrole.copy()
        ring.rotate(90 * k, axis)
        all_symbols += ring.get_chemical_symbols()
        places.append(ring.positions)
    assert charge(bonds_of(all_symbols, np.vstack(places))) == -2


def shapes(name):
    """Return oxo-anions as symbols and positions."""
    tetrahedron = np.array([[1, 1, 1], [-1, -1, 1], [-1, 1, -1], [1, -1, -1]]) / np.sqrt(3)
    triangle = np.array([[1, 0, 0], [-0.5, 0.866, 0], [-0.5, -0.866, 0]])
    centre, length, ends, corners = {
        "nitrate": ("N", 1.25, "OOO", triangle),
        "carbonate": ("C", 1.29, "OOO", triangle),
        "sulfate": ("S", 1.48, "OOOO", tetrahedron),
        "phosphate": ("P", 1.54, "OOOO", tetrahedron),
        "perchlorate": ("Cl", 1.44, "OOOO", tetrahedron),
        "tetrafluoroborate": ("B", 1.39, "FFFF", tetrahedron),
        "ammonium": ("N", 1.02, "HHHH", tetrahedron),
    }[name]
    return [centre, *ends], np.vstack([np.zeros(3), length * corners])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("nitrate", -1), ("carbonate", -2), ("sulfate", -2), ("phosphate", -3),
        ("perchlorate", -1), ("tetrafluoroborate", -1), ("ammonium", 1),
    ],
)  # fmt: skip
def test_an_ion_in_the_pores_has_its_charge(name, expected):
    assert charge(bonds_of(*shapes(name))) == expected


@pytest.mark.parametrize("n_removed", [1, 2])
@pytest.mark.parametrize("name", ["C2H6", "C2H4", "C6H6", "H3CNH2", "CH3CONH2", "C5H5N", "C2H2"])
def test_removed_hydrogen_is_noticed(name, n_removed):
    atoms = molecule(name)
    hydrogens = [i for i, s in enumerate(atoms.get_chemical_symbols()) if s == "H"]
    for first in range(len(hydrogens) - n_removed + 1):
        less = atoms.copy()
        del less[hydrogens[first : first + n_removed]]
        bonds = bonds_of(less.get_chemical_symbols(), less.positions)
        with pytest.raises(StructureError, match="lacks"):
            check_hydrogens(bonds, ligand_of(bonds))


def test_hydrogen_bonded_to_nothing_is_named():
    bonds = bonds_of(
        ["O", "H", "H", "H"], np.array([[0, 0, 0], [0.97, 0, 0], [0, 0.97, 0], [5, 5, 5]])
    )
    with pytest.raises(StructureError, match="H4 is bonded to no atom"):
        charge(bonds)
