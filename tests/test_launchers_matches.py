"""`heterofire match`: what it prints, draws and refuses."""

import json

import pytest
from pymatgen.core import Lattice, Structure
from typer.testing import CliRunner

from heterofire.launchers.cli import app
from heterofire.structures.errors import InputError, NoMatchError


def run(*arguments):
    return CliRunner().invoke(app, ["match", *map(str, arguments)])


def test_graphite_and_mos2_are_listed_with_every_measure_and_drawn(tmp_path):
    done = run("graphite_2H", "MoS2_2H", "--max-area", 70, "--json", "-o", tmp_path / "m.png")
    assert done.exit_code == 0
    (row,) = json.loads(done.stdout)
    assert (row["atoms"], row["cells"], row["best"]) == (45, "12 | 7", "*")
    assert row["twist (deg)"] == pytest.approx(10.893, abs=1e-3)
    assert {"bottom", "top", "von Mises", "vM (G-L)", "area", "lengths", "angle (deg)"} <= set(row)
    assert (tmp_path / "m.png").stat().st_size > 5000


def test_two_layers_of_each_bulk_cell_have_twice_the_atoms():
    done = run("graphite_2H", "MoS2_2H", "--max-area", 190, "--layers", 2, 2, "--json")
    atoms = {row["cells"]: row["atoms"] for row in json.loads(done.stdout)}
    assert (atoms["12 | 7"], atoms["21 | 13"], atoms["31 | 19"]) == (90, 162, 238)


def test_the_mismatch_is_shared_as_asked():
    done = run("graphite_2H", "MoS2_2H", "--max-area", 70, "--share", 0.5, "--json")
    (row,) = json.loads(done.stdout)
    assert row["bottom"] < 0 < row["top"] < 1.1


def test_a_twist_range_is_kept():
    done = run("graphite_2H", "MoS2_2H", "--max-area", 120, "--twist", 0, 5, "--json")
    assert [row["cells"] for row in json.loads(done.stdout)] == ["21 | 13"]


def test_structure_files_are_taken(tmp_path):
    cell = Structure(Lattice.tetragonal(4.0, 9.0), ["Li"], [[0, 0, 0]])
    cell.to(filename=str(tmp_path / "POSCAR"), fmt="poscar")
    done = run(tmp_path / "POSCAR", tmp_path / "POSCAR", "--max-area", 20, "--json")
    assert json.loads(done.stdout)[0]["cells"] == "1 | 1"


def test_a_crystal_with_partial_occupancy_is_refused_with_what_to_do(tmp_path):
    cell = Structure(Lattice.cubic(4.0), [{"Li": 0.5, "Na": 0.5}], [[0, 0, 0]])
    cell.to(filename=str(tmp_path / "mixed.cif"))
    done = run(tmp_path / "mixed.cif", "MoS2_2H")
    assert isinstance(done.exception, InputError)
    assert "partially occupied sites. Order them first" in str(done.exception)


def test_nothing_within_the_limits_names_the_closest():
    done = run("graphite_2H", "MoS2_2H", "--max-area", 70, "--max-strain", 0.001)
    assert isinstance(done.exception, NoMatchError)
    assert "closest is 12 on 7 cells" in str(done.exception)


def test_an_unknown_crystal_is_refused():
    done = run("graphite_2H", "unobtainium")
    assert isinstance(done.exception, InputError)
    assert "no crystal and no file is called 'unobtainium'" in str(done.exception)
