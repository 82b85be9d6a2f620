"""`heterofire cut`: what it prints, writes and refuses."""

import json

import pytest
from ase.io import read
from pymatgen.core import Lattice, Structure
from typer.testing import CliRunner

from heterofire.launchers.cli import app
from heterofire.launchers.cutting import atom_number, oxidation_of
from heterofire.structures.errors import InputError, StructureError
from heterofire.structures.formats import read_structure, write_structure
from heterofire.structures.mof_clusters import build_cluster
from heterofire.structures.species import species_in_box


@pytest.fixture
def cif(tmp_path):
    """The 48 atoms of NH2-MIL-101(Fe) as a crystal of their own."""
    return write_structure(species_in_box(build_cluster()), tmp_path / "MOF.cif")


def cut(*arguments):
    return CliRunner().invoke(app, ["cut", *map(str, arguments)])


def test_a_cluster_is_told_with_its_charge_and_spin(cif):
    done = cut(cif, "--metal", "Fe", "--linkers", 0)
    assert done.exit_code == 0, done.exception
    assert "atoms               48" in done.stdout
    assert "3 Fe(+3) + 1 oxide(-2) + 6 carboxylate(-1) + 1 hydroxide(-1) = 0" in done.stdout
    assert "2S+1 = 6, high-spin metals, Fe +5 Fe +5 Fe -5" in done.stdout


def test_the_files_hold_the_cluster_in_a_box(cif, tmp_path):
    options = ("--metal", "Fe", "--linkers", 0, "--padding", 14)
    assert cut(cif, *options, "-o", tmp_path / "POSCAR").exit_code == 0
    assert len(read_structure(tmp_path / "POSCAR")) == 48
    assert cut(cif, *options, "-o", tmp_path / "cluster.xyz").exit_code == 0
    atoms = read(tmp_path / "cluster.xyz")
    assert (atoms.info["charge"], atoms.info["multiplicity"]) == (0, 6)
    assert sorted(atoms.get_initial_magnetic_moments())[0] == -5
    assert sum(atoms.get_initial_magnetic_moments()) == 5
    assert len(read_structure(tmp_path / "cluster.xyz")) == 48


def test_json_holds_the_same(cif):
    done = cut(cif, "--metal", "Fe", "--linkers", 0, "--multiplicity", 16, "--json")
    facts = json.loads(done.stdout)
    assert (facts["atoms"], facts["charge"], facts["multiplicity"]) == (48, 0, 16)
    assert facts["MAGMOM"].split().count("5") == 3
    assert facts["caps"] == []


def test_an_atom_of_the_file_can_be_the_centre(cif):
    structure = read_structure(cif)
    iron = next(i for i, site in enumerate(structure) if site.specie.symbol == "Fe")
    done = cut(cif, "--metal", f"Fe{iron + 1}", "--linkers", 0)
    assert done.exit_code == 0
    with pytest.raises(InputError, match=f"number {iron + 1} in the file is Fe"):
        atom_number(f"Zn{iron + 1}", structure)
    with pytest.raises(InputError, match="the file has atoms 1 to 48"):
        atom_number("49", structure)
    with pytest.raises(InputError, match="from 1"):
        atom_number("iron12", structure)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--metal", "Zr"), "no metal 'Zr'; its metals: Fe"),
        (("--metal", "Fe", "--linkers", 3), "3 linkers are asked for; the node has 0"),
        (
            ("--metal", "Fe", "--linkers", 0, "--charge", 1, "--multiplicity", 6),
            "electrons: its multiplicity can be 1, 3, 5, not 6",
        ),
        (("--metal", "Fe", "--linkers", 0, "--padding", 3), "a padding of 3 Angstrom"),
    ],
)
def test_what_cannot_be_is_refused(cif, options, words):
    done = cut(cif, *options)
    assert isinstance(done.exception, InputError)
    assert words in str(done.exception)


def test_disorder_in_a_cif_is_refused_by_its_sites(tmp_path):
    sites = [{"Fe": 0.6, "Co": 0.4}, "O"]
    mixed = Structure(Lattice.cubic(9), sites, [[0, 0, 0], [0.2, 0, 0]])
    mixed.to(filename=str(tmp_path / "mixed.cif"))
    done = cut(tmp_path / "mixed.cif", "--metal", "Fe")
    assert isinstance(done.exception, InputError)
    assert "2 of the 3 atoms that it lists are partly there" in str(done.exception)
    assert "Fe 0.6" in str(done.exception)


def test_an_error_names_the_file_and_writes_nothing(cif, tmp_path):
    crystal = read_structure(cif)
    crystal.remove_sites([i for i, site in enumerate(crystal) if site.specie.symbol == "H"])
    bare = write_structure(crystal, tmp_path / "bare.cif")
    done = cut(bare, "--metal", "Fe", "--linkers", 0, "-o", tmp_path / "out.xyz")
    assert isinstance(done.exception, StructureError)
    assert str(bare) in str(done.exception)
    assert "hydrogen is missing" in str(done.exception)
    assert not (tmp_path / "out.xyz").exists()


def test_oxidation_states_are_read_or_refused():
    assert oxidation_of(["Fe=3", "Zr=+4"]) == {"Fe": 3, "Zr": 4}
    with pytest.raises(InputError, match="write it as Fe=3"):
        oxidation_of(["Fe3"])
