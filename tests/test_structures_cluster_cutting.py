"""Clusters cut from MOF crystals: what stays, what is capped, the charge, and what is refused."""

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from heterofire.structures.cluster_cutting import CutRequest, cut_cluster, cut_out
from heterofire.structures.crystal_bonds import find_bonds
from heterofire.structures.errors import InputError, StructureError
from heterofire.structures.formats import read_structure, write_structure
from heterofire.structures.mof_clusters import build_cluster
from heterofire.structures.species import species_in_box


@pytest.fixture(scope="module")
def mof5():
    """Zn4O(BDC)3, MOF-5: Fm-3m, a 25.832 (Li et al., Nature 402 (1999) 276), C-O set to 1.25."""
    sites = {
        "Zn": (0.2934, 0.2066, 0.2066),
        "O": (0.25, 0.25, 0.25),
        "O ": (0.2805, 0.2195, 0.1340),
        "C": (0.25, 0.25, 0.1121),
        "C ": (0.25, 0.25, 0.0538),
        "C  ": (0.2829, 0.2171, 0.0268),
        "H": (0.3055, 0.1945, 0.0460),
    }
    conventional = Structure.from_spacegroup(
        "Fm-3m", Lattice.cubic(25.832), [s.strip() for s in sites], list(sites.values())
    )
    assert len(conventional) == 424
    return conventional.get_primitive_structure()


@pytest.fixture(scope="module")
def paddle_wheel():
    """Cu2(BDC)2: square sheets of copper paddle wheels."""
    a, places = 10.9, [("Cu", (0, 0, 1.31)), ("Cu", (0, 0, -1.31))]
    linker = [("O", 1.95, 1.12), ("C", 2.55, 0.0), ("C", 4.05, 0.0), ("C", 4.75, 1.21)]
    linker += [("H", 4.21, 2.15)]
    for symbol, along, up in linker:
        for x in (along, a - along):
            for z in {up, -up}:
                places += [(symbol, (x, 0, z)), (symbol, (0, x, z))]
    lattice = Lattice.tetragonal(a, 12.0)
    symbols, coords = zip(*places, strict=True)
    return Structure(lattice, symbols, np.array(coords, float), coords_are_cartesian=True)


@pytest.fixture(scope="module")
def trimer():
    """The 48 atoms of NH2-MIL-101(Fe) in a cell."""
    return species_in_box(build_cluster())


def formula(species):
    counts = {s: species.symbols.count(s) for s in dict.fromkeys(species.symbols)}
    return " ".join(f"{s}{counts[s]}" for s in sorted(counts))


def length(species, i, j):
    return np.linalg.norm(species.positions[i] - species.positions[j])


def test_mof5_without_linkers_is_the_basic_zinc_formate(mof5):
    cluster = cut_out(mof5, CutRequest(centre="Zn", n_linkers=0))
    assert formula(cluster.species) == "C6 H6 O13 Zn4"
    assert (cluster.n_linkers, cluster.n_whole, len(cluster.caps)) == (6, 0, 6)
    assert (cluster.species.charge, cluster.species.multiplicity) == (0, 1)
    assert cluster.charge_rule == "4 Zn(+2) + 1 oxide(-2) + 6 carboxylate(-1) = 0"


def test_a_kept_linker_ends_in_a_free_acid(mof5):
    cluster = cut_out(mof5, CutRequest(centre="Zn", n_linkers=1))
    assert formula(cluster.species) == "C13 H10 O15 Zn4"
    assert cluster.species.charge == 0
    assert cluster.notes == ()
    assert cluster.species.moments is None
    assert sum("H on O" in cap for cap in cluster.caps) == 1
    assert sum("H on C" in cap for cap in cluster.caps) == 5


def test_a_further_shell_leaves_benzoates(mof5):
    cluster = cut_out(mof5, CutRequest(centre="Zn", n_linkers=0, shells=2))
    assert formula(cluster.species) == "C42 H30 O13 Zn4"  # Zn4O(C6H5COO)6
    assert cluster.species.charge == 0


def test_six_linkers_keep_the_symmetry_of_the_node(mof5):
    whole = cut_cluster(mof5, centre="Zn", n_linkers=6)
    assert formula(whole) == "C48 H30 O25 Zn4"
    from_node = np.linalg.norm(whole.positions[4:], axis=1)
    oxygens = from_node[[s == "O" for s in whole.symbols[4:]]]
    assert sorted(np.round(oxygens, 2))[0] == 0.0
    assert len(set(np.round(oxygens, 2))) == 3  # mu4, near carboxylates, far ends


@pytest.mark.parametrize(("element", "expected"), [("C", 1.09), ("O", 0.97)])
def test_caps_lie_along_the_cut_bond_at_their_length(mof5, element, expected):
    cluster = cut_out(mof5, CutRequest(centre="Zn", n_linkers=1))
    species, n_sites = cluster.species, len(cluster.species.symbols) - len(cluster.caps)
    middle = species.positions - species.positions[:4].mean(axis=0)
    checked = 0
    for i in range(n_sites, len(species.symbols)):
        j = min(range(n_sites), key=lambda j, i=i: length(species, i, j))
        if species.symbols[j] == element:
            assert length(species, i, j) == pytest.approx(expected, abs=1e-6)
            assert np.linalg.norm(middle[i]) > np.linalg.norm(middle[j])
            checked += 1
    assert checked == {"C": 5, "O": 1}[element]


def test_every_bond_of_the_metals_is_kept(mof5):
    bonds = find_bonds(mof5)
    cluster = cut_out(mof5, CutRequest(centre="Zn"))
    for i in range(cluster.n_metals):
        near = [j for j in range(4, len(cluster.atoms)) if length(cluster.species, i, j) < 2.2]
        assert len(near) == len(bonds.of_atom[cluster.atoms[i]]) == 4
        assert all(1.9 < length(cluster.species, i, j) < 2.0 for j in near)


def test_positions_are_those_of_the_crystal(mof5):
    cluster = cut_out(mof5, CutRequest(centre="Zn", n_linkers=2))
    rng = np.random.default_rng(1)
    n = len(cluster.species.symbols) - len(cluster.caps)
    near = mof5.lattice.get_all_distances(mof5.frac_coords, mof5.frac_coords)
    for i, j in rng.integers(0, n, (200, 2)):
        a, b = cluster.atoms[i], cluster.atoms[j]
        found = length(cluster.species, i, j)
        assert found >= near[a, b] - 1e-6  # never nearer than in the crystal
        if found < 5 and a != b:
            assert found == pytest.approx(near[a, b], abs=1e-6)


def test_linkers_of_named_atoms_are_kept(mof5):
    bonds = find_bonds(mof5)
    ring = [i for i, s in enumerate(bonds.symbols) if s == "H"]
    cluster = cut_out(mof5, CutRequest(centre="Zn", n_linkers=1, keep=(ring[-1],)))
    assert ring[-1] in cluster.atoms
    assert cluster.n_whole == 1


def test_a_paddle_wheel_is_one_node_with_its_spins_paired(paddle_wheel):
    cluster = cut_out(paddle_wheel, CutRequest(centre="Cu"))
    assert formula(cluster.species) == "C11 Cu2 H8 O10"
    assert cluster.n_metals == 2
    assert (cluster.species.charge, cluster.species.multiplicity) == (0, 1)
    assert cluster.species.moments[:2] == (1, -1)
    triplet = cut_cluster(paddle_wheel, centre="Cu", multiplicity=3)
    assert triplet.moments[:2] == (1, 1)


def test_the_trimer_comes_back_whole_with_its_charge_and_spin(trimer):
    cluster = cut_out(trimer, CutRequest(centre="Fe", n_linkers=0))
    assert len(cluster.species.symbols) == 48
    assert cluster.caps == ()
    assert (cluster.species.charge, cluster.species.multiplicity) == (0, 6)
    assert cluster.species.moments[:3] == (5, 5, -5)
    words = "3 Fe(+3) + 1 oxide(-2) + 6 carboxylate(-1) + 1 hydroxide(-1) = 0"
    assert cluster.charge_rule == words
    assert cut_cluster(trimer, centre="Fe", n_linkers=0, multiplicity=16).moments[:3] == (5, 5, 5)


def test_a_trimer_across_the_border_of_the_cell_is_made_whole(trimer):
    moved = trimer.copy()
    moved.translate_sites(list(range(len(moved))), [0.5, 0.5, 0.5], to_unit_cell=True)
    whole, split = (cut_cluster(s, centre="Fe", n_linkers=0) for s in (trimer, moved))
    assert np.allclose(whole.positions, split.positions, atol=1e-6)


def test_a_cif_gives_the_same_cluster(mof5, tmp_path):
    path = write_structure(mof5, tmp_path / "MOF-5.cif")
    again = cut_cluster(read_structure(path), centre="Zn")
    first = cut_cluster(mof5, centre="Zn")
    assert again.symbols == first.symbols
    distances = [np.linalg.norm(p[:, None] - p, axis=2) for p in (again.positions, first.positions)]
    assert np.allclose(*distances, atol=1e-4)


def test_mixed_valence_is_told_and_then_given(trimer):
    hydroxide = [i for i, site in enumerate(trimer) if site.specie.symbol == "O"][-1]
    near = trimer.get_neighbors(trimer[hydroxide], 1.1)
    without = trimer.copy()
    without.remove_sites([hydroxide, *(site.index for site in near)])
    with pytest.raises(StructureError, match=r"Fe\(\+2\.67\).*mixed valence"):
        cut_cluster(without, centre="Fe", n_linkers=0)
    cation = cut_cluster(without, centre="Fe", n_linkers=0, oxidation={"Fe": 3})
    assert (cation.charge, cation.multiplicity) == (1, 6)


def test_a_charge_of_the_wrong_parity_is_refused(mof5):
    with pytest.raises(InputError, match="its multiplicity can be 2, 4, 6, not 1"):
        cut_cluster(mof5, centre="Zn", charge=1, multiplicity=1)


def test_an_unknown_metal_or_atom_is_refused(mof5):
    with pytest.raises(InputError, match="no metal 'Fe'; its metals: Zn"):
        cut_cluster(mof5, centre="Fe")
    oxygen = next(i for i, site in enumerate(mof5) if site.specie.symbol == "O")
    with pytest.raises(InputError, match="is O, not a metal"):
        cut_cluster(mof5, centre=oxygen)
    with pytest.raises(InputError, match="7 linkers are asked for; the node has 6"):
        cut_cluster(mof5, centre="Zn", n_linkers=7)
    zinc = next(i for i, site in enumerate(mof5) if site.specie.symbol == "Zn")
    with pytest.raises(InputError, match="is in none of the 6 linkers"):
        cut_cluster(mof5, centre="Zn", keep=(zinc,))


def test_partly_occupied_sites_are_refused_by_name(mof5):
    mixed = mof5.copy()
    mixed.replace(3, {"Zn": 0.5, "Co": 0.5})
    with pytest.raises(StructureError, match=r"1 of 106 sites are disordered, first site 4 \(.*Zn"):
        cut_cluster(mixed, centre="Zn")


def test_overlapping_atoms_are_refused_with_the_closest_pair(mof5):
    doubled = mof5.copy()
    carbon = next(i for i, site in enumerate(mof5) if site.specie.symbol == "C")
    doubled.append("C", mof5[carbon].coords + np.array([0, 0, 0.6]), coords_are_cartesian=True)
    with pytest.raises(StructureError, match=f"the closest C{carbon + 1}-C107 at 0.600 Angstrom"):
        cut_cluster(doubled, centre="Zn")


def without(structure, *indices):
    copy = structure.copy()
    copy.remove_sites(indices)
    return copy


def test_missing_hydrogen_is_counted_atom_by_atom(mof5, trimer):
    bare = without(mof5, *(i for i, site in enumerate(mof5) if site.specie.symbol == "H"))
    with pytest.raises(StructureError, match=r"C\d+ lacks 1 .* and \d+ more atoms"):
        cut_cluster(bare, centre="Zn")
    bare = without(trimer, *(i for i, site in enumerate(trimer) if site.specie.symbol == "H"))
    with pytest.raises(StructureError, match="Add H to the CIF") as failure:
        cut_cluster(bare, centre="Fe", n_linkers=0)
    assert "lacks" in str(failure.value)


@pytest.mark.parametrize(
    ("bearer", "distance", "words"),
    [
        ("N", 1.1, r"N\d+ lacks 2 \(1 neighbour at 1.37"),
        ("O", 1.1, r"O\d+ lacks 1"),
    ],
)
def test_the_atom_that_lacks_hydrogen_is_named(trimer, bearer, distance, words):
    of_acid_or_amine = []
    for site in (site for site in trimer if site.specie.symbol == bearer):
        near = trimer.get_neighbors(site, 1.6)
        hydrogens = [n.index for n in near if n.specie.symbol == "H" and n.nn_distance < distance]
        if hydrogens and any(n.specie.symbol == "C" for n in near):
            of_acid_or_amine = hydrogens
    assert of_acid_or_amine
    with pytest.raises(StructureError, match=words):
        cut_cluster(without(trimer, *of_acid_or_amine), centre="Fe", n_linkers=0)


def test_a_terminal_oxygen_without_hydrogen_is_hydroxide_or_water(trimer):
    last = [i for i, site in enumerate(trimer) if site.specie.symbol == "O"][-1]
    hydrogen = [n.index for n in trimer.get_neighbors(trimer[last], 1.1)]
    with pytest.raises(StructureError, match=r"lacks 1 or 2 .*hydroxide or water"):
        cut_cluster(without(trimer, *hydrogen), centre="Fe", n_linkers=0)


def test_a_rod_of_metals_is_refused():
    rod = Structure(
        Lattice.orthorhombic(15, 15, 3.4),
        ["Fe", "O", "H"],
        [[0, 0, 0], [0.07, 0, 0.5], [0.134, 0, 0.5]],
    )
    with pytest.raises(StructureError, match=r"a rod, .* has no end.* own periodic image"):
        cut_cluster(rod, centre="Fe", n_linkers=0)


def test_an_element_without_a_rule_needs_the_charge(trimer):
    odd = trimer.copy()
    odd.append("Se", [0.02, 0.02, 0.02])
    with pytest.raises(StructureError, match="no rule gives the charge of Se49"):
        cut_cluster(odd, centre="Fe", n_linkers=0)
    given = cut_out(odd, CutRequest(centre="Fe", n_linkers=0, charge=0, multiplicity=6))
    assert (len(given.species.symbols), given.species.charge) == (48, 0)
    assert "as given; no rule" in given.charge_rule


@pytest.fixture(scope="module")
def chain():
    """Zn(imidazolate)Cl: a zigzag chain, one imidazolate per cell."""
    angles = np.radians(90 + 72 * np.arange(5))
    ring = np.stack([np.cos(angles), np.zeros(5), np.sin(angles)], axis=1)
    elements = ["N" if abs(abs(p[0]) - np.sin(np.radians(72))) < 0.01 else "C" for p in ring]
    places = [("Zn", 3.15 * p) for p, e in zip(ring, elements, strict=True) if e == "N"][:1]
    places += [(e, 1.15 * p) for p, e in zip(ring, elements, strict=True)]
    places += [("H", 2.23 * p) for p, e in zip(ring, elements, strict=True) if e == "C"]
    places += [("Cl", places[0][1] + np.array([0, 2.2, 0]))]
    symbols, coords = zip(*places, strict=True)
    length = 2 * 3.15 * np.sin(np.radians(72))
    lattice = Lattice.orthorhombic(length, 14, 14)
    return Structure(lattice, symbols, np.array(coords) + 5, coords_are_cartesian=True)


def test_a_ligand_on_both_sides_of_a_node_is_taken_twice(chain):
    cluster = cut_out(chain, CutRequest(centre="Zn", n_linkers=2))
    assert formula(cluster.species) == "C6 Cl1 H6 N4 Zn1"  # rings are not cut
    assert cluster.n_linkers == 2
    assert cluster.species.charge == -1
    assert cluster.charge_rule == "1 Zn(+2) + 2 azolate(-1) + 1 halide(-1) = -1"
    assert "lost a metal and got no H" in cluster.notes[0]
    assert len(cut_cluster(chain, centre="Zn", n_linkers=0).symbols) == 18


def test_oxygen_between_two_metals_is_named_as_oxide_or_hydroxide():
    pair = Structure(
        Lattice.cubic(14),
        ["Fe", "Fe", "O", *["Cl"] * 4],
        [
            [1.7, 0, 0],
            [-1.7, 0, 0],
            [0, 0.7, 0],
            *([x, y, 0] for x in (2, -2) for y in (-2.1, 2.2)),
        ],
        coords_are_cartesian=True,
    )
    cluster = cut_out(pair, CutRequest(centre="Fe", n_linkers=0))
    assert (cluster.n_metals, cluster.species.charge, cluster.species.multiplicity) == (2, 0, 1)
    assert "O3 without H between two metals: counted as O(2-)" in cluster.notes[0]
