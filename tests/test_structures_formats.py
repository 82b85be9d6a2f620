import numpy as np
import pytest

from heterofire.structures.crystals import build_crystal
from heterofire.structures.errors import InputError
from heterofire.structures.formats import read_structure, write_structure
from heterofire.structures.hops import build_hop
from heterofire.structures.models import build_model


@pytest.fixture(scope="module")
def filled():
    return build_hop(build_model("MoSSe@NC"), "gallery").initial


@pytest.mark.parametrize(
    ("name", "limit"),
    [("POSCAR", 1e-8), ("CONTCAR_a", 1e-8), ("a.vasp", 1e-8), ("a.xyz", 1e-8), ("a.cif", 1e-5)],
)
def test_written_file_reads_back_as_the_same_atoms_in_order(tmp_path, filled, name, limit):
    back = read_structure(write_structure(filled, tmp_path / name))
    assert [s.specie.symbol for s in back] == [s.specie.symbol for s in filled]
    assert back.lattice.abc == pytest.approx(filled.lattice.abc, abs=limit)
    difference = back.frac_coords - filled.frac_coords
    difference -= np.round(difference)
    assert np.abs(difference @ filled.lattice.matrix).max() < 3 * limit


def test_poscar_has_one_block_per_element(tmp_path, filled):
    lines = write_structure(filled, tmp_path / "POSCAR").read_text().splitlines()
    assert lines[5].split() == ["Mo", "S", "Se", "C", "N", "K"]
    assert lines[6].split() == ["7", "13", "1", "23", "1", "1"]


def test_poscar_keeps_selective_dynamics(tmp_path):
    crystal = build_crystal("MoS2_2H")
    flags = [[i < 2, True, False] for i in range(6)]
    crystal.add_site_property("selective_dynamics", flags)
    back = read_structure(write_structure(crystal, tmp_path / "POSCAR"))
    assert [list(f) for f in back.site_properties["selective_dynamics"]] == flags


def test_format_can_be_named_whatever_the_file_is_called(tmp_path):
    path = write_structure(build_crystal("LiF"), tmp_path / "salt.txt", fmt="cif")
    assert "_cell_length_a" in path.read_text()


@pytest.mark.parametrize(
    ("name", "fmt"), [("a.pdb", None), ("POSCAR", "pdb"), ("noname", None)], ids=str
)
def test_unknown_format_lists_the_known_ones(tmp_path, name, fmt):
    with pytest.raises(InputError, match="poscar, cif, extxyz"):
        write_structure(build_crystal("LiF"), tmp_path / name, fmt=fmt)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["POSCAR", "a.cif", "a.xyz"])
@pytest.mark.parametrize("text", ["", "not a structure\n", "1\n2\n3\n4 5 6\n"], ids=range(3))
def test_unreadable_file_is_an_input_error_that_names_it(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=name):
        read_structure(tmp_path / name)


@pytest.mark.parametrize("third", ["0 0 0", "5 5 0", "nan 0 5"])
def test_a_cell_without_volume_is_an_input_error(tmp_path, third):
    text = f"flat\n1.0\n5 0 0\n0 5 0\n{third}\nK\n1\ndirect\n0 0 0\n"
    (tmp_path / "POSCAR").write_text(text)
    with pytest.raises(InputError, match="POSCAR"):
        read_structure(tmp_path / "POSCAR")


def test_missing_file_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="POSCAR"):
        read_structure(tmp_path / "POSCAR")
