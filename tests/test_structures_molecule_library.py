"""Molecules of the data file: their geometry is the stated one, and so are charge and spin."""

import numpy as np
import pytest

from heterofire.structures.bonding import bonds, parts
from heterofire.structures.errors import InputError
from heterofire.structures.internal_coordinates import Coordinate, measured
from heterofire.structures.molecule_library import (
    library_names,
    molecule_facts,
    out_of_plane,
    read_entries,
    sanity,
    stated_coordinates,
)
from heterofire.structures.molecules import build_species, species_names
from heterofire.structures.species import Species, box_species

# Atoms, charge, multiplicity: facts of the study, not read from the data file.
STATES = {
    "CoPc": (57, 0, 2), "TFSI-": (15, -1, 1), "TFSI- cis": (15, -1, 1), "TFSI": (15, 0, 2),
    "LiTFSI": (16, 0, 1), "CF3SO2N(2-)": (8, -2, 1), "CF3SO2-": (7, -1, 1), "CF3-": (4, -1, 1),
    "CF3": (4, 0, 2), "CF2": (3, 0, 1), "CF2-": (3, -1, 2), "F-": (1, -1, 1), "LiF": (2, 0, 1),
    "SO2": (3, 0, 1), "SO2-": (3, -1, 2), "Li+": (1, 1, 1), "NH2-BDC(2-)": (18, -2, 1),
    "NH2-BDC(H)-": (19, -1, 1), "NH2-BDC(H2)": (20, 0, 1), "Li2(CF3SO2N)": (10, 0, 1),
    "Li(CF3SO2)": (8, 0, 1), "Li(CF3)": (5, 0, 1),
}  # fmt: skip
SHORTEST = {"H": 0.9, "": 1.2}  # Angstrom, with H in the molecule and without


def value(species, *atoms, positions=None):
    places = species.positions if positions is None else positions
    return measured(species.symbols, places, Coordinate(atoms=atoms, value=0.0))


@pytest.mark.parametrize("name", library_names())
def test_a_molecule_is_within_what_is_stated_of_it(name):
    species = build_species(name)
    for coordinate in stated_coordinates(name):
        deviation = coordinate.deviation(measured(species.symbols, species.positions, coordinate))
        assert abs(deviation) < (0.02 if coordinate.kind == "bond" else 2.0), coordinate.name


@pytest.mark.parametrize("name", library_names())
def test_more_is_stated_than_the_builder_used(name):
    species = build_species(name)
    n = len(species.symbols)
    assert molecule_facts(name).stated or n <= 3
    if n > 3:  # every bond is among what is stated, but for those that symmetry repeats
        bonded = bonds(species.symbols, species.positions)
        stated = [c for c in stated_coordinates(name) if c.kind == "bond"]
        assert len(stated) >= len(bonded) or molecule_facts(name).fold


@pytest.mark.parametrize("name", STATES)
def test_atoms_charge_and_multiplicity_are_those_of_the_study(name):
    species = build_species(name)
    assert (len(species.symbols), species.charge, species.multiplicity) == STATES[name]


def test_every_molecule_of_the_data_file_is_checked_here():
    assert set(STATES) == set(library_names())
    assert set(STATES) <= set(species_names())


@pytest.mark.parametrize("name", [n for n, (atoms, *_) in STATES.items() if atoms > 1])
def test_atoms_are_at_bonding_distances_and_in_one_piece(name):
    species = build_species(name)
    n = len(species.symbols)
    distances = np.linalg.norm(species.positions[:, None] - species.positions[None], axis=2)
    shortest = distances[np.triu_indices(n, 1)].min()
    assert SHORTEST["H" if "H" in species.symbols else ""] < shortest < 1.6
    assert len(parts(bonds(species.symbols, species.positions), n)) == 1


@pytest.mark.parametrize("name", library_names())
def test_a_molecule_as_built_is_sane(name):
    species = build_species(name)
    assert sanity(species, species.positions) == []


@pytest.mark.parametrize(
    "name", [n for n, (*_, multiplicity) in STATES.items() if multiplicity > 1]
)
def test_a_radical_starts_with_a_moment_for_each_unpaired_electron(name):
    species = build_species(name)
    assert sum(species.moments) == species.multiplicity - 1


def test_trans_and_cis_differ_in_the_dihedral_angles_alone():
    trans, cis = build_species("TFSI-"), build_species("TFSI- cis")
    for atoms in (("S1", "N1"), ("S1", "N1", "S2"), ("C2", "S2", "N1"), ("C2", "F6")):
        assert value(trans, *atoms) == pytest.approx(value(cis, *atoms))
    dihedrals = [
        (value(s, "C1", "S1", "N1", "S2"), value(s, "C2", "S2", "N1", "S1")) for s in (trans, cis)
    ]
    assert dihedrals == [pytest.approx((92, 92)), pytest.approx((80, -125))]
    assert abs(value(trans, "C1", "S1", "S2", "C2")) == pytest.approx(172, abs=1)
    assert abs(value(cis, "C1", "S1", "S2", "C2")) == pytest.approx(41, abs=1)


def test_lithium_is_bidentate_through_one_oxygen_of_each_group():
    salt = build_species("LiTFSI")
    assert value(salt, "Li1", "O2") == pytest.approx(1.95, abs=0.01)
    assert value(salt, "Li1", "O3") == pytest.approx(1.95, abs=0.01)
    for other in ("N1", "S1", "S2", "O1", "O4", "F1", "F2", "F3", "F4", "F5", "F6", "C1", "C2"):
        assert value(salt, "Li1", other) > 2.8


def test_phthalocyanine_is_flat_and_its_cobalt_in_the_middle():
    dye = build_species("CoPc")
    assert out_of_plane(dye.positions) < 1e-6
    assert np.linalg.norm(dye.positions.mean(axis=0)) < 1e-9
    assert [dye.symbols.count(s) for s in ("Co", "N", "C", "H")] == [1, 8, 32, 16]
    assert dye.moments == (1.0, *([0.0] * 56))


def test_the_amine_is_beside_the_carboxylate_and_far_from_the_acid():
    linker = build_species("NH2-BDC(H)-")
    assert value(linker, "N1", "C7") < 3.1 < value(linker, "N1", "C8")
    assert value(linker, "H6", "O4") == pytest.approx(0.97)
    assert out_of_plane(linker.positions) < 1e-6


def test_moments_follow_their_atoms_into_the_box():
    boxed = box_species(build_species("CF2-"))
    carbon = [site.specie.symbol for site in boxed.structure].index("C")
    assert boxed.moments[carbon] == 1.0
    assert sum(boxed.moments) == 1.0


def test_what_leaves_sane_bounds_is_said_with_number_and_method():
    ion = build_species("TFSI-")
    squeezed = ion.positions.copy()
    angle = np.radians(-4)  # of S1 and what hangs on it about N1
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0],
                     [0, 0, 1]])  # fmt: skip
    first = [1, 3, 4, 5, 6, 7, 8]
    if value(ion, "S1", "N1", "S2", positions=_turned(squeezed, first, turn)) > 126:
        turn = turn.T
    for _ in range(2):
        squeezed = _turned(squeezed, first, turn)
    assert sanity(ion, squeezed, method="GFN1-xTB") == [
        "TFSI-: S1-N1-S2 is 118.0 degree, sane is 120 to 130 (a shortcoming of GFN1-xTB)"
    ]


def _turned(positions, atoms, rotation):
    moved = positions.copy()
    moved[atoms] = positions[atoms] @ rotation.T
    return moved


def test_a_domed_phthalocyanine_is_told():
    dye = build_species("CoPc")
    domed = dye.positions + [[0, 0, 0.01 * (x * x + y * y)] for x, y, _ in dye.positions]
    assert any("out of the best plane" in sentence for sentence in sanity(dye, domed))


def test_each_part_of_a_complex_is_looked_at():
    ion, oxide = build_species("Li+"), build_species("SO2")
    pair = Species(
        name="Li+ at SO2",
        symbols=(*ion.symbols, *oxide.symbols),
        positions=np.vstack([ion.positions + 9.0, oxide.positions * 1.3]),
        charge=1,
        multiplicity=1,
        fragments={"Li+": (0,), "SO2": (1, 2, 3)},
    )
    assert [text.split(" is ")[0] for text in sanity(pair, pair.positions)] == [
        "SO2: S1-O1", "SO2: S1-O2"
    ]  # fmt: skip
    assert sanity(build_species("OH"), np.zeros((2, 3))) == []


def test_an_unknown_name_is_refused_with_those_like_it():
    with pytest.raises(InputError, match=r"no molecule named 'TFSI--': did you mean TFSI-"):
        build_species("TFSI--")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"multiplicity": 0}, "Mine, multiplicity"),
        ({"charge": "minus"}, "Mine, charge"),
        ({"confidence": "sure"}, "Mine, confidence"),
        ({"angle": 3}, "Mine, angle: Extra"),
    ],
    ids=str,
)
def test_a_wrong_entry_is_refused_by_molecule_and_field(change, message):
    import yaml

    entry = {"charge": 0, "multiplicity": 1, "point_group": "Kh", "zmatrix": "F1", "source": "x"}
    entry |= {"confidence": "given"} | change
    with pytest.raises(InputError, match=message):
        read_entries(yaml.safe_dump({"Mine": entry}))
